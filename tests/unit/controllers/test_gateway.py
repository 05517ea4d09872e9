"""What jobs need done outside: refusals that decisions understand, whatever is asked."""

from __future__ import annotations

from typing import Any

import pytest

from builders import job, running
from reltio_export_operator.controllers.cache import JobCache
from reltio_export_operator.controllers.jobs.gateway import ReltioS3Gateway
from reltio_export_operator.controllers.jobs.gateway_port import CallFailedError


class NoServices:
    """Access to services that are never called."""

    async def reltio(self, *_: Any, **__: Any) -> None:
        return None


@pytest.mark.parametrize(
    "export",
    [
        {"type": "Entities", "updatedSince": "9999-12-31T23:59:59-05:00"},
        {"type": "Entities", "partSize": "1.2.3Gi"},
    ],
)
async def test_a_value_that_cannot_be_encoded_is_a_permanent_failure(export: dict[str, Any]) -> None:
    services = ReltioS3Gateway(NoServices(), None, JobCache())  # type: ignore[arg-type]
    subject = job(spec={"export": export}, status=running("PROCESSING"))
    assert subject.status.submission is not None
    with pytest.raises(CallFailedError) as refused:
        await services.submit(subject, subject.status.submission, lambda: True)
    failure = refused.value.failure
    assert (failure.reason, failure.permanent, failure.ambiguous) == ("InvalidParameter", True, False)
    assert failure.message.startswith("spec.export cannot be sent")
