"""Objects that cannot be decoded, in the cache and in the filter of events."""

from __future__ import annotations

from typing import Any

import pytest

from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.controllers.cache import JobCache
from reltio_export_operator.controllers.manager import Manager


def raw(spec: object, *, finalizers: list[str] | None = None, status: object = None) -> dict[str, Any]:
    meta: dict[str, Any] = {"namespace": "mdm", "name": "nightly", "uid": "u-1", "finalizers": finalizers or []}
    return {"metadata": meta, "spec": spec, "status": status}


@pytest.mark.parametrize(
    "job",
    [
        raw({"targetRef": {"name": "lake"}, "backoffLimit": "two"}, finalizers=[FINALIZER]),
        raw({"targetRef": {"name": "lake"}, "export": 7}, status={"submission": {"id": 7}}),
    ],
)
def test_an_unreadable_job_that_may_run_takes_a_place(job: dict[str, Any]) -> None:
    cache = JobCache()
    cache.put_unreadable(job)
    assert cache.counts(("mdm", "lake")) == (1, 0)
    assert list(cache.first_waiting(("mdm", "lake"), 1)) == []
    cache.drop_job(("mdm", "nightly"))
    assert cache.all_counts() == (0, 0)


@pytest.mark.parametrize(
    "spec",
    [None, 7, [], {}, {"targetRef": "lake"}, {"targetRef": {"name": 7}}, {"targetRef": {"name": "lake"}}],
    ids=str,
)
def test_an_unreadable_job_that_was_not_submitted_takes_none(spec: object) -> None:
    cache = JobCache()
    cache.put_unreadable(raw(spec, status="none"))
    assert cache.all_counts() == (0, 0)


@pytest.mark.parametrize("spec", [None, 7, {}], ids=str)
def test_a_finished_job_with_an_unreadable_spec_needs_nothing(spec: object) -> None:
    finished = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert not Manager.needs_reconcile(raw(spec, status=finished))
