"""From a request's body to an object of a kind: recognised, pruned and defaulted."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import yaml

from .errors import ApiError, Cause, bad_request, invalid, invalid_value
from .meta import OBJECT_META
from .resources import Resource
from .schema import Schema, apply_defaults, compile_schema, prune
from .storage import Object, decode
from .validation import validate_value

_META = compile_schema(OBJECT_META)
JSON = "application/json"
YAML = "application/yaml"


def parse_body(body: bytes, content_type: str) -> Any:
    """Parse JSON or YAML; 400 when it is neither."""
    if content_type.endswith("yaml"):
        try:
            return yaml.load(body, Loader=_Loader)  # noqa: S506 - a safe loader
        except yaml.YAMLError as error:
            raise bad_request(f"error decoding YAML: {error}") from None
    try:
        return decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads timestamps as the strings they are, as Kubernetes' YAML does."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def recognise(resource: Resource, body: Any) -> None:
    """Refuse a body that is not an object of the resource's kind and version."""
    if not isinstance(body, dict) or not body.get("kind"):
        shown = json.dumps(body)
        text = f"Object 'Kind' is missing in '{shown}'"
        if not resource.builtin:
            text = f"the object provided is unrecognized (must be of type {resource.kind}): {text}"
        elif isinstance(body, dict):
            # The typed decoders take kind and version from the request's path.
            body["kind"], body["apiVersion"] = resource.kind, resource.api_version
            return
        raise bad_request(text)
    version = body.get("apiVersion")
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if body["kind"] == resource.kind:
        return
    if resource.builtin:
        raise bad_request(
            f'{body["kind"]} in version "{resource.version}" cannot be handled as a {resource.kind}: no kind '
            f'"{body["kind"]}" is registered for version "{version}"'
        )
    cause = invalid_value("kind", body["kind"], f"must be {resource.kind}")
    raise invalid(body["kind"], resource.group, (body.get("metadata") or {}).get("name", ""), [cause])


def decode_object(
    resource: Resource, body: Any, validation: str, *, defaults: bool = True
) -> tuple[Object, tuple[str, ...]]:
    """The object of a write, with the warnings that unknown fields earn it; the body is changed in place.

    `validation` is `Strict` (unknown fields are a 400), `Warn` or `Ignore`.
    """
    recognise(resource, body)
    obj: Object = body
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    unknown = prune(obj, resource.schema, root=True)
    _check_types(resource, obj["metadata"], _META, "metadata", "ObjectMeta")
    unknown += prune(obj["metadata"], _META, "metadata")
    problems = tuple(f'unknown field "{path}"' for path in unknown)
    if problems and validation == "Strict":
        raise _undecodable(resource, f"strict decoding error: {', '.join(problems)}")
    if resource.builtin:
        _check_types(resource, obj, resource.schema, "", resource.kind)
    _normalise(obj["metadata"])
    if defaults:
        apply_defaults(obj, resource.schema)
    return obj, problems if validation == "Warn" else ()


def _undecodable(resource: Resource, problem: str) -> ApiError:
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {problem}'
    )


_GO_TYPES = {"boolean": "bool", "array": "array", "null": "null"}


def _check_types(resource: Resource, value: Any, schema: Schema, path: str, struct: str) -> None:
    """Refuse what Go could not decode into the type of a built-in kind, or into ObjectMeta."""
    shape = validate_value(_without_nulls(value), schema, path)
    wrong: Cause | None = next((cause for cause in shape if cause.reason == "FieldValueTypeInvalid"), None)
    if wrong is not None:
        found = wrong.message.rpartition(": ")[2].strip('"')
        text = f"json: cannot unmarshal {_GO_TYPES.get(found, found)} into Go struct field {struct}.{wrong.field}"
        raise _undecodable(resource, text)


def _without_nulls(value: Any) -> Any:
    """Go decodes null as "not set"."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


_EMPTY_MEANS_ABSENT = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields", "generateName")


def _normalise(meta: Object) -> None:
    """Drop nulls and empty collections, as the round trip through ObjectMeta does."""
    for field in [field for field, value in meta.items() if value is None]:
        del meta[field]
    for field in _EMPTY_MEANS_ABSENT:
        if field in meta and not meta[field]:
            del meta[field]
