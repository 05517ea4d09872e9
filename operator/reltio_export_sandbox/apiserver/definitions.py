"""Custom resources, as their definitions describe them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from . import errors
from .errors import Cause
from .resources import Object, Resource
from .structural import Schema, broken_rules, compile_problem, unknown_keywords, violations, with_defaults

_ACCEPTED = (
    ("NamesAccepted", "NoConflicts", "no conflicts found"),
    ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
)


def prepare(new: Object, old: Object | None) -> None:
    """Set the defaults of a definition, and the status that says that it is served."""
    spec = new.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})
    if old is not None and old.get("status"):
        new["status"] = old["status"]
        return
    stamp = new["metadata"]["creationTimestamp"]
    new["status"] = {
        "acceptedNames": names,
        "conditions": [
            {"type": type_, "status": "True", "reason": reason, "message": message, "lastTransitionTime": stamp}
            for type_, reason, message in _ACCEPTED
        ],
        "storedVersions": [version["name"] for version in spec.get("versions", ()) if version.get("storage")],
    }


def check(new: Object, old: Object | None) -> Iterator[Cause]:
    """What is wrong with a definition, as far as the sandbox depends on it."""
    spec = new["spec"]
    expected = f"{spec['names'].get('plural')}.{spec.get('group')}"
    if new["metadata"].get("name") != expected:
        yield errors.invalid_value(
            "metadata.name", new["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group'
        )
    versions = spec.get("versions") or []
    if len(versions) != 1:
        text = "the sandbox serves definitions with one version only"
        yield errors.invalid_value("spec.versions", len(versions), text)
        return
    schema = (versions[0].get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        yield errors.required("spec.versions[0].schema.openAPIV3Schema", "schemas are required")
    elif unknown := unknown_keywords(schema):
        text = f"the sandbox does not evaluate {', '.join(sorted(unknown))}"
        yield errors.invalid_value("spec.versions[0].schema.openAPIV3Schema", ", ".join(sorted(unknown)), text)
    else:
        yield from _structure(schema, "spec.validation.openAPIV3Schema")


def _structure(schema: Schema, path: str) -> Iterator[Cause]:
    """Where a schema is not structural, as `ValidateStructural` in k8s.io/apiextensions-apiserver has it."""
    meta = schema.get("properties", {}).get("metadata", {})
    if set(meta) - {"type", "properties"} or set(meta.get("properties", ())) - {"name", "generateName"}:
        text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield errors.forbidden_field(f"{path}.properties[metadata]", text)
    yield from _node(schema, path)


def _node(schema: Schema, path: str) -> Iterator[Cause]:
    if not schema.get("type") and not schema.get("x-kubernetes-preserve-unknown-fields"):
        yield errors.required(f"{path}.type", "must not be empty for specified object fields")
    if schema.get("type") == "array" and "items" not in schema:
        yield errors.required(f"{path}.items", "must be specified")
    if "properties" in schema and "additionalProperties" in schema:
        yield errors.forbidden_field(f"{path}.additionalProperties", "must not be used with properties")
    if "default" in schema:
        yield from _default(schema, path)
    for rule in schema.get("x-kubernetes-validations", ()):
        if problem := compile_problem(rule["rule"]):
            yield errors.invalid_value(f"{path}.x-kubernetes-validations", rule["rule"], problem)
    for name, child in schema.get("properties", {}).items():
        yield from _node(child, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _node(schema[name], f"{path}.{name}")


def _default(schema: Schema, path: str) -> Iterator[Cause]:
    """A default must be valid, with the defaults of its parts."""
    value = with_defaults(copy.deepcopy(schema["default"]), schema)
    wrong = [*violations(value, schema, f"{path}.default")]
    yield from wrong or broken_rules(value, None, schema, f"{path}.default")


def resource(definition: Object) -> Resource:
    """The kind that a definition defines, without objects."""
    spec = definition["spec"]
    names, version = spec["names"], spec["versions"][0]
    selectable: list[dict[str, Any]] = version.get("selectableFields") or []
    return Resource(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        names["singular"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        schema=version["schema"]["openAPIV3Schema"],
        has_status="status" in (version.get("subresources") or {}),
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        selectable=tuple(field["jsonPath"].lstrip(".") for field in selectable),
    )
