"""Events that a change of a job's conditions is worth: what needs a person, or is not the job's own doing. Pure."""

from __future__ import annotations

from ..api.conditions import Condition, headline, is_true
from ..api.foreign import own
from ..api.job import JobStatus
from ..api.reasons import ConditionReason
from . import messages
from .observation import Event

# Reasons of condition Reconciling that get an event when they begin. Others are steps that follow in seconds, or
# become Stalled if they last.
_NOTED = frozenset(
    reason.name
    for reason in (
        messages.RETRY_PENDING,
        messages.PAUSED_AT_SERVICE,
        messages.NOT_STARTED,
        messages.TARGET_NOT_FOUND,
        messages.TARGET_NOT_UNDERSTOOD,
        messages.TARGET_DELETED,
        messages.TARGET_SUSPENDED,
        messages.TARGET_NOT_READY,
    )
)


def events_of(before: JobStatus, after: JobStatus) -> tuple[Event, ...]:
    """The events of a write that has changed `before` to `after`: one for each reason that has begun.

    A job that has failed has an event of its own.
    """
    if is_true(after.conditions, "Failed"):
        return ()
    stalled, reconciling = _begun(before, after, "Stalled"), _begun(before, after, "Reconciling")
    noted = [stalled] if stalled is not None else []
    if reconciling is not None and reconciling.reason in _NOTED:
        noted.append(reconciling)
    return tuple(Event.warning(ConditionReason(one.reason, own(one.message))) for one in noted)


def _begun(before: JobStatus, after: JobStatus, type_: str) -> Condition | None:
    """The condition, if it is true now and was not true for the same reason before."""
    now, earlier = headline(after.conditions, [type_]), headline(before.conditions, [type_])
    return now if now is not None and (earlier is None or earlier.reason != now.reason) else None
