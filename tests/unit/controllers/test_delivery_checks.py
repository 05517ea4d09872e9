"""Looks at deliveries beside the queue: each ends, and none is made for nothing."""

from __future__ import annotations

import asyncio

from builders import job, running
from reltio_export_operator.api.job import ExportJob
from reltio_export_operator.controllers.cache import Key
from reltio_export_operator.controllers.jobs.delivery_checks import CheckedDelivery, DeliveryChecks
from reltio_export_operator.controllers.jobs.delivery_reader import Reports
from reltio_export_operator.delivery.manifest import Delivery, FileReport
from reltio_export_operator.jobs.results import CallFailure

SUBJECT = job(status=running("COMPLETED"))


class Looks:
    """Looks that end as planned, and wait until their job is woken."""

    def __init__(self, *outcomes: CheckedDelivery | CallFailure | Exception) -> None:
        self.outcomes = list(outcomes)
        self.known: list[Reports] = []
        self.woken: asyncio.Queue[Key] = asyncio.Queue()
        self.inspections = DeliveryChecks(self._poll_once, self.woken.put_nowait)

    async def _poll_once(self, subject: ExportJob, known: Reports) -> CheckedDelivery | CallFailure:
        self.known.append(dict(known))
        known["part-00000.gz", "e"] = FileReport(records=1)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def next(self) -> CheckedDelivery | CallFailure | None:
        assert self.inspections.result(SUBJECT) is None
        assert await self.woken.get() == SUBJECT.metadata.key
        return self.inspections.result(SUBJECT)


async def test_a_look_that_dies_tells_its_job_so_and_may_be_taken_again() -> None:
    looks = Looks(RecursionError("deep"), CheckedDelivery(Delivery(None, {})))
    died = await looks.next()
    assert isinstance(died, CallFailure)
    assert (died.reason, died.message.split()[0]) == ("InternalError", "RecursionError")
    assert await looks.next() == CheckedDelivery(Delivery(None, {}))


async def test_a_second_look_knows_what_the_first_one_read_until_the_job_is_let_go() -> None:
    looks = Looks(*[CallFailure("ServiceUnavailable", "later")] * 3)
    await looks.next()
    await looks.next()
    looks.inspections.forget(SUBJECT.metadata.key)
    await looks.next()
    assert [len(known) for known in looks.known] == [0, 1, 0]
