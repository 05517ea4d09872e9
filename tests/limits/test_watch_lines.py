"""A line of a watch that is an attack is left out, whatever it is; the lines after it arrive."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator

import pytest

from limits.calls import _api
from limits.server import LINE, Server, bomb
from limits.test_answers_of_every_call import MOST_MEMORY, forget_peak, memory
from reltio_export_operator.api.meta import API_VERSION
from reltio_export_operator.kube.watching import WatchMonitor, watch_session

_GOOD = {"type": "MODIFIED", "object": {"metadata": {"name": "n", "namespace": "team-a", "resourceVersion": "8"}}}
_LINE = json.dumps(_GOOD).encode() + b"\n"
_END = b'"}}\n'
_HUGE = 64 << 20


def _huge() -> Iterator[bytes]:
    yield LINE.head
    for _ in range(_HUGE >> 16):
        yield LINE.filler * 64
    yield _END


ATTACKS: dict[str, Callable[[], Iterator[bytes]]] = {
    "huge": _huge,
    "deep": lambda: iter([LINE.head[:-1] + LINE.open * 450 + b"1" + b"]}" * 450 + b"}}\n"]),
    "many": lambda: iter([LINE.head[:-1] + b"[" + LINE.many * 200_000 + b"1]}}\n"]),
    "compressed": lambda: iter([bomb(LINE, 31).replace(b"\n", b""), b"\n"]),
    "not JSON": lambda: iter([b"<html>\n", b"\x00\xff\n", gzip.compress(b"x").replace(b"\n", b"") + b"\n"]),
    "not an event": lambda: iter([b"[]\n", b"1\n", b"null\n", b'{"object": 1}\n', b'{"object": {"metadata": []}}\n']),
}


async def _read(server: Server) -> tuple[list[bytes], int]:
    """The lines that kopf gets, and by how many bytes the process grew."""
    url = f"{server.url}/apis/{API_VERSION}/exportjobs?watch=true"
    before = memory("VmRSS")
    forget_peak()
    monitor = WatchMonitor(["exportjobs"])
    async with _api(server.url) as api, watch_session(api, monitor) as session, session.get(url) as response:
        lines = [line async for line in response.content.iter_chunked(1 << 20)]
    return lines, memory("VmHWM") - before


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_hostile_line_is_left_out_and_later_lines_arrive(server: Server, attack: str) -> None:
    bomb(LINE, 31)
    server.attack, server.format = "lines", LINE
    server.parts = [_LINE, ATTACKS[attack](), _LINE]
    lines, grown = await _read(server)
    assert [json.loads(line) for line in lines if not line.isspace()] == [_GOOD, _GOOD]
    assert grown < MOST_MEMORY


async def test_a_line_that_comes_byte_by_byte_arrives(server: Server) -> None:
    server.attack, server.format = "lines", LINE
    server.parts = [bytes([byte]) for byte in _LINE]
    lines, _ = await _read(server)
    assert [json.loads(line) for line in lines] == [_GOOD]


async def test_a_line_that_does_not_end_takes_no_memory(server: Server) -> None:
    server.attack, server.format = "lines", LINE
    server.parts = [_LINE, LINE.head, *[LINE.filler * 64] * (_HUGE >> 16)]
    lines, grown = await _read(server)
    assert [json.loads(line) for line in lines] == [_GOOD]
    assert grown < MOST_MEMORY


async def test_the_largest_line_gives_kopf_a_small_one(server: Server) -> None:
    """A line of almost 4 MiB, in which the fields that are read come last."""
    raw = {"more": "x" * ((4 << 20) - 4096), **_GOOD["object"]}  # type: ignore[dict-item]
    server.attack, server.format = "lines", LINE
    server.parts = [json.dumps({"type": "MODIFIED", "object": raw}).encode() + b"\n"]
    (line,), _ = await _read(server)
    assert json.loads(line) == _GOOD
    assert len(line) < 200
