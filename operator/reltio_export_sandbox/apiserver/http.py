"""The HTTP face of the embedded Kubernetes API."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from . import decoding, documents, errors, parameters, patches, reviews
from .cluster import Cluster
from .objects import Options
from .resources import Key, Object, Resource
from .selectors import Predicate, both, field_selector, label_selector, path_getter
from .tables import table
from .tokens import requires_token
from .watching import Watcher

_LOGGED = 50_000
_LARGEST_BODY = 3 * 2**20  # bytes, as in a kube-apiserver
_PATCHES = {
    "application/json-patch+json": patches.json_patch,
    "application/merge-patch+json": patches.merge_patch,
    "application/strategic-merge-patch+json": patches.strategic_merge_patch,
}
_APPLY = "application/apply-patch+yaml"


class KubeServer:
    """A small Kubernetes API in memory, for loopback."""

    def __init__(self, *, port: int = 0, crds: Iterable[Object] = ()) -> None:
        self._port = port
        self._store = Cluster()
        self._runners: list[web.AppRunner] = []
        self._stopping = asyncio.Event()
        self._watcher = Watcher(self._store, self._stopping)
        self.requests: deque[tuple[str, str, int]] = deque(maxlen=_LOGGED)
        self.url = ""
        definitions = self._resource("apiextensions.k8s.io", "customresourcedefinitions")
        for crd in crds:
            self._store.create(definitions, "", crd, Options(manager="sandbox", validation="Strict"))

    async def start(self) -> None:
        self.url = f"http://127.0.0.1:{await self._serve(self._port)}"

    async def serve_pods(self, context: ssl.SSLContext, tokens: Collection[str]) -> int:
        """Serve the same objects over TLS to those who present one of these tokens, as pods do. Returns the port."""
        return await self._serve(0, requires_token(tokens), context=context)

    async def _serve(self, port: int, *outermost: Middleware, context: ssl.SSLContext | None = None) -> int:
        app = web.Application(middlewares=[*outermost, self._outer], client_max_size=_LARGEST_BODY)
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
            case ["api", "v1", plural, *rest] if rest or plural:
                return await self._objects(request, "", [plural, *rest])
            case ["apis", group, version, _, *_]:
                known = {(r.group, r.version) for r in self._store.resources.values()}
                if reviews.is_review(parts):
                    return await self._review(request, parts[-1])
                if (group, version) not in known:
                    return _page_not_found()
                return await self._objects(request, group, parts[3:])
        found = documents.document(parts, list(self._store.resources.values()), verbose="verbose" in request.query)
        if found is None:
            return _page_not_found()
        return web.Response(text=found) if isinstance(found, str) else web.json_response(found)

    async def _review(self, request: web.Request, plural: str) -> web.StreamResponse:
        if request.method != "POST":
            raise errors.method_not_allowed()
        given = decoding.read(await request.read(), parameters.content_type(request))
        return web.json_response(reviews.answer(plural, given), status=201)

    async def _objects(self, request: web.Request, group: str, rest: list[str]) -> web.StreamResponse:
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces" and (group or rest[2] not in ("status", "finalize")):
            namespace, rest = rest[1], rest[2:]
        resource = self._resource(group, rest[0])
        _check_accept(request)
        match rest[1:]:
            case []:
                return await self._collection(request, resource, namespace)
            case [name]:
                return await self._one(request, resource, (namespace, name), status=False)
            case [name, "status"] if resource.has_status:
                return await self._one(request, resource, (namespace, name), status=True)
            case [name, _] if resource.native is None:
                raise errors.not_found(resource.plural, resource.group, name)
        raise errors.resource_not_found()

    async def _collection(self, request: web.Request, resource: Resource, namespace: str) -> web.StreamResponse:
        watched = request.query.get("watch", "").lower() in ("true", "1")
        verb = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}.get(request.method, "")
        if verb not in resource.verbs:
            raise errors.method_not_allowed()
        if verb == "create":
            if resource.namespaced and not namespace:
                return _page_not_found()
            body = decoding.read(await request.read(), _readable(request, resource))
            options = parameters.options(request, "CreateOptions")
            return _written(self._store.create(resource, namespace, _as_object(body), options), options, 201)
        chosen = _chooser(request, resource)
        if verb == "deletecollection":
            return await self._delete_all(request, resource, namespace, chosen)
        if watched:
            return await self._watcher.serve(request, resource, namespace, chosen)
        return self._list(request, resource, namespace, chosen)

    async def _delete_all(
        self, request: web.Request, resource: Resource, namespace: str, chosen: Predicate
    ) -> web.StreamResponse:
        how = parameters.deletion(request, await _body_if_any(request))
        keys = [k for k, item in resource.objects.items() if (not namespace or k[0] == namespace) and chosen(item)]
        gone = [self._store.delete(resource, key, how)[0] for key in sorted(keys) if key in resource.objects]
        return web.json_response(self._listed(resource, gone, {"resourceVersion": str(self._store.version)}))

    async def _one(self, request: web.Request, resource: Resource, key: Key, *, status: bool) -> web.StreamResponse:
        verb = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(request.method, "")
        if verb not in resource.verbs or (status and verb == "delete"):
            raise errors.method_not_allowed()
        if verb == "get":
            if request.query.get("watch", "").lower() in ("true", "1"):
                return await self._watcher.serve(
                    request, resource, key[0], lambda item: bool(item["metadata"]["name"] == key[1])
                )
            parameters.check_single_version(request)
            found = self._store.get(resource, key)
            return _shown(request, resource, [found], found, {"resourceVersion": found["metadata"]["resourceVersion"]})
        if verb == "delete":
            return self._delete(request, resource, key, await _body_if_any(request))
        return await self._change(request, resource, key, status=status)

    def _delete(self, request: web.Request, resource: Resource, key: Key, body: Any) -> web.StreamResponse:
        gone, removed = self._store.delete(resource, key, parameters.deletion(request, body))
        if not removed or (resource.native is not None and resource.native.returns_deleted):
            accepted = not removed and (body.get("propagationPolicy") == "Foreground")
            return web.json_response(gone, status=202 if accepted else 200)
        details = {"name": key[1], "group": resource.group, "kind": resource.plural, "uid": gone["metadata"]["uid"]}
        return web.json_response(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": {name: value for name, value in details.items() if value},
            }
        )

    async def _change(self, request: web.Request, resource: Resource, key: Key, *, status: bool) -> web.StreamResponse:
        content = await request.read()
        if request.method == "PUT":
            options = parameters.options(request, "UpdateOptions")
            body = _as_object(decoding.read(content, _readable(request, resource)))
            if key not in resource.objects and resource.native is not None and resource.native.create_on_update:
                return _written(self._store.create(resource, key[0], body, options), options, 201)
            return _written(self._store.update(resource, key, body, options, status=status), options)
        options = parameters.options(request, "PatchOptions")
        if parameters.content_type(request) == _APPLY:
            return self._apply(resource, key, decoding.read(content, _APPLY, accepted=(_APPLY,)), options, status)
        allowed = [kind for kind in _PATCHES if resource.native is not None or "strategic" not in kind]
        if parameters.content_type(request) not in allowed:
            raise errors.unsupported_media_type([*allowed, _APPLY])
        old = self._store.get(resource, key)
        new = _PATCHES[parameters.content_type(request)](
            old, parameters.patch(content, parameters.content_type(request))
        )
        return _written(self._store.update(resource, key, new, options, status=status, patched=True), options)

    def _apply(self, resource: Resource, key: Key, body: Any, options: Options, status: bool) -> web.StreamResponse:
        new = key not in resource.objects
        applied = self._store.apply(resource, key, _as_object(body), options, status=status)
        return _written(applied, options, 201 if new else 200)

    def _list(self, request: web.Request, resource: Resource, namespace: str, chosen: Predicate) -> web.StreamResponse:
        parameters.check_version(request, self._store.version)
        found = sorted(k for k, o in resource.objects.items() if (not namespace or k[0] == namespace) and chosen(o))
        keys, metadata = _page(found, request.query, str(self._store.version))
        items = [resource.objects[key] for key in keys]
        return _shown(request, resource, items, self._listed(resource, items, metadata), metadata)

    @staticmethod
    def _listed(resource: Resource, items: list[Object], metadata: Object) -> Object:
        if resource.native is None:
            metadata = {"continue": "", **metadata}
        else:  # as in Go, where items of a typed list do not repeat what they are
            items = [{k: v for k, v in item.items() if k not in ("apiVersion", "kind")} for item in items]
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": metadata,
            "items": items,
        }

    def _resource(self, group: str, plural: str) -> Resource:
        try:
            return self._store.resources[group, plural]
        except KeyError:
            raise errors.resource_not_found() from None


def _page_not_found() -> web.Response:
    return web.Response(text="404 page not found\n", status=404)


def _page(keys: list[Key], query: Mapping[str, str], version: str) -> tuple[list[Key], dict[str, Any]]:
    """The part of a list that `limit` and `continue` ask for, and the list's metadata. Pages follow the keys."""
    if token := query.get("continue"):
        try:
            last = tuple(json.loads(base64.urlsafe_b64decode(token)))
        except ValueError:
            raise errors.bad_request("invalid continue token: continue key is not valid") from None
        keys = [key for key in keys if key > last]
    limit = parameters.number(query, "limit")
    if not limit or len(keys) <= limit:
        return keys, {"resourceVersion": version}
    left = len(keys) - limit
    token = base64.urlsafe_b64encode(json.dumps(keys[limit - 1]).encode()).decode()
    return keys[:limit], {"resourceVersion": version, "continue": token, "remainingItemCount": left}


