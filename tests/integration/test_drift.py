"""Nothing that the operator or the API server writes shows as drift in Git: with the manifests of the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.drift import structured, three_way
from integration.conftest import GROUP, PLURALS, VERSION, World, condition
from integration.test_gitops import pytestmark as pytestmark
from integration.test_gitops import shared as shared  # the sandbox of the module, with a target
from integration.test_gitops import world as world

Raw = dict[str, Any]
ROOT = Path(__file__).parents[2]
MANIFESTS = {
    f"{path.stem}-{raw['kind']}": raw
    for path in sorted([*(ROOT / "examples").rglob("*.yaml"), *(ROOT / "deploy" / "samples" / "base").glob("*.yaml")])
    for raw in yaml.safe_load_all(path.read_text())
    if raw and raw.get("kind") in PLURALS
}


async def apply(world: World, manifest: Raw, manager: str, **options: Any) -> Raw:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    applied: Raw = await world.objects.patch_namespaced_custom_object(
        GROUP,
        VERSION,
        world.namespace,
        PLURALS[kind],
        name,
        manifest,
        field_manager=manager,
        _content_type="application/apply-patch+yaml",
        **options,
    )
    return applied


def is_suspended(raw: Raw) -> bool:
    """Whether the operator has observed the suspension. A suspended schedule is Ready: its trigger works."""
    ready = condition(raw, "Ready")
    return condition(raw, "Suspended") is not None or (ready is not None and ready["reason"] == "Suspended")


async def drift(world: World, manifest: Raw, manager: str) -> tuple[Raw, Raw]:
    """The differences that the legacy and the structured comparison show, for one version of the object."""
    while True:
        live = await world.get(manifest["kind"], manifest["metadata"]["name"])
        predicted = await apply(world, manifest, manager, dry_run="All", force=True)
        if predicted["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]:
            return three_way(manifest, live), structured(live, predicted)


@pytest.mark.parametrize("name", MANIFESTS)
async def test_defaults_of_the_api_server_do_not_show_as_drift(world: World, name: str) -> None:
    manifest = {**MANIFESTS[name], "metadata": {**MANIFESTS[name]["metadata"], "name": name.lower()}}
    manifest["spec"] = {**manifest["spec"], "suspend": True}
    await apply(world, manifest, "argocd-controller")
    assert await drift(world, manifest, "argocd-controller") == ({}, {})
    await world.until(manifest["kind"], name.lower(), is_suspended)
    assert await drift(world, manifest, "argocd-controller") == ({}, {}), "after the operator wrote the status"


@pytest.mark.parametrize("manager", ["argocd-controller", "kustomize-controller", "kubectl"])
async def test_a_whole_life_does_not_show_as_drift(world: World, manager: str) -> None:
    manifest: Raw = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ExportJob",
        "metadata": {"name": f"life-{manager}", "labels": {"app": "exports"}, "annotations": {"team": "mdm"}},
        "spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}},
    }
    await apply(world, manifest, manager)
    seen = [await drift(world, manifest, manager) for _ in range(2)]
    done = await world.until(
        "ExportJob",
        manifest["metadata"]["name"],
        lambda raw: condition(raw, "Complete") and not raw["metadata"].get("finalizers"),
    )
    for _ in range(2):
        seen += [await drift(world, manifest, manager)]
        await apply(world, manifest, manager)
    assert seen == [({}, {})] * 4
    again = await world.get("ExportJob", done["metadata"]["name"])
    assert again["metadata"]["resourceVersion"] == done["metadata"]["resourceVersion"], (
        "applied again: nothing to write"
    )
    assert again["metadata"]["labels"] == {"app": "exports"}
    assert again["metadata"]["annotations"]["team"] == "mdm"


async def test_a_change_of_the_object_shows_as_drift(world: World) -> None:
    manifest = {**MANIFESTS["job-ExportJob"], "metadata": {"name": "changed"}}
    manifest["spec"] = {**manifest["spec"], "suspend": True}
    await apply(world, manifest, "argocd-controller")
    await world.patch("ExportJob", "changed", {"spec": {"suspend": False}})
    legacy, by_dry_run = await drift(world, manifest, "argocd-controller")
    assert legacy == {"spec": {"suspend": True}}
    assert by_dry_run["spec"]["suspend"] in (True, False)
