"""What IAM policy documents say about one request. Pure.

Follows the policy evaluation logic of the IAM User Guide for a single policy: an explicit deny wins, an allow is
needed, and what is not understood makes the answer Unknown rather than wrong. Policy variables are not filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Answer = Literal["Allow", "Deny", "NoMatch", "Unknown"]
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """One request: action as ``s3:PutObject``, resource ARN, who asks (ARN), and context keys in lower case."""

    action: str
    resource: str = "*"
    principal: str = ""
    context: Mapping[str, str] = field(default_factory=dict)


def evaluate(documents: Iterable[Document], request: Request) -> Answer:
    """The answer of these documents together. NoMatch: none of them speaks of the request, which denies it."""
    answers = [_statement(statement, request) for document in documents for statement in _statements(document)]
    if "Deny" in answers:
        return "Deny"
    if any(answer == "Unknown-Deny" for answer in answers):
        return "Unknown"
    if "Allow" in answers:
        return "Allow"
    return "Unknown" if "Unknown-Allow" in answers else "NoMatch"


def _statements(document: Document) -> list[Mapping[str, Any]]:
    found = document.get("Statement", [])
    return [found] if isinstance(found, Mapping) else [one for one in found if isinstance(one, Mapping)]


def _statement(statement: Mapping[str, Any], request: Request) -> str:
    """`Allow`, `Deny`, `NoMatch`, or `Unknown-` with the effect that the statement would have."""
    effect = str(statement.get("Effect"))
    if not (
        _either(statement, "Action", request.action, ignore_case=True)
        and _either(statement, "Resource", request.resource)
        and _names_principal(statement, request.principal)
    ):
        return "NoMatch"
    held = _conditions(statement.get("Condition", {}), request.context)
    if held is None:
        return f"Unknown-{effect}"
    return effect if held else "NoMatch"


def _either(statement: Mapping[str, Any], key: str, value: str, *, ignore_case: bool = False) -> bool:
    """Action or NotAction, Resource or NotResource; one that is not there does not restrict."""
    if key in statement:
        return any(_like(pattern, value, ignore_case=ignore_case) for pattern in _listed(statement[key]))
    if f"Not{key}" in statement:
        return not any(_like(pattern, value, ignore_case=ignore_case) for pattern in _listed(statement[f"Not{key}"]))
    return True


def _names_principal(statement: Mapping[str, Any], principal: str) -> bool:
    if "Principal" in statement:
        return _is_among(statement["Principal"], principal)
    if "NotPrincipal" in statement:
        return not _is_among(statement["NotPrincipal"], principal)
    return True  # a permission policy: it speaks of whom it is attached to


def _is_among(principals: Any, principal: str) -> bool:
    if principals == "*":
        return True
    named = _listed(principals.get("AWS", [])) if isinstance(principals, Mapping) else []
    account = principal.split(":")[4] if principal.count(":") >= 5 else principal
    root = re.compile(rf"arn:[\w-]+:iam::{re.escape(account)}:root")
    return any(one in ("*", principal, account) or root.fullmatch(one) for one in named)


def _conditions(conditions: Mapping[str, Any], context: Mapping[str, str]) -> bool | None:
    """Whether all hold; None when one is not understood and none of the others fails."""
    verdicts = [
        _condition(operator, key, _listed(values), context)
        for operator, keys in conditions.items()
        for key, values in keys.items()
    ]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _condition(operator: str, key: str, values: list[str], context: Mapping[str, str]) -> bool | None:
    optional = operator.endswith("IfExists")
    name = operator.removesuffix("IfExists").rpartition(":")[2]
    actual = context.get(key.lower())
    if name == "Null":
        return (actual is None) == (values[0].lower() == "true")
    negated = "Not" in name
    if actual is None:
        return optional or negated
    if any("${" in value for value in values):
        return None
    plain = name.replace("Not", "")
    if plain == "StringEquals":
        found = actual in values
    elif plain == "StringEqualsIgnoreCase":
        found = actual.lower() in [value.lower() for value in values]
    elif plain in ("StringLike", "ArnLike", "ArnEquals"):
        found = any(_like(value, actual) for value in values)
    elif plain == "Bool":
        found = actual.lower() == values[0].lower()
    else:
        return None
    return found != negated


def _like(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """IAM's wildcards: `*` for any text, `?` for one character."""
    expression = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch(expression, value, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
