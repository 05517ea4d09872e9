"""A manifest is parsed value by value, with the values and errors of json.loads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.delivery import manifest_json
from reltio_export_operator.delivery.manifest_json import SLICE_BYTES, TooLongError, parse_by_value, values_in

_FILLER = [f"part-{number:06}" for number in range(SLICE_BYTES // 14)]  # makes a manifest larger than a slice


def _outcome(parse: Any, content: bytes) -> object:
    try:
        return repr(parse(content))
    except ValueError as error:
        return type(error)


_TEXTS = [
    '{"a": 1, "a": 2}',
    '"\\ud83d"',
    '"\\ud83d\\ude00"',
    "NaN",
    "-Infinity",
    "1e999",
    "1" * 4000,
    "1.50",
    "[1,]",
    "{'a': 1}",
    '"a\nb"',
    '"\\q"',
    "01",
    "é😀",
    '"é😀"',
    "",
    "[]x",
    '{"a"}',
    "[[], {}, null, true, false]",
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", _TEXTS)
def test_the_values_and_errors_are_those_of_json(text: str, encoding: str) -> None:
    content = f'{{"files": {json.dumps(_FILLER)}, "more": {text}}}'.encode(encoding)
    assert len(content) > SLICE_BYTES
    assert _outcome(parse_by_value, content) == _outcome(json.loads, content)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_any_value_is_that_of_json(value: object) -> None:
    content = json.dumps([_FILLER, value]).encode()
    assert repr(parse_by_value(content)) == repr(json.loads(content))


def test_bytes_that_are_not_text_are_not_json() -> None:
    content = json.dumps(_FILLER).encode()[:-1] + b', "\xff"]'
    assert _outcome(parse_by_value, content) is _outcome(json.loads, content) is UnicodeDecodeError


def test_the_parser_of_c_gets_no_more_than_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr("json.loads", lambda content: given.append(len(content)))
    for count in (1, 100, 4_000, 100_000):
        parse_by_value(json.dumps(["x" * 10] * count).encode())
    assert max(given) <= SLICE_BYTES
    assert len(given) == 3
    assert manifest_json._DECODER.scan_once.__module__ == "json.scanner"  # in Python: c_make_scanner is a type


_LONG = 3 * SLICE_BYTES


@pytest.mark.parametrize("before", ["", " "])
@pytest.mark.parametrize("value", [f'"{"x" * _LONG}"', "1" * _LONG, " " * _LONG + "1", '"' + r"\"" * _LONG + '"'])
def test_a_value_that_is_longer_than_slices_is_not_parsed(value: str, before: str) -> None:
    with pytest.raises(TooLongError):
        parse_by_value(f"[1, {before}{value}, 2]".encode())


def test_a_value_of_half_a_slice_is_parsed_wherever_it_begins() -> None:
    text = "x" * (SLICE_BYTES // 2)
    for offset in range(0, SLICE_BYTES, 5000):
        content = json.dumps(["y" * 10] * (offset // 14) + [text] * 5).encode()
        assert parse_by_value(content)[-1] == text


@pytest.mark.parametrize(
    ("content", "count"), [(b"[]", 1), (b"[1,2]", 2), (b'{"a":[1]}', 2), (b"," * 200_000, 200_000)]
)
def test_values_are_counted(content: bytes, count: int) -> None:
    assert values_in(content, 10**9) == count


def test_counting_ends_soon_after_the_most() -> None:
    assert 10 < values_in(b"," * 10_000_000, 10) <= SLICE_BYTES
