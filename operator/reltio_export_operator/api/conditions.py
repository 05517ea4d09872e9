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


class ReasonTime(Model, frozen=True, kw_only=True):
    """Since when the reason of the condition of this type holds. `lastTransitionTime` says it of the status only."""

    type: str
    since: Time


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


def reason_times(
    before: Iterable[Condition], known: Iterable[ReasonTime], after: Iterable[Condition], now: datetime
) -> tuple[ReasonTime, ...]:
    """Since when each reason of `after` holds. `known` are the times of `before`.

    A reason that did not change and has no time is left out: an earlier release wrote it, so its time is not known.
    """
    earlier = {condition.type: (condition.status, condition.reason) for condition in before}
    times = {one.type: one for one in known}
    found = (
        times.get(condition.type)
        if earlier.get(condition.type) == (condition.status, condition.reason)
        else ReasonTime(type=condition.type, since=whole_seconds(now))
        for condition in after
    )
    return tuple(one for one in found if one is not None)


def headline(conditions: Iterable[Condition], types: Iterable[str]) -> Condition | None:
    """Of the conditions that are true, the first one in the order of `types`."""
    listed = tuple(conditions)
    return next((find(listed, type_) for type_ in types if is_true(listed, type_)), None)


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    condition = find(conditions, type_)
    return condition is not None and condition.status == "True"
