"""Shows that a regular expression takes linear time, from its parsed form.

Three forms take more: a repetition in a repetition (exponential), two repetitions one after the other that share
characters (quadratic), and a search whose beginning may occur again in the characters of a repetition (quadratic,
because the search starts again at each of them). The check refuses what it cannot decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

CHARACTERS = frozenset(range(256)) | {0x2028, 0xE9, 0x4E2D}  # and a few that stand for the others
_FEW = 128  # repetitions up to this number cost a constant factor
_CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}
Characters = frozenset[int]
_SEARCHES = ("search", "sub", "subn", "split", "findall", "finditer")


def problems(pattern: str, flags: int = 0, *, searches: bool = True) -> list[str]:
    """Why the expression may take more than linear time. `searches`: it is not only matched from the beginning."""
    parsed = parser.parse(pattern, flags)
    items = list(parsed)
    return [
        *_in_sequence(items, parsed.state.flags, False),
        *(_restarts(items, parsed.state.flags) if searches else ()),
    ]


def _in_sequence(items: list[Any], flags: int, in_repeat: bool) -> Iterator[str]:  # noqa: C901 - a case for each operation
    pending: Characters = frozenset()  # that a repetition before this item may give back
    for operation, argument in items:
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            low, high, body = argument
            if high > _FEW:
                if in_repeat and not _is_delimited(items, (operation, argument), flags):
                    yield "a repetition in a repetition"
                yield from _in_sequence(list(body), flags, True)
                if pending & _all(list(body), flags):
                    yield "two repetitions that share characters"
                pending |= _all(list(body), flags)
                continue
            yield from _in_sequence(list(body), flags, in_repeat)
            inner = _all(list(body), flags)
            if _repeats(list(body)) and pending & inner:
                yield "two repetitions that share characters"
            if low == 0:
                pending |= inner if _repeats(list(body)) else frozenset()
                continue
        elif operation is sre.BRANCH:
            for branch in argument[1]:
                yield from _in_sequence(list(branch), flags, in_repeat)
        elif operation in (sre.SUBPATTERN, sre.ATOMIC_GROUP):
            body = argument[-1] if operation is sre.SUBPATTERN else argument
            yield from _in_sequence(list(body), flags, in_repeat)
        elif operation is sre.GROUPREF:
            yield "a reference to a group"
        if operation in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
            continue
        every, repeats = _all([(operation, argument)], flags), _repeats([(operation, argument)])
        if repeats:
            if pending & every:
                yield "two repetitions that share characters"
            pending |= every
        elif not pending & every:
            pending = frozenset()  # what follows cannot be reached in two ways


def _is_delimited(items: list[Any], repeat: Any, flags: int) -> bool:
    """Whether each round of the outer repetition has a character that its inner one does not take."""
    inside = _all(list(repeat[1][2]), flags)
    return any(
        not _all([one], flags) & inside and not _is_optional(one)
        for one in items
        if one is not repeat and one[0] not in (sre.AT, sre.ASSERT, sre.ASSERT_NOT)
    )


def _is_optional(item: Any) -> bool:
    return item[0] in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT) and item[1][0] == 0


def _restarts(items: list[Any], flags: int) -> Iterator[str]:
    """Whether a search that fails late starts again within the characters that it has read."""
    for branch in _branches(items):
        required: list[Characters] = []
        for number, (operation, argument) in enumerate(branch):
            if operation in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
                continue
            every = _all([(operation, argument)], flags)
            if _repeats([(operation, argument)]):
                rest = [one for one in branch[number + 1 :] if not _is_optional(one)]
                can_fail = bool(rest)
                if can_fail and all(one & every for one in required):
                    yield "a search that starts again within a repetition"
                break
            if not _is_optional((operation, argument)):
                required.append(every)


def _branches(items: list[Any]) -> list[list[Any]]:
    """The alternatives at the top, with groups opened."""
    found: list[list[Any]] = [[]]
    for operation, argument in items:
        if operation is sre.SUBPATTERN:
            options = _branches(list(argument[-1]))
        elif operation is sre.BRANCH:
            options = [one for branch in argument[1] for one in _branches(list(branch))]
        elif operation is sre.LITERAL or operation is sre.IN:
            options = [[(operation, argument)]]
        else:
            options = [[(operation, argument)]]
        found = [[*one, *option] for one in found for option in options]
    return found


def _repeats(items: list[Any]) -> bool:
    """Whether there is a repetition without a small bound."""
    for operation, argument in items:
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            if argument[1] > _FEW or _repeats(list(argument[2])):
                return True
        elif operation is sre.BRANCH:
            if any(_repeats(list(branch)) for branch in argument[1]):
                return True
        elif operation is sre.SUBPATTERN and _repeats(list(argument[-1])):
            return True
    return False


def _all(items: list[Any], flags: int) -> Characters:
    """All characters that occur in what the items match."""
    found: Characters = frozenset()
    for operation, argument in items:
        if operation is sre.LITERAL:
            found |= _cases({argument}, flags)
        elif operation is sre.NOT_LITERAL:
            found |= CHARACTERS - _cases({argument}, flags)
        elif operation is sre.ANY:
            found |= CHARACTERS if flags & re.DOTALL else CHARACTERS - {10}
        elif operation is sre.IN:
            found |= _of_class(argument, flags)
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            found |= _all(list(argument[2]), flags)
        elif operation is sre.BRANCH:
            for branch in argument[1]:
                found |= _all(list(branch), flags)
        elif operation is sre.SUBPATTERN:
            found |= _all(list(argument[-1]), flags)
        elif operation not in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
            return CHARACTERS
    return found


def _of_class(members: list[Any], flags: int) -> Characters:
    found: set[int] = set()
    negated = False
    for operation, argument in members:
        if operation is sre.NEGATE:
            negated = True
        elif operation is sre.LITERAL:
            found.add(argument)
        elif operation is sre.RANGE:
            found |= set(range(argument[0], min(argument[1], 0xFFFF) + 1))
        else:
            found |= {code for code in CHARACTERS if re.fullmatch(_CATEGORIES[argument], chr(code))}
    cased = _cases(found, flags)
    return CHARACTERS - cased if negated else cased


def _cases(codes: set[int], flags: int) -> Characters:
    if not flags & re.IGNORECASE:
        return frozenset(codes)
    return frozenset(code for one in codes for code in (one, *map(ord, chr(one).lower()), *map(ord, chr(one).upper())))
