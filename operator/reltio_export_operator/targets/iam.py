"""What IAM policy documents say about one request. Pure.

Follows the policy evaluation logic of the IAM User Guide for a single policy: an explicit deny wins, an allow is
needed, and what is not understood makes the answer Unknown rather than wrong: keys of which the request does not tell
whether they are there, operators other than those below, and policy variables, which are not filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Answer = Literal["Allow", "Deny", "NoMatch", "Unknown"]
Document = Mapping[str, Any]

_TOKEN = re.compile(r"\$\{[*?$]\}|.", re.DOTALL)
_VARIABLE = re.compile(r"\$\{(?![*?$]\})")


@dataclass(frozen=True)
class Request:
    """One request: action as ``s3:PutObject``, resource ARN, who asks (ARN), and context keys in lower case.

    A key with None is known to be absent; of one that is not in the context nothing is known.
    """

    action: str
    resource: str = "*"
    principal: str = ""
    context: Mapping[str, str | None] = field(default_factory=dict)


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
    held = _all(
        [
            _either(statement, "Action", request.action, ignore_case=True),
            _either(statement, "Resource", request.resource),
            _names_principal(statement, request.principal),
            _conditions(statement.get("Condition", {}), request.context),
        ]
    )
    if held is None:
        return f"Unknown-{effect}"
    return effect if held else "NoMatch"


def _all(answers: list[bool | None]) -> bool | None:
    """Whether all hold; None when one cannot be told and none of the others fails."""
    if False in answers:
        return False
    return None if None in answers else True


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _either(statement: Mapping[str, Any], key: str, value: str, *, ignore_case: bool = False) -> bool | None:
    """Action or NotAction, Resource or NotResource; one that is not there does not restrict."""
    if key in statement:
        return _matches(_listed(statement[key]), value, ignore_case=ignore_case)
    if f"Not{key}" in statement:
        return _not(_matches(_listed(statement[f"Not{key}"]), value, ignore_case=ignore_case))
    return True


def _matches(patterns: list[str], value: str, *, ignore_case: bool) -> bool | None:
    if any(_like(pattern, value, ignore_case=ignore_case) for pattern in patterns):
        return True
    return None if any(_VARIABLE.search(pattern) for pattern in patterns) else False


def _names_principal(statement: Mapping[str, Any], principal: str) -> bool | None:
    if "Principal" in statement:
        return _is_among(statement["Principal"], principal)
    if "NotPrincipal" in statement:
        return _not(_is_among(statement["NotPrincipal"], principal))
    return True  # a permission policy: it speaks of whom it is attached to


def _is_among(principals: Any, principal: str) -> bool | None:
    """None: of the account that asks only some are named."""
    if principals == "*":
        return True
    named = _listed(principals.get("AWS", [])) if isinstance(principals, Mapping) else []
    partition, account = principal.split(":")[1], principal.split(":")[4]
    root = f"arn:{partition}:iam::{account}:root"
    if any(one in ("*", principal, account, root) for one in named):
        return True
    within = (f"arn:{partition}:iam::{account}:", f"arn:{partition}:sts::{account}:")
    return None if principal == root and any(one.startswith(within) for one in named) else False


def _conditions(conditions: Mapping[str, Any], context: Mapping[str, str | None]) -> bool | None:
    return _all(
        [
            _condition(operator, key, _listed(values), context)
            for operator, keys in conditions.items()
            for key, values in keys.items()
        ]
    )


def _condition(operator: str, key: str, values: list[str], context: Mapping[str, str | None]) -> bool | None:
    if key.lower() not in context:
        return None
    optional = operator.endswith("IfExists")
    of_a_set, _, name = operator.removesuffix("IfExists").rpartition(":")
    actual = context[key.lower()]
    if name == "Null":
        return (actual is None) == (values[0].lower() == "true")
    negated = "Not" in name
    if actual is None:
        return of_a_set == "ForAllValues" or optional or (negated and of_a_set != "ForAnyValue")
    if any(_VARIABLE.search(value) for value in values):
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
    """IAM's wildcards: `*` for any text, `?` for one character; ``${*}``, ``${?}`` and ``${$}`` are those letters."""
    expression = "".join(
        {"*": ".*", "?": "."}.get(token) or re.escape(token[2] if len(token) > 1 else token)
        for token in _TOKEN.findall(pattern)
    )
    return re.fullmatch(expression, value, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
