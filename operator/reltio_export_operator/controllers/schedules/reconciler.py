"""The ExportSchedule controller: starts the runs that are due, records how they ended, and collects old jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from ...api.conditions import is_true
from ...api.decoding import decode_job, decode_schedule, decode_status, decode_target, with_report
from ...api.foreign import KNOWN, PROCESS, own, quote
from ...api.job import JobStatus
from ...api.meta import CANCEL_ANNOTATION, JOBS, SCHEDULE_LABEL, SCHEDULES, TARGETS
from ...api.schedule import ExportSchedule, Run
from ...api.status_patch import status_patch
from ...api.target import ExportTarget
from ...kube.client import ConflictError, InvalidError, KubeApi, Raw
from ...runtime.clock import Clock
from ...runtime.failures import explain
from ...runtime.logs import object_fields
from ...schedules import messages, runs
from ...schedules.observation import CancelJob, Child, CreateJob, Decision, DeleteJob, Event, Observation, WritePointer
from ...schedules.policy import decide, job_refused, name_taken, needs_recall
from .. import transitions
from ..cache import Key
from ..unreadable import UnreadableObjects, key_of
from .pointers import Outcome

_log = logging.getLogger(__name__)
_CONFLICT_SECONDS = 0.1
_UNREADABLE_REQUEUE_SECONDS = 300.0


class PointerCalls(Protocol):
    """Calls outside of the work queue, one at a time for a schedule, which is woken at their end."""

    def take(self, key: Key) -> Outcome | None: ...
    def forget(self, key: Key) -> None: ...
    def read(self, schedule: ExportSchedule, target: ExportTarget) -> None: ...
    def write(self, schedule: ExportSchedule, target: ExportTarget, children: tuple[Child, ...]) -> None: ...


class ScheduleController:
    """Keeps the jobs and the status of each schedule as they should be."""

    def __init__(
        self, kube: KubeApi, pointers: PointerCalls, clock: Clock, *, may_act: Callable[[], bool] = lambda: True
    ) -> None:
        self._kube = kube
        self._pointers = pointers
        self._clock = clock
        self._may_act = may_act
        self._unreadable = UnreadableObjects(kube, clock, "ExportSchedule")
        self._first_seen: dict[Key, dict[str, float]] = {}  # the jobs that exist, by uid, on the monotonic clock

    @property
    def unreadable(self) -> int:
        """How many schedules cannot be decoded."""
        return self._unreadable.count

    async def reconcile(self, key: Key) -> float | None:
        """Take the next step of a schedule. Returns the seconds after which to reconcile again."""
        raw = await self._kube.get(SCHEDULES, *key)
        if raw is None:
            self._unreadable.forget(key)
            self._pointers.forget(key)
            self._first_seen.pop(key, None)
            return None
        try:
            schedule = decode_schedule(raw)
        except msgspec.ValidationError as error:
            return await self._hold_unreadable(raw, error)
        self._unreadable.forget(key)
        obs = await self._observe(schedule)
        if obs.target is not None and needs_recall(obs):
            called = self._pointers.take(key)
            if called is None:
                self._pointers.read(schedule, obs.target)
                return None
            obs = replace(obs, pointer=called.pointer, recalled=called.state)
        elif (called := self._pointers.take(key)) is not None:
            obs = replace(obs, pointer=called.failure or called.pointer)
        decision = decide(obs)
        try:
            written = await self._write(raw, schedule, decision)
            if written is None:
                return None
            return await self._carry_out(written, obs, decision)
        except ConflictError:
            return _CONFLICT_SECONDS

    async def _observe(self, schedule: ExportSchedule) -> Observation:
        meta = schedule.metadata
        children, unreadable = [], []
        now, before = self._clock.monotonic(), self._first_seen.get(meta.key, {})
        seen = self._first_seen[meta.key] = {}
        selector = f"{SCHEDULE_LABEL}={runs.label_value(schedule)}"
        async for raw in self._kube.list_objects(JOBS, meta.namespace, label_selector=selector):
            if not _is_owned(raw, meta.uid):
                continue
            try:
                job = decode_job(raw)
                first = seen[job.metadata.uid] = before.get(job.metadata.uid, now)
                children.append(Child.of(job, now - first))
            except msgspec.ValidationError:
                status, _ = decode_status(raw, JobStatus)
                if not any(is_true(status.conditions, ended) for ended in ("Complete", "Failed")):
                    unreadable.append(str(raw["metadata"]["name"]))
        return Observation(
            schedule=schedule,
            now=self._clock.utc_now(),
            children=tuple(children),
            unreadable=tuple(unreadable),
            target=await self._target(schedule),
        )

    async def _target(self, schedule: ExportSchedule) -> ExportTarget | None:
        name = schedule.spec.job_template.spec.get("targetRef", {}).get("name", "")
        raw = await self._kube.get(TARGETS, schedule.metadata.namespace, str(name)) if name else None
        try:
            return decode_target(raw) if raw is not None else None
        except msgspec.ValidationError:
            return None  # its own conditions say why it cannot be used

    async def _write(self, raw: Raw, schedule: ExportSchedule, decision: Decision) -> Raw | None:
        """Write what has changed, then post the events. None when the schedule does not exist any more."""
        status = with_report(schedule, decision.status, messages.STATUS_VALUES_IGNORED, self._clock.utc_now())
        change = status_patch(raw.get("status"), schedule.status, status)
        if change:
            patched = await self._kube.patch_status(SCHEDULES, raw, change)
            if patched is None:
                return None
            raw = patched
            transitions.log_schedule(schedule, status)
        for event in decision.events:
            await self._post(raw, event)
        return raw

    async def _carry_out(self, raw: Raw, obs: Observation, decision: Decision) -> float | None:
        for action in decision.actions:
            if not self._may_act():
                return _CONFLICT_SECONDS
            if isinstance(action, CreateJob):
                requeue_after = await self._create(raw, obs, action.run)
                if requeue_after is not None:
                    return requeue_after
            elif isinstance(action, WritePointer):
                if obs.target is not None:
                    self._pointers.write(obs.schedule, obs.target, action.children)
            else:
                await self._change(action)
        return decision.requeue_after

    async def _create(self, raw: Raw, obs: Observation, run: Run) -> float | None:
        """Create the job of a run. One of its name may be ours, from a process that ended before it wrote that.

        Returns the seconds until the next try if it is refused.
        """
        namespace = obs.schedule.metadata.namespace
        try:
            created = await self._kube.create(JOBS, runs.manifest(obs.schedule, run))
            if created is not None:
                await self._post(raw, Event("Normal", messages.STARTED(job=run.name)))
                return None
            existing = await self._kube.get(JOBS, namespace, run.name)
            if existing is None or _is_owned(existing, obs.schedule.metadata.uid):
                return None
            refused = None
        except InvalidError as error:
            refused = own(error)
        schedule = decode_schedule(raw)
        now = obs.with_status(schedule.status)
        decision = name_taken(now, run) if refused is None else job_refused(now, run, refused)
        await self._write(raw, schedule, decision)
        return decision.requeue_after

    async def _change(self, action: CancelJob | DeleteJob) -> None:
        """Cancel or delete a job, as it was when that was decided. One that has changed is decided on again."""
        meta = action.child.job.metadata
        observed: Raw = {
            "metadata": {
                "namespace": meta.namespace,
                "name": meta.name,
                "uid": meta.uid,
                "resourceVersion": meta.resource_version,
            }
        }
        if isinstance(action, DeleteJob):
            await self._kube.delete(JOBS, observed)
        elif isinstance(action, CancelJob):
            await self._kube.annotate(JOBS, observed, {CANCEL_ANNOTATION: "true"})

    async def _hold_unreadable(self, raw: Raw, error: Exception) -> float:
        """Report a schedule that cannot be decoded. Its jobs continue."""
        try:
            secrets = KNOWN.of([PROCESS, key_of(raw)[0]])
            await self._unreadable.report(raw, messages.SPEC_NOT_UNDERSTOOD(error=quote(error, secrets)))
        except ConflictError:
            return _CONFLICT_SECONDS
        return _UNREADABLE_REQUEUE_SECONDS

    async def _post(self, raw: Raw, event: Event) -> None:
        meta, why = raw["metadata"], event.why
        try:
            await self._kube.post_event(
                "ExportSchedule", raw, event.type, why.reason, why.message, self._clock.utc_now()
            )
        except Exception as error:
            _log.warning(
                "Cannot post event %s about ExportSchedule %s/%s: %s.",
                why.reason,
                meta["namespace"],
                meta["name"],
                explain(error),
                extra=object_fields("ExportSchedule", meta["namespace"], meta["name"], meta["uid"]),
            )


def schedule_of(body: Mapping[str, Any]) -> Key | None:
    """The schedule that controls a job, if it does."""
    meta = body["metadata"]
    owner = _owner(meta)
    return (str(meta.get("namespace", "")), str(owner["name"])) if owner is not None and "name" in owner else None


def _owner(meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    owners = meta.get("ownerReferences")
    for owner in owners if isinstance(owners, Sequence) else ():
        if isinstance(owner, Mapping) and owner.get("kind") == "ExportSchedule" and owner.get("controller"):
            return owner
    return None


def _is_owned(raw: Raw, uid: str) -> bool:
    owner = _owner(raw["metadata"])
    return owner is not None and owner.get("uid") == uid
