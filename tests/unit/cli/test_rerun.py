"""`kubectl reltio-export rerun`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reltio_export_operator.cli import rerun
from reltio_export_operator.cli.main import plugin

Raw = dict[str, Any]
SPEC = {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}, "backoffLimit": 0}


class Namespace:
    """A namespace with one job. It records what is created."""

    namespace = "mdm"

    def __init__(self, job: Raw) -> None:
        self.job = job
        self.created: list[Raw] = []

    def get(self, plural: str, name: str) -> Raw:
        return self.job

    def create(self, plural: str, body: Raw) -> Raw:
        self.created.append(body)
        meta = body["metadata"]
        return {**body, "metadata": {"name": meta.get("name") or f"{meta['generateName']}x7k2p"}}


def job(*conditions: str, name: str = "people", **spec: Any) -> Raw:
    listed = [{"type": type_, "status": "True"} for type_ in conditions]
    return {
        "metadata": {
            "name": name,
            "uid": "u-1",
            "labels": {"a": "b"},
            "annotations": {"export.reltio.com/attempt": "{}"},
        },
        "spec": {**SPEC, **spec},
        "status": {"conditions": listed},
    }


def call(monkeypatch: pytest.MonkeyPatch, found: Raw, *arguments: str) -> tuple[Result, list[Raw]]:
    namespace = Namespace(found)
    monkeypatch.setattr(rerun, "connect", lambda context, name: namespace)
    return CliRunner().invoke(plugin, ["rerun", found["metadata"]["name"], *arguments]), namespace.created


@pytest.mark.parametrize("ending", ["Complete", "Failed"])
def test_a_finished_job_is_run_again_as_a_new_object_with_the_same_spec(
    monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    result, created = call(monkeypatch, job(ending, "Stalled"))
    assert result.exit_code == 0, result.output
    assert created == [
        {
            "apiVersion": "export.reltio.com/v1alpha1",
            "kind": "ExportJob",
            "metadata": {"generateName": "people-"},
            "spec": SPEC,
        }
    ]
    assert result.stdout == "exportjob.export.reltio.com/people-x7k2p created\n"
    assert "kubectl reltio-export why people-x7k2p -n mdm" in result.stderr


def test_the_new_job_is_neither_cancelled_nor_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    _, created = call(monkeypatch, job("Failed", cancel=True, suspend=True))
    assert created[0]["spec"] == SPEC


def test_a_name_can_be_chosen_and_the_object_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    result, created = call(monkeypatch, job("Complete"), "--name", "again", "-o", "json")
    assert created[0]["metadata"] == {"name": "again"}
    assert json.loads(result.stdout)["metadata"]["name"] == "again"


def test_a_long_name_leaves_room_for_the_generated_suffix(monkeypatch: pytest.MonkeyPatch) -> None:
    _, created = call(monkeypatch, job("Complete", name="n" * 63))
    assert created[0]["metadata"] == {"generateName": "n" * 57 + "-"}


@pytest.mark.parametrize("conditions", [(), ("Reconciling",), ("Stalled",)])
def test_a_job_that_has_not_finished_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, conditions: tuple[str, ...]
) -> None:
    result, created = call(monkeypatch, job(*conditions))
    assert result.exit_code == 2
    assert created == []
    assert "kubectl reltio-export cancel people -n mdm" in result.output
