"""The cache of targets and unfinished jobs."""

from __future__ import annotations

from builders import job
from reltio_export_operator.controllers.cache import JobCache


def test_a_job_that_was_created_again_for_another_target_leaves_no_place_at_the_first_one() -> None:
    cache = JobCache()
    cache.assume(job(spec={"targetRef": {"name": "lake"}}, metadata={"uid": "u-1"}))
    cache.put_job(job(spec={"targetRef": {"name": "pond"}}, metadata={"uid": "u-2"}))
    namespace = job().metadata.namespace
    assert cache.counts((namespace, "lake")) == (0, 0)
    assert cache.counts((namespace, "pond")) == (0, 1)
