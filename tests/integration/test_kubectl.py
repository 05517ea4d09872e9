"""Stock kubectl on the sandbox's API, as a person uses it after `make sandbox`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from integration.conftest import World
from tools import tool

Raw = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Person:
    """Someone with kubectl and manifests."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        examples = Path(__file__).parents[2] / "examples"
        documents = [*world.sandbox.fill((examples / "target.yaml").read_text())]
        self.target = next(one for one in documents if one["kind"] == "ExportTarget")
        self.documents = documents

    def job(self, name: str = "people", **spec: Any) -> Raw:
        return {
            "apiVersion": "export.reltio.com/v1alpha1",
            "kind": "ExportJob",
            "metadata": {"name": name},
            "spec": {"targetRef": {"name": self.target["metadata"]["name"]}, "export": {"type": "Entities"}, **spec},
        }

    def file(self, *documents: Raw) -> str:
        path = self._folder / "manifest.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        return str(path)

    async def kubectl(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            tool("kubectl"),
            "--kubeconfig",
            str(self._world.sandbox.kubeconfig),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def works(self, *arguments: str) -> str:
        code, output = await self.kubectl(*arguments)
        assert code == 0, output
        return output


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def person(opener: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Person]:
    async with opener(tmp_path_factory.mktemp("sandbox")) as world:
        someone = Person(world, tmp_path_factory.mktemp("manifests"))
        await someone.works("apply", "-f", someone.file(*someone.documents))
        yield someone


async def test_a_job_is_applied_watched_waited_for_described_and_deleted(person: Person) -> None:
    manifest = person.file(person.job())
    assert "created" in await person.works("apply", "-f", manifest)
    assert "condition met" in await person.works("wait", "--for=condition=Complete", "exj/people", "--timeout=50s")
    columns = (await person.works("get", "exj", "people")).splitlines()[0].split()
    assert columns[:5] == ["NAME", "TARGET", "TYPE", "PHASE", "PROGRESS"]
    assert "DESTINATION" in await person.works("get", "exj", "people", "-o", "wide")
    described = await person.works("describe", "exj", "people")
    assert "Submitted" in described
    assert "Completed" in described
    assert "unchanged" in await person.works("apply", "-f", manifest)
    assert await person.kubectl("diff", "-f", manifest) == (0, "")
    code, difference = await person.kubectl("diff", "-f", person.file(person.job(ttlSecondsAfterFinished=9999)))
    assert code == 1
    assert "+  ttlSecondsAfterFinished: 9999" in difference
    assert "deleted" in await person.works("delete", "exj", "people")


async def test_server_side_apply_label_annotate_and_patch_work(person: Person) -> None:
    manifest = person.file(person.job("sided", suspend=True))
    assert "serverside-applied" in await person.works("apply", "--server-side", "-f", manifest)
    assert "labeled" in await person.works("label", "exj", "sided", "team=mdm")
    assert "annotated" in await person.works("annotate", "exj", "sided", "note=hello")
    assert "patched" in await person.works("patch", "exj", "sided", "--type", "merge", "-p", '{"spec":{"cancel":true}}')
    assert "condition met" in await person.works("wait", "--for=condition=Failed", "exj/sided", "--timeout=30s")
    assert "sided" in await person.works("get", "reltio", "-l", "team=mdm", "-o", "name")


async def test_explain_shows_the_fields(person: Person) -> None:
    assert "updatedSince" in await person.works("explain", "exportjob.spec.export")
    assert "maxConcurrentJobs" in await person.works("explain", "ext.spec")


def changed(person: Person, kind: str, **change: Any) -> Raw:
    if kind == "ExportJob":
        return person.job("refused", **change)
    spec = {**person.target["spec"]}
    for key, value in change.items():
        spec[key] = {**spec[key], **value} if isinstance(value, dict) else value
    return {**person.target, "metadata": {"name": "refused"}, "spec": spec}


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        pytest.param("ExportJob", {"targetRef": {}}, "spec.targetRef.name: Required value", id="missing field"),
        pytest.param(
            "ExportTarget",
            {"s3": {"roleARN": "arn:aws:iam:999999999999:role/reltio-exporter"}},
            "a colon is missing before the account",
            id="bad ARN",
        ),
        pytest.param(
            "ExportTarget",
            {"reltio": {"environment": "na99", "exportServiceURL": "https://na99.reltio.com/jobs"}},
            "set exactly one of environment",
            id="both of an either-or",
        ),
        pytest.param(
            "ExportJob",
            {"export": {"type": "MergeTree", "select": ["id"]}},
            "select is for Entities, Relations, SegmentEntities and Hierarchies exports",
            id="wrong for the type",
        ),
        pytest.param("ExportJob", {"exprot": {}}, 'unknown field "spec.exprot"', id="unknown field"),
        pytest.param(
            "ExportJob", {"delivery": {"receipt": True}}, "set verify to Full", id="a receipt without reading"
        ),
    ],
)
async def test_a_wrong_manifest_is_refused_with_a_sentence_that_helps(
    person: Person, kind: str, change: Raw, words: str
) -> None:
    code, output = await person.kubectl("apply", "-f", person.file(changed(person, kind, **change)))
    assert code == 1
    assert words in output


async def test_a_changed_immutable_field_is_refused(person: Person) -> None:
    await person.works("apply", "-f", person.file(person.job("fixed", suspend=True)))
    code, output = await person.kubectl(
        "apply", "-f", person.file(person.job("fixed", suspend=True, export={"type": "Relations"}))
    )
    assert code == 1
    assert "export is immutable; create a new ExportJob instead" in output


async def test_lists_come_in_pages(person: Person) -> None:
    for number in range(3):
        await person.works("apply", "-f", person.file(person.job(f"paged-{number}", suspend=True)))
    listed = await person.works("get", "exj", "--chunk-size=1", "-o", "name")
    assert [line for line in listed.splitlines() if "paged" in line] == [
        f"exportjob.export.reltio.com/paged-{number}" for number in range(3)
    ]
