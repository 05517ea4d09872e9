"""An in-memory cache of targets, and of the fields of unfinished jobs that queueing needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..api.job import ExportJob
from ..api.meta import FINALIZER
from ..api.target import ExportTarget
from ..jobs import identity
from ..jobs.queue import Entry, TargetQueue

Key = tuple[str, str]

_PARTS = ("metadata", "spec", "status")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class JobCache:
    """Targets by key, and the unfinished jobs of each target.

    A job is assumed to be active from the decision to submit it until its status shows that, as in kube-scheduler.
    `admitted` is called for each job that may begin because of a change of another job or of the target.
    """

    def __init__(self, admitted: Callable[[Key], None] = lambda key: None) -> None:
        self._admitted = admitted
        self._targets: dict[Key, ExportTarget] = {}
        self._queues: dict[Key, TargetQueue] = {}
        self._target_of: dict[Key, Key] = {}
        self._uids: set[str] = set()
        self._assumed: set[str] = set()
        self._refused: set[str] = set()  # uids of jobs whose intents are refused; they go with their jobs
        self._unreadable_targets: set[Key] = set()

    def target(self, key: Key) -> ExportTarget | None:
        return self._targets.get(key)

    def put_target(self, target: ExportTarget) -> None:
        key = target.metadata.key
        self._targets[key] = target
        self._unreadable_targets.discard(key)
        self._announce(key)

    def drop_target(self, key: Key) -> None:
        self._targets.pop(key, None)
        self._unreadable_targets.discard(key)

    def put_unreadable_target(self, key: Key) -> None:
        """The target exists and cannot be decoded: nothing is submitted with what it said before."""
        self._targets.pop(key, None)
        self._unreadable_targets.add(key)

    def is_unreadable_target(self, key: Key) -> bool:
        return key in self._unreadable_targets

    def put_job(self, job: ExportJob, *, announced: bool = False) -> None:
        """Add or update an unfinished job; remove a finished one. `announced` as in `TargetQueue.put`."""
        key = job.metadata.key
        if job.is_finished:
            self.drop_job(key)
            return
        target_key = (job.metadata.namespace, job.spec.target_ref.name)
        if self._target_of.get(key, target_key) != target_key:
            self.drop_job(key)  # it was deleted, and created again for another target
        created = job.metadata.creation_timestamp
        assert created is not None
        active = identity.takes_place(job)
        if active:
            self._assumed.discard(job.metadata.uid)  # its status shows it now
        self._put(
            target_key,
            Entry(
                uid=job.metadata.uid,
                created=created,
                name=job.metadata.name,
                active=active or job.metadata.uid in self._assumed,
                eligible=_wants_place(job) and job.metadata.uid not in self._refused,
            ),
            announced=announced,
        )

    def put_unreadable(self, raw: Mapping[str, Any]) -> None:
        """Count a job that cannot be decoded as active if an export of it may run; as absent otherwise."""
        meta, spec, status = (part if isinstance(part := raw.get(name), Mapping) else {} for name in _PARTS)
        key = (str(meta.get("namespace", "")), str(meta.get("name", "")))
        reference = spec.get("targetRef")
        target = reference.get("name") if isinstance(reference, Mapping) else None
        may_run = FINALIZER in (meta.get("finalizers") or ()) or status.get("submission") is not None
        if not isinstance(target, str) or not may_run:
            self.drop_job(key)
            return
        if self._target_of.get(key, (key[0], target)) != (key[0], target):
            self.drop_job(key)
        self._put((key[0], target), Entry(str(meta.get("uid", "")), _EARLIEST, key[1], active=True, eligible=False))

    def has(self, uid: str) -> bool:
        """Whether a job of this uid exists and is unfinished."""
        return uid in self._uids

    def target_of(self, key: Key) -> Key | None:
        """The target of an unfinished job."""
        return self._target_of.get(key)

    def drop_job(self, key: Key) -> None:
        target_key = self._target_of.pop(key, None)
        if target_key is None:
            return
        queue = self._queues[target_key]
        entry = queue.drop(key[1])
        if entry is not None:
            self._forget(entry.uid)
        if queue:
            self._announce(target_key)
        else:
            del self._queues[target_key]

    def assume(self, job: ExportJob) -> None:
        """Count the job as active before its status shows a submission."""
        self._assumed.add(job.metadata.uid)
        self.put_job(job)

    def forget_assumed(self, job: ExportJob) -> None:
        """Count the job as pending again, unless an intent was written. Its reconcile asks for its position next."""
        self._assumed.discard(job.metadata.uid)
        self.put_job(job, announced=True)

    def give_up_turn(self, job: ExportJob) -> None:
        """Let later jobs go first: the API server refuses the intent of this one, which counts as pending."""
        self._refused.add(job.metadata.uid)
        self.forget_assumed(job)

    def take_turn(self, job: ExportJob) -> None:
        """Undo `give_up_turn`."""
        self._refused.discard(job.metadata.uid)
        self.put_job(job)

    def queue_position(self, job: ExportJob) -> int:
        """How many jobs of the target must start or finish before this one may start; 0: it may start now.

        For the reconcile of this job: if it may not start now, it is woken when it may.
        """
        target_key = (job.metadata.namespace, job.spec.target_ref.name)
        queue = self._queues.get(target_key)
        return queue.position(job.metadata.name, job.metadata.uid, self._places(target_key)) if queue else 0

    def first_waiting(self, target_key: Key, count: int) -> list[Key]:
        """The first jobs that wait for a place, at most `count`."""
        queue = self._queues.get(target_key)
        return [(target_key[0], name) for name in queue.first(count, self._places(target_key))] if queue else []

    def jobs_of(self, target_key: Key) -> list[Key]:
        queue = self._queues.get(target_key)
        return [(target_key[0], name) for name in queue.names] if queue else []

    def all_counts(self) -> tuple[int, int]:
        """Active and pending jobs of all targets."""
        active = sum(queue.active for queue in self._queues.values())
        return active, sum(map(len, self._queues.values())) - active

    def readiness(self) -> tuple[int, int]:
        """How many targets are Ready, and how many are not."""
        ready = sum(target.is_ready for target in self._targets.values())
        return ready, len(self._targets) - ready

    def counts(self, target_key: Key) -> tuple[int, int]:
        """Active and pending jobs of the target."""
        queue = self._queues.get(target_key)
        return (queue.active, len(queue) - queue.active) if queue else (0, 0)

    def _put(self, target_key: Key, entry: Entry, *, announced: bool = False) -> None:
        queue = self._queues.setdefault(target_key, TargetQueue())
        earlier = queue.get(entry.name)
        if earlier is not None and earlier.uid != entry.uid:
            self._forget(earlier.uid)
        queue.put(entry, announced=announced)
        self._uids.add(entry.uid)
        self._target_of[target_key[0], entry.name] = target_key
        self._announce(target_key)

    def _forget(self, uid: str) -> None:
        self._uids.discard(uid)
        self._assumed.discard(uid)
        self._refused.discard(uid)

    def _announce(self, target_key: Key) -> None:
        queue = self._queues.get(target_key)
        for name in queue.newly_admitted(self._places(target_key)) if queue else ():
            self._admitted((target_key[0], name))

    def _places(self, target_key: Key) -> int:
        target = self._targets.get(target_key)
        return target.spec.max_concurrent_jobs if target else 0


def _wants_place(job: ExportJob) -> bool:
    """Whether the job would be submitted if it had a place, so that later jobs wait for it."""
    waits = job.spec.suspend or job.status.retry_time is not None or job.metadata.deletion_timestamp is not None
    return not waits and not identity.waits_for_person(job)
