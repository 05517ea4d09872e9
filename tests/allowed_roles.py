"""Roles that the setting allowedRoles allows or refuses. Operator and policy of the chart must agree on each."""

from __future__ import annotations

from dataclasses import dataclass

ACCOUNT = "arn:aws:iam::111122223333:role/"
ALLOWED: dict[str, list[str]] = {
    "sales": [
        f"{ACCOUNT}sales-*",
        "arn:aws-cn:iam::444455556666:role/exact",
        "arn:aws:iam::777788889999:role/*/s*x*/y",
    ],
    "sales-eu": [f"{ACCOUNT}eu.only+plus=1,2@3_4"],
    "nothing": [],
    "*": [f"{ACCOUNT}shared/*", "arn:*:iam::00000000000*:role/any"],
}


@dataclass(frozen=True)
class Vector:
    """A target in this namespace with this role, and whether it is allowed."""

    namespace: str
    role: str
    allowed: bool


VECTORS = [
    # a pattern of the namespace
    Vector("sales", f"{ACCOUNT}sales-1", True),
    Vector("sales", f"{ACCOUNT}sales-", True),
    Vector("sales", f"{ACCOUNT}sales-a/b/c", True),
    Vector("sales", f"{ACCOUNT}sales", False),
    Vector("sales", f"{ACCOUNT}Sales-1", False),
    Vector("sales", f"{ACCOUNT}x/sales-1", False),
    Vector("sales", "arn:aws:iam::111122223334:role/sales-1", False),
    Vector("sales", "arn:aws-cn:iam::111122223333:role/sales-1", False),
    # the same role from another namespace
    Vector("care", f"{ACCOUNT}sales-1", False),
    Vector("sales-eu", f"{ACCOUNT}sales-1", False),
    Vector("sale", f"{ACCOUNT}sales-1", False),
    Vector("nothing", f"{ACCOUNT}sales-1", False),
    # without a star
    Vector("sales", "arn:aws-cn:iam::444455556666:role/exact", True),
    Vector("sales", "arn:aws-cn:iam::444455556666:role/exactly", False),
    Vector("sales", "arn:aws-cn:iam::444455556666:role/a/exact", False),
    # characters that mean something in a regular expression
    Vector("sales-eu", f"{ACCOUNT}eu.only+plus=1,2@3_4", True),
    Vector("sales-eu", f"{ACCOUNT}euxonly+plus=1,2@3_4", False),
    Vector("sales-eu", f"{ACCOUNT}eu.onlyyplus=1,2@3_4", False),
    # several stars, and parts that overlap
    Vector("sales", "arn:aws:iam::777788889999:role/a/sx/y", True),
    Vector("sales", "arn:aws:iam::777788889999:role/a/b/s1x2/y", True),
    Vector("sales", "arn:aws:iam::777788889999:role/a/s1/x/y", True),
    Vector("sales", "arn:aws:iam::777788889999:role/sx/y", False),
    Vector("sales", "arn:aws:iam::777788889999:role/a/s/y", False),
    Vector("sales", "arn:aws:iam::777788889999:role/a/sx/y/y", True),
    Vector("sales", "arn:aws:iam::777788889999:role/a/sx/yy", False),
    # patterns of all namespaces
    Vector("care", f"{ACCOUNT}shared/r", True),
    Vector("sales", f"{ACCOUNT}shared/r", True),
    Vector("nothing", f"{ACCOUNT}shared/r", True),
    Vector("care", f"{ACCOUNT}shared", False),
    Vector("care", "arn:aws-us-gov:iam::000000000001:role/any", True),
    Vector("care", "arn:aws:iam::000000000011:role/any", False),
    Vector("care", "arn:aws:iam::000000000001:role/any:role/any", True),
]
