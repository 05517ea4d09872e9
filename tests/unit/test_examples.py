"""The examples can be applied as they are, and show every type of export."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from charts import render
from reltio_export_sandbox.apiserver import KubeServer
from reltio_export_sandbox.environment import crds
from reltio_export_sandbox.manifests import Place, filled, write
from schemas import schema_of

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(path for path in EXAMPLES.rglob("*.yaml") if not path.name.startswith("values-"))
PLACE = Place(
    export_service_url="http://127.0.0.1:1/jobs",
    auth_url="http://127.0.0.1:1/oauth/token",
    tenant="acme01",
    bucket="sandbox-bucket",
    region="us-east-1",
    role_arn="arn:aws:iam::123456789012:role/sandbox",
    secrets={"clientID": "id", "clientSecret": "secret", "externalID": "external"},
)


def manifests(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def on_the_sandbox(path: Path) -> list[dict[str, Any]]:
    return filled(path.read_text(), PLACE)


def jobs() -> Iterator[dict[str, Any]]:
    everything = itertools.chain.from_iterable(map(manifests, FILES))
    return (document for document in everything if document["kind"] == "ExportJob")


@pytest_asyncio.fixture
async def api() -> AsyncIterator[str]:
    server = KubeServer(crds=crds())
    await server.start()
    yield server.url
    await server.stop()


async def create(url: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    plural = f"{document['kind'].lower()}s"
    group = f"apis/{document['apiVersion']}" if "/" in document["apiVersion"] else "api/v1"
    address = f"{url}/{group}/namespaces/default/{plural}?fieldValidation=Strict"
    async with aiohttp.ClientSession() as session, session.post(address, json=document) as response:
        return response.status, await response.json()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
async def test_an_example_is_taken_as_it_is_and_as_the_sandbox_fills_it(api: str, path: Path) -> None:
    for document in manifests(path):
        status, answer = await create(api, document)
        assert status == 201, answer
    for document in on_the_sandbox(path):
        document["metadata"]["name"] += "-filled"
        status, answer = await create(api, document)
        assert status == 201, answer


def test_each_type_of_export_is_shown_in_each_format_that_it_has() -> None:
    types = schema_of("exportjobs")["properties"]["spec"]["properties"]["export"]["properties"]["type"]["enum"]
    shown = {(job["spec"]["export"]["type"], job["spec"]["export"].get("fileFormat")) for job in jobs()}
    formats = {type_: (None,) if type_ == "MergeTree" else ("CSV", "JSON") for type_ in types}
    assert shown == {(type_, format_) for type_, found in formats.items() for format_ in found}


def test_no_two_examples_have_the_same_name() -> None:
    names = [(document["kind"], document["metadata"]["name"]) for path in FILES for document in manifests(path)]
    assert len(names) == len(set(names))


def test_every_secret_that_a_target_names_is_an_example_with_that_key() -> None:
    everything = [document for path in FILES for document in manifests(path)]
    keys = {one["metadata"]["name"]: set(one["stringData"]) for one in everything if one["kind"] == "Secret"}
    for target in (one for one in everything if one["kind"] == "ExportTarget"):
        reltio, s3 = target["spec"]["reltio"], target["spec"]["s3"]
        assert {"clientID", "clientSecret"} <= keys[reltio["credentialsSecretRef"]["name"]]
        for reference in (s3.get("externalIDSecretRef"), s3.get("previousExternalIDSecretRef")):
            assert reference is None or reference.get("key", "externalID") in keys[reference["name"]]


def test_the_sandbox_replaces_values_and_keeps_what_a_file_says_otherwise(tmp_path: Path) -> None:
    write(EXAMPLES, tmp_path, PLACE)
    secret, target = manifests(tmp_path / "target.yaml")
    assert secret["stringData"] == {"clientID": "id", "clientSecret": "secret"}
    assert target["spec"]["reltio"] == {
        "exportServiceURL": PLACE.export_service_url,
        "authURL": PLACE.auth_url,
        "tenant": "acme01",
        "credentialsSecretRef": {"name": "reltio-api"},
    }
    assert target["spec"]["s3"] == {
        "bucket": "sandbox-bucket",
        "path": "reltio",
        "region": "us-east-1",
        "roleARN": PLACE.role_arn,
        "externalID": "external",
    }
    (kms,) = manifests(tmp_path / "target-kms.yaml")
    assert kms["spec"]["s3"]["serverSideEncryption"]["algorithm"] == "aws:kms"
    secret, by_reference = manifests(tmp_path / "target-external-id-secret.yaml")
    assert secret["stringData"]["externalID"] == "external"
    assert "externalID" not in by_reference["spec"]["s3"]
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*.yaml")} == {
        path.relative_to(EXAMPLES) for path in FILES
    }


def test_the_values_for_irsa_are_values_of_the_chart() -> None:
    values = yaml.safe_load((EXAMPLES / "values-irsa.yaml").read_text())
    rendered = render(None, "-f", str(EXAMPLES / "values-irsa.yaml"))
    accounts = [one for one in rendered if one["kind"] == "ServiceAccount"]
    assert values["serviceAccount"]["annotations"].items() <= accounts[0]["metadata"]["annotations"].items()


def test_the_table_of_examples_names_every_file() -> None:
    text = (EXAMPLES / "README.md").read_text()
    named = {path for path in EXAMPLES.rglob("*.yaml") if f"]({path.relative_to(EXAMPLES)})" in text}
    assert named | set((EXAMPLES / "jobs").glob("*.yaml")) == set(EXAMPLES.rglob("*.yaml"))
