"""What jobs need done outside: refusals that decisions understand, whatever is asked."""

from __future__ import annotations

from typing import Any

import pytest

from builders import job, running
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.controllers.cache import JobCache
from reltio_export_operator.controllers.jobs.gateway import ReltioS3Gateway
from reltio_export_operator.controllers.jobs.gateway_port import CallFailedError
from reltio_export_operator.runtime.allowed_roles import AllowedRoles
from reltio_export_sandbox.reltio.agenda import Inline


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
    services = ReltioS3Gateway(NoServices(), RoleSessions(Inline()), JobCache())  # type: ignore[arg-type]
    subject = job(spec={"export": export}, status=running("PROCESSING"))
    assert subject.status.submission is not None
    with pytest.raises(CallFailedError) as refused:
        await services.submit(subject, subject.status.submission, lambda: True)
    failure = refused.value.failure
    assert (failure.reason, failure.permanent, failure.ambiguous) == ("InvalidParameter", True, False)
    assert failure.message.startswith("spec.export cannot be sent")


class CountedServices(NoServices):
    """Access to services, and the number of times that it was used."""

    calls = 0

    async def reltio(self, *_: Any, **__: Any) -> None:
        self.calls += 1

    async def secret_value(self, *_: Any) -> str:
        self.calls += 1
        return "ext-1"


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_recorded_role_that_the_settings_do_not_allow_any_more_stops_a_submission(allowed: bool) -> None:
    """The target may have another role by now: what counts is the role that the export would use."""
    access = CountedServices()
    subject = job(spec={"export": {"type": "Entities", "partSize": "1.2.3Gi"}}, status=running("PROCESSING"))
    submission = subject.status.submission
    assert submission is not None
    patterns = {"mdm": [submission.s3.role_arn if allowed else f"{submission.s3.role_arn}-2"]}
    sessions = RoleSessions(Inline(), allowed=AllowedRoles(patterns))
    services = ReltioS3Gateway(access, sessions, JobCache())  # type: ignore[arg-type]
    with pytest.raises(CallFailedError) as refused:
        await services.submit(subject, submission, lambda: True)
    failure = refused.value.failure
    if allowed:
        assert (failure.reason, access.calls) == ("InvalidParameter", 1), "the control"
        return
    assert (failure.reason, failure.permanent, failure.ambiguous) == ("RoleNotAllowed", False, False)
    assert access.calls == 0
    with pytest.raises(CallFailedError) as refused:
        await services.read_delivery(subject, submission, {})
    assert refused.value.failure.reason == "RoleNotAllowed"
