"""Finds out whether the operator of another release works on the same targets.

Every operator writes the name of its Lease to the status of each target. An operator that finds another name where it
had written its own is not alone. A name that was there before it started is that of an operator that it follows.
"""

from __future__ import annotations

import logging
import re

import msgspec

from ...api.conditions import Conditions, find, is_true
from ...api.target import ExportTarget, TargetStatus
from ...runtime.clock import Clock
from ...runtime.logs import object_fields
from ...targets import messages
from ..cache import Key

_log = logging.getLogger(__name__)
CONDITION = "OverlappingReleases"
RECLAIM_SECONDS = 60.0  # between two writes of the own name to one target: two operators write it in turn
QUIET_SECONDS = 600.0  # how long the own name has to stay until the other operator counts as gone
_NAME = re.compile(r"[a-z0-9.-]{1,253}/[a-z0-9.-]{1,253}")


class Overlaps:
    """What this process knows of the names in its targets. `release` is its own name; an empty one turns this off."""

    def __init__(self, clock: Clock, release: str) -> None:
        self._clock = clock
        self._release = release
        self._claimed: dict[Key, tuple[str, float]] = {}  # uid, and since when the own name is there
        self._overlapping: set[Key] = set()

    @property
    def count(self) -> int:
        """Targets with condition OverlappingReleases."""
        return len(self._overlapping)

    def forget(self, key: Key) -> None:
        """The target does not exist any more."""
        self._claimed.pop(key, None)
        self._overlapping.discard(key)

    def status_of(self, target: ExportTarget, status: TargetStatus) -> TargetStatus:
        """The status with the name of this operator, and the condition while there is another operator."""
        if not self._release:
            return status
        key, now, found = target.metadata.key, self._clock.monotonic(), target.status.operator
        uid, since = self._claimed.get(key, ("", now))
        is_first = uid != target.metadata.uid
        if found != self._release and (is_first or now - since >= RECLAIM_SECONDS):
            status = msgspec.structs.replace(status, operator=self._release)
        conditions = Conditions(status.conditions, generation=target.metadata.generation, now=self._clock.utc_now())
        if found and found != self._release and _NAME.fullmatch(found) and not is_first:
            why = messages.OVERLAPPING_RELEASES(releases=" and ".join(sorted((found, self._release))))
            conditions.put(CONDITION, "True", why.reason, why.message)
            self._log_first(target, why.message)
        elif found == self._release and not is_first and now - since >= QUIET_SECONDS:
            conditions.drop(CONDITION)
        result = conditions.result()
        (self._overlapping.add if is_true(result, CONDITION) else self._overlapping.discard)(key)
        return msgspec.structs.replace(status, conditions=result)

    def observe(self, before: ExportTarget, current: ExportTarget) -> None:
        """Take note of the own name in the target after a read or a write. A write that failed claims nothing."""
        key, uid = current.metadata.key, current.metadata.uid
        if current.status.operator != self._release:
            return
        if before.status.operator != self._release or self._claimed.get(key, ("", 0.0))[0] != uid:
            self._claimed[key] = (uid, self._clock.monotonic())

    def seconds_until_due(self, target: ExportTarget) -> float | None:
        """Seconds until the target has to be read again for this; None if it need not be."""
        known = self._claimed.get(target.metadata.key)
        if not self._release or known is None:
            return None
        if target.status.operator == self._release and find(target.status.conditions, CONDITION) is None:
            return None
        wait = QUIET_SECONDS if target.status.operator == self._release else RECLAIM_SECONDS
        return max(0.5, known[1] + wait - self._clock.monotonic())

    def _log_first(self, target: ExportTarget, message: str) -> None:
        key = target.metadata.key
        if key not in self._overlapping or not is_true(target.status.conditions, CONDITION):
            extra = object_fields("ExportTarget", *key, target.metadata.uid, reason=CONDITION)
            _log.warning("ExportTarget %s/%s: %s: %s", *key, CONDITION, message, extra=extra)
