"""JSONPath as printer columns use it: fields, indices, `[*]` and filters such as `[?(@.type=="Ready")]`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Step = Callable[[Any], list[Any]]

_STEP = re.compile(
    r"""\.(?P<field>[^.\[\]\\]*(?:\\.[^.\[\]\\]*)*)   # .field, with \. for a dot in the name
      | \[(?P<index>-?\d+)\]
      | \[(?P<star>\*)\]
      | \[['"](?P<quoted>[^'"]*)['"]\]
      | \[\?\((?P<filter>.*?)\)\]
    """,
    re.VERBOSE,
)
_FILTER = re.compile(r"\s*@(?P<path>[^=!<>]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<literal>.+?))?\s*")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def find(path: str, document: Any) -> list[Any]:
    """All values at a path, such as `.status.conditions[?(@.type=="Ready")].status`; none where it leads nowhere."""
    values = [document]
    for step in compile_path(path):
        values = [found for value in values for found in step(value)]
    return [value for value in values if value is not None]


@lru_cache(maxsize=1024)
def compile_path(path: str) -> tuple[Step, ...]:
    """The steps of a path; ValueError if it cannot be read."""
    text = path.strip().removeprefix("{").removesuffix("}")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f"cannot read the path {path!r} at {text[position:]!r}")
        position = match.end()
        steps.append(_step(match))
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return _at(int(match["index"]))
    if match["star"]:
        return _each
    if match["filter"] is not None:
        return _where(match["filter"])
    name = match["quoted"] if match["quoted"] is not None else match["field"].replace("\\", "")
    return _each if name == "*" else _field(name)


def _field(name: str) -> Step:
    if not name:
        return lambda value: [value]
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _at(index: int) -> Step:
    return lambda value: [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []


def _each(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _where(text: str) -> Step:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read the filter {text!r}")
    path, operator = match["path"], match["op"]
    if operator is None:
        return lambda value: [item for item in _each(value) if find(path, item)]
    literal, compare = _literal(match["literal"]), _COMPARE[operator]

    def keep(item: Any) -> bool:
        return any(type(found) is type(literal) and compare(found, literal) for found in find(path, item))

    return lambda value: [item for item in _each(value) if keep(item)]


def _literal(text: str) -> Any:
    if text[:1] == "'" and text[-1:] == "'":
        return text[1:-1]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise ValueError(f"cannot read the value {text!r}") from None
