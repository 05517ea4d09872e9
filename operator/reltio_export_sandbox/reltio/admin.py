"""The admin API under ``/_sim/``: what was asked, what was taken on, and what is to go wrong."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
from aiohttp import web

from .behaviour import Behaviour
from .faults import Fault
from .service import ReltioService


def add_admin_routes(app: web.Application, service: ReltioService) -> None:
    """Bodies and answers are JSON. 400 says what is wrong with a body."""
    admin = _Admin(service)
    app.router.add_get("/_sim/requests", admin.requests)
    app.router.add_delete("/_sim/requests", admin.clear_requests)
    app.router.add_get("/_sim/exports", admin.exports)
    app.router.add_patch("/_sim/config", admin.configure)
    app.router.add_get("/_sim/faults", admin.faults)
    app.router.add_post("/_sim/faults", admin.add_fault)
    app.router.add_delete("/_sim/faults", admin.clear_faults)
    app.router.add_post("/_sim/behaviours", admin.add_behaviour)
    app.router.add_delete("/_sim/tokens", admin.revoke_tokens)
    app.router.add_patch("/_sim/tasks/{id}", admin.force)


class _Admin:
    def __init__(self, service: ReltioService) -> None:
        self._service = service

    async def requests(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._service.requests))

    async def clear_requests(self, _: web.Request) -> web.Response:
        self._service.requests.clear()
        return web.json_response({})

    async def exports(self, _: web.Request) -> web.Response:
        shown = [
            {
                **dataclasses.asdict(run.order),
                "status": [task.status for task in run.tasks],
                "files": run.files,
                "objects": run.objects,
            }
            for run in self._service.engine.runs
        ]
        return web.json_response(shown)

    async def configure(self, request: web.Request) -> web.Response:
        known = dataclasses.asdict(self._service.config)
        changes: dict[str, Any] = await request.json()
        if unknown := sorted(changes.keys() - known.keys()):
            raise web.HTTPBadRequest(text=f"unknown settings: {', '.join(unknown)}")
        for key, value in changes.items():
            setattr(self._service.config, key, value)
        return web.json_response(known | changes)

    async def faults(self, _: web.Request) -> web.Response:
        return web.json_response([msgspec.to_builtins(fault) for fault in self._service.faults])

    async def add_fault(self, request: web.Request) -> web.Response:
        self._service.faults.append(await _read(request, Fault))
        return web.json_response({})

    async def clear_faults(self, _: web.Request) -> web.Response:
        self._service.faults.clear()
        return web.json_response({})

    async def add_behaviour(self, request: web.Request) -> web.Response:
        self._service.engine.behaviours.append(await _read(request, Behaviour))
        return web.json_response({})

    async def revoke_tokens(self, _: web.Request) -> web.Response:
        self._service.tokens.revoke_all()
        return web.json_response({})

    async def force(self, request: web.Request) -> web.Response:
        """Put a task into a state: `{"status": "FAILED", "error": "..."}`."""
        engine = self._service.engine
        task = engine.tasks.get(request.match_info["id"])
        if task is None:
            raise web.HTTPNotFound
        change: dict[str, str] = await request.json()
        engine.force(task, change["status"], change.get("error"))
        return web.json_response({})


async def _read(request: web.Request, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
