"""Evaluates IAM policy documents for one request. Pure.

An explicit deny takes precedence, an allow is required, and elements that are not evaluated make the answer Unknown
rather than wrong. Policy variables are not replaced. Answers are True, False, or None if the answer is not known.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Answer = Literal["Allow", "Deny", "NoMatch", "Unknown"]
Document = Mapping[str, Any]

_VARIABLE = re.compile(r"\$\{(?![*?$]\})[^}$]*\}")
_ESCAPED = re.compile(r"\$\{([*?$])\}")
_TOKEN = re.compile(r"\$\{[*?$]\}|.", re.DOTALL)  # ${*}, ${?} and ${$} stand for the letters themselves
_ARN_PARTS = 6


@dataclass(frozen=True)
class Request:
    """One request: action as ``s3:PutObject``, resource ARN, who asks (ARN; an account's root: anybody of it).

    `context` has keys in lower case. None: the request does not carry the key. A key that is not there is not known.
    """

    action: str
    resource: str = "*"
    principal: str = ""
    context: Mapping[str, str | None] = field(default_factory=dict)


def evaluate(documents: Iterable[Document], request: Request) -> Answer:
    """The answer of these documents together. NoMatch: none of them speaks of the request, which denies it."""
    answers = []
    for document in documents:
        answers += [_statement(statement, request) for statement in statements_of(document)]
        answers += [] if _is_policy(document) else ["Unknown-Deny"]
    if "Deny" in answers:
        return "Deny"
    if any(answer == "Unknown-Deny" for answer in answers):
        return "Unknown"
    if "Allow" in answers:
        return "Allow"
    return "Unknown" if "Unknown-Allow" in answers else "NoMatch"


def statements_of(document: Any) -> list[Mapping[str, Any]]:
    """The statements of a policy; of something else, what can be understood of it."""
    return [one for one in _statements(document) if isinstance(one, Mapping)]


def conditions_of(statement: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Operator, key in lower case and values of each condition that can be understood."""
    return [
        (operator, key.lower(), values_of(values))
        for operator, keys in _mapping(statement.get("Condition")).items()
        for key, values in _mapping(keys).items()
    ]


def _statements(document: Any) -> Sequence[Any]:
    found = document.get("Statement", []) if isinstance(document, Mapping) else []
    return [found] if isinstance(found, Mapping) else found if isinstance(found, list | tuple) else []


def _is_policy(document: Any) -> bool:
    """Whether it has the form of a policy, as far as that is evaluated. IAM refuses to store another one."""
    if not isinstance(document, Mapping) or not isinstance(document.get("Statement", []), Mapping | list | tuple):
        return False
    return all(
        isinstance(one, Mapping)
        and one.get("Effect") in ("Allow", "Deny")
        and isinstance(conditions := one.get("Condition", {}), Mapping)
        and all(isinstance(keys, Mapping) for keys in conditions.values())
        for one in _statements(document)
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def values_of(value: Any) -> list[str]:
    """Where a policy may have one value or a list, the list."""
    return [_text(one) for one in value] if isinstance(value, list | tuple) else [_text(value)]


def wildcards_filled(pattern: str, letter: str) -> str:
    """A text that the pattern matches, with this letter where any may stand."""
    return "".join(letter if token in ("*", "?") else token[-2:-1] or token for token in _TOKEN.findall(pattern))


def _statement(statement: Mapping[str, Any], request: Request) -> str:
    """`Allow`, `Deny`, `NoMatch`, or `Unknown-` with the effect that the statement would have."""
    effect = str(statement.get("Effect"))
    held = _all(
        [
            _either(statement, "Action", request.action, ignore_case=True),
            _either(statement, "Resource", request.resource),
            _names_principal(statement, request.principal),
            _all(_condition(*condition, request.context) for condition in conditions_of(statement)),
        ]
    )
    if held is None:
        return f"Unknown-{effect}"
    return effect if held else "NoMatch"


def _either(statement: Mapping[str, Any], key: str, value: str, *, ignore_case: bool = False) -> bool | None:
    """Action or NotAction, Resource or NotResource; one that is not there does not restrict."""
    if key in statement:
        return _matches_any(values_of(statement[key]), value, ignore_case=ignore_case)
    if f"Not{key}" in statement:
        return _not(_matches_any(values_of(statement[f"Not{key}"]), value, ignore_case=ignore_case))
    return True


def _names_principal(statement: Mapping[str, Any], principal: str) -> bool | None:
    if "Principal" in statement:
        return _is_among(statement["Principal"], principal)
    if "NotPrincipal" in statement:
        among = _is_among(statement["NotPrincipal"], principal)
        # Who is spared only as one of an account may still be meant: AWS wants both named.
        by_name = {principal, "*"} & {*_principals(statement["NotPrincipal"])}
        return None if among and not by_name else _not(among)
    return True  # a permission policy: it speaks of whom it is attached to


def _is_among(principals: Any, principal: str) -> bool | None:
    """None: the principal is a whole account, and only some of it are named."""
    if principals == "*":
        return True
    named = _principals(principals)
    account = _account(principal)
    root = ":".join([*principal.split(":")[: _ARN_PARTS - 1], "root"])
    if any(one in ("*", principal, account, root) for one in named):
        return True
    partition = ":".join(principal.split(":")[:2])
    some = any(one.startswith(f"{partition}:") and _account(one) == account for one in named)
    return None if principal == root and some else False


def _principals(principals: Any) -> list[str]:
    return values_of(principals.get("AWS", [])) if isinstance(principals, Mapping) else []


def _account(arn: str) -> str:
    return arn.split(":")[4] if arn.count(":") >= _ARN_PARTS - 1 else arn


def _condition(operator: str, key: str, values: list[str], context: Mapping[str, str | None]) -> bool | None:
    if key not in context:
        return None
    actual = context[key]
    quantifier, _, name = operator.removesuffix("IfExists").rpartition(":")
    if name == "Null":
        return _matches_any([value.lower() for value in values], "true" if actual is None else "false")
    plain = name.replace("Not", "", 1)
    negated = plain != name
    if plain not in ("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnLike", "ArnEquals", "Bool"):
        return None
    if actual is None:
        if operator.endswith("IfExists") or quantifier == "ForAllValues":
            return True
        return negated and quantifier != "ForAnyValue"
    found = _any(_value(plain, value, actual) for value in values)
    return _not(found) if negated else found


def _value(operator: str, value: str, actual: str) -> bool | None:
    """Whether one value of a condition fits, by an operator that is not negated."""
    if operator == "StringLike":
        return _like(value, actual)
    if _VARIABLE.search(value):
        return None
    if operator.startswith("Arn"):
        patterns, parts = value.split(":", _ARN_PARTS - 1), actual.split(":", _ARN_PARTS - 1)
        if len(patterns) != _ARN_PARTS or len(parts) != _ARN_PARTS:
            return None
        return _all(_like(pattern, part) for pattern, part in zip(patterns, parts, strict=True))
    value = _ESCAPED.sub(r"\1", value)
    return value == actual if operator == "StringEquals" else value.lower() == actual.lower()


def _matches_any(patterns: Iterable[str], value: str, *, ignore_case: bool = False) -> bool | None:
    return _any(_like(pattern, value, ignore_case=ignore_case) for pattern in patterns)


def _like(pattern: str, value: str, *, ignore_case: bool = False) -> bool | None:
    """IAM's wildcards: `*` for any text, `?` for one character. None: it depends on the value of a variable."""
    tokens = _TOKEN.findall(_VARIABLE.sub("*", pattern))
    if ignore_case:
        tokens, value = [token.lower() for token in tokens], value.lower()
    found = _fits(tokens, value)
    return None if found and _VARIABLE.search(pattern) else found


def _fits(tokens: list[str], value: str) -> bool:
    """Whether the tokens of a pattern match the whole value.

    A later `*` makes it unnecessary to return to an earlier one, so the time is at most the product of the two lengths,
    which AWS bounds. A regular expression would try all ways to share the characters between the stars.
    """
    token, position = 0, 0
    star, resume = -1, 0
    while position < len(value):
        current = tokens[token] if token < len(tokens) else ""
        if current == "*":
            star, resume = token, position
            token += 1
        elif current == "?" or (current and (current[-2:-1] or current) == value[position]):
            token, position = token + 1, position + 1
        elif star >= 0:
            token, resume = star + 1, resume + 1
            position = resume
        else:
            return False
    return all(one == "*" for one in tokens[token:])


def _all(answers: Iterable[bool | None]) -> bool | None:
    """False if one is False, else None if one is None."""
    known = list(answers)
    if False in known:
        return False
    return None if None in known else True


def _any(answers: Iterable[bool | None]) -> bool | None:
    return _not(_all(_not(answer) for answer in answers))


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _text(value: Any) -> str:
    """A value as a policy spells it: in JSON it may be a boolean or a number."""
    return str(value).lower() if isinstance(value, bool) else str(value)
