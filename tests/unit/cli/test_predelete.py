"""The check before an uninstall: what keeps a release, what is written, and what is said."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from kubernetes.aio.client.exceptions import ApiException

from reltio_export_operator.api.meta import CANCEL_ANNOTATION, FINALIZER
from reltio_export_operator.cli.predelete import PreDelete, Release, UninstallRefused
from reltio_export_operator.kube.client import ConflictError

Raw = dict[str, Any]
RELEASE = Release("exports", "ops")


def job(name: str, *, held: bool = False, **status: Any) -> Raw:
    metadata = {"name": name, "namespace": "sales", "resourceVersion": "1", "uid": name}
    return {"metadata": metadata | ({"finalizers": [FINALIZER]} if held else {}), "status": status}


def ended(name: str, type_: str = "Complete", **more: Any) -> Raw:
    return job(name, conditions=[{"type": type_, "status": "True"}], **more)


class Cluster:
    """ExportJobs in memory. What happens between two lists is in `then`."""

    def __init__(self, *jobs: Raw, errors: list[Exception] | None = None) -> None:
        self.jobs = {raw["metadata"]["name"]: raw for raw in jobs}
        self.errors = errors or []
        self.then: list[Callable[[], None]] = []
        self.now = 0.0
        self.said: list[str] = []

    async def list_objects(self, _: str, namespace: str | None) -> AsyncIterator[Raw]:
        if self.errors:
            raise self.errors.pop(0)
        for raw in list(self.jobs.values()):
            if namespace in (None, raw["metadata"]["namespace"]):
                yield copy.deepcopy(raw)

    async def annotate(self, _: str, raw: Raw, annotations: dict[str, str]) -> Raw:
        return self._write(raw, lambda meta: meta.setdefault("annotations", {}).update(annotations))

    async def set_finalizers(self, _: str, raw: Raw, finalizers: list[str]) -> Raw:
        return self._write(raw, lambda meta: meta.update(finalizers=finalizers))

    def _write(self, raw: Raw, change: Callable[[Raw], None]) -> Raw:
        kept = self.jobs[raw["metadata"]["name"]]["metadata"]
        if kept["resourceVersion"] != raw["metadata"]["resourceVersion"]:
            raise ConflictError(raw["metadata"]["name"])
        change(kept)
        kept["resourceVersion"] += "1"
        return raw

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.then:
            self.then.pop(0)()

    def end(self, name: str) -> None:
        """What the operator does with a job that is cancelled."""
        assert self.cancelled(name)
        self.jobs[name]["status"]["conditions"] = [{"type": "Failed", "status": "True"}]
        self.jobs[name]["metadata"]["finalizers"] = []

    def cancelled(self, name: str) -> bool:
        return bool(self.jobs[name]["metadata"].get("annotations", {}).get(CANCEL_ANNOTATION) == "true")

    def check(self, *namespaces: str, release: Release = RELEASE) -> PreDelete:
        kube: Any = self
        return PreDelete(
            kube, release, namespaces=namespaces, say=self.said.append, clock=lambda: self.now, sleep=self.sleep
        )


async def test_without_jobs_the_release_can_go() -> None:
    cluster = Cluster()
    await cluster.check().refuse()
    assert cluster.said == ["No export runs. The release can be uninstalled."]


@pytest.mark.parametrize("type_", ["Complete", "Failed"])
async def test_a_finished_job_keeps_no_release_and_loses_only_our_finalizer(type_: str) -> None:
    done = ended("done", type_, held=True)
    done["metadata"]["finalizers"].append("example.com/theirs")
    cluster = Cluster(done)
    await cluster.check().refuse()
    assert cluster.jobs["done"]["metadata"]["finalizers"] == ["example.com/theirs"]


async def test_a_job_that_is_only_said_not_to_have_ended_still_runs() -> None:
    conditions = [{"type": "Complete", "status": "False"}, {"type": "Failed", "status": "Unknown"}, {"odd": 1}]
    with pytest.raises(UninstallRefused, match="1 ExportJob still runs"):
        await Cluster(job("nightly", held=True, conditions=conditions)).check().refuse()


async def test_only_the_namespaces_of_the_release_count() -> None:
    cluster = Cluster(job("nightly", held=True))
    await cluster.check("care", "finance").refuse()
    with pytest.raises(UninstallRefused):
        await cluster.check("care", "sales").refuse()


async def test_a_running_job_is_not_touched_by_a_refusal() -> None:
    cluster = Cluster(job("nightly", held=True, phase="Running"))
    before = copy.deepcopy(cluster.jobs)
    with pytest.raises(UninstallRefused):
        await cluster.check().refuse()
    assert cluster.jobs == before


@pytest.mark.parametrize(("revision", "shown"), [(7, "7"), (None, "REVISION")])
async def test_a_refusal_says_how_to_keep_the_release_at_its_revision(revision: int | None, shown: str) -> None:
    command = f"helm rollback exports {shown} -n ops"
    for policy in ("refuse", "cancel"):
        check = Cluster(job("nightly", held=True)).check(release=Release("exports", "ops", revision))
        with pytest.raises(UninstallRefused) as refused:
            await (check.refuse() if policy == "refuse" else check.cancel(0))
        assert command in str(refused.value)


async def test_the_list_says_how_far_each_job_is_and_has_an_end() -> None:
    named = job("a", held=True, phase="Running", progress={"percent": 42}, tasks=[{"id": "t1"}, {"id": "t2"}])
    with pytest.raises(UninstallRefused) as refused:
        await Cluster(named, *(job(f"b{number}", held=True) for number in range(30))).check().refuse()
    text = str(refused.value)
    assert "31 ExportJobs still run" in text
    assert "sales/a: Running 42% (Reltio task t1, t2)" in text
    assert "sales/b0: no status yet" in text
    assert "and 11 more" in text
    assert "b25" not in text


async def test_what_to_do_fits_into_the_termination_message() -> None:
    """The kubelet keeps the last 2048 bytes of the log."""
    jobs = [job(f"{'x' * 60}{number}", held=True, phase="Running") for number in range(30)]
    with pytest.raises(UninstallRefused) as refused:
        await Cluster(*jobs).check().refuse()
    kept = str(refused.value)[-2048:]
    assert "--no-hooks" in kept
    assert f"{CANCEL_ANNOTATION}=true" in kept


async def test_cancel_waits_until_the_operator_has_stopped_every_export() -> None:
    cluster = Cluster(job("nightly", held=True, phase="Running"), job("hourly", held=True, phase="Running"))
    cluster.then = [lambda: cluster.end("nightly"), lambda: cluster.end("hourly")]
    await cluster.check().cancel(60)
    assert cluster.said[-1] == "No export runs any more."
    assert [text.splitlines()[0] for text in cluster.said[:-1]] == [
        "Waiting for 2 ExportJobs to stop:",
        "Waiting for 1 ExportJob to stop:",
    ]


async def test_cancel_reaches_jobs_that_have_not_begun() -> None:
    cluster = Cluster(job("later", phase="Pending"), ended("done"))
    await cluster.check().cancel(60)
    assert cluster.cancelled("later")
    assert not cluster.cancelled("done")


async def test_a_job_that_begins_just_then_is_not_missed() -> None:
    cluster = Cluster(job("later", phase="Pending"))
    annotate = cluster.annotate

    async def begins_first(_: str, raw: Raw, annotations: dict[str, str]) -> Raw:
        cluster.annotate = annotate  # type: ignore[method-assign]
        cluster.jobs["later"]["metadata"].update(resourceVersion="2", finalizers=[FINALIZER])
        return await annotate(_, raw, annotations)

    cluster.annotate = begins_first  # type: ignore[method-assign]
    cluster.then = [lambda: None, lambda: cluster.end("later")]
    await cluster.check().cancel(60)
    assert cluster.cancelled("later")
    assert cluster.then == []


async def test_a_job_being_deleted_is_waited_for_and_not_changed() -> None:
    deleting = job("old", held=True, phase="Running")
    deleting["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster = Cluster(deleting)
    cluster.then = [lambda: cluster.jobs.clear()]
    await cluster.check().cancel(60)
    assert "sales/old: Deleting" in cluster.said[0]
    assert CANCEL_ANNOTATION not in deleting["metadata"].get("annotations", {})


async def test_cancel_gives_up_within_its_bound() -> None:
    cluster = Cluster(job("nightly", held=True, phase="Running"))
    with pytest.raises(UninstallRefused, match="did not stop within 60 s"):
        await cluster.check().cancel(60)
    assert 60 <= cluster.now < 65


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ApiException(status=403, reason="Forbidden"), "may not list exportjobs"),
        (ApiException(status=401, reason="Unauthorized"), "rbac.create"),
    ],
)
async def test_missing_rights_are_named(error: Exception, text: str) -> None:
    with pytest.raises(UninstallRefused) as refused:
        await Cluster(errors=[error]).check().refuse()
    assert text in str(refused.value)
    assert "--no-hooks" in str(refused.value)


async def test_a_cluster_without_the_kind_has_no_jobs() -> None:
    await Cluster(errors=[ApiException(status=404, reason="Not Found")]).check().refuse()


@pytest.mark.parametrize("error", [ApiException(status=503, reason="Busy"), aiohttp.ClientError(), TimeoutError()])
async def test_an_api_server_that_is_unavailable_is_asked_again_for_a_while(error: Exception) -> None:
    await Cluster(errors=[error] * 3).check().refuse()
    cluster = Cluster(errors=[error] * 1000)
    with pytest.raises(UninstallRefused, match="did not list the ExportJobs"):
        await cluster.check().refuse()
    assert cluster.now < 60
