"""What jobs need done outside: refusals that decisions understand, whatever is asked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import T0, job, running, submission, target
from reltio_export_operator.api.foreign import ForeignText, quote
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.controllers.access import Access
from reltio_export_operator.controllers.cache import JobCache
from reltio_export_operator.controllers.jobs.gateway import ReltioS3Gateway
from reltio_export_operator.controllers.jobs.gateway_port import CallFailedError
from reltio_export_operator.jobs.observation import Observation
from reltio_export_operator.jobs.policies import decide
from reltio_export_operator.kube.client import SecretError
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
    recorded = subject.status.submission
    assert recorded is not None
    patterns = {"mdm": [recorded.s3.role_arn if allowed else f"{recorded.s3.role_arn}-2"]}
    sessions = RoleSessions(Inline(), allowed=AllowedRoles(patterns))
    services = ReltioS3Gateway(access, sessions, JobCache())  # type: ignore[arg-type]
    with pytest.raises(CallFailedError) as refused:
        await services.submit(subject, recorded, lambda: True)
    failure = refused.value.failure
    if allowed:
        assert (failure.reason, access.calls) == ("InvalidParameter", 1), "the control"
        return
    assert (failure.reason, failure.permanent, failure.ambiguous) == ("RoleNotAllowed", False, False)
    assert access.calls == 0
    with pytest.raises(CallFailedError) as refused:
        await services.read_delivery(subject, recorded, {})
    assert refused.value.failure.reason == "RoleNotAllowed"


class Kube:
    """Secrets that can be read, or not."""

    def __init__(self, **values: str) -> None:
        self.values = values

    async def secret_values(self, namespace: str, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        if name not in self.values:
            raise SecretError(f"Secret {name} does not exist in namespace {namespace}.")
        return (self.values[name],)


REFERENCE = {"externalIDSecretRef": {"name": "ids", "key": "externalID"}}


@pytest.mark.parametrize("readable", [True, False])
async def test_after_a_restart_an_error_of_reltio_is_quoted_only_when_the_external_id_was_read(readable: bool) -> None:
    """The process has not submitted the export, so it has not seen the external ID yet."""
    s3 = {"bucket": "b", "roleARN": "arn:aws:iam::111122223333:role/r", **REFERENCE}
    subject = job(status=running("PROCESSING", submission=submission(s3=s3)))
    assert subject.status.submission is not None
    kube = Kube(ids="ext-ID-4711") if readable else Kube()
    services = ReltioS3Gateway(Access(kube, None), RoleSessions(Inline()), JobCache())  # type: ignore[arg-type]
    secrets = await services.secrets_of(subject, subject.status.submission)
    seen = {"task-0": ObservedTask(id="task-0", status="FAILED", error=ForeignText("Denied for EXT%2DID%2D4711!"))}
    status = decide(Observation(job=subject, now=T0, observed_tasks=seen, secrets=secrets)).status
    shown = str(msgspec.to_builtins(status))
    assert "4711" not in shown
    assert ("Denied for ***!" in shown) is readable


async def test_both_external_ids_of_the_target_are_masked() -> None:
    subject, cache = job(status=running("PROCESSING")), JobCache()
    s3 = {"bucket": "b", "roleARN": "arn:aws:iam::111122223333:role/reltio-exporter"}
    given = {"s3": {**s3, "externalID": "the-new-one", "previousExternalID": "the-old-one"}}
    cache.put_target(target(spec=given))
    assert subject.status.submission is not None
    services = ReltioS3Gateway(Access(Kube(), None), RoleSessions(Inline()), cache)  # type: ignore[arg-type]
    secrets = await services.secrets_of(subject, subject.status.submission)
    assert quote("the-new-one or the-old-one", secrets) == "*** or ***"


async def test_nothing_is_quoted_when_the_target_with_the_external_id_is_gone() -> None:
    subject = job(status=running("PROCESSING"))
    assert subject.status.submission is not None
    services = ReltioS3Gateway(Access(Kube(), None), RoleSessions(Inline()), JobCache())  # type: ignore[arg-type]
    assert "words" not in quote("words", await services.secrets_of(subject, subject.status.submission))
