"""Each call meets answers that are endless, huge, deep, numerous, slow and compressed, from a real server."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError
from kubernetes.aio.client.exceptions import ApiException

from limits.calls import JSON_CALLS, OBJECT_CALLS, XML_CALLS, Call
from limits.server import JSON, XML, Format, Server, bomb
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.cli.cluster import CommandError
from reltio_export_operator.kube.answers import AnswerRefused as KubeAnswerRefused
from reltio_export_operator.reltio.errors import ReltioError
from reltio_export_operator.runtime.answers import BeyondLimitsError
from reltio_export_operator.runtime.bounds import change_answer_limits

# A limit, as an error phrases it.
SIZE, NUMBER, TIME = "is larger than", "has more than", "was not complete within"
LIMITS = {
    "endless": SIZE,
    "huge": SIZE,
    "deep": "is nested deeper than",
    "many": NUMBER,
    "slow": TIME,
    "slow_headers": TIME,
    "compressed": SIZE,
    "compressed_deflate": SIZE,
    "compressed_twice": "is compressed in a way that was not asked for",
    "compressed_to_nothing": SIZE,
}
MOST_MEMORY = 48 << 20  # bytes that the process grows by, for 64 MiB of an answer
MOST_SENT = 16 << 20  # bytes of an answer: the limits, and what the buffers of the two sockets hold
REFUSED = (
    ReltioError,
    AwsError,
    KubeAnswerRefused,
    ApiException,
    BotoCoreError,
    CommandError,
    BeyondLimitsError,
    RuntimeError,
)


def _cases(*more: dict[str, Call]) -> list[Any]:
    calls = [(name, call, JSON) for name, call in JSON_CALLS.items()]
    calls += [(name, call, XML) for group in (XML_CALLS, *more) for name, call in group.items()]
    return [pytest.param(call, attack, body, id=f"{name}-{attack}") for name, call, body in calls for attack in LIMITS]


def memory(name: str) -> int:
    """A number of bytes in the status of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins again


async def refused(server: Server, call: Call, attack: str, body: Format) -> str:
    """The error of the call, after which memory and what was sent have been checked."""
    if LIMITS[attack] == TIME:
        change_answer_limits(seconds=0.15)
    server.attack, server.format = attack, body
    for window in (zlib.MAX_WBITS, zlib.MAX_WBITS | 16):
        bomb(body, window)
    before = memory("VmRSS")
    forget_peak()
    with pytest.raises(REFUSED) as refusal:
        await call(server.url)
    assert memory("VmHWM") - before < MOST_MEMORY
    assert server.sent < MOST_SENT * max(1, server.requests)
    assert server.requests < 6
    return str(refusal.value)


@pytest.mark.parametrize(("call", "attack", "body"), _cases())
async def test_an_answer_beyond_a_limit_is_refused_with_the_limit(
    server: Server, call: Call, attack: str, body: Format
) -> None:
    assert LIMITS[attack] in await refused(server, call, attack, body)


@pytest.mark.parametrize(("call", "attack", "body"), _cases(OBJECT_CALLS))
async def test_an_error_beyond_a_limit_is_an_error_and_takes_no_more(
    server: Server, call: Call, attack: str, body: Format
) -> None:
    server.status = 500
    text = await refused(server, call, attack, body)
    of_size = attack == "many" and SIZE in text  # an error may be smaller, so that its size comes first
    assert LIMITS[attack] in text or of_size or "500" in text
