"""Label and field selectors of LIST, WATCH and DELETE of a collection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import metadata
from .errors import bad_request, quote

Object = Mapping[str, Any]
Predicate = Callable[[Object], bool]
Getter = Callable[[Object], str]

_TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|,|\(|\)|>|<)|(?P<word>[^\s=!,()<>]+))")
_OPERATORS = "in, notin, =, ==, !=, gt, lt"


class _Tokens:
    def __init__(self, text: str) -> None:
        self._items = [match.group("op") or match.group("word") for match in _TOKEN.finditer(text)]
        self._at = 0

    def peek(self) -> str:
        return self._items[self._at] if self._at < len(self._items) else ""

    def take(self) -> str:
        token = self.peek()
        self._at += 1
        return token


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in "=!,()<>"


def _refuse(found: str, expected: str) -> Exception:
    return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")


def _check(key: str, values: Iterable[str]) -> None:
    """Keys and values of a selector follow the rules of labels. Raises a 400 `ApiError`."""
    for problem in metadata.qualified_name(key):
        raise bad_request(f"unable to parse requirement: <nil>: Invalid value: {quote(key)}: {problem}")
    for index, value in enumerate(values):
        for problem in metadata.label_value(value):
            raise bad_request(
                f"unable to parse requirement: values[{index}][{key}]: Invalid value: {quote(value)}: {problem}"
            )


def _labels(obj: Object) -> Mapping[str, str]:
    return obj.get("metadata", {}).get("labels") or {}


def _value_set(tokens: _Tokens) -> frozenset[str]:
    if tokens.take() != "(":
        raise _refuse(tokens.peek(), "'('")
    values: set[str] = set()
    while True:
        values.add(tokens.take() if _is_word(tokens.peek()) else "")
        token = tokens.take()
        if token == ")":
            return frozenset(values)
        if token != ",":
            raise _refuse(token, "',' or ')'")


def _requirement(tokens: _Tokens) -> Predicate:
    if tokens.peek() == "!":
        tokens.take()
        absent = tokens.take()
        _check(absent, ())
        return lambda obj: absent not in _labels(obj)
    key = tokens.take()
    if not _is_word(key):
        raise _refuse(key, "!, identifier, or 'end of string'")
    operator = tokens.peek()
    if operator in ("", ","):
        _check(key, ())
        return lambda obj: key in _labels(obj)
    tokens.take()
    if operator in ("in", "notin"):
        values = _value_set(tokens)
        _check(key, sorted(values))
        if operator == "in":
            return lambda obj: _labels(obj).get(key) in values
        return lambda obj: _labels(obj).get(key) not in values
    if operator not in ("=", "==", "!="):
        raise _refuse(operator, _OPERATORS)
    value = tokens.take() if _is_word(tokens.peek()) else ""
    _check(key, [value])
    if operator == "!=":
        return lambda obj: _labels(obj).get(key) != value
    return lambda obj: _labels(obj).get(key) == value


def label_selector(text: str) -> Predicate | None:
    """Parse `a=b,c!=d,e in (f,g),!h`; None selects everything. Raises a 400 `ApiError`."""
    tokens = _Tokens(text)
    if not tokens.peek():
        return None
    requirements = [_requirement(tokens)]
    while tokens.peek():
        if (token := tokens.take()) != ",":
            raise bad_request(f"found '{token}', expected: ',' or 'end of string'")
        requirements.append(_requirement(tokens))
    return lambda obj: all(requirement(obj) for requirement in requirements)


def path_getter(path: str) -> Getter:
    """Reads a dotted field path; absent fields read as the empty string, as in a field selector."""
    parts = [part for part in path.split(".") if part]

    def get(obj: Object) -> str:
        value: Any = obj
        for part in parts:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    return get


_FIELD_TERM = re.compile(r"^(?P<field>[^=!]+)(?P<op>==|!=|=)(?P<value>.*)$")


def field_selector(text: str, fields: Mapping[str, Getter]) -> Predicate | None:
    """Parse `metadata.name=x,spec.nodeName!=y` over the fields that the resource supports."""
    terms: list[tuple[Getter, str, bool]] = []
    for term in filter(None, re.split(r"(?<!\\),", text)):
        match = _FIELD_TERM.match(term)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        field = match["field"]
        if field not in fields:
            raise bad_request(f"field label not supported: {field}")
        value = re.sub(r"\\([\\,=])", r"\1", match["value"])
        terms.append((fields[field], value, match["op"] != "!="))
    if not terms:
        return None
    return lambda obj: all((get(obj) == value) is wanted for get, value, wanted in terms)


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """The conjunction of two selectors, either of which may select everything."""
    if first is None or second is None:
        return first or second
    return lambda obj: first(obj) and second(obj)
