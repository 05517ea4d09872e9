"""From an HTTP request to what it asks for: resource, verb and options, by the rules of `RequestInfo` in Kubernetes."""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from .errors import ApiError, Cause, bad_request, forbidden_field, invalid, required
from .faults import RequestInfo
from .registry import DeleteOptions, WriteOptions
from .storage import Object, encode

_TRUE = frozenset({"", "1", "t", "T", "true", "True", "TRUE"})
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean query parameter, by Go's reading: present and not false is true."""
    return name in query and query[name] in _TRUE


def describe(method: str, path: str, query: Mapping[str, str], user_agent: str) -> RequestInfo:
    """Take a request's path apart; `resource` stays empty where it is not about objects."""
    info = RequestInfo(method, path, query, user_agent)
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        rest = parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        info.group, rest = parts[1], parts[3:]
    else:
        return info
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
        info.namespace, rest = rest[1], rest[2:]
    info.resource, info.name, info.subresource = (*rest, "", "")[:3]
    info.verb = _VERBS.get(method, "")
    if not info.name and info.verb in ("get", "delete"):
        info.verb = "list" if info.verb == "get" else "deletecollection"
    if info.verb in ("list", "get") and flag(query, "watch"):
        info.verb = "watch"
    return info


def version_of(path: str) -> str:
    """The API version in a path of objects: `v1` of /apis/GROUP/v1/…, or of /api/v1/…"""
    parts = path.strip("/").split("/")
    return parts[1] if parts[0] == "api" else parts[2]


def parse_version(text: str) -> int:
    """A resourceVersion as a number; the real server answers 500 to what is none."""
    if not text.isdecimal():
        detail = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ApiError(500, "", detail)
    return int(text)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Query parameters of LIST and WATCH. `since` is None when the present state is asked for."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    since: int | None = None
    bookmarks: bool = False
    initial_events: bool = False
    timeout: float = 1800.0


def list_options(query: Mapping[str, str]) -> ListOptions:
    text = query.get("resourceVersion", "")
    version = parse_version(text) if text else 0
    match = query.get("resourceVersionMatch", "")
    initial = flag(query, "sendInitialEvents")
    watching = flag(query, "watch")
    causes = _match_causes(query, match, initial=initial, watching=watching)
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)
    since = version if version and not initial else None
    timeout = float(query.get("timeoutSeconds") or 0) or random.uniform(1800, 3600)
    return ListOptions(
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        limit=int(query.get("limit") or 0),
        token=query.get("continue", ""),
        since=since,
        bookmarks=flag(query, "allowWatchBookmarks"),
        initial_events=initial,
        timeout=timeout,
    )


def _match_causes(query: Mapping[str, str], match: str, *, initial: bool, watching: bool) -> list[Cause]:
    if "sendInitialEvents" in query:
        if not watching:
            return [forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list")]
        if match != "NotOlderThan":
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            return [forbidden_field("resourceVersionMatch", text)]
        if initial and not flag(query, "allowWatchBookmarks"):
            return []
    elif match and watching:
        return [
            forbidden_field(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )
        ]
    elif match and not query.get("resourceVersion"):
        text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        return [forbidden_field("resourceVersionMatch", text)]
    return []


def page_token(version: int, namespace: str, name: str) -> str:
    """The `continue` token that goes on after an object, in the list as it was at a version."""
    return base64.urlsafe_b64encode(encode({"rv": version, "after": [namespace, name]})).decode().rstrip("=")


def parse_page_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        page = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = page["after"]
        return int(page["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, binascii.Error, msgspec.DecodeError):
        raise bad_request("continue key is not valid: unrecognized or expired") from None


def _dry_run(values: Any, kind: str) -> bool:
    if values in (None, "", []):
        return False
    if values in ("All", ["All"]):
        return True
    text = "Unsupported value: " + str(values) + ': supported values: "All"'
    raise invalid(kind, "meta.k8s.io", "", [Cause("dryRun", "FieldValueNotSupported", text)])


def write_options(query: Mapping[str, str], user_agent: str, *, applying: bool = False) -> WriteOptions:
    """The options of a POST, PUT or PATCH; the manager is by default the first part of the user agent."""
    manager = query.get("fieldManager", "")
    if applying and not manager:
        raise invalid("PatchOptions", "meta.k8s.io", "", [required("fieldManager", "is required for apply patch")])
    if "force" in query and not applying:
        raise invalid(
            "PatchOptions", "meta.k8s.io", "", [forbidden_field("force", "may not be specified for non-apply patch")]
        )
    validation = query.get("fieldValidation") or "Warn"
    if validation not in ("Ignore", "Warn", "Strict"):
        text = f'Unsupported value: "{validation}": supported values: "Ignore", "Warn", "Strict"'
        raise invalid("PatchOptions", "meta.k8s.io", "", [Cause("fieldValidation", "FieldValueNotSupported", text)])
    return WriteOptions(
        manager=manager or user_agent.split("/")[0][:128] or "unknown",
        dry_run=_dry_run(query.get("dryRun"), "PatchOptions"),
        validation=validation,
        force=flag(query, "force"),
    )


def delete_options(query: Mapping[str, str], body: Any) -> DeleteOptions:
    """The options of a DELETE, from its body where there is one, else from the query."""
    options: Object = body if isinstance(body, dict) else {}
    preconditions = options.get("preconditions") or {}
    propagation = options.get("propagationPolicy") or query.get("propagationPolicy") or "Background"
    orphan = options.get("orphanDependents", flag(query, "orphanDependents"))
    if propagation not in ("Background", "Foreground", "Orphan"):
        text = f'Unsupported value: "{propagation}": supported values: "Background", "Foreground", "Orphan"'
        cause = Cause("propagationPolicy", "FieldValueNotSupported", text)
        raise invalid("DeleteOptions", "meta.k8s.io", "", [cause])
    return DeleteOptions(
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        propagation="Orphan" if orphan else propagation,
        dry_run=_dry_run(options.get("dryRun") or query.get("dryRun"), "DeleteOptions"),
    )
