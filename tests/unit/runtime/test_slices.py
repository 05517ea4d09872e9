"""Large JSON is parsed in slices, to the same value as at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from reltio_export_operator.runtime import slices
from reltio_export_operator.runtime.answers import SLICE_BYTES, parse_json
from reltio_export_operator.runtime.slices import json_steps, parse_in_slices

_LARGE = 3 * SLICE_BYTES
_NAMES = [f"part-{number:07}.json.gz" for number in range(20_000)]
_VALUES: list[Any] = [
    _NAMES,
    dict.fromkeys(_NAMES, 1.5),
    {"items": [{"metadata": {"name": name}, "spec": [[], {}, None, True, -1, 2.5e-300]} for name in _NAMES[:3000]]},
    {"a": {"b": {"c": ["x" * _LARGE, "y"]}, "d": _NAMES}},
    ['é😀\n"\\' * _LARGE],
    "x" * _LARGE,
    [10**40] * 5000,
]


def _parsed(content: bytes) -> tuple[Any, int]:
    """The value, and the number of slices."""
    steps, count = json_steps(content), 1
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, count
        count += 1


@pytest.mark.parametrize("value", _VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_value_is_the_same_as_at_once(value: Any, ascii_only: bool, indent: int | None) -> None:
    content = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert _parsed(content)[0] == parse_json(content) == value


def test_no_parse_takes_more_than_a_slice_but_for_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def parse(content: bytes) -> Any:
        taken.append(len(content))
        return parse_json(content)

    monkeypatch.setattr(slices, "parse_json", parse)
    content = json.dumps({"list": _NAMES, "object": {key: [[]] for key in _NAMES}, "text": "x" * _LARGE}).encode()
    _, count = _parsed(content)
    assert sorted(taken)[-2] <= SLICE_BYTES
    assert taken.count(_LARGE + 2) == 1
    assert count > len(content) / SLICE_BYTES


@pytest.mark.parametrize("value", [[[]] * 100_000, {str(number): {} for number in range(100_000)}])
def test_small_values_count_for_more_than_their_size(value: Any) -> None:
    assert _parsed(json.dumps(value).encode())[1] >= 100_000 * 64 / SLICE_BYTES


@pytest.mark.parametrize("padding", [0, _LARGE])
@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[1,]", b"[NaN]", b"[1e999]", b'["\xff"]', b'{"a":1} x', b'["\\q"]', b"[01]", b"[" * 100_000],
)
def test_what_is_not_json_is_refused_at_any_size(text: bytes, padding: int) -> None:
    content = text[:1] + b" " * padding + text[1:]
    for parse in (parse_json, _parsed):
        with pytest.raises(ValueError, match="it is not JSON"):
            parse(content)


@pytest.mark.parametrize("text", [r"\ud83d", r"\ude00\ud83d", r"\\\ud83dx\ud83d\ude00", r"\\ud83d", r"\ud83d" * 40_000])
def test_half_of_a_character_becomes_a_replacement_character(text: str) -> None:
    small = f'["{text}"]'.encode()
    large = f'["{text}", "{"x" * _LARGE}"]'.encode()
    assert _parsed(large)[0][0] == parse_json(small)[0]


def test_a_byte_order_mark_is_left_out() -> None:
    assert _parsed(b"\xef\xbb\xbf" + json.dumps(_NAMES).encode())[0] == _NAMES


async def test_other_callbacks_run_between_slices() -> None:
    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    content = json.dumps(_NAMES).encode()
    assert await parse_in_slices(content) == _NAMES
    task.cancel()
    assert ran >= len(content) // SLICE_BYTES
