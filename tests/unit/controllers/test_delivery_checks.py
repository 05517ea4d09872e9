"""Delivery checks run outside the queue, report every failure, and do not read files twice."""

from __future__ import annotations

import asyncio

from builders import job, running
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import ExportJob
from reltio_export_operator.controllers.cache import Key
from reltio_export_operator.controllers.jobs.delivery_checks import CheckedDelivery, DeliveryChecks
from reltio_export_operator.controllers.jobs.delivery_reader import Reports
from reltio_export_operator.delivery.manifest import Delivery, FileReport
from reltio_export_operator.jobs.results import CallFailure
from reltio_export_operator.runtime.slots import SlotLimits, Slots

SUBJECT = job(status=running("COMPLETED"))


class Checks:
    """Delivery checks with these outcomes, in order."""

    def __init__(self, *outcomes: CheckedDelivery | CallFailure | Exception) -> None:
        self.outcomes = list(outcomes)
        self.known: list[Reports] = []
        self.woken: asyncio.Queue[Key] = asyncio.Queue()
        self.checks = DeliveryChecks(self._check, self.woken.put_nowait)

    async def _check(self, subject: ExportJob, known: Reports) -> CheckedDelivery | CallFailure:
        self.known.append(dict(known))
        known["part-00000.gz", "e"] = FileReport(records=1)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def next(self) -> CheckedDelivery | CallFailure | None:
        assert self.checks.result(SUBJECT) is None
        assert await self.woken.get() == SUBJECT.metadata.key
        return self.checks.result(SUBJECT)


async def test_an_unexpected_error_is_reported_and_the_check_can_run_again() -> None:
    checks = Checks(RecursionError("deep"), CheckedDelivery(Delivery(None, {})))
    failure = await checks.next()
    assert isinstance(failure, CallFailure)
    assert (failure.reason, failure.message.split()[0]) == ("InternalError", "RecursionError")
    assert await checks.next() == CheckedDelivery(Delivery(None, {}))


async def test_a_second_check_has_the_reports_of_the_first_until_the_job_is_forgotten() -> None:
    checks = Checks(*[CallFailure("ServiceUnavailable", own("later"))] * 3)
    await checks.next()
    await checks.next()
    checks.checks.forget(SUBJECT.metadata.key)
    await checks.next()
    assert [len(known) for known in checks.known] == [0, 1, 0]


async def test_no_check_waits_for_those_of_a_region_that_does_not_answer() -> None:
    """Six checks of one region wait for it, which leaves a place to the others; once it is known, it leaves all."""
    hang = asyncio.Event()
    begun: list[str] = []
    silent: set[str] = set()

    async def check(subject: ExportJob, known: Reports) -> CheckedDelivery:
        begun.append(subject.metadata.name)
        await hang.wait()
        return CheckedDelivery(Delivery(None, {}))

    slots: list[Slots[str]] = []

    def new_slots(limits: SlotLimits) -> Slots[str]:
        slots.append(Slots(limits, lambda region: "Silent" if region in silent else "Answers"))
        return slots[-1]

    def in_region(name: str, region: str) -> ExportJob:
        status = running("COMPLETED")
        status["submission"]["s3"]["region"] = region
        return job(metadata={"name": name}, status=status)

    checks = DeliveryChecks(check, lambda key: None, new_slots)
    for number in range(6):
        checks.result(in_region(f"dead-{number}", "eu-south-1"))
    checks.result(in_region("first", "eu-west-1"))
    checks.result(in_region("second", "eu-west-1"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert begun == ["dead-0", "dead-1", "dead-2", "dead-3", "first"]
    silent.add("eu-south-1")
    for one in slots:
        one.refill()
    for _ in range(5):
        await asyncio.sleep(0)
    assert begun[5:] == ["second"]
    await checks.stop()
