"""Which roles the targets of a namespace may name.

The operator may be trusted by roles of several tenants of the cluster. Without patterns any target can use each of
them; with patterns a target is limited to those of its own namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ALL_NAMESPACES = "*"


class AllowedRoles:
    """Patterns of role ARNs by namespace; those of `*` hold for all namespaces. Without any, every role is allowed."""

    def __init__(self, patterns: Mapping[str, Sequence[str]] | None = None) -> None:
        self._patterns = patterns or {}

    def allows(self, namespace: str, role_arn: str) -> bool:
        """Whether a target in this namespace may name this role."""
        if not self._patterns:
            return True
        listed = [*self._patterns.get(namespace, ()), *self._patterns.get(ALL_NAMESPACES, ())]
        return any(matches(pattern, role_arn) for pattern in listed)


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches a pattern in which `*` stands for any number of characters, also for none.

    Each part between two stars is searched once, from left to right, so the time is linear in the length of the text.
    """
    first, *middle = pattern.split("*")
    if not middle:
        return text == pattern
    last = middle.pop()
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    start, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True
