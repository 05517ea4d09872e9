"""A region of AWS that does not answer takes no thread from the others, and is called rarely."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError, SSLError

from clocks import FakeClock
from reltio_export_operator.aws import places, transport
from reltio_export_operator.aws.calls import LimitedCalls
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.places import CallsPausedError, Place, sending
from reltio_export_operator.aws.roles import RoleReader
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.runtime.circuits import CircuitLimits, Circuits
from reltio_export_operator.runtime.network import Network
from reltio_export_operator.runtime.slots import SlotLimits
from unit.aws.test_answers import Raw

ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
DEAD, WELL = Place("s3", "eu-south-1"), Place("s3", "eu-west-1")
THREADS = 4


@dataclass
class Stage:
    clock: FakeClock
    circuits: Circuits
    calls: LimitedCalls
    release: threading.Event = field(default_factory=threading.Event)
    begun: list[Place] = field(default_factory=list)

    def hang(self, place: Place, namespace: str = "mdm") -> asyncio.Task[None]:
        """A call that waits until `release`, and then has no answer."""

        def call() -> None:
            with sending(place):
                self.begun.append(place)
                self.release.wait()
                raise ReadTimeoutError(endpoint_url="https://aws", error="none")

        return asyncio.create_task(self.calls.small.run(place, namespace, call))

    async def answer(self, place: Place, *, sent_to: Place | None = None) -> str:
        def call() -> str:
            with sending(sent_to or place):
                return "answered"

        return await self.calls.small.run(place, "other", call)

    async def fail(self, place: Place, times: int = 1, *, sent_to: Place | None = None) -> None:
        def call() -> None:
            with sending(sent_to or place):
                raise ReadTimeoutError(endpoint_url="https://aws", error="none")

        for _ in range(times):
            with pytest.raises(ReadTimeoutError):
                await self.calls.small.run(place, "other", call)

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - threads are watched
                await asyncio.sleep(0.001)


@pytest.fixture
def stage() -> Iterator[Stage]:
    clock = FakeClock()
    circuits = Circuits(clock, CircuitLimits(failures=3, first_seconds=5, cap_seconds=60))
    made = Stage(clock, circuits, LimitedCalls(circuits, THREADS, THREADS))
    yield made
    made.release.set()
    made.calls.shutdown()


async def ended(tasks: list[asyncio.Task[None]]) -> list[BaseException | None]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_region_that_hangs_leaves_threads_to_the_others(stage: Stage) -> None:
    await stage.answer(DEAD)
    await stage.answer(WELL)
    hanging = [stage.hang(DEAD) for _ in range(20)]
    await stage.until(lambda: len(stage.begun) == THREADS)
    assert [await stage.answer(WELL) for _ in range(3)] == ["answered"] * 3
    stage.release.set()
    results = await ended(hanging)
    kinds = {type(result) for result in results}
    assert kinds == {ReadTimeoutError, CallsPausedError}
    assert len(stage.begun) < 20, "those that waited for a thread were not sent any more"


async def test_a_region_that_was_never_called_takes_one_thread_until_it_answers(stage: Stage) -> None:
    hanging = [stage.hang(Place("s3", f"new-{number}")) for number in range(3) for _ in range(5)]
    await stage.until(lambda: len(stage.begun) == 3)
    assert await stage.answer(WELL) == "answered"
    assert len(stage.begun) == 3
    stage.release.set()
    await ended(hanging)


async def test_regions_that_hang_together_are_out_of_the_way_once_their_answers_are_overdue(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_OVERDUE_SECONDS", 0.01)
    dead = [Place("s3", f"dead-{number}") for number in range(2)]
    for place in [*dead, WELL]:
        await stage.answer(place)
    hanging = [stage.hang(place) for place in dead for _ in range(THREADS)]
    await stage.until(lambda: len(stage.begun) > THREADS)
    assert await stage.answer(WELL) == "answered"
    assert not any(task.done() for task in hanging)
    stage.release.set()
    await ended(hanging)


async def test_calls_are_paused_after_three_without_answer_and_one_is_tried_after_each_pause(stage: Stage) -> None:
    await stage.fail(DEAD, 3)
    with pytest.raises(CallsPausedError, match="S3 in eu-south-1"):
        await stage.answer(DEAD)
    assert await stage.answer(WELL) == "answered"
    assert await stage.answer(Place("sts", DEAD.region)) == "answered"
    stage.clock.advance(5)
    await stage.fail(DEAD)
    with pytest.raises(CallsPausedError):
        await stage.answer(DEAD)
    stage.clock.advance(10)
    probe = stage.hang(DEAD)
    await stage.until(lambda: stage.begun)
    with pytest.raises(CallsPausedError):
        await stage.answer(DEAD)
    stage.release.set()
    await ended([probe])
    stage.clock.advance(20)
    assert await stage.answer(DEAD) == "answered"
    assert await stage.answer(DEAD) == "answered"


async def test_a_probe_that_sends_nothing_leaves_the_next_one_to_others(stage: Stage) -> None:
    await stage.fail(DEAD, 3)
    stage.clock.advance(5)

    def fails_before() -> None:
        raise ValueError("no client")

    with pytest.raises(ValueError, match="no client"):
        await stage.calls.small.run(DEAD, "mdm", fails_before)
    assert await stage.answer(DEAD) == "answered"


async def test_what_a_redirect_finds_counts_for_the_region_that_it_leads_to(stage: Stage) -> None:
    await stage.fail(WELL, 3, sent_to=DEAD)
    assert await stage.answer(WELL) == "answered"
    with pytest.raises(CallsPausedError):
        await stage.answer(WELL, sent_to=DEAD)
    with pytest.raises(CallsPausedError):
        await stage.answer(DEAD)


async def test_small_calls_and_bulk_reads_know_of_the_same_pauses(stage: Stage) -> None:
    await stage.fail(DEAD, 3)
    with pytest.raises(CallsPausedError):
        await stage.calls.bulk.run(DEAD, "mdm", lambda: None)
    assert await stage.calls.bulk.run(None, "mdm", lambda: "computed") == "computed"


async def test_other_errors_of_a_connection_pause_nothing(stage: Stage) -> None:
    def call() -> None:
        with sending(WELL):
            raise SSLError(endpoint_url="https://aws", error=Exception("untrusted"))

    for _ in range(4):
        with pytest.raises(SSLError):
            await stage.calls.small.run(WELL, "mdm", call)
    assert await stage.answer(WELL) == "answered"


async def test_the_thread_of_a_cancelled_caller_counts_until_it_ends(stage: Stage) -> None:
    await stage.answer(DEAD)
    hanging = [stage.hang(DEAD) for _ in range(THREADS)]
    await stage.until(lambda: len(stage.begun) == THREADS)
    for task in hanging:
        task.cancel()
    await ended(hanging)
    more = stage.hang(DEAD)
    await asyncio.sleep(0)
    assert len(stage.begun) == THREADS
    stage.release.set()
    await ended([more])
    assert stage.calls.small._slots.held == 0
    assert stage.circuits.circuit(str(DEAD)).state == "Open", "what nobody waited for counts too"


async def test_work_by_region_waits_for_no_silent_region(stage: Stage) -> None:
    slots = stage.calls.slots_by_region(SlotLimits(place=2, total=2, silent=1))
    releases = [await slots.acquire(DEAD.region, "mdm") for _ in range(2)]
    waiting = asyncio.create_task(slots.acquire(WELL.region, "mdm"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await stage.fail(Place("sts", DEAD.region))
    releases.append(await waiting)
    for release in releases:
        release()


async def test_the_number_of_regions_that_are_known_to_be_paused_has_a_bound(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_MOST_OPEN", 3)
    for number in range(5):
        await stage.fail(Place("s3", f"dead-{number}"), 3)
    assert len(stage.calls._places._open) == 3
    with pytest.raises(CallsPausedError):
        await stage.answer(Place("s3", "dead-4"))


# -- with boto3's clients


class Aws:
    """What requests meet in place of the network: regions that do not answer, and those that do."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.redirects: dict[str, str] = {}  # from region to region
        self.sent: list[str] = []

    def send(self, request: Any) -> Any:
        found = re.search(r"\b(s3|sts|iam)\.(?:([a-z0-9-]+)\.)?amazonaws\.com", request.url)
        assert found is not None
        service, region = found[1], found[2] or "us-east-1"
        self.sent.append(f"{service} {region}")
        if region in self.silent:
            raise ReadTimeoutError(endpoint_url=request.url, error="none")
        if service == "s3" and region in self.redirects:
            headers: Any = HTTPHeaders()
            headers["x-amz-bucket-region"] = self.redirects[region]
            body = b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"
            return AWSResponse(request.url, 301, headers, Raw(body))
        return AWSResponse(request.url, 200, HTTPHeaders(), Raw(BODIES.get(service, b"")))


