"""An attempt is never submitted without the external ID that its target had."""

from __future__ import annotations

from typing import Any

import pytest

from builders import T0, job, running, submission, target
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.controllers.cache import JobCache
from reltio_export_operator.controllers.jobs.gateway import ReltioS3Gateway
from reltio_export_operator.controllers.jobs.gateway_port import CallFailedError
from reltio_export_operator.jobs import naming
from reltio_export_operator.reltio.model import Submitted, WireRequest
from reltio_export_sandbox.reltio.agenda import Inline

ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
DESTINATION = {"bucket": "acme-mdm-exports", "roleARN": ROLE}


class Services:
    """Access to a service that records what it is sent."""

    def __init__(self) -> None:
        self.sent: list[WireRequest] = []

    async def reltio(self, *_: Any, **__: Any) -> Services:
        return self

    async def secret_value(self, *_: Any) -> str:
        return "of the Secret"

    async def external_id_of(self, target: ExportTarget, which: str) -> str | None:
        return target.spec.s3.previous_external_id if which == "Previous" else target.spec.s3.external_id

    async def submit(self, request: WireRequest, _: Any) -> Submitted:
        self.sent.append(request)
        return Submitted(("t",))


def lake(**s3: Any) -> ExportTarget:
    return target(spec={"s3": {**DESTINATION, **s3}})


async def submitted(source: str | None, now: ExportTarget | None, **s3: Any) -> str | None:
    """The external ID that is sent for an intent with this source, after a restart, with the target as it is now."""
    services, cache = Services(), JobCache()
    if now is not None:
        cache.put_target(now)
    destination = {**DESTINATION, **s3, **({"externalIDSource": source} if source else {})}
    subject = job(status=running("PROCESSING") | {"submission": submission(s3=destination)})
    intent = subject.status.submission
    assert intent is not None
    gateway = ReltioS3Gateway(services, RoleSessions(Inline()), cache)  # type: ignore[arg-type]
    await gateway.submit(subject, intent, lambda: True)
    return services.sent[0].headers.get("externalId")


@pytest.mark.parametrize(
    ("source", "now", "sent"),
    [
        ("Target", lake(externalID="of the target"), "of the target"),
        ("None", None, None),
        ("None", lake(externalID="added later"), None),
        (None, lake(externalID="of the target"), "of the target"),
        (None, lake(), None),
    ],
)
async def test_the_external_id_comes_from_where_the_intent_says(
    source: str | None, now: ExportTarget | None, sent: str | None
) -> None:
    assert await submitted(source, now) == sent


async def test_the_external_id_of_a_secret_needs_no_target() -> None:
    assert await submitted("Secret", None, externalIDSecretRef={"name": "ids"}) == "of the Secret"


@pytest.mark.parametrize(
    ("source", "now"),
    [
        ("Target", None),
        ("Target", lake()),
        ("Target", lake(externalID="another", roleARN=f"{ROLE}-2")),
        (None, None),
        (None, lake(externalID="another", roleARN=f"{ROLE}-2")),
    ],
)
async def test_without_its_external_id_an_attempt_is_held(source: str | None, now: ExportTarget | None) -> None:
    with pytest.raises(CallFailedError) as refused:
        await submitted(source, now)
    failure = refused.value.failure
    assert (failure.reason, failure.permanent, failure.ambiguous) == ("ExternalIDUnavailable", False, False)


@pytest.mark.parametrize(
    ("s3", "in_use", "source"),
    [
        ({}, None, "None"),
        ({"externalID": "x"}, None, "Target"),
        ({"externalIDSecretRef": {"name": "ids"}}, None, "Secret"),
        ({"externalID": "x", "previousExternalIDSecretRef": {"name": "ids"}}, "Previous", "Secret"),
        ({"externalIDSecretRef": {"name": "ids"}, "previousExternalID": "x"}, "Previous", "Target"),
    ],
)
def test_an_intent_records_where_the_external_id_in_use_comes_from(
    s3: dict[str, Any], in_use: str | None, source: str
) -> None:
    subject = lake(**s3)
    status = type(subject.status)(external_id_in_use=in_use)  # type: ignore[arg-type]
    subject = type(subject)(metadata=subject.metadata, spec=subject.spec, status=status)
    assert naming.intend(job(), subject, T0).s3.external_id_source == source
