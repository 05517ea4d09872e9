"""Bearer tokens, as an API server asks them of callers."""

from __future__ import annotations

import hmac
from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from . import errors


def requires_token(tokens: Collection[str]) -> Middleware:
    """Refuse requests that do not carry one of these tokens."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not any(hmac.compare_digest(token.encode(), one.encode()) for one in tokens):
            refusal = errors.ApiError(401, "Unauthorized", "Unauthorized")
            return web.json_response(refusal.status(), status=refusal.code)
        return await handler(request)

    return check
