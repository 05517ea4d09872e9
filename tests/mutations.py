"""Strategies that put any JSON value in any place of a document."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        st.sampled_from(["", "True", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59Z", "2031-01-15T03:00:00"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "type", "name", "status", "attempt", "x"]), inner, max_size=3),
    ),
    max_leaves=6,
)
GONE = object()


def paths(document: Any, path: Path = ()) -> Iterator[Path]:
    """The place of every value in a document, the document itself included."""
    yield path
    children = document.items() if isinstance(document, dict) else enumerate(document) if _is_list(document) else ()
    for key, value in children:
        yield from paths(value, (*path, key))


def replaced(document: Any, path: Path, value: Any) -> Any:
    """A copy of the document with another value in one place; with GONE, without what was there."""
    if not path:
        return {} if value is GONE else value
    changed = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    if value is GONE:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return changed


def mutations(document: Any) -> st.SearchStrategy[tuple[Path, Any]]:
    """A place in the document, and the document with any other value, or nothing, there."""
    return st.tuples(st.sampled_from(list(paths(document))), st.one_of(JSON, st.just(GONE))).map(
        lambda drawn: (drawn[0], replaced(document, *drawn))
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
