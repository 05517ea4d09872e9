"""Conditions: the list of typed statements that programs and people read from a status."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from .meta import Count, Model, Time, whole_seconds

ConditionStatus = Literal["True", "False", "Unknown"]
_MESSAGE_LIMIT = 2048


class Condition(Model, frozen=True, kw_only=True):
    """One condition, as in metav1.Condition."""

    type: str
    status: ConditionStatus
    last_transition_time: Time
    reason: str
    message: str
    observed_generation: Count = 0


class Conditions:
    """An editable set of conditions that keeps transition times true.

    `lastTransitionTime` moves only when `status` does, as the Kubernetes API conventions ask.
    """

    def __init__(self, current: Iterable[Condition], *, generation: int, now: datetime) -> None:
        self._by_type = {condition.type: condition for condition in current}
        self._generation = generation
        self._now = whole_seconds(now)

    def put(self, type_: str, status: ConditionStatus, reason: str, message: str) -> None:
        before = self._by_type.get(type_)
        changed = before is None or before.status != status
        self._by_type[type_] = Condition(
            type=type_,
            status=status,
            reason=reason,
            message=message[:_MESSAGE_LIMIT],
            last_transition_time=self._now if changed or before is None else before.last_transition_time,
            observed_generation=self._generation,
        )

    def drop(self, type_: str) -> None:
        self._by_type.pop(type_, None)

    def result(self) -> tuple[Condition, ...]:
        """The conditions in the order in which they were first put."""
        return tuple(self._by_type.values())


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    condition = find(conditions, type_)
    return condition is not None and condition.status == "True"
