"""An in-memory cache of targets, and of the fields of unfinished jobs that queueing needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..api.job import ExportJob
from ..api.meta import FINALIZER
from ..api.target import ExportTarget
from ..jobs import identity
from ..jobs.queue import Entry, ahead_of

Key = tuple[str, str]

_PARTS = ("metadata", "spec", "status")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class JobCache:
    """Targets by key, and the unfinished jobs of each target.

    A job is assumed to be active from the decision to submit it until its status shows that, as in kube-scheduler.
    """

    def __init__(self) -> None:
        self._targets: dict[Key, ExportTarget] = {}
        self._jobs: dict[Key, dict[str, Entry]] = defaultdict(dict)
        self._target_of: dict[Key, Key] = {}
        self._assumed: set[str] = set()
        self._refused: set[str] = set()  # uids of jobs whose intents are refused; they go with their jobs
        self._unreadable_targets: set[Key] = set()

    def target(self, key: Key) -> ExportTarget | None:
        return self._targets.get(key)

    def put_target(self, target: ExportTarget) -> None:
        self._targets[target.metadata.key] = target
        self._unreadable_targets.discard(target.metadata.key)

    def drop_target(self, key: Key) -> None:
        self._targets.pop(key, None)
        self._unreadable_targets.discard(key)

    def put_unreadable_target(self, key: Key) -> None:
        """The target exists and cannot be decoded: nothing is submitted with what it said before."""
        self._targets.pop(key, None)
        self._unreadable_targets.add(key)

    def is_unreadable_target(self, key: Key) -> bool:
        return key in self._unreadable_targets

    def put_job(self, job: ExportJob) -> None:
        """Add or update an unfinished job; remove a finished one."""
        key = job.metadata.key
        if job.is_finished:
            self.drop_job(key)
            return
        target_key = (job.metadata.namespace, job.spec.target_ref.name)
        if self._target_of.get(key, target_key) != target_key:
            self.drop_job(key)  # it was deleted, and created again for another target
        earlier = self._jobs[target_key].get(job.metadata.name)
        if earlier is not None and earlier.uid != job.metadata.uid:
            self._assumed.discard(earlier.uid)
            self._refused.discard(earlier.uid)
        self._target_of[key] = target_key
        created = job.metadata.creation_timestamp
        assert created is not None
        active = identity.takes_place(job)
        if active:
            self._assumed.discard(job.metadata.uid)  # its status shows it now
        self._jobs[target_key][job.metadata.name] = Entry(
            uid=job.metadata.uid,
            created=created,
            name=job.metadata.name,
            active=active or job.metadata.uid in self._assumed,
            eligible=_wants_place(job) and job.metadata.uid not in self._refused,
        )

    def put_unreadable(self, raw: Mapping[str, Any]) -> None:
        """Count a job that cannot be decoded as active if an export of it may run; as absent otherwise."""
        meta, spec, status = (part if isinstance(part := raw.get(name), Mapping) else {} for name in _PARTS)
        key = (str(meta.get("namespace", "")), str(meta.get("name", "")))
        self.drop_job(key)
        reference = spec.get("targetRef")
        target = reference.get("name") if isinstance(reference, Mapping) else None
        may_run = FINALIZER in (meta.get("finalizers") or ()) or status.get("submission") is not None
        if not isinstance(target, str) or not may_run:
            return
        target_key = self._target_of[key] = (key[0], target)
        self._jobs[target_key][key[1]] = Entry(str(meta.get("uid", "")), _EARLIEST, key[1], active=True, eligible=False)

    def has(self, uid: str) -> bool:
        """Whether a job of this uid exists and is unfinished."""
        return any(entry.uid == uid for entries in self._jobs.values() for entry in entries.values())

    def target_of(self, key: Key) -> Key | None:
        """The target of an unfinished job."""
        return self._target_of.get(key)

    def drop_job(self, key: Key) -> None:
        target_key = self._target_of.pop(key, None)
        if target_key is None:
            return
        entry = self._jobs[target_key].pop(key[1], None)
        if entry is not None:
            self._assumed.discard(entry.uid)
            self._refused.discard(entry.uid)
        if not self._jobs[target_key]:
            del self._jobs[target_key]

    def assume(self, job: ExportJob) -> None:
        """Count the job as active before its status shows a submission."""
        self._assumed.add(job.metadata.uid)
        self.put_job(job)

    def forget_assumed(self, job: ExportJob) -> None:
        """Count the job as pending again, because its intent was not written."""
        self._assumed.discard(job.metadata.uid)
        self.put_job(job)

    def give_up_turn(self, job: ExportJob) -> None:
        """Let later jobs go first: the API server refuses the intent of this one, which counts as pending."""
        self._refused.add(job.metadata.uid)
        self.forget_assumed(job)

    def take_turn(self, job: ExportJob) -> None:
        """Undo `give_up_turn`."""
        self._refused.discard(job.metadata.uid)
        self.put_job(job)

    def queue_position(self, job: ExportJob) -> int:
        """How many jobs of the target must start or finish before this one may start; 0: it may start now."""
        target_key = (job.metadata.namespace, job.spec.target_ref.name)
        target = self._targets.get(target_key)
        limit = target.spec.max_concurrent_jobs if target else 0
        return ahead_of(job.metadata.uid, self._jobs.get(target_key, {}).values(), limit)

    def next_admissible(self, target_key: Key, count: int) -> Iterable[Key]:
        """Keys of the first pending jobs in the queue, at most `count`."""
        pending = [e for e in self._jobs.get(target_key, {}).values() if not e.active and e.eligible]
        pending.sort(key=lambda entry: entry.order)
        return [(target_key[0], entry.name) for entry in pending[:count]]

    def next_admissible_of_each_target(self) -> Iterable[Key]:
        """The first pending job of each target that has fewer active jobs than it allows."""
        return [
            key
            for target_key, target in self._targets.items()
            if self.counts(target_key)[0] < target.spec.max_concurrent_jobs
            for key in self.next_admissible(target_key, 1)
        ]

    def jobs_of(self, target_key: Key) -> list[Key]:
        return [(target_key[0], name) for name in self._jobs.get(target_key, {})]

    def all_counts(self) -> tuple[int, int]:
        """Active and pending jobs of all targets."""
        counts = [self.counts(key) for key in self._jobs]
        return sum(active for active, _ in counts), sum(pending for _, pending in counts)

    def readiness(self) -> tuple[int, int]:
        """How many targets are Ready, and how many are not."""
        ready = sum(target.is_ready for target in self._targets.values())
        return ready, len(self._targets) - ready

    def counts(self, target_key: Key) -> tuple[int, int]:
        """Active and pending jobs of the target."""
        entries = self._jobs.get(target_key, {}).values()
        active = sum(entry.active for entry in entries)
        return active, len(entries) - active


def _wants_place(job: ExportJob) -> bool:
    """Whether the job would be submitted if it had a place, so that later jobs wait for it."""
    waits = job.spec.suspend or job.status.retry_time is not None or job.metadata.deletion_timestamp is not None
    return not waits and not identity.waits_for_person(job)
