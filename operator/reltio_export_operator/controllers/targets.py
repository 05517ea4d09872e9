"""ExportTargets: verified when new, changed or due; failing ones again and again until they are mended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import msgspec

from ..api.conditions import Condition, find, is_true
from ..api.job import ExportJob
from ..api.meta import JOBS, TARGETS, merge_diff, to_wire
from ..api.target import Check, ExportTarget, TargetStatus
from ..aws.sessions import RoleSessions
from ..targets import canary, verdict
from .access import Access
from .kube import ConflictError, KubeClient, Raw
from .probing import Prober
from .registry import Key, Registry

_log = logging.getLogger(__name__)
_CANARY_LOOK = 15.0  # seconds between looks at a canary that runs


class TargetController:
    """Keeps the verdict on each target true."""

    def __init__(
        self,
        kube: KubeClient,
        access: Access,
        sessions: RoleSessions,
        registry: Registry,
        *,
        heal_interval: float,
        probe_timeout: float,
        now: Callable[[], datetime],
        wake_job: Callable[[Key], None],
        hand_over: Callable[[Key], None] = lambda key: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._access = access
        self._sessions = sessions
        self._registry = registry
        self._heal_interval = heal_interval
        self._probe_timeout = probe_timeout
        self._now = now
        self._wake_job = wake_job
        self._hand_over = hand_over
        self._clock = clock
        self._failures: dict[Key, int] = {}
        self._secrets: dict[Key, tuple[float, str]] = {}  # when Secrets were last read, and what they said

    async def reconcile(self, key: Key, *, try_suspects: bool = True) -> float | None:
        """Bring the target's status up to date. Returns the seconds until it must be looked at again.

        A target that is known to fail and due for a verification is handed over without `try_suspects`: that may
        take its time, and then happens where only others of its kind wait.
        """
        raw = await self._kube.get(TARGETS, *key)
        if raw is None:
            self._registry.drop_target(key)
            self._failures.pop(key, None)
            self._secrets.pop(key, None)
            self._wake_jobs(key)
            return None
        target = msgspec.convert(raw, ExportTarget)
        if not try_suspects and _is_suspect(target) and verdict.is_tried(target) and await self._is_due(target):
            self._registry.put_target(target)
            self._hand_over(key)
            return None
        try:
            status = await self._with_canary(target, await self._status(target))
            await self._write(raw, target, status)
        except ConflictError:
            return 0.1
        if not verdict.is_tried(target):
            return None
        seen = msgspec.structs.replace(target, status=status)
        due = max(0.5, verdict.is_due(seen, self._failures.get(key, 0), self._heal_interval, self._now()))
        if _is_suspect(seen):
            return min(due, max(0.5, self._heal_interval))  # its Secrets are looked at, see _is_due
        return min(due, _CANARY_LOOK) if canary.is_wanted(target, status) else due

    async def _with_canary(self, target: ExportTarget, status: TargetStatus) -> TargetStatus:
        """Take over how the canary's job ends; create it first, where there is none for the target as it is."""
        if not canary.is_wanted(target, status):
            return canary.without(target, status, self._now())
        raw = await self._kube.get(JOBS, target.metadata.namespace, canary.name_of(target))
        if raw is None:
            raw = await self._kube.create(JOBS, canary.manifest_of(target))
        job = msgspec.convert(raw, ExportJob) if raw else None
        return canary.judge(target, status, job, self._now())

    async def _status(self, target: ExportTarget) -> TargetStatus:
        key = target.metadata.key
        now = self._now()
        if target.spec.suspend:
            status = verdict.suspended(target, now)
        elif target.spec.verification.mode == "Disabled":
            status = verdict.unverified(target, now)
        elif not await self._is_due(target):
            status = target.status
        else:
            self._secrets[key] = (self._clock(), await self._access.secrets_of(target))
            checks, in_use = await self._verify(target)
            status = msgspec.structs.replace(verdict.judge(target, checks, self._now()), external_id_in_use=in_use)
            healthy = is_true(status.conditions, "Ready")
            self._failures[key] = 0 if healthy else self._failures.get(key, 0) + 1
        return verdict.with_counts(status, *self._registry.counts(key))

    async def _is_due(self, target: ExportTarget) -> bool:
        """Whether to verify now: by the time, or because a Secret of a failing target is another than it was."""
        key = target.metadata.key
        if verdict.is_due(target, self._failures.get(key, 0), self._heal_interval, self._now()) <= 0:
            return True
        read_at, before = self._secrets.get(key, (float("-inf"), ""))
        if not before or not _is_suspect(target) or self._clock() - read_at < self._heal_interval:
            return False
        if await self._access.secrets_of(target) != before:
            return True
        self._secrets[key] = (self._clock(), before)
        return False

    async def _verify(self, target: ExportTarget) -> tuple[list[Check], str | None]:
        """Try everything, the two services side by side, within a bound that a dead one cannot exceed.

        Answers with the checks, and with which external ID works when there are two.
        """
        prober = Prober(self._access, self._sessions, target)
        reltio, aws = await asyncio.gather(
            self._bounded(prober.reltio(), "ReltioReachable", "spec.reltio"), self._verify_aws(target, prober)
        )
        return [*reltio, *aws], prober.in_use

    async def _verify_aws(self, target: ExportTarget, prober: Prober) -> list[Check]:
        checks: list[Check] = []
        if target.spec.verification.assumes:
            checks += await self._bounded(prober.aws(), "AssumeRole", "spec.s3")
            assumed = any(check.name == "AssumeRole" and check.status == "True" for check in checks)
            if assumed and verdict.advice_is_due(target, self._now()):
                advised = await self._bounded(prober.advice(), "SessionDuration", "spec.s3")
                checks += [check for check in advised if check.reason != "ProbeTimeout"]
        if target.spec.verification.inspects:
            checks += await self._bounded(prober.inspect(), "TrustsReltio", "spec.s3")
        return checks

    async def _bounded(self, checks: AsyncIterator[Check], name: str, where: str) -> list[Check]:
        done: list[Check] = []
        try:
            async with asyncio.timeout(self._probe_timeout):
                async for check in checks:
                    done.append(check)  # noqa: PERF401 - what was done before the time-out counts
        except TimeoutError:
            text = f"No verdict within {self._probe_timeout:.0f} s."
            done.append(verdict.refuted(name, "ProbeTimeout", text, f"Check the network, and {where}."))
        return done

    async def _write(self, raw: Raw, target: ExportTarget, status: TargetStatus) -> None:
        change = merge_diff(to_wire(target.status), to_wire(status))
        before = find(target.status.conditions, "Ready")
        if change:
            patched = await self._kube.patch_status(TARGETS, raw, change)
            if patched is None:
                return
            raw = patched
        current = msgspec.convert(raw, ExportTarget)
        self._registry.put_target(current)
        ready = find(current.status.conditions, "Ready")
        if ready is not None and (before is None or (before.status, before.reason) != (ready.status, ready.reason)):
            await self._announce(raw, ready)
        if "conditions" in change:
            self._wake_jobs(current.metadata.key)

    async def _announce(self, raw: Raw, ready: Condition) -> None:
        if ready.reason in ("Suspended", "VerificationDisabled"):
            return
        good = ready.status == "True"
        try:
            await self._kube.post_event(
                "ExportTarget",
                raw,
                "Normal" if good else "Warning",
                "Verified" if good else "VerificationFailed",
                ready.message,
                self._now(),
            )
        except Exception as error:
            _log.warning("Cannot post an event: %s", error)

    def _wake_jobs(self, key: Key) -> None:
        for job in self._registry.jobs_of(key):
            self._wake_job(job)


def _is_suspect(target: ExportTarget) -> bool:
    """Whether the target is known to fail, so that trying it may be trying a dead service."""
    ready = find(target.status.conditions, "Ready")
    return ready is not None and ready.status == "False"
