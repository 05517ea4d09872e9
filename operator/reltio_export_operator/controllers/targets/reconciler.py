"""The ExportTarget controller: verifies targets that are new, changed or due, and failing ones until they pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import msgspec

from ...api.conditions import Condition, find, is_true
from ...api.decoding import decode_job, decode_target, with_report
from ...api.foreign import KNOWN, PROCESS, own, quote
from ...api.meta import JOBS, TARGETS
from ...api.reasons import Values
from ...api.status_patch import status_patch
from ...api.target import Check, ExportTarget, TargetStatus
from ...aws.sessions import RoleSessions
from ...kube.client import ConflictError, InvalidError, KubeApi, Raw
from ...runtime.clock import Clock
from ...runtime.failures import explain
from ...runtime.logs import object_fields
from ...runtime.permits import without_permit
from ...runtime.slots import SlotLimits
from ...targets import canary, messages, readiness
from ...targets.checks import OPERATOR_CREDENTIALS
from .. import transitions
from ..access import Access, snapshot
from ..cache import JobCache, Key
from ..call_limiter import CallLimiter
from ..refusals import REASONS, Refusals
from ..unreadable import UnreadableObjects, key_of
from .overlap import CONDITION as OVERLAPPING
from .overlap import Overlaps
from .prober import Prober

_log = logging.getLogger(__name__)
_MIN_REQUEST_SECONDS = 60.0  # between verifications that failures of jobs ask for
_BUSY_REQUEUE_SECONDS = 30.0  # for a target that waits for its turn, in case nothing wakes it
_HEAD_START_SECONDS = 2.0  # for the tenant to answer, before the checks with AWS begin without its answer
_CANARY_REQUEUE_SECONDS = 15.0  # while a canary runs
_UNREADABLE_REQUEUE_SECONDS = 300.0  # for a target that cannot be decoded, in case the event of a change is lost

_Due = Literal["No", "Elapsed", "Changed"]


class TargetController:
    """Keeps the status of each target true."""

    def __init__(
        self,
        kube: KubeApi,
        access: Access,
        sessions: RoleSessions,
        cache: JobCache,
        clock: Clock,
        *,
        retry_interval_seconds: float,
        probe_timeout_seconds: float,
        aws_probes: int = 4,
        limiter: CallLimiter[Key],
        wake_job: Callable[[Key], None],
        release: str = "",
    ) -> None:
        self._kube = kube
        self._access = access
        self._sessions = sessions
        self._refusals = Refusals(access, sessions)
        self._cache = cache
        self._retry_interval = retry_interval_seconds
        self._probe_timeout = probe_timeout_seconds
        # A probe waits here, before its timeout starts, and not for a thread.
        self._aws_probes = sessions.slots_by_region(SlotLimits.for_one_place(aws_probes))
        self._limiter = limiter
        self._wake_job = wake_job
        self._clock = clock
        self._unreadable = UnreadableObjects(kube, clock, "ExportTarget")
        self._overlaps = Overlaps(clock, release)
        self._failures: dict[Key, int] = {}
        self._requested: dict[Key, float] = {}  # when a verification was last requested, on the monotonic clock
        self._found: set[Key] = set()  # targets whose jobs failed with what a verification can find
        self._secrets: dict[Key, tuple[float, str]] = {}  # when Secrets were last read, and their digest

    def request_verification(self, key: Key) -> bool:
        """Verify a Ready target at its next reconcile, because a job of it failed. At most once a minute.

        False: nothing is to be done.
        """
        now, target = self._clock.monotonic(), self._cache.target(key)
        if (
            target is None
            or not target.is_ready
            or now - self._requested.get(key, float("-inf")) < _MIN_REQUEST_SECONDS
        ):
            return False
        self._requested[key] = now
        self._found.add(key)
        return True

    async def reconcile(self, key: Key) -> float | None:
        """Bring the target's status up to date. Returns the seconds after which to reconcile again."""
        with self._limiter.turn(key):
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> float | None:
        raw = await self._kube.get(TARGETS, *key)
        if raw is None:
            self._cache.drop_target(key)
            self._failures.pop(key, None)
            self._secrets.pop(key, None)
            self._unreadable.forget(key)
            self._overlaps.forget(key)
            self._requested.pop(key, None)
            self._found.discard(key)
            self._limiter.forget(key)
            self._wake_jobs(key)
            return None
        try:
            target = decode_target(raw)
        except msgspec.ValidationError as error:
            return await self._hold_unreadable(raw, error)
        self._unreadable.forget(key)
        due = await self._due(target) if self._is_verified(target) else "No"
        try:
            with self._limit(target, due) as may_call:
                if not may_call:
                    self._cache.put_target(target)
                    return _BUSY_REQUEUE_SECONDS
                status = self._overlaps.status_of(target, await self._status(target, due))
            raw = await self._write(raw, target, status)
            if raw is None:
                return None
            # The result of the verification is written, whatever the canary does.
            target = decode_target(raw)
            status = await self._with_canary(target, target.status)
            await self._write(raw, target, status)
        except ConflictError:
            return 0.1
        seen = msgspec.structs.replace(target, status=status)
        times = (self._requeue_after(seen), self._overlaps.seconds_until_due(seen))
        return min((time for time in times if time is not None), default=None)

    def _requeue_after(self, seen: ExportTarget) -> float | None:
        if not self._is_verified(seen):
            return None
        requeue_after = max(0.5, self._seconds_until_due(seen))
        if _is_failing(seen):
            return min(requeue_after, max(0.5, self._retry_interval))  # to read its Secrets, see _due
        return min(requeue_after, _CANARY_REQUEUE_SECONDS) if canary.is_wanted(seen, seen.status) else requeue_after

    @property
    def overlapping(self) -> int:
        """On how many targets the operator of another release works too."""
        return self._overlaps.count

    @contextmanager
    def _limit(self, target: ExportTarget, due: _Due) -> Iterator[bool]:
        """Limit concurrent verifications with a tenant. Yields whether the target may be verified now, if it is due."""
        if due == "No":
            yield True
            return
        with self._limiter.enter(self._access.endpoint(snapshot(target)), target.metadata.key) as may_call:
            if not may_call and due == "Changed":
                self._found.add(target.metadata.key)  # so that it is due as before when its turn comes
            yield may_call

    @property
    def unreadable(self) -> int:
        """How many targets cannot be decoded."""
        return self._unreadable.count

    async def _hold_unreadable(self, raw: Raw, error: Exception) -> float:
        """Report a target that cannot be decoded. Its jobs wait; those that were submitted continue."""
        key = key_of(raw)
        self._cache.put_unreadable_target(key)
        try:
            why = messages.SPEC_NOT_UNDERSTOOD(error=quote(error, KNOWN.of([PROCESS, key[0]])))
            await self._unreadable.report(raw, why)
        except ConflictError:
            return 0.1
        self._wake_jobs(key)
        return _UNREADABLE_REQUEUE_SECONDS

    async def _with_canary(self, target: ExportTarget, status: TargetStatus) -> TargetStatus:
        """Copy the result of the canary's job; create the job when there is none for the current generation."""
        if not canary.is_wanted(target, status):
            return canary.status_without(target, status, self._clock.utc_now())
        name = canary.name_of(target, status)
        try:
            raw = await self._kube.get(JOBS, target.metadata.namespace, name)
            if raw is None:
                raw = await self._kube.create(JOBS, canary.manifest_of(target, name))
        except InvalidError as error:
            return canary.not_created_status(target, status, name, own(error), self._clock.utc_now())
        try:
            job = decode_job(raw) if raw else None
        except msgspec.ValidationError as error:
            text = quote(error, KNOWN.of([PROCESS, target.metadata.namespace]))
            return canary.not_created_status(target, status, name, text, self._clock.utc_now())
        return canary.status_from_job(target, status, name, job, self._clock.utc_now())

    async def _status(self, target: ExportTarget, due: _Due) -> TargetStatus:
        key = target.metadata.key
        now = self._clock.utc_now()
        if target.spec.suspend:
            status = readiness.suspended_status(target, now)
        elif refusal := self._refusals.of(target):
            status = readiness.refused_status(target, refusal.why, now, condition=refusal.condition)
        elif target.spec.verification.mode == "Disabled":
            status = readiness.disabled_status(target, now)
        elif due == "No":
            status = target.status
        else:
            self._secrets[key] = (self._clock.monotonic(), await self._access.secrets_of(target))
            failures = self._failures.get(key, 0)
            status = await self._verified(target, failures)
            self._failures[key] = 0 if readiness.is_healthy(status) else failures + 1
        return readiness.with_job_counts(status, *self._cache.counts(key))

    def _is_verified(self, target: ExportTarget) -> bool:
        return readiness.is_verified(target) and self._refusals.of(target) is None

    async def _due(self, target: ExportTarget) -> _Due:
        """Whether to verify now. A new spec, verify annotation, or Secret of a failing target is a change."""
        key = target.metadata.key
        refused = (*REASONS, messages.SPEC_NOT_UNDERSTOOD.name)
        if readiness.needs_verification(target) or readiness.was_refused(target, refused):
            return "Changed"
        if readiness.canary_has_decided(target) or key in self._found:
            self._found.discard(key)
            return "Changed"
        read_at, before = self._secrets.get(key, (float("-inf"), ""))
        if before and _is_failing(target) and self._clock.monotonic() - read_at >= self._retry_interval:
            self._secrets[key] = (self._clock.monotonic(), before)
            if await self._access.secrets_of(target) != before:
                return "Changed"
        return "No" if self._seconds_until_due(target) else "Elapsed"

    def _seconds_until_due(self, target: ExportTarget) -> float:
        failures = self._failures.get(target.metadata.key, 0)
        return readiness.seconds_until_due(target, failures, self._retry_interval, self._clock.utc_now())

    async def _verified(self, target: ExportTarget, failures: int) -> TargetStatus:
        """The status after all checks; Reltio and AWS are checked concurrently."""
        prober = Prober(self._access, self._sessions, target)
        advisory = readiness.advisory_checks_due(target, self._clock.utc_now())
        # A timeout is that of a call, and of the credentials only by what a call returned.
        others = (*readiness.ADVISORY_CHECKS, OPERATOR_CREDENTIALS)
        names = [name for name in readiness.checks_of(target) if name not in others]

        async def aws(of_reltio: asyncio.Task[list[Check]]) -> list[Check]:
            # Targets whose tenant does not answer must not hold up the others: these go first.
            await asyncio.wait([of_reltio], timeout=_HEAD_START_SECONDS)
            eager = of_reltio.done() and all(check.status == "True" for check in of_reltio.result())
            region = self._sessions.place("s3", target.spec.s3.role_arn, target.spec.s3.region).region
            async with self._aws_probes.slot(region, target.metadata.namespace, eager=eager):
                return await self._bounded(target, prober.aws(advisory=advisory), names[len(readiness.RELTIO) :])

        async with without_permit(), asyncio.TaskGroup() as group:
            of_reltio = group.create_task(self._bounded(target, prober.reltio(), readiness.RELTIO))
            # A region of AWS that does not answer must not hold up the other targets of the tenant.
            of_reltio.add_done_callback(lambda _: self._limiter.leave(target.metadata.key))
            of_aws = group.create_task(aws(of_reltio))
        reltio, tried = of_reltio.result(), of_aws.result()
        status = readiness.evaluate(
            target, [*reltio, *tried], self._clock.utc_now(), tested=prober.made_advisory_checks, failures=failures
        )
        return msgspec.structs.replace(status, external_id_in_use=prober.in_use, session_policy=prober.session_policy)

    async def _bounded(self, target: ExportTarget, checks: AsyncIterator[Check], names: Sequence[str]) -> list[Check]:
        """The results of the checks within the probe timeout.

        Checks that were made count. The first of `names` that was not made has failed.
        """
        done: list[Check] = []
        try:
            async with asyncio.timeout(self._probe_timeout):
                async for check in checks:
                    done.append(check)  # noqa: PERF401 - checks made before the timeout count
            return done
        except TimeoutError:
            reason, values = messages.PROBE_TIMEOUT, Values(seconds=self._probe_timeout)
        except Exception as error:
            logged = any(check.reason == messages.INTERNAL_ERROR.name for check in target.status.checks)
            _log.log(
                logging.DEBUG if logged else logging.ERROR,
                "Verification of ExportTarget %s/%s failed at %s.",
                *target.metadata.key,
                names[0],
                exc_info=True,
                extra=object_fields(
                    "ExportTarget", *target.metadata.key, target.metadata.uid, reason="InternalError", check=names[0]
                ),
            )
            reason, values = messages.INTERNAL_ERROR, Values(error=own(type(error).__name__))
        made = {check.name for check in done}
        first_left = next((name for name in names if name not in made), None)
        return [*done, readiness.check_failed(first_left, reason, **values)] if first_left else done

    async def _write(self, raw: Raw, target: ExportTarget, status: TargetStatus) -> Raw | None:
        """Write what has changed. Returns the object after the write; None when it does not exist any more."""
        reported = with_report(target, status, messages.STATUS_VALUES_IGNORED, self._clock.utc_now())
        change = status_patch(raw.get("status"), target.status, reported)
        before = find(target.status.conditions, "Ready")
        if change:
            patched = await self._kube.patch_status(TARGETS, raw, change)
            if patched is None:
                return None
            raw = patched
            transitions.log_target(target, reported)
        current = decode_target(raw)
        self._cache.put_target(current)
        self._overlaps.observe(target, current)
        if is_true(reported.conditions, OVERLAPPING) and not is_true(target.status.conditions, OVERLAPPING):
            await self._post_event(raw, "Warning", OVERLAPPING, find(reported.conditions, OVERLAPPING))
        ready = find(current.status.conditions, "Ready")
        if ready is not None and (before is None or (before.status, before.reason) != (ready.status, ready.reason)):
            await self._post_ready_event(raw, ready)
        if "conditions" in change:
            self._wake_jobs(current.metadata.key)
        return raw

    async def _post_ready_event(self, raw: Raw, ready: Condition) -> None:
        if ready.reason == messages.READY_UNVERIFIED.name:
            return
        if ready.status == "True":
            await self._post_event(raw, "Normal", messages.VERIFIED.name, ready)
        else:
            await self._post_event(raw, "Warning", messages.VERIFICATION_FAILED.name, ready)

    async def _post_event(self, raw: Raw, type_: str, reason: str, condition: Condition | None) -> None:
        """Post an event that repeats the message of a condition."""
        message = own(condition.message if condition else "")
        try:
            await self._kube.post_event("ExportTarget", raw, type_, reason, message, self._clock.utc_now())
        except Exception as error:
            _log.warning(
                "Cannot post an event about ExportTarget %s/%s: %s.",
                raw["metadata"]["namespace"],
                raw["metadata"]["name"],
                explain(error),
                extra=object_fields("ExportTarget", raw["metadata"]["namespace"], raw["metadata"]["name"]),
            )

    def _wake_jobs(self, key: Key) -> None:
        for job in self._cache.jobs_of(key):
            self._wake_job(job)


def _is_failing(target: ExportTarget) -> bool:
    """Whether the target fails, so that verifying it may mean waiting for a dead service."""
    ready = find(target.status.conditions, "Ready")
    return ready is not None and ready.status == "False"
