"""Requests to the API server with plain values.

The generated classes of the Kubernetes client are not used: to import them takes 0.7 s, during which nothing else runs,
and 110 MiB of memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote as percent_encoded
from urllib.parse import urlencode

import msgspec
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from ..runtime.slices import parse_in_slices

JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
CALL_SECONDS = 30

T = TypeVar("T")
Query = Mapping[str, str | int | None]


class RestClient:
    """Calls of the API server. Every method raises ApiException for an error status, or what the connection raises.

    Paths are made with `path_of`. `seconds` is the time that a call may take.
    """

    def __init__(self, api: client.ApiClient, *, seconds: float = CALL_SECONDS) -> None:
        self._api = api
        self._seconds = seconds

    async def get(self, path: str, query: Query | None = None) -> Any:
        """The answer as parsed JSON."""
        return await self._parsed("GET", await self._read("GET", path, query=query))

    async def get_as(self, type_: type[T], path: str, query: Query | None = None) -> T:
        """The answer as a value of this type of msgspec, which is parsed at once: it should leave most of it out."""
        content = await self._read("GET", path, query=query)
        try:
            return msgspec.json.decode(content, type=type_)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
            raise _not_understood("GET") from None

    async def post(self, path: str, body: Any) -> Any:
        return await self._parsed("POST", await self._read("POST", path, body=body))

    async def put(self, path: str, body: Any) -> Any:
        return await self._parsed("PUT", await self._read("PUT", path, body=body))

    async def patch(self, path: str, body: Any) -> Any:
        """A JSON merge patch (RFC 7386)."""
        return await self._parsed("PATCH", await self._read("PATCH", path, body=body, content_type=MERGE_PATCH))

    async def delete(self, path: str, body: Any) -> Any:
        return await self._parsed("DELETE", await self._read("DELETE", path, body=body))

    async def _read(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, content_type: str = JSON
    ) -> bytes:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        url = self._api.configuration.host + path + (f"?{urlencode(given)}" if given else "")
        headers = {"Accept": JSON, "Content-Type": content_type, **self._api.default_headers}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        response = await self._api.call_api(method, url, headers, body, _request_timeout=self._seconds)
        content: bytes = await response.read()
        if not 200 <= response.status <= 299:
            text = content.decode(errors="replace")
            raise ApiException.from_response(http_resp=response, body=text, data=None)
        return content

    @staticmethod
    async def _parsed(method: str, content: bytes) -> Any:
        try:
            return await parse_in_slices(content)
        except ValueError:
            raise _not_understood(method) from None


def path_of(group: str, version: str, plural: str = "", *, namespace: str | None = None, name: str = "") -> str:
    """The path of an object, or of a list without a name. The group of core objects is empty."""
    parts = ["apis", group, version] if group else ["api", version]
    parts += ["namespaces", namespace] if namespace is not None else []
    parts += [part for part in (plural, name) if part]
    return "".join(f"/{percent_encoded(part, safe='')}" for part in parts)


def _not_understood(method: str) -> ApiException:
    """As for an error of the API server, which is tried again later."""
    return ApiException(status=500, reason=f"The answer to {method} is not the JSON that was expected")
