"""Reasons of conditions and events, with the messages that people read.

Each kind has a catalogue of them (`jobs/messages.py`, `targets/messages.py`), and so has each service
(`reltio/messages.py`, `aws/messages.py`). docs/troubleshooting.md is generated from them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConditionReason:
    """Reason and message of a condition or an event."""

    reason: str
    message: str


@dataclass(frozen=True)
class Reason:
    """A reason in CamelCase and the template of its message: what happened, then what to do.

    Both parts are templates for `str.format`. An empty `action` means that no action is needed. `about` is what
    docs/troubleshooting.md shows instead of a text that is only a placeholder.
    """

    name: str
    text: str
    action: str = ""
    about: str = ""

    def __call__(self, **values: object) -> ConditionReason:
        """The reason with these values filled in."""
        message, remedy = self.parts(**values)
        return ConditionReason(self.name, f"{message} {remedy}".strip())

    def parts(self, **values: object) -> tuple[str, str]:
        """What happened, and what to do, with these values filled in."""
        return self.text.format(**values), self.action.format(**values)
