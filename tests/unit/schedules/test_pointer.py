"""The document of the pointer: what it lists, and that it never goes back or leaves a gap."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.api.decoding import decode_schedule
from reltio_export_operator.api.schedule import ExportSchedule
from reltio_export_operator.schedules import pointer
from reltio_export_operator.schedules.pointer import Export, Pointer, UnusablePointer

START = datetime(2031, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def schedule(**spec: Any) -> ExportSchedule:
    return decode_schedule(
        {
            "metadata": {"name": "people", "namespace": "mdm", "uid": "u1"},
            "spec": {
                "schedule": "@hourly",
                "latestPointer": {},
                "incremental": {"fullSchedule": "@weekly"},
                "jobTemplate": {"spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}},
                **spec,
            },
        }
    )


def export(start: int | None, end: int, *, verified: str = "Delivered", files: int = 1) -> Export:
    return msgspec.convert(
        {
            "job": f"j{end}",
            "mode": "Full" if start is None else "Incremental",
            "bucket": "b",
            "prefix": f"p/{end}/",
            "windowStart": None if start is None else START + start * HOUR,
            "windowEnd": START + end * HOUR,
            "verified": verified,
            "open": "" if verified == "Delivered" else "No counts.",
            "files": [f"part-{n}.gz" for n in range(files)],
        },
        Export,
    )


def after(before: Pointer | None, *exports: Export, hash_: str = "h") -> Pointer | None:
    return pointer.advanced(before, schedule(), [(one, hash_) for one in exports], START)


def windows(document: Pointer | None) -> list[int]:
    return [] if document is None else [int((one.window_end - START) / HOUR) for one in document.exports]


def test_windows_follow_a_full_export_and_the_next_full_one_replaces_them() -> None:
    document = after(None, export(None, 1), export(1, 2), export(2, 3))
    assert windows(document) == [1, 2, 3]
    assert windows(after(document, export(None, 4))) == [4]


def test_it_never_goes_back() -> None:
    document = after(None, export(None, 1), export(1, 5))
    assert after(document, export(None, 4)) is None
    assert after(document, export(1, 5)) is None


def test_a_window_that_would_leave_a_gap_is_left_out() -> None:
    document = after(None, export(None, 1))
    assert after(document, export(2, 3)) is None
    assert windows(after(document, export(1, 2), export(3, 4))) == [1, 2]
    assert after(None, export(2, 3)) is None


def test_a_window_of_another_template_is_left_out() -> None:
    assert after(after(None, export(None, 1)), export(1, 2), hash_="other") is None


def test_a_first_window_since_a_time_starts_the_list() -> None:
    since = (START + 2 * HOUR).isoformat()
    chosen = schedule(incremental={"initial": {"mode": "Since", "since": since}, "fullSchedule": "@weekly"})
    document = pointer.advanced(None, chosen, [(export(2, 3), "h"), (export(3, 4), "h")], START)
    assert windows(document) == [3, 4]
    assert pointer.advanced(None, chosen, [(export(3, 4), "h")], START) is None


def test_it_is_unknown_if_any_of_its_exports_is_and_says_which() -> None:
    document = after(None, export(None, 1, verified="Unknown"), export(1, 2))
    assert document is not None
    assert (document.verified, document.open) == ("Unknown", ("j1: No counts.",))


def test_a_long_list_keeps_the_names_of_the_newest_files_only() -> None:
    document = after(None, *[export(n - 1 if n else None, n, files=900) for n in range(5)])
    assert document is not None
    assert [one.files is None for one in document.exports] == [True, True, True, False, False]
    assert len(pointer.encoded(document)) < pointer.MAX_BYTES


def test_the_longest_document_is_small_enough_to_be_read_again() -> None:
    document = after(None, *[export(n - 1 if n else None, n, files=2) for n in range(1001)])
    assert document is not None
    content = pointer.encoded(document)
    assert len(content) < pointer.MAX_BYTES // 4
    assert pointer.decoded(content, schedule()) == document
    assert after(document, export(1000, 1001)) is None, "the next run is full"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"version": 2}', b'{"version": 1, "exports": []}'])
def test_anything_else_is_not_a_pointer(content: bytes) -> None:
    with pytest.raises(UnusablePointer) as error:
        pointer.decoded(content, schedule())
    assert not error.value.is_foreign


def test_the_pointer_of_another_schedule_is_foreign() -> None:
    document = after(None, export(None, 1))
    assert document is not None
    reference = msgspec.structs.replace(document.schedule, name="other")
    with pytest.raises(UnusablePointer) as error:
        pointer.decoded(pointer.encoded(msgspec.structs.replace(document, schedule=reference)), schedule())
    assert error.value.is_foreign


def test_only_the_document_of_this_very_schedule_restores_its_watermark() -> None:
    document = after(None, export(None, 1), export(1, 2))
    assert document is not None
    state = pointer.state_of(document, schedule())
    assert state is not None
    assert (state.watermark, state.last_full_time, state.windows) == (START + 2 * HOUR, START + HOUR, 1)
    reference = msgspec.structs.replace(document.schedule, uid="earlier")
    assert pointer.state_of(msgspec.structs.replace(document, schedule=reference), schedule()) is None


@pytest.mark.parametrize(("path", "key"), [(None, "lake/_latest/mdm/people.json"), ("now/p.json", "lake/now/p.json")])
def test_where_it_is(path: str | None, key: str) -> None:
    assert pointer.location(schedule(latestPointer={"path": path} if path else {}), "lake/") == key


@given(st.integers(0, 10_000))
def test_whatever_is_lost_or_late_the_listed_windows_leave_no_gap(seed: int) -> None:
    rng = random.Random(seed)
    document, watermark, jobs = None, 0, list[Export]()
    for hour in range(1, 40):
        if rng.random() < 0.3:
            continue  # a run that failed: the window of the next one begins where this one did
        is_full = not watermark or rng.random() < 0.1
        jobs.append(export(None if is_full else watermark, hour))
        watermark = hour
        if rng.random() < 0.1:
            document = None  # somebody deleted the object
        if rng.random() < 0.2:
            jobs = jobs[rng.randrange(len(jobs)) :]  # collected
        written = after(document, *rng.sample(jobs, len(jobs)) if rng.random() < 0.1 else jobs)
        if written is not None:
            assert document is None or written.data_time > document.data_time
            document = written
        listed = document.exports if document else ()
        assert all(one.mode == "Incremental" for one in listed[1:])
        assert not listed or listed[0].mode == "Full"
        for earlier, later in itertools.pairwise(listed):
            assert later.window_start is not None
            assert later.window_start <= earlier.window_end < later.window_end
