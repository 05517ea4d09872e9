"""Objects that this release cannot decode: reported from their raw fields, so that one of them harms no other one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from ..api.conditions import Conditions, ConditionStatus, is_true
from ..api.decoding import decode_status, with_summary
from ..api.job import JobStatus
from ..api.meta import FINALIZER, JOBS, SCHEDULES, TARGETS
from ..api.reasons import ConditionReason
from ..api.schedule import ScheduleStatus
from ..api.status_patch import status_patch
from ..api.target import TargetStatus
from ..kube.client import ConflictError, InvalidError, KubeApi, Raw
from ..runtime.clock import Clock
from ..runtime.failures import explain
from ..runtime.logs import object_fields
from . import transitions
from .cache import Key

_log = logging.getLogger(__name__)
_CONDITIONS: Mapping[str, Mapping[str, ConditionStatus]] = {
    "ExportJob": {"Stalled": "True"},
    "ExportTarget": {"Ready": "False", "Stalled": "True"},
    "ExportSchedule": {"Ready": "False", "Stalled": "True"},
}
_PLURALS = {"ExportJob": JOBS, "ExportTarget": TARGETS, "ExportSchedule": SCHEDULES}
_STATUSES: Mapping[str, Any] = {
    "ExportJob": JobStatus,
    "ExportTarget": TargetStatus,
    "ExportSchedule": ScheduleStatus,
}


class UnreadableObjects:
    """The objects of one kind that cannot be worked on as they are."""

    def __init__(self, kube: KubeApi, clock: Clock, kind: str) -> None:
        self._kube = kube
        self._clock = clock
        self._kind = kind
        self._plural = _PLURALS[kind]
        self._reported: dict[Key, tuple[str, str]] = {}  # uid and message; an entry goes with its object

    @property
    def count(self) -> int:
        return len(self._reported)

    def forget(self, key: Key) -> None:
        """The object can be read, or does not exist any more."""
        self._reported.pop(key, None)

    async def report(self, raw: Raw, why: ConditionReason) -> None:
        """Say why in conditions, an event and the log, once for each reason. A finished job keeps its conditions.

        Raises what the write of the conditions raises, except that a refusal by the schema is only in the event.
        """
        meta = raw["metadata"]
        key, known = (meta["namespace"], meta["name"]), (meta["uid"], why.message)
        before: Any = decode_status(raw, _STATUSES[self._kind])[0]
        now = self._clock.utc_now()
        conditions = Conditions(before.conditions, generation=meta.get("generation", 0), now=now)
        if not any(is_true(before.conditions, ended) for ended in ("Complete", "Failed")):
            for type_, value in _CONDITIONS[self._kind].items():
                conditions.put(type_, value, why.reason, why.message)
            conditions.drop("Reconciling")
        after = with_summary(before, msgspec.structs.replace(before, conditions=conditions.result()), now)
        change = status_patch(raw.get("status"), before, after)
        failure: Exception | None = None
        if change:
            try:
                await self._kube.patch_status(self._plural, raw, change)
            except ConflictError:
                raise
            except Exception as error:
                failure = error
        is_new = self._reported.get(key) != known
        self._reported[key] = known
        if is_new:
            transitions.log_invalid(self._kind, *key, meta["uid"], why.reason, why.message)
        if is_new and (change or not before.conditions):  # otherwise an earlier process has posted the event
            await self._post(raw, why)
        if failure is not None and not isinstance(failure, InvalidError):
            raise failure

    async def release(self, raw: Raw, why: ConditionReason) -> None:
        """Remove the finalizer of a deleted job, and post an event that says what was not done."""
        rest = [name for name in raw["metadata"]["finalizers"] if name != FINALIZER]
        await self._post(raw, why)  # first, so that it is not lost if this process ends in between
        await self._kube.set_finalizers(self._plural, raw, rest)
        meta = raw["metadata"]
        transitions.log_invalid(self._kind, meta["namespace"], meta["name"], meta["uid"], why.reason, why.message)

    async def _post(self, raw: Raw, why: ConditionReason) -> None:
        try:
            now = self._clock.utc_now()
            await self._kube.post_event(self._kind, raw, "Warning", why.reason, why.message, now)
        except Exception as error:
            meta = raw["metadata"]
            _log.warning(
                "Cannot post event %s about %s %s/%s: %s.",
                why.reason,
                self._kind,
                meta["namespace"],
                meta["name"],
                explain(error),
                extra=object_fields(self._kind, meta["namespace"], meta["name"], meta["uid"]),
            )


def key_of(raw: Mapping[str, Any]) -> Key:
    """Namespace and name."""
    return raw["metadata"]["namespace"], raw["metadata"]["name"]
