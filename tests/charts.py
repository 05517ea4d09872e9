"""The Helm chart as Helm renders it, for tests."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from kubernetes_validate import utils
from referencing import Registry, Resource

from tools import tool

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "reltio-export-operator"
NAME = "exports-reltio-export-operator"  # the full name of the release `exports`
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
KUBERNETES = ("1.30", "1.37")  # the oldest that the chart takes, and the newest whose schemas there are
OPERATOR = {
    "app.kubernetes.io/name": "reltio-export-operator",
    "app.kubernetes.io/instance": "exports",
    "app.kubernetes.io/component": "operator",
}
HOOK = "helm.sh/hook"
_WITHOUT_SCHEMA = {"CustomResourceDefinition", "ServiceMonitor"}

Manifest = dict[str, Any]


class Refused(Exception):
    """Helm does not render the chart. The text is what it says."""


def helm(*arguments: str) -> str:
    """What helm prints. Raises Refused."""
    done = subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def render(values: Manifest | None = None, *arguments: str, chart: Path = CHART) -> list[Manifest]:
    """All manifests of release `exports` in namespace `ops`, hooks included. Raises Refused."""
    given = ("--set-json", json.dumps(values)) if values else ()
    text = helm("template", "exports", str(chart), "--namespace", "ops", *given, *arguments)
    return [manifest for manifest in yaml.load_all(text, yaml.CSafeLoader) if manifest]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == kind]


def only(manifests: list[Manifest], kind: str) -> Manifest:
    """The manifest of this kind, of which there is exactly one apart from CRDs."""
    (found,) = of_kind(manifests, kind)
    return found


def pod_of(manifests: list[Manifest]) -> Manifest:
    """The pod spec of the Deployment."""
    spec: Manifest = only(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def container_of(manifests: list[Manifest]) -> Manifest:
    (container,) = pod_of(manifests)["containers"]
    return dict(container)


def environment(manifests: list[Manifest]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container_of(manifests)["env"]}


def pod_specs(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The spec of every pod that the release may start, by the pod's component."""
    found = {}
    for one in manifests:
        if one["kind"] == "Pod":
            found[one["metadata"]["labels"]["app.kubernetes.io/component"]] = one["spec"]
        elif one["kind"] in ("Deployment", "Job"):
            template = one["spec"]["template"]
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template["spec"]
    return found


def assert_valid(manifests: list[Manifest]) -> None:
    """Each manifest fits the schema of the Kubernetes API, which takes no unknown field."""
    for manifest in manifests:
        if manifest["kind"] in _WITHOUT_SCHEMA:
            continue
        for version in KUBERNETES:
            errors = _errors(json.dumps(manifest, sort_keys=True), version)
            assert not errors, f"{manifest['kind']} {manifest['metadata']['name']} for {version}: {errors}"


@functools.cache
def _errors(text: str, version: str) -> list[str]:
    manifest = json.loads(text)  # most are the same whatever the values
    validator = _validator(manifest["kind"], manifest["apiVersion"], version)
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(manifest)]


@functools.cache
def definitions(version: str) -> dict[str, Any]:
    """The types of the Kubernetes API by their full names."""
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    return dict(_document(f"{folder}/_definitions.json", version)["$defs"])


@functools.cache
def _document(file: str, version: str) -> dict[str, Any]:
    return dict(utils.schema_contents(file, version))


@functools.cache
def _validator(kind: str, api_version: str, version: str) -> jsonschema.Draft202012Validator:
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    folder = f"kubernetes-json-schema/v{version}.0-local-strict"
    schema = Resource.from_contents(_document(f"{folder}/{kind.lower()}-{group}.json", version))
    registry: Any = Resource.from_contents(_document(f"{folder}/_definitions.json", version)) @ (schema @ Registry())
    return jsonschema.Draft202012Validator(schema.contents, registry=registry)
