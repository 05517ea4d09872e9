"""The verbs of the REST API over the registry: what each answers, in the form that the client accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import yaml
from aiohttp import web

from . import patch as patches
from . import requests, table, views
from .decoding import parse_body
from .errors import ApiError, bad_request, method_not_allowed, not_found, too_large_version, unsupported_media_type
from .faults import RequestInfo
from .negotiation import Form, choose
from .registry import Registry, Result
from .resources import Resource
from .selectors import Predicate, both, field_selector, label_selector
from .storage import Entry, Object, decode, encode
from .watch import Watch, WatchOptions

_BODY_TYPES = ("application/json", "application/yaml")


def respond(body: bytes, status: int = 200, form: Form | None = None, warnings: tuple[str, ...] = ()) -> web.Response:
    """An answer in JSON, or in YAML where the client wants that; warnings go into Warning headers."""
    form = form or Form()
    if form.media == "application/yaml":
        body = yaml.safe_dump(decode(body), sort_keys=False).encode()
    response = web.Response(body=body, status=status)
    response.headers["Content-Type"] = form.content_type
    for warning in dict.fromkeys(warnings):
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def failure(error: ApiError) -> web.Response:
    """The answer that reports a failure."""
    response = respond(encode(error.status()), error.code, warnings=error.warnings)
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry is not None:
        response.headers["Retry-After"] = str(retry)
    return response


class Handlers:
    """Answers requests about objects."""

    def __init__(self, registry: Registry, bookmark_interval: float) -> None:
        self._registry = registry
        self._bookmark_interval = bookmark_interval
        self._verbs: Mapping[str, Callable[[Resource, RequestInfo, web.Request, bytes], web.Response]] = {
            "get": self._get,
            "list": self._list,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    def resource(self, info: RequestInfo) -> Resource | None:
        """The resource of a request, when it is served and has the subresource asked for."""
        found = self._registry.catalog.find(info.group, requests.version_of(info.path), info.resource)
        if found is None or (info.subresource and info.subresource not in found.subresources):
            return None
        return found

    def handle(self, resource: Resource, info: RequestInfo, request: web.Request, body: bytes) -> web.Response:
        """Serve anything but a watch. It awaits nothing: the write is whole when this returns."""
        _check_verb(resource, info)
        return self._verbs[info.verb](resource, info, request, body)

    # --- reading -----------------------------------------------------------------------------------------------

    def _get(self, resource: Resource, info: RequestInfo, request: web.Request, body: bytes) -> web.Response:
        return self._show(resource, request, self._registry.get(resource, info.namespace, info.name))

    def _show(
        self, resource: Resource, request: web.Request, entry: Entry, result: Result | None = None
    ) -> web.Response:
        form = choose(request.headers.get("Accept", ""))
        status = 201 if result is not None and result.created else 200
        warnings = result.warnings if result is not None else ()
        return respond(self._render(resource, form, request.query)(entry), status, form, warnings)

    def _render(self, resource: Resource, form: Form, query: Mapping[str, str]) -> Callable[[Entry], bytes]:
        if form.target == "Table":
            return partial(table.render_one, resource, query.get("includeObject", "Metadata"))
        if form.target == "PartialObjectMetadata":
            return lambda entry: encode(views.partial(entry.obj))
        return partial(views.raw, resource)

    def _list(self, resource: Resource, info: RequestInfo, request: web.Request, body: bytes) -> web.Response:
        options = requests.list_options(request.query)
        current = self._registry.store.version
        if options.since is not None and options.since > current:
            raise too_large_version(options.since, current)
        entries, meta = self._select(resource, info, options)
        form = choose(request.headers.get("Accept", ""))
        if form.target == "Table":
            include = request.query.get("includeObject", "Metadata")
            return respond(table.render_list(resource, include, entries, meta), form=form)
        if form.target == "PartialObjectMetadata":
            items = [encode(views.partial(entry.obj)) for entry in entries]
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        else:
            items = [views.list_item(resource, entry) for entry in entries]
            head = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta}
        return respond(encode(head)[:-1] + b',"items":[' + b",".join(items) + b"]}", form=form)

    def _select(
        self, resource: Resource, info: RequestInfo, options: requests.ListOptions
    ) -> tuple[list[Entry], Object]:
        """The entries of one page of a list, and the metadata of the list."""
        selector = _selector(resource, info, options)
        namespace = _scope(resource, info)
        collection = self._registry.store.collection(resource.storage_key)
        version = self._registry.store.version
        if options.limit or options.token:
            asked, after = requests.parse_page_token(options.token) if options.token else (None, ("", ""))
            version, snapshot = collection.snapshot(asked)
            found = [item for item in snapshot if item[0] > after and namespace in (None, item[0][0])]
        else:
            found = collection.items(namespace)
        if selector is not None:
            found = [item for item in found if selector(item[1].obj)]
        meta: Object = {"resourceVersion": str(version)}
        if options.limit and len(found) > options.limit:
            meta["continue"] = requests.page_token(version, *found[options.limit - 1][0])
            if selector is None:
                meta["remainingItemCount"] = len(found) - options.limit
            found = found[: options.limit]
        return [entry for _, entry in found], meta

    def watch(self, resource: Resource, info: RequestInfo, request: web.Request) -> tuple[Watch, Form]:
        """The watch that a request asks for, and the form of its events."""
        if info.name:
            raise method_not_allowed()
        options = requests.list_options(request.query)
        form = choose(request.headers.get("Accept", ""))
        watch_options = WatchOptions(
            namespace=_scope(resource, info),
            selector=_selector(resource, info, options),
            since=options.since,
            bookmarks=options.bookmarks,
            mark_initial=options.initial_events and options.bookmarks,
            timeout=options.timeout,
        )
        collection = self._registry.store.collection(resource.storage_key)
        render = self._render(resource, form, request.query)
        bookmark = partial(_bookmark, resource, form)
        watch = Watch(self._registry.store, collection, watch_options, render, bookmark, self._bookmark_interval)
        return watch, form

    # --- writing -----------------------------------------------------------------------------------------------

    def _body(self, resource: Resource, request: web.Request, body: bytes) -> Any:
        content_type = request.headers.get("Content-Type", "application/json").partition(";")[0].strip()
        if content_type not in _BODY_TYPES:
            raise unsupported_media_type(_BODY_TYPES)
        return views.to_stored(resource, parse_body(body, content_type))

    def _create(self, resource: Resource, info: RequestInfo, request: web.Request, body: bytes) -> web.Response:
        if info.name:
            raise method_not_allowed()
        options = requests.write_options(request.query, info.user_agent)
        result = self._registry.create(
            _stored(self._registry, resource), info.namespace, self._body(resource, request, body), options
        )
        return self._show(resource, request, result.entry, result)

    def _update(self, resource: Resource, info: RequestInfo, request: web.Request, body: bytes) -> web.Response:
        options = requests.write_options(request.query, info.user_agent)
        obj = self._body(resource, request, body)
        stored = _stored(self._registry, resource)
        result = self._registry.update(stored, info.namespace, info.name, obj, options, info.subresource)
        return self._show(resource, request, result.entry, result)

    def _patch(self, resource: Resource, info: RequestInfo, request: web.Request, body: bytes) -> web.Response:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
        accepted = [patches.JSON_PATCH, patches.MERGE_PATCH, patches.APPLY_PATCH]
        if resource.builtin:
            accepted.insert(2, patches.STRATEGIC_PATCH)
        if kind not in accepted:
            raise unsupported_media_type(accepted)
        applying = kind == patches.APPLY_PATCH
        options = requests.write_options(request.query, info.user_agent, applying=applying)
        stored = _stored(self._registry, resource)
        place = (stored, info.namespace, info.name)
        if applying:
            obj = views.to_stored(resource, parse_body(body, "application/yaml"))
            result = self._registry.apply(*place, obj, options, info.subresource)
        else:
            change = _change(kind, _parse_patch(body), stored)
            result = self._registry.patch(*place, change, options, info.subresource)
        return self._show(resource, request, result.entry, result)

    def _delete(self, resource: Resource, info: RequestInfo, request: web.Request, body: bytes) -> web.Response:
        options = requests.delete_options(request.query, self._options_body(request, body))
        result = self._registry.delete(_stored(self._registry, resource), info.namespace, info.name, options)
        if not result.removed:
            return self._show(resource, request, result.entry)
        details = {"name": info.name, "group": resource.group, "kind": resource.plural}
        details["uid"] = result.entry.obj["metadata"]["uid"]
        details = {key: value for key, value in details.items() if value}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return respond(encode(status), form=choose(request.headers.get("Accept", ""), targets=False))

    def _options_body(self, request: web.Request, body: bytes) -> Any:
        return parse_body(body, request.headers.get("Content-Type", "")) if body else None

    def _delete_collection(
        self, resource: Resource, info: RequestInfo, request: web.Request, body: bytes
    ) -> web.Response:
        options = requests.delete_options(request.query, self._options_body(request, body))
        entries, meta = self._select(resource, info, requests.list_options(request.query))
        for entry in entries:
            found = entry.obj["metadata"]
            each = replace(options, uid=options.uid or found["uid"])
            try:
                self._registry.delete(
                    _stored(self._registry, resource), found.get("namespace", ""), found["name"], each
                )
            except ApiError as error:
                if error.code != 404:
                    raise
        items = b",".join(views.list_item(resource, entry) for entry in entries)
        head = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta}
        return respond(encode(head)[:-1] + b',"items":[' + items + b"]}")


def _stored(registry: Registry, resource: Resource) -> Resource:
    """The resource in whose form objects are stored, where it is not the one of the request."""
    if not views.is_event_view(resource):
        return resource
    core = registry.catalog.find("", "v1", resource.plural)
    if core is None:
        raise not_found(resource.plural, resource.group, "")
    return core


def _check_verb(resource: Resource, info: RequestInfo) -> None:
    if info.verb not in resource.verbs or (info.subresource and info.verb not in ("get", "update", "patch")):
        raise method_not_allowed()
    if resource.namespaced and not info.namespace and info.verb not in ("list", "watch", "deletecollection"):
        raise (
            bad_request("an empty namespace may not be set during creation")
            if info.verb == "create"
            else not_found(resource.plural, resource.group, info.name)
        )


def _scope(resource: Resource, info: RequestInfo) -> str | None:
    """The namespace that a list or watch is confined to, None for all."""
    return info.namespace if resource.namespaced and info.namespace else None


def _selector(resource: Resource, info: RequestInfo, options: requests.ListOptions) -> Predicate | None:
    return both(label_selector(options.labels), field_selector(options.fields, resource.fields))


def _parse_patch(body: bytes) -> Any:
    try:
        return parse_body(body, "application/json")
    except ApiError as error:
        raise bad_request(f"error decoding patch: {error.message.rpartition(': ')[2]}") from None


def _change(kind: str, patch: Any, resource: Resource) -> Callable[[Object], Any]:
    if kind == patches.JSON_PATCH:
        return lambda obj: patches.json_patch(obj, patch)
    if kind == patches.STRATEGIC_PATCH:
        return lambda obj: patches.strategic_merge_patch(obj, patch, resource.schema)
    if not isinstance(patch, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal value into Go value of type map[string]interface {}"
        )
    return lambda obj: patches.merge_patch(obj, patch)


def _bookmark(resource: Resource, form: Form, version: int, annotations: dict[str, str]) -> bytes:
    meta: Object = {"resourceVersion": str(version)}
    if annotations:
        meta["annotations"] = annotations
    if form.target == "Table":
        return table.render_bookmark(meta)
    if form.target == "PartialObjectMetadata":
        return encode({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
    return encode({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta})
