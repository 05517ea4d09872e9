"""What GitOps tools do all day: apply the same again, beside others who own some of the fields."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from kubernetes.aio.client.exceptions import ApiException

from integration.conftest import GROUP, PLURALS, VERSION, World, condition

if TYPE_CHECKING:
    from collections.abc import Mapping

Raw = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(opener: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opener(tmp_path_factory.mktemp("sandbox")) as world:
        await world.secret()
        await world.target()
        await world.ready()
        yield world


@pytest.fixture
def world(shared: World) -> World:
    return shared


async def apply(
    world: World, kind: str, name: str, spec: Mapping[str, Any], *, manager: str, force: bool = False, **metadata: Any
) -> Raw:
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}
    await world.objects.patch_namespaced_custom_object(
        GROUP,
        VERSION,
        world.namespace,
        PLURALS[kind],
        name,
        body,
        field_manager=manager,
        force=force,
        _content_type="application/apply-patch+yaml",
    )
    return await world.get(kind, name)


def suspended_target(**more: Any) -> Raw:
    return {
        "suspend": True,
        "reltio": {"environment": "na99-prod", "tenant": "acme01", "credentialsSecretRef": {"name": "reltio-api"}},
        "s3": {"bucket": "acme-mdm-exports", "roleARN": "arn:aws:iam::111122223333:role/reltio-exporter"},
        **more,
    }


async def test_a_field_of_one_manager_is_not_another_ones_to_change_unless_it_insists(world: World) -> None:
    first = await apply(world, "ExportTarget", "owned", suspended_target(maxConcurrentJobs=2), manager="git")
    with pytest.raises(ApiException) as refused:
        await apply(world, "ExportTarget", "owned", {"maxConcurrentJobs": 7}, manager="autoscaler")
    assert refused.value.status == 409
    (cause,) = json.loads(str(refused.value.body))["details"]["causes"]
    assert (cause["message"], cause["field"]) == ('conflict with "git"', ".spec.maxConcurrentJobs")
    taken = await apply(world, "ExportTarget", "owned", {"maxConcurrentJobs": 7}, manager="autoscaler", force=True)
    assert taken["spec"]["maxConcurrentJobs"] == 7
    left = await apply(world, "ExportTarget", "owned", suspended_target(), manager="git")
    assert left["spec"] == {**first["spec"], "maxConcurrentJobs": 7}
    given_up = await apply(world, "ExportTarget", "owned", {}, manager="autoscaler")
    assert given_up["spec"]["maxConcurrentJobs"] == 4, "the default, as nobody says otherwise"


async def test_what_a_manager_no_longer_says_goes(world: World) -> None:
    await apply(
        world,
        "ExportTarget",
        "shrinks",
        suspended_target(verification={"interval": "2h"}),
        manager="git",
        labels={"a": "1"},
    )
    after = await apply(world, "ExportTarget", "shrinks", suspended_target(), manager="git")
    assert after["spec"]["verification"]["interval"] == "1h"
    assert "labels" not in after["metadata"]


async def test_a_job_that_is_applied_repeatedly_is_one_export_and_changes_nothing(world: World) -> None:
    spec = {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}
    for _ in range(3):
        await apply(world, "ExportJob", "nightly", spec, manager="kustomize-controller")
    await world.finished()
    job = await world.until("ExportJob", "nightly", lambda raw: not raw["metadata"].get("finalizers"))
    for _ in range(3):
        again = await apply(world, "ExportJob", "nightly", spec, manager="kustomize-controller")
    assert (again["metadata"]["generation"], again["metadata"]["resourceVersion"]) == (
        1,
        job["metadata"]["resourceVersion"],
    )
    assert len([run for run in world.sandbox.reltio.engine.runs if job["metadata"]["uid"] in run.order.name]) == 1


async def test_the_status_is_the_operators_and_applying_the_spec_never_conflicts_with_it(world: World) -> None:
    spec = {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}
    await apply(world, "ExportJob", "owned", spec, manager="git")
    await world.until(
        "ExportJob", "owned", lambda raw: condition(raw, "Complete") and not raw["metadata"].get("finalizers")
    )
    job = await apply(world, "ExportJob", "owned", {**spec, "ttlSecondsAfterFinished": 3600}, manager="git")
    owners = {(entry["manager"], entry.get("subresource", "")) for entry in job["metadata"]["managedFields"]}
    assert ("git", "") in owners
    assert {sub for manager, sub in owners if manager != "git"} == {"", "status"}
    ours = [entry for entry in job["metadata"]["managedFields"] if entry["manager"] != "git"]
    main = next(entry["fieldsV1"] for entry in ours if "subresource" not in entry)
    assert main == {"f:metadata": {"f:annotations": {".": {}, "f:export.reltio.com/attempt": {}}}}


async def test_a_job_applied_by_a_tool_that_would_put_it_back_is_kept_when_its_time_is_over(world: World) -> None:
    spec = {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}, "ttlSecondsAfterFinished": 0}
    await apply(world, "ExportJob", "kept", spec, manager="argocd-controller")
    kept = await world.until("ExportJob", "kept", lambda raw: condition(raw, "Retained"))
    assert "Argo CD would create the job again" in condition(kept, "Retained")["message"]  # type: ignore[index]
