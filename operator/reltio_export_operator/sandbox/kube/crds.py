"""CustomResourceDefinitions: their defaults, their admission, and how an accepted one comes to be served."""

from __future__ import annotations

from typing import Any

from .errors import Cause, forbidden_field, invalid_value, not_supported, required
from .meta import label_problems, subdomain_problems
from .storage import Object
from .structural import check_schema

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def complete(crd: Object) -> None:
    """Fill in the defaults of names and conversion."""
    names = crd["spec"].setdefault("names", {})
    names.setdefault("singular", names.get("kind", "").lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    crd["spec"].setdefault("conversion", {"strategy": "None"})


def storage_versions(crd: Object) -> list[str]:
    """The names of the versions that objects are stored in: one, in a valid definition."""
    return [version["name"] for version in crd["spec"].get("versions", ()) if version.get("storage")]


def mark_terminating(crd: Object, now: str) -> None:
    """Add the finalizer that holds a definition until its objects are gone, and say so in a condition."""
    meta = crd["metadata"]
    if CLEANUP not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), CLEANUP]
    text = "CustomResource deletion is in progress"
    set_condition(crd, "Terminating", "InstanceDeletionInProgress", text, now)


def set_condition(crd: Object, kind: str, reason: str, message: str, now: str) -> None:
    """Make a condition of a definition True."""
    conditions = crd.setdefault("status", {}).setdefault("conditions", [])
    if any(condition["type"] == kind and condition["status"] == "True" for condition in conditions):
        return
    conditions[:] = [condition for condition in conditions if condition["type"] != kind]
    conditions.append({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message})


def establish(crd: Object, now: str) -> None:
    """Write the status of an accepted definition: its names, and that it is served."""
    status = crd.setdefault("status", {})
    status["acceptedNames"] = dict(crd["spec"]["names"])
    status.setdefault("storedVersions", storage_versions(crd))
    set_condition(crd, "NamesAccepted", "NoConflicts", "no conflicts found", now)
    set_condition(crd, "Established", "InitialNamesAccepted", "the initial names have been accepted", now)


def validate(crd: Object, old: Object | None) -> list[Cause]:
    """Everything wrong with a definition, its schemas and rules included."""
    spec = crd["spec"]
    causes = _name_causes(crd["metadata"]["name"], spec)
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        causes.append(not_supported("spec.scope", spec.get("scope"), ["Cluster", "Namespaced"]))
    if spec["conversion"].get("strategy") != "None":
        text = "this server converts between no versions"
        causes.append(invalid_value("spec.conversion.strategy", spec["conversion"].get("strategy"), text))
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        text = "must have exactly one version marked as storage version"
        causes.append(invalid_value("spec.versions", [version.get("name") for version in versions], text))
    for index, version in enumerate(versions):
        causes += _version_causes(version, f"spec.versions[{index}]")
    return causes + (_immutable_causes(spec, old["spec"]) if old is not None else [])


def _name_causes(name: str, spec: Object) -> list[Cause]:
    names, group = spec["names"], spec.get("group", "")
    causes = []
    wanted = f"{names.get('plural', '')}.{group}"
    if name != wanted:
        causes.append(invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if not group:
        causes.append(required("spec.group"))
    elif "." not in group:
        causes.append(invalid_value("spec.group", group, "should be a domain with at least one dot"))
    else:
        causes += [invalid_value("spec.group", group, problem) for problem in subdomain_problems(group)]
    for field in ("plural", "singular"):
        problems = label_problems(names.get(field, ""))
        causes += [invalid_value(f"spec.names.{field}", names.get(field, ""), problem) for problem in problems]
    for field in ("kind", "listKind"):
        if not names.get(field):
            causes.append(required(f"spec.names.{field}"))
    if names.get("kind") == names.get("listKind"):
        causes.append(
            invalid_value("spec.names.listKind", names.get("listKind"), "kind and listKind may not be the same")
        )
    return causes


_COLUMN_TYPES = ("integer", "number", "string", "boolean", "date")


def _version_causes(version: Object, at: str) -> list[Cause]:
    causes = [invalid_value(f"{at}.name", version["name"], problem) for problem in label_problems(version["name"])]
    schema: Any = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        causes.append(required(f"{at}.schema.openAPIV3Schema", "schemas are required"))
    else:
        causes += check_schema(schema, f"{at}.schema.openAPIV3Schema", root=True)
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        where = f"{at}.additionalPrinterColumns[{index}]"
        if column.get("type") not in _COLUMN_TYPES:
            causes.append(
                invalid_value(f"{where}.type", column.get("type"), f"must be one of {','.join(_COLUMN_TYPES)}")
            )
        if not str(column.get("jsonPath", "")).startswith("."):
            causes.append(
                invalid_value(f"{where}.jsonPath", column.get("jsonPath"), "must be a simple json path starting with .")
            )
    if version.get("subresources", {}).get("scale"):
        causes.append(forbidden_field(f"{at}.subresources.scale", "this server has no scale subresource"))
    return causes


def _immutable_causes(spec: Object, old: Object) -> list[Cause]:
    fields = {
        "spec.group": ("group",),
        "spec.scope": ("scope",),
        "spec.names.kind": ("names", "kind"),
        "spec.names.plural": ("names", "plural"),
    }
    causes = []
    for field, path in fields.items():
        now, before = spec, old
        for part in path:
            now, before = now[part], before[part]
        if now != before:
            causes.append(invalid_value(field, now, "field is immutable"))
    return causes
