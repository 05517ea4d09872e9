"""IAM's evaluation of policies, as far as exports and their tests need it.

Follows "Policy evaluation logic" and "IAM JSON policy elements" of the AWS IAM user guide: an explicit deny wins, then
an allow, and nothing is allowed by itself. Holds principals, actions, resources and conditions; policy variables and
permissions boundaries are left out.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Policy = Mapping[str, Any]


class Decision(Enum):
    """What a set of policies says of a request. SILENT: nothing of it."""

    ALLOW = "allow"
    DENY = "deny"
    SILENT = "silent"


@dataclass(frozen=True)
class Request:
    """Who wants to do what to which resource. Keys of `context` are in lower case, as they are compared."""

    principals: tuple[str, ...]  # the ARNs that stand for the caller: its own, its role's, its account's
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def parsed(document: str | bytes | Policy) -> Policy:
    read: Policy = json.loads(document) if isinstance(document, str | bytes) else document
    return read


def decide(policies: Iterable[Policy], request: Request) -> Decision:
    """What these policies say together."""
    found = Decision.SILENT
    for policy in policies:
        for statement in _many(policy.get("Statement")):
            if _applies(statement, request):
                if statement.get("Effect") == "Deny":
                    return Decision.DENY
                found = Decision.ALLOW
    return found


def is_public(policy: Policy) -> bool:
    """Whether it allows anything to everybody without a condition: what BlockPublicPolicy refuses."""
    return any(
        statement.get("Effect") == "Allow" and "*" in _principals(statement) and not statement.get("Condition")
        for statement in _many(policy.get("Statement"))
    )


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    return (
        _principal_matches(statement, request)
        and _matches(statement, "Action", request.action, _like_any_case)
        and _matches(statement, "Resource", request.resource, _like)
        and _conditions_hold(statement.get("Condition") or {}, request.context)
    )


def _principal_matches(statement: Mapping[str, Any], request: Request) -> bool:
    """Policies of identities name no principal: they are about their holder."""
    if "NotPrincipal" in statement:
        raise ValueError("NotPrincipal is not known here")
    if "Principal" not in statement:
        return True
    allowed = _principals(statement)
    return "*" in allowed or bool(set(allowed) & set(request.principals))


def _principals(statement: Mapping[str, Any]) -> list[str]:
    principal = statement.get("Principal", ())
    if isinstance(principal, Mapping):
        return [_account_arn(name) for name in _many(principal.get("AWS"))]
    return list(_many(principal))


def _account_arn(name: str) -> str:
    """An account may be named by its number alone."""
    return f"arn:aws:iam::{name}:root" if re.fullmatch(r"\d{12}", name) else name


def _matches(statement: Mapping[str, Any], key: str, value: str, like: Callable[[str, str], bool]) -> bool:
    """Trust policies have no Resource: they are about the role that they are on."""
    if f"Not{key}" in statement:
        return not any(like(value, pattern) for pattern in _many(statement[f"Not{key}"]))
    if key not in statement:
        return key == "Resource"
    return any(like(value, pattern) for pattern in _many(statement[key]))


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """All operators and all keys must hold; of the values of a key, one (of a negated operator: all)."""
    return all(
        _condition_holds(operator, context.get(key.lower()), [str(value) for value in _many(values)])
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _condition_holds(operator: str, given: str | None, values: list[str]) -> bool:
    if operator == "Null":
        return (given is None) == (values[0].lower() == "true")
    name = operator.removesuffix("IfExists")
    positive = name.replace("Not", "", 1)
    negated = positive != name
    if given is None:
        # A key that is missing fails each comparison, which is what a negated one asks for.
        return negated or operator.endswith("IfExists")
    compare = _COMPARISONS.get(positive)
    if compare is None:
        raise ValueError(f"condition operator {operator} is not known here")
    return any(compare(given, value) for value in values) != negated


def _like(value: str, pattern: str) -> bool:
    """`*` and `?` are the only wildcards; brackets stand for themselves."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _like_any_case(value: str, pattern: str) -> bool:
    return _like(value.lower(), pattern.lower())


def _many(value: Any) -> list[Any]:
    """A single value stands for a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda given, value: given == value,
    "StringEqualsIgnoreCase": lambda given, value: given.lower() == value.lower(),
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda given, value: given.lower() == value.lower(),
}
