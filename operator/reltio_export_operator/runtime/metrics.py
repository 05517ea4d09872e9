"""What the operator counts, for Prometheus. No label has more values than the code has words for it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Events of jobs that are counted as they are posted; all else that is posted is not.
_COUNTED = frozenset({"Submitted", "Adopted", "DuplicateDetected", "CleanupIncomplete"})

Depth = Callable[[], float]


class Metrics:
    """Counters with a registry of their own, so that two operators in one process do not share them."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._events = Counter("reltio_export_job_events", "Events of jobs.", ["reason"], registry=registry)
        self._finished = Counter("reltio_export_jobs_finished", "Jobs that ended.", ["outcome"], registry=registry)
        self._duplicates = Counter(
            "reltio_export_duplicates", "Second exports that were found for a job, and stopped.", registry=registry
        )
        self._reconciles = Histogram(
            "reltio_export_reconcile_seconds", "Time that a look at an object takes.", ["queue"], registry=registry
        )
        self._errors = Counter(
            "reltio_export_reconcile_errors", "Looks that ended in an error.", ["queue"], registry=registry
        )
        self._depth = Gauge("reltio_export_queue_depth", "Objects waiting for a look.", ["queue"], registry=registry)
        self._jobs = Gauge("reltio_export_jobs", "Unfinished jobs.", ["state"], registry=registry)
        self._targets = Gauge("reltio_export_targets", "Targets.", ["ready"], registry=registry)
        self._leader = Gauge("reltio_export_leader", "Whether this replica acts.", registry=registry)

    def job_event(self, reason: str) -> None:
        """An event was posted about a job."""
        if reason in _COUNTED:
            self._events.labels(reason).inc()
        if reason == "DuplicateDetected":
            self._duplicates.inc()
        if reason in ("Completed", "Failed"):
            self._finished.labels(reason).inc()

    def reconciled(self, queue: str, seconds: float, *, failed: bool) -> None:
        self._reconciles.labels(queue).observe(seconds)
        if failed:
            self._errors.labels(queue).inc()

    def watch_depth(self, queue: str, depth: Depth) -> None:
        """Ask for the depth of this queue whenever metrics are read."""
        self._depth.labels(queue).set_function(depth)

    def watch_state(self, active: Depth, pending: Depth, ready: Depth, not_ready: Depth) -> None:
        """Ask for the numbers of jobs and targets whenever metrics are read."""
        self._jobs.labels("active").set_function(active)
        self._jobs.labels("pending").set_function(pending)
        self._targets.labels("true").set_function(ready)
        self._targets.labels("false").set_function(not_ready)

    def leads(self, acts: bool) -> None:
        self._leader.set(acts)
