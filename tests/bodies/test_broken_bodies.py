"""A body that is cut off or damaged in transit is read again: it proves nothing, and it fails no job."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority
from reltio_export_operator.aws import store
from reltio_export_operator.cli import receipt

from .cases import bench, is_right, rows

SAMPLE = [row for row in rows() if row.where in ("at the end of a line", "whole") and row.kind != "stall"]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_a_broken_body_is_neither_a_proof_nor_a_failure(tmp_path: Path, tls: bool) -> None:
    authority = Authority(tmp_path)
    with bench((authority.context("127.0.0.1"), authority.pem) if tls else None) as player:
        wrong = {}
        for row in SAMPLE:
            if row.tls is tls:
                outcomes = player.outcomes(row)
                if not is_right(*outcomes):
                    wrong[str(row)] = outcomes
    assert wrong == {}


def test_a_body_that_stalls_is_read_again() -> None:
    (row,) = (
        row
        for row in rows()
        if (row.subject, row.kind, row.where, row.tls) == ("CSV", "stall", "at the end of a line", False)
    )
    with bench(None) as player:
        assert is_right(*player.outcomes(row))


def test_the_sample_has_each_body_and_each_fault() -> None:
    assert {(row.subject, row.kind) for row in SAMPLE} == {
        (row.subject, row.kind) for row in rows() if row.kind != "stall"
    }


def test_the_rows_show_false_proofs_and_false_failures_where_bodies_are_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.contextmanager
    def unchecked(answer: Any, _: int | None = None) -> Iterator[Any]:
        with answer["Body"] as stream:
            yield stream

    monkeypatch.setattr(store, "opened", unchecked)
    monkeypatch.setattr(receipt, "opened", unchecked)
    seen = {}
    with bench(None) as player:
        for row in SAMPLE:
            if not row.tls and row.kind == "close":
                _, _, seen[row.subject] = player.outcomes(row)
    assert seen["CSV"].startswith(("delivered", "failed"))
    assert seen["gzip"].startswith("failed")
    assert seen["manifest"].startswith("failed")
    assert seen["file of a receipt"].startswith("failed")