BODIES = {
    "sts": b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>"
    b"<SecretAccessKey>secret-of-a-session</SecretAccessKey><SessionToken>token</SessionToken>"
    b"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
    "s3": b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr("botocore.retries.standard.time.sleep", lambda seconds: None)
    monkeypatch.setattr(transport._Transport, "_session", lambda self, *_: made)
    return made


def sessions(stage: Stage) -> RoleSessions:
    return RoleSessions(stage.calls, new_session=transport.session_factory(Network(region="us-east-1")))


async def store(roles: RoleSessions, region: str | None = None) -> ObjectStore:
    role = await roles.assume(Owner("mdm", f"in-{region}"), ROLE, "external", region=region)
    return ObjectStore(roles, role, "lake")


async def test_a_region_whose_token_service_does_not_answer_is_paused_for_all_roles(stage: Stage, aws: Aws) -> None:
    roles = sessions(stage)
    aws.silent = {"eu-south-1"}
    with pytest.raises(AwsError) as first:
        await store(roles, "eu-south-1")
    assert first.value.reason == "EndpointUnreachable"
    assert aws.sent == ["sts eu-south-1"] * 3
    with pytest.raises(AwsError) as second:
        await store(roles, "eu-south-1")
    assert (second.value.reason, second.value.transient) == ("CallsPaused", True)
    assert "STS in eu-south-1" in second.value.message
    assert aws.sent == ["sts eu-south-1"] * 3
    assert not await (await store(roles, "eu-west-1")).exists("manifest.json")


@pytest.mark.parametrize("region", [None, "us-east-1"])
async def test_a_region_that_no_target_names_has_the_circuit_of_its_name(
    stage: Stage, aws: Aws, region: str | None
) -> None:
    roles = sessions(stage)
    lake = await store(roles, region)
    aws.silent = {"us-east-1"}
    for reason in ("EndpointUnreachable", "CallsPaused"):
        with pytest.raises(AwsError) as failure:
            await lake.exists("manifest.json")
        assert failure.value.reason == reason
    assert stage.circuits.circuit("S3 in us-east-1").state == "Open"


async def test_a_verification_that_is_paused_reports_it_for_each_action(stage: Stage, aws: Aws) -> None:
    lake = await store(sessions(stage), "eu-south-1")
    aws.silent = {"eu-south-1"}
    with contextlib.suppress(AwsError):
        await lake.exists("manifest.json")
    found = {action: failure.reason if failure else None async for action, failure in lake.probe("", None, name="p")}
    assert found == {"s3:ListBucket": "CallsPaused", "s3:PutObject": "CallsPaused"}


async def test_a_bucket_in_a_region_that_hangs_pauses_no_calls_to_the_region_that_its_target_names(
    stage: Stage, aws: Aws
) -> None:
    lake = await store(sessions(stage), "eu-west-1")
    aws.silent, aws.redirects = {"eu-south-1"}, {"eu-west-1": "eu-south-1"}
    for _ in range(2):  # three requests that are not answered
        with pytest.raises(AwsError):
            await lake.exists("manifest.json")
    aws.sent.clear()
    with pytest.raises(AwsError) as failure:
        await lake.exists("manifest.json")
    assert failure.value.reason == "CallsPaused"
    assert "s3 eu-south-1" not in aws.sent
    states = {region: stage.circuits.circuit(f"S3 in {region}").state for region in ("eu-west-1", "eu-south-1")}
    assert states == {"eu-west-1": "Closed", "eu-south-1": "Open"}


async def test_iam_has_no_region(stage: Stage, aws: Aws) -> None:
    reader = RoleReader(sessions(stage), Owner("mdm", "lake"))
    aws.silent = {"us-east-1"}
    for reason in ("EndpointUnreachable", "CallsPaused"):
        with pytest.raises(AwsError) as failure:
            await reader.max_session_duration(ROLE)
        assert failure.value.reason == reason
    assert stage.circuits.circuit("IAM").state == "Open"


async def test_a_probe_without_answer_is_not_sent_again(stage: Stage, aws: Aws) -> None:
    lake = await store(sessions(stage), "eu-south-1")
    aws.silent = {"eu-south-1"}
    with contextlib.suppress(AwsError):
        await lake.exists("manifest.json")
    stage.clock.advance(5)
    aws.sent.clear()
    with pytest.raises(AwsError):
        await lake.exists("manifest.json")
    assert aws.sent == ["s3 eu-south-1"]
