"""IAM's evaluation of policies, as far as exports and their tests need it.

Follows "Policy evaluation logic" and "IAM JSON policy elements" of the AWS IAM user guide: an explicit deny wins, then
an allow, and nothing is allowed by itself. Holds principals, actions, resources, conditions and policy variables;
permissions boundaries are left out.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

Policy = Mapping[str, Any]
_LITERALS = {"*": "*", "?": "?", "$": "$"}


class NotEvaluatedError(Exception):
    """A policy holds something that this module does not evaluate, and that must not be passed over."""


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
        and _matches(statement, "Action", request, request.action, _like_any_case)
        and _matches(statement, "Resource", request, request.resource, _like)
        and _conditions_hold(statement.get("Condition") or {}, request.context)
    )


def _principal_matches(statement: Mapping[str, Any], request: Request) -> bool:
    """Policies of identities name no principal: they are about their holder."""
    if "NotPrincipal" in statement:
        return not set(_principals(statement, "NotPrincipal")) & set(request.principals)
    if "Principal" not in statement:
        return True
    allowed = _principals(statement)
    return "*" in allowed or bool(set(allowed) & set(request.principals))


def _principals(statement: Mapping[str, Any], element: str = "Principal") -> list[str]:
    principal = statement.get(element, ())
    if isinstance(principal, Mapping):
        return [_account_arn(name) for name in _many(principal.get("AWS"))]
    return list(_many(principal))


def _account_arn(name: str) -> str:
    """An account may be named by its number alone."""
    return f"arn:aws:iam::{name}:root" if re.fullmatch(r"\d{12}", name) else name


def _matches(
    statement: Mapping[str, Any], key: str, request: Request, value: str, like: Callable[[str, str], bool]
) -> bool:
    """Trust policies have no Resource: they are about the role that they are on."""
    if f"Not{key}" in statement:
        return not any(like(value, pattern) for pattern in _expanded(statement[f"Not{key}"], request.context))
    if key not in statement:
        return key == "Resource"
    return any(like(value, pattern) for pattern in _expanded(statement[key], request.context))


def _expanded(values: Any, context: Mapping[str, str]) -> list[str]:
    """Patterns with their policy variables filled in; one that names a key that is missing matches nothing."""
    found = []
    for value in map(str, _many(values)):
        names = re.findall(r"\$\{([^}]*)\}", value)
        if all(name in _LITERALS or name.lower() in context for name in names):
            found.append(re.sub(r"\$\{([^}]*)\}", lambda match: _variable(match[1], context), value))
    return found


def _variable(name: str, context: Mapping[str, str]) -> str:
    value = _LITERALS.get(name) or context[name.lower()]
    return re.sub(r"[*?]", lambda match: f"[{match[0]}]", value)


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """All operators and all keys must hold; of the values of a key, one (of a negated operator: all)."""
    return all(
        _condition_holds(name, context.get(key.lower()), _expanded(values, context))
        for name, keys in conditions.items()
        for key, values in keys.items()
    )


def _condition_holds(test: str, given: str | None, values: list[str]) -> bool:
    if test == "Null":
        return (given is None) == (values[0].lower() == "true")
    # Every key of the sandbox has one value, of which "any" and "all" are the same, but when it is missing.
    qualifier, _, name = test.rpartition(":")
    name = name.removesuffix("IfExists")
    positive = name.replace("Not", "", 1)
    negated = positive != name
    compare = _COMPARISONS.get(positive)
    if compare is None or qualifier not in ("", "ForAnyValue", "ForAllValues"):
        raise NotEvaluatedError(f"The sandbox does not evaluate the condition operator {test}.")
    if given is None:
        # A key that is missing fails each comparison, which is what a negated one asks for.
        return qualifier == "ForAllValues" or (negated and not qualifier) or test.endswith("IfExists")
    return any(compare(given, value) for value in values) != negated


def _like(value: str, pattern: str) -> bool:
    """`*` and `?` are the only wildcards, and stand for themselves in brackets, where variables were filled in."""
    escaped = re.sub(r"\[([*?])\]|\[", lambda match: match[0] if match[1] else "[[]", pattern)
    return fnmatch.fnmatchcase(value, escaped)


def _in_network(given: str, network: str) -> bool:
    return ipaddress.ip_address(given) in ipaddress.ip_network(network, strict=False)


def _moment(text: str) -> datetime:
    """A date as policies write it: ISO 8601, or seconds since 1970."""
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _like_any_case(value: str, pattern: str) -> bool:
    return _like(value.lower(), pattern.lower())


def _many(value: Any) -> list[Any]:
    """A single value stands for a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _compared(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    return lambda given, value: compare(read(given), read(value))


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda given, value: given == value,
    "StringEqualsIgnoreCase": lambda given, value: given.lower() == value.lower(),
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda given, value: given.lower() == value.lower(),
    "IpAddress": _in_network,
    **{
        f"{kind}{name}": _compared(read, compare)
        for kind, read in (("Numeric", float), ("Date", _moment))
        for name, compare in _ORDER.items()
    },
}
