"""The embedded API as pods reach it: with a ServiceAccount's token."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from reltio_export_sandbox.apiserver.tokens import requires_token


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer right", 200),
        ("bearer other", 200),
        ("Bearer wrong", 401),
        ("Bearer rightly", 401),
        ("Bearer", 401),
        ("Basic right", 401),
        ("right", 401),
        (None, 401),
    ],
)
async def test_only_callers_with_a_known_token_are_served(header: str | None, status: int) -> None:
    app = web.Application(middlewares=[requires_token({"right", "other"})])
    app.router.add_get("/", hello)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/", headers={"Authorization": header} if header else {})
        assert response.status == status
        if status == 401:
            assert (await response.json())["reason"] == "Unauthorized"
