"""Metrics for Prometheus. The values of all labels are fixed in the code, so the number of series is bounded."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Reasons of events that the event counter has.
COUNTED_EVENTS = frozenset({"Submitted", "Adopted", "DuplicateDetected", "CleanupIncomplete"})

Value = Callable[[], float]


class Metrics:
    """The metrics of one operator, in a registry of their own: a process may run several operators."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._events = Counter("reltio_export_job_events", "Events of ExportJobs.", ["reason"], registry=registry)
        self._unposted = Counter(
            "reltio_export_events_not_posted", "Events that the API server did not accept.", registry=registry
        )
        self._finished = Counter("reltio_export_jobs_finished", "Finished ExportJobs.", ["outcome"], registry=registry)
        self._duplicates = Counter(
            "reltio_export_duplicates", "Second exports of an ExportJob that were found and stopped.", registry=registry
        )
        self._reconciles = Histogram(
            "reltio_export_reconcile_seconds", "Duration of reconciles.", ["queue"], registry=registry
        )
        self._errors = Counter("reltio_export_reconcile_errors", "Failed reconciles.", ["queue"], registry=registry)
        self._depth = Gauge(
            "reltio_export_queue_depth", "Objects that wait to be reconciled.", ["queue"], registry=registry
        )
        self._jobs = Gauge("reltio_export_jobs", "Unfinished ExportJobs.", ["state"], registry=registry)
        self._targets = Gauge("reltio_export_targets", "ExportTargets.", ["ready"], registry=registry)
        self._unreadable = Gauge(
            "reltio_export_unreadable_objects", "Objects that cannot be decoded.", ["kind"], registry=registry
        )
        self._unserved = Gauge(
            "reltio_export_unserved_namespaces", "Namespaces that cannot be listed or watched.", registry=registry
        )
        self._overlaps = Gauge(
            "reltio_export_overlapping_targets",
            "ExportTargets that the operator of another release works on too.",
            registry=registry,
        )
        self._circuits = Gauge(
            "reltio_export_paused_circuits",
            "Hosts and tenants of Reltio to which calls are paused, because several in a row failed.",
            ["state"],
            registry=registry,
        )
        self._leader = Gauge(
            "reltio_export_leader", "1 on the replica that holds the Lease, else 0.", registry=registry
        )

        self._loop_delay = Histogram(
            "reltio_export_event_loop_delay_seconds",
            "How late the event loop ran a timer; a sample every 50 ms.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
            registry=registry,
        )

    def loop_delayed(self, seconds: float) -> None:
        self._loop_delay.observe(seconds)

    def job_event(self, reason: str) -> None:
        """Count an event of a job."""
        if reason in COUNTED_EVENTS:
            self._events.labels(reason).inc()
        if reason == "DuplicateDetected":
            self._duplicates.inc()
        if reason in ("Completed", "Failed"):
            self._finished.labels(reason).inc()

    def event_failed(self) -> None:
        """Count an event that was not accepted; the log has what it says."""
        self._unposted.inc()

    def reconciled(self, queue: str, seconds: float, *, failed: bool) -> None:
        self._reconciles.labels(queue).observe(seconds)
        if failed:
            self._errors.labels(queue).inc()

    def watch_depth(self, queue: str, depth: Value) -> None:
        """Read the depth of this queue at each scrape."""
        self._depth.labels(queue).set_function(depth)

    def watch_state(self, active: Value, pending: Value, ready: Value, not_ready: Value) -> None:
        """Read the numbers of jobs and targets at each scrape."""
        self._jobs.labels("active").set_function(active)
        self._jobs.labels("pending").set_function(pending)
        self._targets.labels("true").set_function(ready)
        self._targets.labels("false").set_function(not_ready)

    def watch_unreadable(self, jobs: Value, targets: Value, schedules: Value) -> None:
        """Read the numbers of objects that cannot be decoded at each scrape."""
        self._unreadable.labels("jobs").set_function(jobs)
        self._unreadable.labels("targets").set_function(targets)
        self._unreadable.labels("schedules").set_function(schedules)

    def watch_overlaps(self, targets: Value) -> None:
        """Read the number of targets that another operator works on too at each scrape."""
        self._overlaps.set_function(targets)

    def watch_circuits(self, opened: Value, half_open: Value) -> None:
        """Read at each scrape how many circuits are open, and how many wait for the result of a probe."""
        self._circuits.labels("open").set_function(opened)
        self._circuits.labels("half-open").set_function(half_open)

    def watch_unserved(self, namespaces: Value) -> None:
        """Read the number of namespaces that cannot be listed or watched at each scrape."""
        self._unserved.set_function(namespaces)

    def leads(self, acts: bool) -> None:
        self._leader.set(acts)
