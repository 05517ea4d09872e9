"""Argo CD's health checks and actions of our kinds, with test data in its own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from gitops.argocd import CUSTOMIZATIONS, ROOT, Raw, act, discovered, health, load, run_lua, without_empty
from hack_modules import load as load_hack
from kstatus import OBJECTS, SHAPES, recorded

KINDS = sorted(path.name for path in CUSTOMIZATIONS.iterdir())
_OF_KSTATUS = {"Failed": {"Degraded"}, "InProgress": {"Progressing"}, "Current": {"Healthy", "Suspended"}}


def cases(file: str, tests: str) -> list[Any]:
    return [
        pytest.param(kind, one, id=f"{kind}-{one.get('action', '')}{Path(one['inputPath']).stem}")
        for kind in KINDS
        for one in load(CUSTOMIZATIONS / kind / file)[tests]
    ]


@pytest.mark.parametrize(("kind", "case"), cases("health_test.yaml", "tests"))
def test_health_is_what_its_test_data_says(kind: str, case: Raw) -> None:
    assert health(kind, load(CUSTOMIZATIONS / kind / case["inputPath"])) == case["healthStatus"]


@pytest.mark.parametrize(("kind", "case"), cases("actions/action_test.yaml", "discoveryTests"))
def test_only_actions_that_have_an_effect_are_offered(kind: str, case: Raw) -> None:
    assert discovered(kind, load(CUSTOMIZATIONS / kind / "actions" / case["inputPath"])) == case["result"]


@pytest.mark.parametrize(("kind", "case"), cases("actions/action_test.yaml", "actionTests"))
def test_an_action_writes_what_its_test_data_says(kind: str, case: Raw) -> None:
    actions = CUSTOMIZATIONS / kind / "actions"
    done = act(kind, case["action"], load(actions / case["inputPath"]))
    assert without_empty(done) == without_empty(load(actions / case["expectedOutputPath"]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_action_and_every_object_of_the_test_data_is_used(kind: str) -> None:
    actions = CUSTOMIZATIONS / kind / "actions"
    tested = load(actions / "action_test.yaml")
    assert {one["action"] for one in tested["actionTests"]} == {path.parent.name for path in actions.glob("*/*.lua")}
    used = {one[key] for group in tested.values() for one in group for key in one if key.endswith("Path")}
    assert used == {f"testdata/{path.name}" for path in (actions / "testdata").iterdir()}
    used = {one["inputPath"] for one in load(actions.parent / "health_test.yaml")["tests"]}
    assert used == {f"testdata/{path.name}" for path in (actions.parent / "testdata").iterdir()}


@pytest.mark.parametrize("name", ["a" * 48, "a" * 47 + ".b", "nightly-", "x.y"])
def test_the_name_of_a_job_that_runs_again_is_valid(name: str) -> None:
    job = load(CUSTOMIZATIONS / "ExportJob" / "testdata" / "failed.yaml")
    job["metadata"]["name"] = name
    (made,) = act("ExportJob", "rerun", job)
    assert not any(pair in made["unstructuredObj"]["metadata"]["name"] for pair in (".-", "-.", ".."))


def objects() -> list[Raw]:
    """Objects as a real API server returned them, and every combination of the conditions that kstatus reads."""
    return [*recorded(OBJECTS), *recorded(SHAPES)]


def test_health_is_what_kstatus_says() -> None:
    """Argo CD itself reports objects that are being deleted: Progressing, before any script runs."""
    compared = 0
    for one in objects():
        raw, expected = one["object"], one["result"]
        ends = [c["type"] for c in raw.get("status", {}).get("conditions", []) if c["status"] == "True"]
        contradicts = "Stalled" in ends and bool({"Ready", "Reconciling"} & set(ends))  # never written by the operator
        if "deletionTimestamp" in raw["metadata"] or contradicts:
            continue
        found = health(raw["kind"], raw)
        if expected == "Current" and not ends:
            assert found["status"] == "Progressing", "kstatus takes an object without conditions for Current"
        else:
            assert found["status"] in _OF_KSTATUS[expected], raw
        compared += 1
    assert compared > 30


@pytest.mark.parametrize("text", ["return io.open('/')", "return os.getenv('HOME')", "return require('io')"])
def test_a_script_cannot_reach_the_system(text: str) -> None:
    with pytest.raises((lua51.LuaError, KeyError)):
        run_lua(text, {})


def test_the_config_map_has_every_script() -> None:
    generator = load_hack("argocd")
    written = (ROOT / "argocd-cm.yaml").read_text()
    assert written == generator.config_map(), "run `make generate`"
    data = yaml.safe_load(written)["data"]
    for kind in KINDS:
        assert (
            data[f"resource.customizations.health.export.reltio.com_{kind}"]
            == (CUSTOMIZATIONS / kind / "health.lua").read_text()
        )
        actions = yaml.safe_load(data[f"resource.customizations.actions.export.reltio.com_{kind}"])
        names = {one["name"]: one["action.lua"] for one in actions["definitions"]}
        assert names == {
            path.parent.name: path.read_text() for path in (CUSTOMIZATIONS / kind / "actions").glob("*/action.lua")
        }
        assert actions["discovery.lua"] == (CUSTOMIZATIONS / kind / "actions" / "discovery.lua").read_text()
