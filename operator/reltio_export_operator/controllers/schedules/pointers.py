"""Reads and writes the pointers of schedules, outside of the work queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ...api.foreign import Quoted, own
from ...api.reasons import ConditionReason
from ...api.schedule import ExportSchedule, IncrementalStatus, PointerStatus
from ...api.target import ExportTarget
from ...aws.errors import AwsError
from ...aws.owner import Owner
from ...aws.sessions import RoleSessions
from ...aws.store import PROBE_PREFIX, ObjectStore
from ...delivery.manifest import MANIFEST
from ...delivery.names import is_hidden
from ...kube.client import SecretError
from ...runtime.clock import Clock
from ...runtime.logs import object_fields
from ...runtime.slots import SlotLimits
from ...schedules import messages, pointer
from ...schedules.observation import Child
from ..access import Access
from ..cache import Key

_log = logging.getLogger(__name__)
_LIMITS = SlotLimits.for_one_place(4)  # regions of AWS
_WITHIN_SECONDS = 120.0  # for one reading or writing
_CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict")


@dataclass(frozen=True)
class Outcome:
    """The result of a call: the pointer as it is now, or why it is not known.

    `state` is what it says of the watermark, if it was read.
    """

    pointer: PointerStatus | None = None
    state: IncrementalStatus | None = None
    failure: ConditionReason | None = None


@dataclass
class _Entry:
    task: asyncio.Task[Outcome] | None = None
    outcome: Outcome | None = None


class Pointers:
    """One call for a schedule at a time; the schedule is woken when its outcome is available."""

    def __init__(self, access: Access, sessions: RoleSessions, wake: Callable[[Key], None], clock: Clock) -> None:
        self._access = access
        self._sessions = sessions
        self._wake = wake
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        self._slots = sessions.slots_by_region(_LIMITS)

    def take(self, key: Key) -> Outcome | None:
        """The outcome of the last call, returned once."""
        entry = self._entries.get(key)
        if entry is None or entry.outcome is None:
            return None
        del self._entries[key]
        return entry.outcome

    def forget(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None and entry.task is not None:
            entry.task.cancel()

    def read(self, schedule: ExportSchedule, target: ExportTarget) -> None:
        """Read the document, for a schedule that has lost what it knew."""
        self._start(schedule, target, lambda: self._read(schedule, target))

    def write(self, schedule: ExportSchedule, target: ExportTarget, children: tuple[Child, ...]) -> None:
        """Add complete exports to the document."""
        self._start(schedule, target, lambda: self._write(schedule, target, children))

    async def stop(self) -> None:
        for key in list(self._entries):
            self.forget(key)

    def _start(self, schedule: ExportSchedule, target: ExportTarget, call: Callable[[], Awaitable[Outcome]]) -> None:
        key = schedule.metadata.key
        if key in self._entries:
            return
        entry = self._entries[key] = _Entry()
        s3 = target.spec.s3
        region = self._sessions.place("s3", s3.role_arn, s3.region).region

        async def run() -> Outcome:
            try:
                async with self._slots.slot(region, key[0]), asyncio.timeout(_WITHIN_SECONDS):
                    return await call()
            except AwsError as error:
                return _failed(error.text)
            except SecretError as error:
                return _failed(own(error))
            except TimeoutError:
                return _failed(own("S3 did not answer in time."))
            except Exception as error:
                meta = schedule.metadata
                _log.exception(
                    "Cannot reconcile a pointer.", extra=object_fields("ExportSchedule", *meta.key, meta.uid)
                )
                return _failed(own(f"an internal error occurred ({type(error).__name__})."))

        def ended(task: asyncio.Task[Outcome]) -> None:
            if not task.cancelled() and self._entries.get(key) is entry:
                entry.outcome = task.result()
                self._wake(key)

        entry.task = asyncio.create_task(run())
        entry.task.add_done_callback(ended)

    async def _read(self, schedule: ExportSchedule, target: ExportTarget) -> Outcome:
        key = pointer.location(schedule, target.spec.s3.prefix)
        assert key is not None
        found = await (await self._store(target)).find(key, pointer.MAX_BYTES)
        if found is None:
            return Outcome()
        try:
            document = pointer.decoded(found[0], schedule)
        except pointer.UnusablePointer:
            return Outcome()  # the next write reports it
        return Outcome(pointer.status_of(document, _url(target, key)), pointer.state_of(document, schedule))

    async def _write(self, schedule: ExportSchedule, target: ExportTarget, children: tuple[Child, ...]) -> Outcome:
        """One GET and one PUT, and one LIST for each 1,000 files of each new export.

        The PUT fails if somebody else has written meanwhile; the next reconcile tries again.
        """
        s3 = target.spec.s3
        key = pointer.location(schedule, s3.prefix)
        assert key is not None
        store = await self._store(target)
        before, etag = None, None
        found = await store.find(key, pointer.MAX_BYTES)
        if found is not None:
            etag = found[1]
            try:
                before = pointer.decoded(found[0], schedule)
            except pointer.UnusablePointer as error:
                if error.is_foreign:
                    return Outcome(failure=messages.POINTER_TAKEN(path=_url(target, key)))
        new = [export for child in children if (export := await self._export(store, target, child, before)) is not None]
        after = pointer.advanced(before, schedule, new, self._clock.utc_now())
        if after is not None:
            try:
                await store.put_if(key, pointer.encoded(after), etag, s3.server_side_encryption)
            except AwsError as error:
                if error.code in _CONFLICTS:
                    return Outcome(failure=messages.POINTER_CHANGED(path=_url(target, key)))
                raise
        now = after or before
        newest = children[-1].data_time
        if now is None or newest is None:
            return Outcome(PointerStatus(location=_url(target, key), needs_full_export=True))
        return Outcome(pointer.status_of(now, _url(target, key), needs_full=now.data_time < newest))

    async def _export(
        self, store: ObjectStore, target: ExportTarget, child: Child, before: pointer.Pointer | None
    ) -> tuple[pointer.Export, str] | None:
        run, end, output = child.run, child.data_time, child.job.status.output
        if run is None or end is None or output is None:
            return None
        files = None
        if output.bucket == target.spec.s3.bucket and (before is None or end > before.data_time):
            files = await _names(store, output.prefix)
        return pointer.export_of(child, run, end, files), run.spec_hash

    async def _store(self, target: ExportTarget) -> ObjectStore:
        """The bucket of the target, with an external ID that works. Raises AwsError, SecretError."""
        s3 = target.spec.s3
        owner = Owner(*target.metadata.key)

        async def assumed(which: str) -> ObjectStore:
            external_id = await self._access.external_id_of(target, which)
            role = await self._sessions.assume(owner, s3.role_arn, external_id, region=s3.region)
            return ObjectStore(self._sessions, role, s3.bucket)

        try:
            return await assumed("Current")
        except AwsError as error:
            if error.reason != "AssumeRoleDenied" or not s3.has_previous_external_id:
                raise
            return await assumed("Previous")


async def _names(store: ObjectStore, prefix: str) -> tuple[str, ...] | None:
    """The files of an export below its prefix, without the manifest; None if there are too many to list."""
    names: list[str] = []
    async for item in store.list(prefix):
        name = item.key.removeprefix(prefix)
        is_manifest = name.rpartition("/")[2] == MANIFEST
        if is_manifest or is_hidden(name) or name.startswith(PROBE_PREFIX) or item.key.endswith("/"):
            continue
        names.append(name)
        if len(names) > pointer.MAX_NAMES:
            return None
    return tuple(sorted(names))


def _url(target: ExportTarget, key: str) -> str:
    return f"s3://{target.spec.s3.bucket}/{key}"


def _failed(problem: Quoted) -> Outcome:
    return Outcome(failure=messages.POINTER_NOT_WRITTEN(problem=problem))
