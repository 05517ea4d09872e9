"""What the kubelet and Prometheus read."""

from __future__ import annotations

import asyncio
import errno
import socket
import time

import httpx
import pytest

from reltio_export_operator.runtime.health import Health, Heartbeat, listening_socket, measure_loop


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def answer(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    async with httpx.AsyncClient() as http:
        response = await http.get(f"http://{host}:{port}{path}")
        return response.status_code, response.text


async def test_a_process_is_ready_when_nothing_is_missing_and_says_what_is() -> None:
    health, port = Health(), free_port()
    async with health.served(port):
        assert await answer(port, "/readyz") == (503, "The operator is starting.\n")
        health.unready = lambda: None
        assert await answer(port, "/readyz") == (200, "ok\n")


async def test_a_process_is_alive_until_something_hangs_and_says_what() -> None:
    health, port = Health(), free_port()
    async with health.served(port):
        assert await answer(port, "/healthz") == (200, "ok\n")
        health.stuck = lambda: "The watch of exportjobs has hung for 500 s."
        assert await answer(port, "/healthz") == (503, "The watch of exportjobs has hung for 500 s.\n")


def test_a_loop_that_does_not_turn_is_noticed() -> None:
    time = Time()
    heart = Heartbeat(time)
    time.now += 9
    assert heart.problem() is None
    time.now += 9
    assert heart.problem() == "The event loop was blocked for 17 s."


def test_a_loop_that_was_blocked_is_noticed_after_it_turns_again_for_a_while() -> None:
    time = Time()
    heart = Heartbeat(time)
    time.now += 21
    heart.beat()
    assert heart.problem() == "The event loop was blocked for 20 s."
    for _ in range(60):
        time.now += 1
        heart.beat()
    assert heart.problem() is None


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_both_families_of_addresses_are_served(host: str) -> None:
    health, port = Health(), free_port()
    async with health.served(port):
        assert (await answer(port, "/healthz", host))[0] == 200


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENOPROTOOPT])
async def test_a_host_without_ipv6_is_served_with_ipv4(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = socket.socket

    def without(family: int, *more: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(number, "no IPv6")
        return real(family, *more)

    port = free_port()
    monkeypatch.setattr(socket, "socket", without)
    bound = listening_socket(port)
    monkeypatch.undo()
    with bound:
        assert bound.family == socket.AF_INET
        assert bound.getsockname() == ("0.0.0.0", port)


@pytest.mark.parametrize("taken", ["0.0.0.0", "::"])
def test_a_port_that_is_taken_is_an_error(taken: str) -> None:
    family = socket.AF_INET6 if ":" in taken else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((taken, 0))
        other.listen()
        with pytest.raises(OSError, match="in use"):
            listening_socket(other.getsockname()[1])


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


async def test_a_blocked_event_loop_is_measured() -> None:
    delays: list[float] = []
    measuring = asyncio.create_task(measure_loop(delays.append))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - this is what blocks the loop
    while not delays:  # noqa: ASYNC110 - the next sample is due already
        await asyncio.sleep(0)
    measuring.cancel()
    assert delays[0] >= 0.2