def _readable(request: web.Request, resource: Resource) -> str:
    """The type of the body. Custom resources have no protobuf form. Raises ApiError 415."""
    typed = resource.native is not None and resource.native.decoded
    if parameters.content_type(request) == decoding.PROTOBUF and not typed:
        raise errors.unsupported_media_type(decoding.PRODUCED)
    return parameters.content_type(request)


def _as_object(body: Any) -> Object:
    if not isinstance(body, dict):
        raise errors.bad_request("couldn't get version/kind; json parse error: the body is not an object")
    return body


async def _body_if_any(request: web.Request) -> Object:
    content = await request.read()
    if not content:
        return {}
    return _as_object(decoding.read(content, parameters.content_type(request)))


def _check_accept(request: web.Request) -> None:
    accepted = request.headers.get("Accept", "*/*")
    if not any(kind in accepted for kind in ("json", "yaml", "*/*")):
        raise errors.not_acceptable(decoding.PRODUCED)


def _written(obj: Object, options: Options, status: int = 200) -> web.StreamResponse:
    response = web.json_response(obj, status=status)
    for text in dict.fromkeys(options.warnings):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def _shown(
    request: web.Request, resource: Resource, items: list[Object], plain: Object, metadata: Object
) -> web.StreamResponse:
    if "as=Table" in request.headers.get("Accept", ""):
        plain = table(resource, items, metadata, request.query.get("includeObject", "Metadata"))
    if request.headers.get("Accept") == decoding.YAML:
        return web.Response(text=yaml.safe_dump(plain), content_type=decoding.YAML)
    return web.json_response(plain)


def _chooser(request: web.Request, resource: Resource) -> Predicate:
    labels = label_selector(request.query.get("labelSelector", ""))
    known = resource.native.fields if resource.native else ("metadata.name", "metadata.namespace")
    getters = {path: path_getter(path) for path in (*known, *resource.selectable)}
    if "source" in getters:
        component = path_getter("source.component")
        getters["source"] = lambda item: component(item) or str(item.get("reportingComponent") or "")
    fields = field_selector(request.query.get("fieldSelector", ""), getters)
    return both(labels, fields) or (lambda _: True)
