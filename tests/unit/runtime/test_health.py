"""What the kubelet and Prometheus read."""

from __future__ import annotations

import socket

import httpx
import pytest

from reltio_export_operator.runtime.health import Health


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_process_is_alive_at_once_and_ready_when_it_says_so() -> None:
    health, port = Health(), free_port()
    async with health.served(port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503
        health.ready = True
        assert (await http.get("/readyz")).status_code == 200


async def test_metrics_are_read_in_the_form_of_prometheus() -> None:
    health, port = Health(), free_port()
    health.metrics.job_event("DuplicateDetected")
    health.metrics.job_event("Completed")
    health.metrics.reconciled("jobs", 0.01, failed=True)
    health.metrics.watch_depth("jobs", lambda: 7)
    health.metrics.watch_state(lambda: 1, lambda: 2, lambda: 3, lambda: 4)
    health.metrics.leads(True)
    async with health.served(port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        lines = (await http.get("/metrics")).text.splitlines()
    for line in (
        "reltio_export_duplicates_total 1.0",
        'reltio_export_job_events_total{reason="DuplicateDetected"} 1.0',
        'reltio_export_jobs_finished_total{outcome="Completed"} 1.0',
        'reltio_export_reconcile_errors_total{queue="jobs"} 1.0',
        'reltio_export_queue_depth{queue="jobs"} 7.0',
        'reltio_export_jobs{state="pending"} 2.0',
        'reltio_export_targets{ready="false"} 4.0',
        "reltio_export_leader 1.0",
    ):
        assert line in lines


async def test_port_0_serves_nothing() -> None:
    async with Health().served(0):
        pass


@pytest.mark.parametrize("reason", ["Whatever", "Verified"])
def test_a_reason_that_is_not_known_makes_no_series(reason: str) -> None:
    health = Health()
    health.metrics.job_event(reason)
    samples = [sample for family in health.metrics.registry.collect() for sample in family.samples]
    assert all(reason not in sample.labels.values() for sample in samples)
