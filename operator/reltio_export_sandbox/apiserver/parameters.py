"""Query parameters and options of requests, checked as a kube-apiserver checks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from . import decoding, errors
from .errors import ApiError, Cause
from .objects import Deletion, Options

_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_POLICIES = ("Foreground", "Background", "Orphan")


def content_type(request: web.Request) -> str:
    """The type of the body; JSON where none is given."""
    return request.content_type if "Content-Type" in request.headers else decoding.JSON


def options(request: web.Request, kind: str) -> Options:
    """How to write. `kind` is CreateOptions, UpdateOptions or PatchOptions. Raises ApiError 422."""
    query = request.query
    causes: list[Cause] = []
    applies = content_type(request) == "application/apply-patch+yaml"
    if applies and not query.get("fieldManager"):
        causes.append(errors.required("fieldManager", "is required for apply patch"))
    if query.get("force") and kind == "PatchOptions" and not applies:
        causes.append(errors.forbidden_field("force", "may not be specified for non-apply patch"))
    causes += _dry_run_causes(query.getall("dryRun", []))
    if query.get("fieldValidation", "") not in _VALIDATIONS:
        causes.append(errors.not_supported("fieldValidation", query["fieldValidation"], _VALIDATIONS))
    if causes:
        raise _invalid(kind, causes)
    agent = request.headers.get("User-Agent", "unknown").split("/")[0]
    return Options(
        manager=query.get("fieldManager") or agent,
        dry_run="All" in query.getall("dryRun", []),
        validation=query.get("fieldValidation") or "Warn",
        force=query.get("force") == "true",
    )


def deletion(request: web.Request, body: Mapping[str, Any]) -> Deletion:
    """How to delete, from the body or the query. Raises ApiError 422."""
    policy = body.get("propagationPolicy") or request.query.get("propagationPolicy")
    orphan = body.get("orphanDependents")
    dry_run = [*(body.get("dryRun") or ()), *request.query.getall("dryRun", [])]
    causes = _dry_run_causes(dry_run)
    if policy is not None and policy not in _POLICIES:
        causes.append(errors.not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    if policy is not None and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(errors.invalid_value("propagationPolicy", policy, text))
    if causes:
        raise _invalid("DeleteOptions", causes)
    preconditions = body.get("preconditions") or {}
    return Deletion(
        policy=policy or ("Orphan" if orphan else "Background"),
        uid=preconditions.get("uid"),
        version=preconditions.get("resourceVersion"),
        dry_run=bool(dry_run),
    )


def _dry_run_causes(values: list[str]) -> list[Cause]:
    return [errors.not_supported("dryRun", values, ("All",))] if any(value != "All" for value in values) else []


def _invalid(kind: str, causes: list[Cause]) -> ApiError:
    return errors.invalid(kind, "meta.k8s.io", "", causes)


def number(query: Mapping[str, str], name: str) -> int:
    """A number from the query, 0 when it is not there. Raises ApiError 400."""
    text = query.get(name) or "0"
    if not text.lstrip("-").isdigit():
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def check_version(request: web.Request, current: int) -> None:
    """The version that a list asks for must be one, and not lie ahead. Raises ApiError 400 or 504."""
    text = request.query.get("resourceVersion") or "0"
    if not text.isdigit():
        shown = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise errors.bad_request(f"invalid resource version: resourceVersion: {shown}")
    if int(text) > current:
        raise errors.too_large_version(int(text), current)


def check_single_version(request: web.Request) -> None:
    """The version that a read of one object asks for must be one. Raises ApiError 500, as a kube-apiserver does."""
    text = request.query.get("resourceVersion") or "0"
    if not text.isdigit():
        shown = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise errors.ApiError(500, "", shown)


def patch(content: bytes, content_type: str) -> Any:
    """A JSON patch or merge patch. Raises ApiError 400."""
    try:
        found = json.loads(content, object_pairs_hook=decoding.pairs)
    except ValueError as error:
        raise errors.bad_request(f"error decoding patch: {error}") from None
    if "json-patch" not in content_type and not isinstance(found, dict):
        text = "json: cannot unmarshal array into Go value of type map[string]interface {}"
        raise errors.bad_request(f"error decoding patch: {text}")
    return found
