"""Flux's health check expressions, evaluated by its rules (RFC 0009 of Flux) with the sandbox's CEL library."""

from __future__ import annotations

from typing import Any

import cel
import pytest

from gitops.argocd import CUSTOMIZATIONS, ROOT, Raw, health, load
from kstatus import OBJECTS, SHAPES, recorded

KUSTOMIZATION = ROOT.parent / "flux" / "kustomization.yaml"
EXPRESSIONS = {one["kind"]: one for one in load(KUSTOMIZATION)["spec"]["healthCheckExprs"]}
_HEALTH = {"Healthy": "Current", "Suspended": "Current", "Degraded": "Failed", "Progressing": "InProgress"}


def evaluate(expression: str, obj: Raw) -> bool:
    """Raises where Flux would wait: a field is read that the object does not have."""
    found = cel.evaluate(expression, obj)
    assert isinstance(found, bool), found
    return found


def flux(obj: Raw) -> str:
    """The status of the object. `Unknown` is that of an expression that fails: Flux asks again until its timeout."""
    observed = obj.get("status", {}).get("observedGeneration")
    if observed is not None and observed != obj["metadata"]["generation"]:
        return "InProgress"
    expressions = EXPRESSIONS[obj["kind"]]
    try:
        for name in ("inProgress", "failed", "current"):
            if name in expressions and evaluate(expressions[name], obj):
                return name[0].upper() + name[1:]
    except Exception:
        return "Unknown"
    return "InProgress"


def cases() -> list[Any]:
    return [
        pytest.param(load(CUSTOMIZATIONS / kind / one["inputPath"]), id=f"{kind}-{one['inputPath'][9:-5]}")
        for kind in EXPRESSIONS
        for one in load(CUSTOMIZATIONS / kind / "health_test.yaml")["tests"]
    ]


@pytest.mark.parametrize("obj", cases())
def test_flux_says_what_argo_cd_says(obj: Raw) -> None:
    expected = "Unknown" if "status" not in obj else _HEALTH[health(obj["kind"], obj)["status"]]
    assert flux(obj) == expected


def test_without_the_annotation_the_expressions_say_what_kstatus_says() -> None:
    compared = 0
    for one in [*recorded(OBJECTS), *recorded(SHAPES)]:
        raw, expected = one["object"], one["result"]
        ends = {c["type"] for c in raw["status"]["conditions"] if c["status"] == "True"}
        if "deletionTimestamp" in raw["metadata"] or ("Stalled" in ends and ends & {"Ready", "Reconciling"}):
            continue  # such a pair is never written
        assert flux(raw) == ("InProgress" if expected == "Current" and not ends else expected), raw
        compared += 1
    assert compared > 30


def test_every_kind_with_a_health_check_of_argo_cd_has_expressions() -> None:
    assert set(EXPRESSIONS) == {path.name for path in CUSTOMIZATIONS.iterdir()}
