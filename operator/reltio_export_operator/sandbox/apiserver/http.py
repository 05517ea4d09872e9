"""The HTTP face of the embedded Kubernetes API."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from . import documents, errors
from .cluster import Cluster
from .objects import Change, Object, Options, Resource, json_patch, merge_patch
from .selectors import Predicate, both, field_selector, label_selector, path_getter
from .tokens import requires_token

_BOOKMARK_EVERY = 10.0
_LOGGED = 50_000
_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "reason",
    "type",
)
_BUILT_IN = (
    Resource("", "v1", "namespaces", "Namespace", "namespace", namespaced=False, short_names=("ns",)),
    Resource("", "v1", "secrets", "Secret", "secret"),
    Resource("", "v1", "configmaps", "ConfigMap", "configmap", short_names=("cm",)),
    Resource("", "v1", "events", "Event", "event", short_names=("ev",)),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", "lease"),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "customresourcedefinition",
        namespaced=False,
        short_names=("crd", "crds"),
    ),
)
Sender = Callable[[str, Object], Awaitable[None]]


class KubeServer:
    """A small Kubernetes API in memory, for loopback."""

    def __init__(self, *, port: int = 0, crds: Iterable[Object] = ()) -> None:
        self._port = port
        self._store = Cluster()
        self._runners: list[web.AppRunner] = []
        self._stopping = asyncio.Event()
        self.requests: deque[tuple[str, str, int]] = deque(maxlen=_LOGGED)
        self.url = ""
        for built_in in _BUILT_IN:
            built_in.objects = {}
            self._store.add(built_in)
        for name in ("default", "kube-system"):
            self._create(self._resource("", "namespaces"), "", {"metadata": {"name": name}})
        for crd in crds:
            self._create(self._resource("apiextensions.k8s.io", "customresourcedefinitions"), "", crd)

    async def start(self) -> None:
        self.url = f"http://127.0.0.1:{await self._serve(self._port)}"

    async def serve_pods(self, context: ssl.SSLContext, tokens: Collection[str]) -> int:
        """Serve the same objects over TLS to those who present one of these tokens, as pods do. Returns the port."""
        return await self._serve(0, requires_token(tokens), context=context)

    async def _serve(self, port: int, *outermost: Middleware, context: ssl.SSLContext | None = None) -> int:
        app = web.Application(middlewares=[*outermost, self._outer], client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._route)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        self._stopping.set()
        for runner in self._runners:
            await runner.cleanup()

    def write_kubeconfig(self, path: Path) -> None:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": {"server": self.url}}],
            "users": [{"name": "sandbox", "user": {}}],
            "contexts": [
                {"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox", "namespace": "default"}}
            ],
            "current-context": "sandbox",
        }
        path.write_text(yaml.safe_dump(config))

    @web.middleware
    async def _outer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except errors.ApiError as error:
            response = web.json_response(error.status(), status=error.code)
        except ConnectionResetError:
            return web.Response()  # a watcher has hung up
        self.requests.append((request.method, request.path, response.status))
        return response

    async def _route(self, request: web.Request) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        match parts:
            case ["version"]:
                return web.json_response(documents.VERSION)
            case ["healthz" | "readyz" | "livez"]:
                return web.Response(text="ok")
            case ["api"]:
                return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
            case ["apis"]:
                return web.json_response(documents.api_groups(self._store.resources.values()))
            case ["openapi", "v3"]:
                names = {
                    f"apis/{r.api_version}" if r.group else f"api/{r.version}" for r in self._store.resources.values()
                }
                return web.json_response(
                    {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in names}}
                )
            case ["openapi", "v3", "api", version]:
                return web.json_response(documents.openapi(self._of("", version)))
            case ["openapi", "v3", "apis", group, version]:
                return web.json_response(documents.openapi(self._of(group, version)))
            case ["api", version]:
                return web.json_response(documents.resource_list(version, self._of("", version)))
            case ["apis", group, version]:
                return web.json_response(documents.resource_list(f"{group}/{version}", self._of(group, version)))
            case ["api", "v1", *rest]:
                return await self._objects(request, "", rest)
            case ["apis", group, _, *rest]:
                return await self._objects(request, group, rest)
        raise errors.ApiError(404, "NotFound", "the server could not find the requested resource")

    async def _objects(self, request: web.Request, group: str, rest: list[str]) -> web.StreamResponse:
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces" and (group, rest[2]) in self._store.resources:
            namespace, rest = rest[1], rest[2:]
        resource = self._resource(group, rest[0])
        match request.method, rest[1:]:
            case "GET", []:
                if request.query.get("watch", "").lower() in ("true", "1"):
                    return await self._watch(request, resource, namespace)
                return self._list(request, resource, namespace)
            case "POST", []:
                created = self._create(resource, namespace, await _body(request), _options(request))
                return web.json_response(created, status=201)
            case "DELETE", []:
                for key in [k for k in resource.objects if not namespace or k[0] == namespace]:
                    if key in resource.objects:
                        self._store.delete(resource, key, {})
                return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})
            case "GET", [name] | [name, "status"]:
                found = self._store.get(resource, (namespace, name))
                return _shown(request, resource, [found], found)
            case "PUT" | "PATCH", [name, *sub] if sub in ([], ["status"]):
                return await self._change(request, resource, (namespace, name), status=sub == ["status"])
            case "DELETE", [name]:
                options = await _body(request) if request.can_read_body else {}
                policy = options.get("propagationPolicy") or request.query.get("propagationPolicy")
                orphan = policy == "Orphan" or options.get("orphanDependents") is True
                preconditions = options.get("preconditions") or {}
                gone = self._store.delete(resource, (namespace, name), preconditions, orphan=orphan)
                self._forget(resource, (namespace, name))
                return web.json_response(gone)
        raise errors.method_not_allowed()

    async def _change(
        self, request: web.Request, resource: Resource, key: tuple[str, str], *, status: bool
    ) -> web.StreamResponse:
        body = await _body(request)
        kind = request.content_type
        if request.method == "PUT":
            self._store.get(resource, key)
            new = body
            if not new.get("metadata", {}).get("resourceVersion") and resource.schema is not None:
                cause = errors.invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
                raise errors.invalid(resource.kind, resource.group, key[1], [cause])
        elif kind == "application/apply-patch+yaml":
            return self._apply(request, resource, key, body, status=status)
        elif kind == "application/json-patch+json":
            new = json_patch(self._store.get(resource, key), body)
        elif kind == "application/strategic-merge-patch+json" and resource.schema is not None:
            raise errors.unsupported_media_type(["application/json-patch+json", "application/merge-patch+json"])
        else:
            new = merge_patch(self._store.get(resource, key), body)
        return web.json_response(self._store.update(resource, key, new, _options(request), status=status))

    def _apply(
        self, request: web.Request, resource: Resource, key: tuple[str, str], body: Object, *, status: bool
    ) -> web.StreamResponse:
        new = key not in resource.objects
        if not request.query.get("fieldManager"):
            raise errors.bad_request(
                "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch"
            )
        applied = self._store.apply(resource, key, _without_text(resource, body), _options(request), status=status)
        if new and resource.plural == "customresourcedefinitions":
            self._establish(applied)
        return web.json_response(applied, status=201 if new else 200)

    def _list(self, request: web.Request, resource: Resource, namespace: str) -> web.StreamResponse:
        chosen = _chooser(request)
        found = sorted(k for k, o in resource.objects.items() if (not namespace or k[0] == namespace) and chosen(o))
        keys, metadata = _page(found, request.query, str(self._store.version))
        items = [resource.objects[key] for key in keys]
        listed = {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": metadata,
            "items": items,
        }
        return _shown(request, resource, items, listed)

    async def _watch(self, request: web.Request, resource: Resource, namespace: str) -> web.StreamResponse:
        chosen = _chooser(request)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        as_table = "as=Table" in request.headers.get("Accept", "")

        async def send(type_: str, item: Object) -> None:
            if as_table and type_ in ("ADDED", "MODIFIED", "DELETED"):
                item = documents.table(resource, [item], item["metadata"]["resourceVersion"], "Metadata")
            await response.write(json.dumps({"type": type_, "object": item}).encode() + b"\n")

        def concerns(item: Mapping[str, Any]) -> bool:
            return (not namespace or item["metadata"].get("namespace") == namespace) and chosen(item)

        since = int(request.query.get("resourceVersion") or 0)
        initial = request.query.get("sendInitialEvents", "").lower() == "true"
        if since == 0 or initial:
            since = self._store.version
            for item in [item for item in resource.objects.values() if concerns(item)]:
                await send("ADDED", item)
            if initial:
                await send("BOOKMARK", _bookmark(resource, since, {"k8s.io/initial-events-end": "true"}))
        elif self._store.history and since < self._store.history[0].version - 1:
            await send("ERROR", errors.expired(f"too old resource version: {since}").status())
            return response
        await self._stream(request, resource, since, concerns, send)
        return response

    async def _stream(
        self, request: web.Request, resource: Resource, since: int, concerns: Predicate, send: Sender
    ) -> None:
        """Send what changes after this version, and bookmarks in quiet times, until the watch times out."""
        loop = asyncio.get_running_loop()
        end = loop.time() + float(request.query.get("timeoutSeconds", 1800))
        bookmarks = request.query.get("allowWatchBookmarks", "").lower() in ("true", "1")
        while loop.time() < end and not self._stopping.is_set():
            for change in self._after(since):
                since = change.version
                if change.resource is resource and concerns(change.object):
                    await send(change.type, change.object)
            await self._pause(min(_BOOKMARK_EVERY, end - loop.time()), since)
            if bookmarks and since == self._store.version:
                await send("BOOKMARK", _bookmark(resource, since, {}))

    async def _pause(self, seconds: float, since: int) -> None:
        """Wait for a change, or for the server to stop, or for this long."""
        if self._store.version > since or seconds <= 0:
            return
        waits = [asyncio.create_task(self._store.wait()), asyncio.create_task(self._stopping.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _after(self, since: int) -> list[Change]:
        newer: list[Change] = []
        for change in reversed(self._store.history):
            if change.version <= since:
                break
            newer.append(change)
        return newer[::-1]

    def _create(self, resource: Resource, namespace: str, given: Object, options: Options | None = None) -> Object:
        options = options or Options()
        created = self._store.create(resource, namespace, _without_text(resource, given), options)
        if resource.plural == "customresourcedefinitions" and not options.dry_run:
            self._establish(created)
        return created

    def _establish(self, crd: Object) -> None:
        spec = crd["spec"]
        names, version = spec["names"], spec["versions"][0]
        for type_ in ("NamesAccepted", "Established"):
            crd.setdefault("status", {}).setdefault("conditions", []).append({"type": type_, "status": "True"})
        self._store.add(
            Resource(
                spec["group"],
                version["name"],
                names["plural"],
                names["kind"],
                names.get("singular", names["kind"].lower()),
                namespaced=spec["scope"] == "Namespaced",
                short_names=tuple(names.get("shortNames", ())),
                categories=tuple(names.get("categories", ())),
                schema=version["schema"]["openAPIV3Schema"],
                has_status="status" in version.get("subresources", {}),
                columns=tuple(version.get("additionalPrinterColumns", ())),
            )
        )

    def _forget(self, resource: Resource, key: tuple[str, str]) -> None:
        if resource.plural == "customresourcedefinitions" and key not in resource.objects:
            plural, _, group = key[1].partition(".")
            self._store.resources.pop((group, plural), None)

    def _resource(self, group: str, plural: str) -> Resource:
        try:
            return self._store.resources[group, plural]
        except KeyError:
            raise errors.ApiError(404, "NotFound", "the server could not find the requested resource") from None

    def _of(self, group: str, version: str) -> list[Resource]:
        found = [r for r in self._store.resources.values() if (r.group, r.version) == (group, version)]
        if not found:
            raise errors.ApiError(404, "NotFound", "the server could not find the requested resource")
        return found


def _page(
    keys: list[tuple[str, str]], query: Mapping[str, str], version: str
) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """The part of a list that `limit` and `continue` ask for, and the list's metadata. Pages follow the keys."""
    if token := query.get("continue"):
        try:
            last = tuple(json.loads(base64.urlsafe_b64decode(token)))
        except ValueError:
            raise errors.ApiError(400, "BadRequest", "continue key is not valid") from None
        keys = [key for key in keys if key > last]
    limit = int(query.get("limit") or 0)
    if not limit or len(keys) <= limit:
        return keys, {"resourceVersion": version}
    left = len(keys) - limit
    token = base64.urlsafe_b64encode(json.dumps(keys[limit - 1]).encode()).decode()
    return keys[:limit], {"resourceVersion": version, "continue": token, "remainingItemCount": left}


