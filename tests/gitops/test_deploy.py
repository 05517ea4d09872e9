"""What deploy/ offers builds with stock kustomize, and is the same as where it came from."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from gitops import table
from reltio_export_sandbox.apiserver import KubeServer
from reltio_export_sandbox.environment import crds
from tools import tool

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASES = sorted(
    path.parent.relative_to(ROOT).as_posix()
    for path in DEPLOY.rglob("kustomization.yaml")
    if "kustomize.config.k8s.io" in path.read_text()
)


def built(base: str) -> list[dict[str, Any]]:
    output = subprocess.run([tool("kubectl"), "kustomize", base], cwd=ROOT, check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(output.stdout))


@pytest.mark.parametrize("base", BASES)
def test_every_base_builds(base: str) -> None:
    assert built(base)


def test_the_definitions_are_those_of_the_project() -> None:
    ours = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    copies = {path.name: path.read_text() for path in (DEPLOY / "crds").glob("*.yaml")}
    listed = yaml.safe_load(copies.pop("kustomization.yaml"))["resources"]
    assert copies == ours, "run `make crds`"
    assert sorted(listed) == sorted(ours)


def test_overlays_differ_in_namespace_tenant_and_bucket_only() -> None:
    different, same = [], []
    for name in ("staging", "production"):
        target = next(one for one in built(f"deploy/samples/overlays/{name}") if one["kind"] == "ExportTarget")
        spec = target["spec"]
        different.append((target["metadata"].pop("namespace"), spec["reltio"].pop("tenant"), spec["s3"].pop("bucket")))
        same.append(target)
    assert same[0] == same[1]
    assert all(one != other for one, other in zip(*different, strict=True))


@pytest_asyncio.fixture
async def api() -> AsyncIterator[str]:
    server = KubeServer(crds=crds())
    await server.start()
    yield server.url
    await server.stop()


def manifests() -> dict[str, dict[str, Any]]:
    """The manifests of our kinds, with the templates of Helm filled in."""
    paths = [*DEPLOY.glob("hooks/*.yaml"), *DEPLOY.glob("samples/base/*.yaml")]
    texts = {path.name: path.read_text().replace("{{ .Release.Revision }}", "7") for path in sorted(paths)}
    documents = [(name, raw) for name, text in texts.items() for raw in yaml.safe_load_all(text)]
    return {f"{name}-{raw['kind']}": raw for name, raw in documents if raw["apiVersion"].startswith("export.")}


@pytest.mark.parametrize("name", manifests())
async def test_every_manifest_of_ours_is_accepted_by_the_api_server(api: str, name: str) -> None:
    raw = manifests()[name]
    address = f"{api}/apis/{raw['apiVersion']}/namespaces/default/{raw['kind'].lower()}s?fieldValidation=Strict"
    async with aiohttp.ClientSession() as session, session.post(address, json=raw) as response:
        assert response.status == 201, await response.text()


def test_no_sample_has_a_secret_in_it() -> None:
    for path in DEPLOY.rglob("*.yaml"):
        for one in yaml.safe_load_all(path.read_text()) if "{{" not in path.read_text() else []:
            assert not isinstance(one, dict) or one.get("kind") != "Secret", path


def test_the_table_of_the_documentation_is_what_the_tools_say() -> None:
    text = table.PAGE.read_text()
    assert text == table.page(text), "run `make generate`"
