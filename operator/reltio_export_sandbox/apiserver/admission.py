"""What happens to an object between its decoding and its storage: identity, unknown fields, defaults, validation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import errors, metadata, names
from .decoding import DecodeError, duplicates, plain, typed
from .errors import Cause
from .resources import Object, Resource
from .structural import blocking, broken_rules, pruned, violations, with_defaults

if TYPE_CHECKING:
    from .objects import Options

_NOT_CHECKED = Cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)


def check_identity(resource: Resource, given: Object, *, patched: bool = False) -> None:
    """The kind and version in a body must be those of the URL; built-in kinds may leave them out. Raises ApiError."""
    version, kind = given.get("apiVersion"), given.get("kind")
    if resource.native is not None:
        if (version or resource.api_version, kind or resource.kind) != (resource.api_version, resource.kind):
            raise errors.bad_request(
                f'{kind} in version "{str(version).rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
                "converting: unknown conversion"
            )
        return
    if not kind:
        shown = json.dumps(given)
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): Object 'Kind' is missing in "
            f"'{shown}'"
        )
    name = str((given.get("metadata") or {}).get("name") or "")
    if version != resource.api_version and patched:
        cause = errors.invalid_value("apiVersion", version, f"must be {resource.api_version}")
        raise errors.invalid(resource.kind, resource.group, name, [cause])
    if version != resource.api_version:
        raise errors.bad_request(
            f"the API version in the data ({version or ''}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if kind != resource.kind:
        raise errors.invalid(
            kind, resource.group, name, [errors.invalid_value("kind", kind, f"must be {resource.kind}")]
        )


def check_applied_identity(resource: Resource, given: Object) -> None:
    """The same for the intent of a server-side apply, which must name its kind."""
    version, kind = given.get("apiVersion") or "", given.get("kind") or ""
    if (version, kind) != (resource.api_version, resource.kind):
        group = version if "/" in version else f"/{version}"
        raise errors.bad_request(f"invalid object type: {group}, Kind={kind}")
    if (given.get("metadata") or {}).get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")


def clean(resource: Resource, given: Object, options: Options, *, patched: bool = False) -> Object:
    """A copy of the object without unknown fields, its metadata typed. Raises ApiError 400 or 422.

    What is unknown or given twice becomes a warning, or an error where validation is strict.
    """
    twice = [f'duplicate field "{path}"' for path in sorted(duplicates(given))]
    given = plain(given)
    unknown: list[str] = []
    try:
        new = _typed(resource, given, unknown)
    except DecodeError as error:
        raise _undecodable(resource, given, str(error), patched=patched) from None
    complaints = twice + [f'unknown field "{path}"' for path in sorted(unknown)]
    if complaints and options.validation == "Strict":
        text = f"strict decoding error: {', '.join(complaints)}"
        raise _undecodable(resource, given, text, patched=patched)
    if options.validation != "Ignore":
        options.warnings.extend(complaints)
    return new


def clean_applied(resource: Resource, given: Object, options: Options) -> Object:
    """The same for the intent of a server-side apply, in which a field that is not known is always an error."""
    given = plain(given)
    unknown: list[str] = []
    meta = given.get("metadata") or {}
    what = f"({meta.get('namespace', '')}/{meta.get('name', '')}; {resource.api_version}, Kind={resource.kind})"
    try:
        new = _typed(resource, given, unknown)
    except DecodeError as error:
        raise errors.ApiError(500, "", f"failed to create typed patch object {what}: {error}") from None
    if unknown:
        listed = [f".{path}: field not declared in schema" for path in sorted(unknown)]
        shown = listed[0] if len(listed) == 1 else "errors:\n" + "\n".join(f"  {line}" for line in listed)
        raise errors.ApiError(500, "", f"failed to create typed patch object {what}: {shown}")
    new.setdefault("metadata", {})
    return new


def _typed(resource: Resource, given: Object, unknown: list[str]) -> Object:
    if resource.native is not None and resource.native.decoded:
        if resource.schema is None:
            return given
        return {"apiVersion": resource.api_version, "kind": resource.kind, **typed(given, resource.kind, unknown)}
    given["metadata"] = typed(given.get("metadata") or {}, "ObjectMeta", unknown, "metadata")
    if resource.schema is not None:
        unknown.extend(pruned(given, _whole(resource)))
    return given


def _whole(resource: Resource) -> Object:
    """The schema of a kind with the fields that every object has, whose contents are checked elsewhere."""
    known = resource.schema or {}
    free = {"x-kubernetes-preserve-unknown-fields": True}
    return {**known, "properties": {**known.get("properties", {}), "apiVersion": {}, "kind": {}, "metadata": free}}


def _undecodable(resource: Resource, given: Object, text: str, *, patched: bool) -> errors.ApiError:
    if patched:
        shown = json.dumps(json.dumps(given, separators=(",", ":"), sort_keys=True))
        cause = Cause("patch", "FieldValueInvalid", f"Invalid value: {shown}: {text}")
        return errors.ApiError(
            422,
            "Invalid",
            f' "" is invalid: {cause}',
            {"causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field}]},
        )
    return errors.bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {text}'
    )


def set_defaults(resource: Resource, new: Object) -> None:
    """Fill in, in place, what a decoder fills in."""
    if resource.native is not None:
        resource.native.defaults(new)
    elif resource.schema is not None:
        with_defaults(new, resource.schema)


def admit(resource: Resource, new: Object, old: Object | None, options: Options) -> None:
    """Set defaults in place, and raise ApiError 422 with all that is wrong."""
    meta = new["metadata"]
    found: list[Cause] = []
    set_defaults(resource, new)
    if resource.native is not None:
        resource.native.prepare(new, old)
        found += resource.native.check(new, old)
    if old is None:
        found += names.problems(meta.get("name"), plural=resource.plural)
    found += metadata.problems(meta, created=old is None)
    if resource.native is None and resource.schema is not None:
        found += _by_schema(resource.schema, new, old, found)
        options.warnings.extend(metadata.finalizer_warnings(meta, old["metadata"] if old else None))
    if found:
        raise errors.invalid(resource.kind, resource.group, meta.get("name") or "", found)


def _by_schema(schema: Any, new: Object, old: Object | None, found: list[Cause]) -> list[Cause]:
    """Violations and broken rules. What was wrong before and has not changed is let through (ratcheting)."""
    wrong = list(violations(new, schema, ""))
    if wrong and old is not None:
        before = set(violations(old, schema, ""))
        wrong = [cause for cause in wrong if cause not in before]
    if blocking([*found, *wrong]):
        return [*wrong, _NOT_CHECKED]
    broken = list(broken_rules(new, old, schema, ""))
    if broken and old is not None:
        before = set(broken_rules(old, None, schema, ""))
        broken = [cause for cause in broken if cause not in before]
    return wrong + broken