def _bookmark(resource: Resource, version: int, annotations: dict[str, str]) -> Object:
    metadata = {"resourceVersion": str(version), "creationTimestamp": None, "annotations": annotations}
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}


async def _body(request: web.Request) -> Any:
    text = await request.text()
    try:
        return yaml.safe_load(text) if "yaml" in request.content_type else json.loads(text or "{}")
    except ValueError:
        raise errors.bad_request("the body of the request could not be read") from None


def _without_text(resource: Resource, given: Object) -> Object:
    """A Secret with its `stringData` in `data`."""
    if resource.plural != "secrets" or "stringData" not in given:
        return given
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in given["stringData"].items()}
    return {**{k: v for k, v in given.items() if k != "stringData"}, "data": given.get("data", {}) | encoded}


def _options(request: web.Request) -> Options:
    agent = request.headers.get("User-Agent", "unknown").split("/")[0]
    return Options(
        manager=request.query.get("fieldManager") or agent,
        dry_run=request.query.get("dryRun") == "All",
        strict=request.query.get("fieldValidation") == "Strict",
        force=request.query.get("force") == "true",
    )


def _shown(request: web.Request, resource: Resource, items: list[Object], plain: Object) -> web.StreamResponse:
    if "as=Table" in request.headers.get("Accept", ""):
        version = plain["metadata"]["resourceVersion"]
        plain = documents.table(resource, items, version, request.query.get("includeObject", "Metadata"))
    return web.json_response(plain)


def _chooser(request: web.Request) -> Predicate:
    labels = label_selector(request.query.get("labelSelector", ""))
    getters = {path: path_getter(path) for path in _FIELDS}
    fields = field_selector(request.query.get("fieldSelector", ""), getters)
    return both(labels, fields) or (lambda _: True)
