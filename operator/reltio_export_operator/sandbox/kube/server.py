"""The HTTP server: its life, its routes, and the faults that strike its requests."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from . import discovery, openapi
from .errors import ApiError
from .faults import Drop, Faults, Hold, OnServer, RequestInfo, RequestLog, Respond
from .handlers import Handlers, failure, respond
from .lifecycle import Lifecycle
from .negotiation import choose
from .registry import Registry, WriteOptions
from .requests import describe
from .resources import Catalog, Resource, builtin_resources
from .storage import Store, decode, encode

_logger = logging.getLogger(__name__)
_HEALTH = frozenset({"/healthz", "/livez", "/readyz", "/healthz/", "/livez/", "/readyz/", "/healthz/ping"})
_LARGEST_BODY = 3 * 1024 * 1024
_BOOKMARK_SECONDS = 10.0
_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    409: "Conflict", 410: "Expired", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError",
    503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip


class KubeServer:
    """A Kubernetes API on loopback, in memory. `crds` are served from the start.

    `faults` and `requests` are for tests: see `Faults` and `RequestLog`.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, crds: Sequence[dict[str, Any]] = ()) -> None:
        self.faults = Faults()
        self.requests = RequestLog()
        self.store = Store()
        self._catalog = Catalog()
        self._registry = Registry(self.store, self._catalog)
        self._handlers = Handlers(self._registry, _BOOKMARK_SECONDS)
        self._host = host
        self._port = port
        self._crds = crds
        self._runner: web.ServerRunner | None = None
        self._watches: set[asyncio.Transport] = set()

    # --- life --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, with the namespaces and definitions that are there from the start."""
        if self._runner is not None:
            raise RuntimeError("the server runs already")
        if not any(True for _ in self._catalog):
            self._populate()
        self._runner = web.ServerRunner(
            web.Server(self._serve, access_log=None), handler_cancellation=True, shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Cut the watches and stop listening; the objects stay, and `start` serves them again on the same port."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        self.cut_watches()
        await runner.cleanup()

    async def __aenter__(self) -> KubeServer:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    def kubeconfig(self, namespace: str = "default") -> dict[str, Any]:
        """A kubeconfig for this server, without credentials: it asks for none."""
        context = {"cluster": "sandbox", "user": "sandbox", "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": {"server": self.url}}],
            "users": [{"name": "sandbox", "user": {}}],
            "contexts": [{"name": "sandbox", "context": context}],
            "current-context": "sandbox",
        }

    def write_kubeconfig(self, path: str | os.PathLike[str], namespace: str = "default") -> None:
        """Write the kubeconfig, readable by its owner alone."""
        file = Path(path)
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(self.kubeconfig(namespace), sort_keys=False), encoding="utf-8")

    def _populate(self) -> None:
        for resource in builtin_resources():
            self._catalog.add(resource)
        self._registry.observers.append(Lifecycle(self._registry))
        options = WriteOptions(manager="kube-apiserver")
        for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
            self._create_builtin("", "namespaces", {"kind": "Namespace", "metadata": {"name": name}}, options)
        for crd in self._crds:
            self._create_builtin("apiextensions.k8s.io", "customresourcedefinitions", crd, options)

    def _create_builtin(self, group: str, plural: str, obj: dict[str, Any], options: WriteOptions) -> None:
        resource = self._catalog.find(group, "v1", plural)
        if resource is None:
            raise LookupError(plural)
        self._registry.create(resource, "", decode(encode({"apiVersion": resource.api_version, **obj})), options)

    # --- faults ------------------------------------------------------------------------------------------------

    def cut_watches(self) -> int:
        """Cut the connections of all watches, without a word; returns how many there were."""
        cut = list(self._watches)
        for transport in cut:
            transport.abort()
        return len(cut)

    def expire_history(self) -> None:
        """Make all resourceVersions so far too old: watches that resume get an in-stream 410, lists go on with one."""
        self.store.expire()

    # --- requests ----------------------------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        info = describe(request.method, request.path, request.query, request.headers.get("User-Agent", ""))
        self.requests.record(info)
        action = self.faults.take(info)
        if isinstance(action, Hold):
            await action.released.wait()
        elif action is OnServer.CUT_WATCHES:
            self.cut_watches()
        elif action is OnServer.EXPIRE_HISTORY:
            self.expire_history()
        if action is Drop.BEFORE:
            return _cut(request)
        try:
            if isinstance(action, Respond):
                raise _injected(action)
            body = await _read(request)
            response = await self._answer(info, request, body, withheld=action is Drop.AFTER)
        except ApiError as error:
            response = failure(error)
        except Exception as error:
            _logger.exception("failed to serve %s %s", info.method, info.path)
            response = failure(ApiError(500, "InternalError", f"Internal error occurred: {error!r}"))
        if action is Drop.AFTER:
            return _cut(request)
        info.status = response.status
        return response

    async def _answer(
        self, info: RequestInfo, request: web.BaseRequest, body: bytes, *, withheld: bool
    ) -> web.StreamResponse:
        resource = self._handlers.resource(info) if info.resource else None
        if resource is None:
            return self._answer_other(info, request, body)
        if info.verb == "watch" and not withheld:
            return await self._stream(resource, info, request)
        return self._handlers.handle(resource, info, request, body)

    async def _stream(self, resource: Resource, info: RequestInfo, request: web.BaseRequest) -> web.StreamResponse:
        watch, form = self._handlers.watch(resource, info, request)
        response = web.StreamResponse(headers={"Content-Type": form.content_type, "Cache-Control": "no-cache, private"})
        info.status = 200
        transport = request.transport
        if transport is None:
            return response
        self._watches.add(transport)
        try:
            await response.prepare(request)
            async for chunk in watch.chunks():
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            pass  # The client went away, or a test cut it off.
        finally:
            self._watches.discard(transport)
        return response

    def _answer_other(self, info: RequestInfo, request: web.BaseRequest, body: bytes) -> web.Response:
        """Discovery, OpenAPI, health, reviews, and 404 as the real server puts it."""
        parts = [part for part in info.path.split("/") if part]
        if info.path in _HEALTH:
            return web.Response(text="ok")
        if parts == ["version"]:
            return respond(encode(discovery.VERSION))
        if info.method == "POST" and info.resource == "selfsubjectaccessreviews":
            review = {**decode(body), "status": {"allowed": True, "reason": "this server refuses nothing"}}
            return respond(encode(review), 201)
        if parts[:1] in (["api"], ["apis"]):
            found = self._discover(parts, request)
        elif parts[:1] == ["openapi"]:
            found = openapi.document(self._catalog, parts[1:])
            found = respond(encode(found)) if found is not None else None
        else:
            found = None
        return found or web.Response(text="404 page not found\n", status=404)

    def _discover(self, parts: list[str], request: web.BaseRequest) -> web.Response | None:
        if len(parts) == 1:
            core = parts[0] == "api"
            form = choose(request.headers.get("Accept", ""))
            if form.target == "APIGroupDiscoveryList":
                return respond(encode(discovery.aggregated(self._catalog, core=core)), form=form)
            return respond(encode(discovery.api_versions(self.url) if core else discovery.group_list(self._catalog)))
        if parts[0] == "api":
            found = discovery.resource_list(self._catalog, "", parts[1]) if len(parts) == 2 else None
        elif len(parts) == 2:
            found = discovery.group(self._catalog, parts[1])
        else:
            found = discovery.resource_list(self._catalog, parts[1], parts[2]) if len(parts) == 3 else None
        return respond(encode(found)) if found is not None else None


async def _read(request: web.BaseRequest) -> bytes:
    if not request.can_read_body:
        return b""
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > _LARGEST_BODY:
            raise ApiError(413, "RequestEntityTooLarge", f"limit is {_LARGEST_BODY}")
        chunks.append(chunk)
    return b"".join(chunks)


def _cut(request: web.BaseRequest) -> web.Response:
    """Reset the connection; the response returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _injected(action: Respond) -> ApiError:
    details = {"retryAfterSeconds": action.retry_after} if action.retry_after is not None else None
    return ApiError(action.status, _REASONS.get(action.status, ""), action.message, details)
