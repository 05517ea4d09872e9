"""What jobs need done outside: refusals that decisions understand, whatever is asked."""

from __future__ import annotations

from typing import Any

import pytest
from reltio_export_operator.controllers.jobs.reconciler.gateway import Services
from reltio_export_operator.controllers.jobs.reconciler.reconciler import RefusedError

from builders import job, running
from reltio_export_operator.controllers.cache import Registry


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
async def test_a_value_that_nobody_can_send_is_refused_for_good_and_not_tried_for_ever(export: dict[str, Any]) -> None:
    services = Services(NoServices(), None, Registry())  # type: ignore[arg-type]
    with pytest.raises(RefusedError) as refused:
        await services.submit(job(spec={"export": export}, status=running("PROCESSING")))
    refusal = refused.value.refusal
    assert (refusal.reason, refusal.permanent, refusal.ambiguous) == ("InvalidParameter", True, False)
    assert refusal.message.startswith("spec.export cannot be sent")
