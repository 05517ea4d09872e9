"""What may pass to the service, and what is waited for."""

from __future__ import annotations

import asyncio

import pytest

from reltio_export_operator.controllers.gate import GateClosedError, SubmissionGate


async def test_a_closed_gate_never_opens_again() -> None:
    gate = SubmissionGate()
    assert gate.is_open()
    gate.close()
    assert not gate.is_open()
    with pytest.raises(GateClosedError), gate.submission():
        pytest.fail("it passed")


async def test_a_gate_is_open_only_while_the_process_may_submit() -> None:
    leads = True
    gate = SubmissionGate(lambda: leads)
    assert gate.is_open()
    leads = False
    assert not gate.is_open()
    leads = True
    assert gate.is_open()


async def test_draining_waits_for_what_is_under_way_and_no_longer() -> None:
    gate, end = SubmissionGate(), asyncio.Event()

    async def submit() -> None:
        with gate.submission():
            await end.wait()

    submitting = [asyncio.create_task(submit()) for _ in range(2)]
    await asyncio.sleep(0)
    gate.close()
    draining = asyncio.create_task(gate.drained(60))
    await asyncio.sleep(0)
    assert gate.under_way == 2
    assert not draining.done()
    end.set()
    assert await draining
    assert gate.under_way == 0
    await asyncio.gather(*submitting)


async def test_draining_reports_what_is_left() -> None:
    gate = SubmissionGate()
    with gate.submission():
        assert not await gate.drained(0)
    assert await gate.drained(0)
