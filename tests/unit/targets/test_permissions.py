"""The generated policy allows what an export does under its prefix, and nothing beside it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.api.target import partition_of
from reltio_export_operator.targets.permissions import export_policy

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234"


def matches(pattern: str, text: str) -> bool:
    """IAM's matching: * and ? are wildcards, ${*}, ${?} and ${$} the letters themselves."""
    tokens = re.findall(r"\$\{[*?$]\}|.", pattern, re.DOTALL)
    wild = {"*": ".*", "?": "."}
    regex = "".join(re.escape(token[2]) if len(token) > 1 else wild.get(token, re.escape(token)) for token in tokens)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def statement(policy: dict[str, Any], sid: str) -> dict[str, Any]:
    return next(dict(found) for found in policy["Statement"] if found["Sid"] == sid)


def test_the_policy_has_the_documented_actions_pinned_to_bucket_and_prefix() -> None:
    assert export_policy("lake", "reltio/", kms_key_arn=KEY) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "List",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::lake",
                "Condition": {"StringLike": {"s3:prefix": "reltio/*"}},
            },
            {
                "Sid": "Objects",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": "arn:aws:s3:::lake/reltio/*",
            },
            {
                "Sid": "Encryption",
                "Effect": "Allow",
                "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                "Resource": KEY,
                "Condition": {"StringLike": {"kms:ViaService": "s3.*"}},
            },
        ],
    }


def test_a_target_that_owns_the_whole_bucket_may_list_all_of_it() -> None:
    policy = export_policy("lake", "")
    assert "Condition" not in statement(policy, "List")
    assert statement(policy, "Objects")["Resource"] == "arn:aws:s3:::lake/*"


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_resources_are_in_the_partition_of_the_role(partition: str) -> None:
    assert partition_of(f"arn:{partition}:iam::111122223333:role/x") == partition
    policy = export_policy("lake", "x/", partition=partition)
    assert statement(policy, "List")["Resource"] == f"arn:{partition}:s3:::lake"


letters = st.text("ab/*?$", max_size=6)


@given(letters, letters)
def test_exactly_the_keys_under_the_prefix_are_allowed(prefix: str, key: str) -> None:
    policy = export_policy("lake", f"{prefix}/")
    objects = statement(policy, "Objects")["Resource"].removeprefix("arn:aws:s3:::lake/")
    listing = statement(policy, "List")["Condition"]["StringLike"]["s3:prefix"]
    assert matches(objects, f"{prefix}/{key}")
    assert matches(listing, f"{prefix}/{key}")
    assert matches(objects, key) is key.startswith(f"{prefix}/")


def test_the_longest_target_fits_into_a_session_policy() -> None:
    # AWS takes 2048 characters; a key prefix of a target has at most 512, a bucket's name 63.
    policy = export_policy("b" * 63, "p" * 511 + "/", partition="aws-us-gov", kms_key_arn=KEY)
    assert len(json.dumps(policy, separators=(",", ":"))) <= 2048
