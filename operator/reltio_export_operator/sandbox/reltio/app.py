"""The simulator as an HTTP server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
import re
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from .config import Client, SimulatorConfig, Tenant
from .data import selected
from .engine import Engine
from .errors import BAD_MAX, FORBIDDEN, Refusal, not_found, unauthorized
from .submit import EXPORT_TYPES, Order, check, read_destination
from .tasks import Task
from .writer import Writer

_LOGGED = 20_000
_MASKED = {"authorization", "externalid"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ReltioSimulator:
    """Authentication service and Export Service of some tenants, with an admin API under ``/_sim/``."""

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        aws_endpoint: str,
        aws_key: tuple[str, str],
        tenants: Sequence[Tenant],
        clients: Sequence[Client],
        port: int = 0,
    ) -> None:
        self.config = config
        self.tenants = {tenant.id: tenant for tenant in tenants}
        self.engine = Engine(config, self.tenants, Writer(aws_endpoint, *aws_key))
        self.clients = {client.id: client for client in clients}
        self.requests: deque[dict[str, Any]] = deque(maxlen=_LOGGED)
        self.faults: list[dict[str, Any]] = []
        self._tokens: dict[str, tuple[str, float]] = {}
        self._port = port
        self._runner: web.AppRunner | None = None
        self._loop: asyncio.Task[None] | None = None
        self.url = ""

    @property
    def auth_url(self) -> str:
        return f"{self.url}/oauth/token"

    @property
    def export_service_url(self) -> str:
        return f"{self.url}/jobs"

    async def start(self) -> None:
        app = web.Application(middlewares=[self._outer], client_max_size=50 * 2**20)
        app.router.add_post("/oauth/token", self._token)
        for base in ("/jobs", "/services/jobs"):
            app.router.add_post(base + "/export/{tenant}/{endpoint:.+}", self._submit)
            for scope in (base + "/{tenant}/tasks", base + "/tasks"):
                app.router.add_get(scope, self._list)
                app.router.add_get(scope + "/_total", self._total)
                app.router.add_get(scope + "/history", self._list)
                app.router.add_get(scope + "/history/_total", self._total)
                app.router.add_get(scope + "/{id}", self._one)
                app.router.add_put(scope + "/{id}/{verb}", self._control)
        app.router.add_get("/_sim/requests", self._show_requests)
        app.router.add_delete("/_sim/requests", self._clear_requests)
        app.router.add_get("/_sim/exports", self._show_exports)
        app.router.add_patch("/_sim/config", self._configure)
        app.router.add_post("/_sim/faults", self._add_fault)
        app.router.add_delete("/_sim/faults", self._clear_faults)
        app.router.add_post("/_sim/behaviours", self._add_behaviour)
        app.router.add_patch("/_sim/tasks/{id}", self._force)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._loop = asyncio.create_task(self.engine.run())

    async def stop(self) -> None:
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        if self._runner is not None:
            await self._runner.cleanup()

    def expected(self, order: Order) -> list[dict[str, Any]]:
        """The records that the order's export must deliver."""
        return selected(self.tenants[order.tenant], order.export_type, order.parameters)

    @web.middleware
    async def _outer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Log the call, apply faults, and turn refusals into answers."""
        if request.path.startswith("/_sim/"):
            return await handler(request)
        fault = self._fault(request)
        entry: dict[str, Any] = {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "headers": {k.lower(): v for k, v in request.headers.items() if k.lower() not in _MASKED},
            "externalId": request.headers.get("externalId"),
            "body": (await request.text()) if request.path != "/oauth/token" else "",
        }
        self.requests.append(entry)
        early = _broken(request, fault) if fault.get("when") != "after" else None
        answer = early or await self._answer(request, handler)
        if fault.get("when") == "after":
            answer = _broken(request, fault) or answer
        entry["status"] = answer.status
        return answer

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as refusal:
            return refusal.response()
        except web.HTTPException as error:
            return web.Response(status=error.status, text=error.text)

    def _fault(self, request: web.Request) -> dict[str, Any]:
        for fault in self.faults:
            matches = re.search(fault.get("path", ""), request.path) and fault.get("method") in (None, request.method)
            if matches and fault.get("times", 1) > 0:
                fault["times"] = fault.get("times", 1) - 1
                return fault
        return {}

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        try:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            id_, _, secret = base64.b64decode(given).decode().partition(":")
        except ValueError:
            scheme = id_ = secret = ""
        client = self.clients.get(id_)
        if scheme != "Basic" or client is None or client.secret != secret:
            raise unauthorized("unauthorized", "Full authentication is required to access this resource")
        if form.get("grant_type", request.query.get("grant_type")) != "client_credentials":
            raise Refusal(400, {"error": "invalid_grant", "error_description": "Invalid Username or Password"})
        token, expires = self._tokens.get(client.id, ("", 0.0))
        if expires <= self.engine.now:
            token, expires = uuid.uuid4().hex * 3, self.engine.now + self.config.token_life
            self._tokens[client.id] = (token, expires)
        return web.json_response(
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": max(1, int(expires - self.engine.now)),
                "scope": "entities_api",
            }
        )

    def _authorize(self, request: web.Request) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            raise unauthorized("unauthorized", "Full authentication is required to access this resource")
        for client_id, (valid, expires) in self._tokens.items():
            if token == valid and expires > self.engine.now:
                tenant = request.match_info.get("tenant")
                allowed = self.clients[client_id].tenants
                if tenant is not None and (
                    tenant not in self.tenants or (allowed is not None and tenant not in allowed)
                ):
                    raise FORBIDDEN
                return
        raise unauthorized("invalid_token", f"Token is invalid: {token}")

    async def _submit(self, request: web.Request) -> web.Response:
        self._authorize(request)
        endpoint = request.match_info["endpoint"]
        if endpoint not in EXPORT_TYPES:
            raise web.HTTPNotFound
        text = await request.text()
        body = json.loads(text) if text else {}
        destination = read_destination(request.headers, request.query)
        check(request.query, body)
        order = Order(
            number=len(self.engine.runs) + 1,
            tenant=request.match_info["tenant"],
            endpoint=endpoint,
            export_type=EXPORT_TYPES[endpoint],
            name=request.query.get("name", "").strip() or f"export-{uuid.uuid4().hex[:8]}",
            destination=destination,
            query=dict(request.query),
            body=body,
            group_id=str(uuid.uuid4()),
        )
        self.engine.accept(order)
        answer: dict[str, Any] = {
            "exportType": order.export_type,
            "version": "v2",
            "status": "scheduled",
            "details": "Export job has been scheduled.",
            "taskIds": order.task_ids,
        }
        if self.config.group_id:
            answer["groupId"] = order.group_id
        return web.json_response(answer)

    def _listed(self, request: web.Request) -> list[Task]:
        self._authorize(request)
        wanted = [request.match_info["tenant"]] if "tenant" in request.match_info else list(self.tenants)
        pick = self.engine.history if "/history" in request.path else self.engine.active
        return [task for tenant in wanted for task in pick(tenant)]

    async def _list(self, request: web.Request) -> web.Response:
        tasks = self._listed(request)
        limit = int(request.query.get("max", request.query.get("maxNo", 50)))
        offset = int(request.query.get("offset", request.query.get("offsetNo", 0)))
        if limit <= 0:
            raise BAD_MAX
        page = tasks[offset : offset + min(limit, self.config.page_cap)]
        return web.json_response([task.shown(self.config.objects_per_second) for task in page])

    async def _total(self, request: web.Request) -> web.Response:
        return web.json_response({"total": len(self._listed(request))})

    def _find(self, request: web.Request) -> Task:
        self._authorize(request)
        task = self.engine.tasks.get(request.match_info["id"])
        tenant = request.match_info.get("tenant")
        if task is None or task.hidden == "everywhere" or tenant not in (None, task.order.tenant):
            raise not_found(request.match_info["id"])
        return task

    async def _one(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(request).shown(self.config.objects_per_second))

    async def _control(self, request: web.Request) -> web.Response:
        task, verb = self._find(request), request.match_info["verb"]
        if verb == "_resume" and task.status not in ("PAUSED", "PAUSING"):
            raise Refusal(400, {"errorMessage": "The execute request failed due to invalid input", "errorCode": 2001})
        action = {"_pause": self.engine.pause, "_resume": self.engine.resume, "_stop": self.engine.stop}.get(verb)
        if action is None:
            raise FORBIDDEN
        action(task)
        return web.json_response({"status": "success"})

    async def _show_requests(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.requests))

    async def _clear_requests(self, _: web.Request) -> web.Response:
        self.requests.clear()
        return web.json_response({})

    async def _show_exports(self, _: web.Request) -> web.Response:
        shown = [
            {
                **dataclasses.asdict(run.order),
                "status": [task.status for task in run.tasks],
                "files": run.files,
                "objects": run.objects,
            }
            for run in self.engine.runs
        ]
        return web.json_response(shown)

    async def _configure(self, request: web.Request) -> web.Response:
        for key, value in (await request.json()).items():
            if not hasattr(self.config, key):
                raise web.HTTPBadRequest(text=f"unknown setting {key}")
            setattr(self.config, key, value)
        return web.json_response(dataclasses.asdict(self.config))

    async def _add_fault(self, request: web.Request) -> web.Response:
        self.faults.append(await request.json())
        return web.json_response({})

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.json_response({})

    async def _add_behaviour(self, request: web.Request) -> web.Response:
        self.engine.behaviours.append(await request.json())
        return web.json_response({})

    async def _force(self, request: web.Request) -> web.Response:
        task = self.engine.tasks[request.match_info["id"]]
        change = await request.json()
        if change.get("status") in ("FAILED", "CANCELED", "COMPLETED"):
            self.engine.end(task, change["status"], change.get("error"))
        elif "status" in change:
            task.status = change["status"]
        task.hidden = change.get("hidden", task.hidden)
        return web.json_response({})


def _broken(request: web.Request, fault: dict[str, Any]) -> web.Response | None:
    """The answer that the fault asks for instead of the true one; None when it asks for none."""
    if fault.get("close"):
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    if "status" not in fault:
        return None
    body: dict[str, object] | str = {"errorMessage": "fault"}
    if fault["status"] == 401:
        body = {"error": "invalid_token", "error_description": "Token is invalid: x"}
    elif fault.get("html"):
        body = "<html><body>gateway</body></html>"
    answer = Refusal(fault["status"], body).response()
    if "retryAfter" in fault:
        answer.headers["Retry-After"] = str(fault["retryAfter"])
    return answer
