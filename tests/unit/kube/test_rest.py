"""Requests to the API server without the generated classes of its client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from reltio_export_operator.api.foreign import own
from reltio_export_operator.kube.client import KubeClient, TooManyPagesError
from reltio_export_operator.kube.discovery import served_by
from reltio_export_operator.kube.rest import RestClient, path_of

_META = {"namespace": "team-a", "name": "n", "uid": "u", "resourceVersion": "1"}

Raw = dict[str, Any]


class ApiServer:
    """Answers each request with the next of `answers`, or the last one, and remembers the requests."""

    def __init__(self) -> None:
        self.answers: list[Any] = [{}]
        self.status = 200
        self.requests: list[tuple[str, str, Raw, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read() or b"null")
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        text = given if isinstance(given, str) else json.dumps(given)
        return web.Response(text=text, status=self.status, content_type="application/json")


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    made = ApiServer()
    runner = web.AppRunner(app := web.Application())
    app.router.add_route("*", "/{path:.*}", made.answer)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"  # type: ignore[attr-defined]
    yield made
    await runner.cleanup()


@pytest.fixture
async def api(server: ApiServer) -> AsyncIterator[client.ApiClient]:
    configuration = client.Configuration(host=server.url)  # type: ignore[attr-defined]
    configuration.api_key = {"BearerToken": "Bearer token"}
    async with client.ApiClient(configuration) as made:
        yield made


def test_the_operator_loads_no_generated_class_of_the_kubernetes_client() -> None:
    code = """
import sys
from kubernetes.aio import client
import reltio_export_operator.handlers.operator
from reltio_export_operator.kube.client import KubeClient
from reltio_export_operator.kube.discovery import served_by
from reltio_export_operator.kube.election import LeaseClient
api = client.ApiClient.__new__(client.ApiClient)
KubeClient(api), LeaseClient(api, "n", "n"), served_by(api)
loaded = [name for name in sys.modules if name.startswith("kubernetes.aio.client.")]  # kopf has some of its own
print(sum(".models.v" in name or ".api." in name for name in loaded), "kubernetes.aio.client.rest" in loaded)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "0 True\n"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (path_of("", "v1", "secrets", namespace="a", name="b"), "/api/v1/namespaces/a/secrets/b"),
        (path_of("g.io", "v1", "jobs"), "/apis/g.io/v1/jobs"),
        (path_of("g.io", "v1", "jobs", namespace="a"), "/apis/g.io/v1/namespaces/a/jobs"),
        (path_of("g.io", "v1"), "/apis/g.io/v1"),
        (path_of("", "v1", "secrets", namespace="a", name="../b"), "/api/v1/namespaces/a/secrets/..%2Fb"),
    ],
)
def test_paths_are_those_of_the_api_server(path: str, expected: str) -> None:
    assert path == expected


async def test_a_request_has_the_token_and_the_body(server: ApiServer, api: client.ApiClient) -> None:
    await KubeClient(api).patch_status("exportjobs", {"metadata": _META}, {"phase": "Running"})
    ((method, path, headers, body),) = server.requests
    assert (method, path) == ("PATCH", "/apis/export.reltio.com/v1alpha1/namespaces/team-a/exportjobs/n/status")
    assert headers["Authorization"] == "Bearer token"
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert body == {"status": {"phase": "Running"}, "metadata": {"resourceVersion": "1", "uid": "u"}}


async def test_a_deletion_names_the_version_that_was_read(server: ApiServer, api: client.ApiClient) -> None:
    await KubeClient(api).delete("exportjobs", {"metadata": _META})
    assert server.requests[0][3] == {"preconditions": {"uid": "u", "resourceVersion": "1"}}


async def test_an_event_is_about_its_object(server: ApiServer, api: client.ApiClient) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    await KubeClient(api).post_event("ExportJob", {"metadata": _META}, "Normal", "Submitted", own("It was."), now)
    ((method, path, _, body),) = server.requests
    assert (method, path) == ("POST", "/api/v1/namespaces/team-a/events")
    assert body["involvedObject"] == {"apiVersion": "export.reltio.com/v1alpha1", "kind": "ExportJob", **_META}
    assert (body["firstTimestamp"], body["count"], body["message"]) == ("2026-01-02T03:04:05Z", 1, "It was.")


async def test_a_list_is_read_page_by_page(server: ApiServer, api: client.ApiClient) -> None:
    server.answers = [  # a token of the API server may have any characters
        {"metadata": {"continue": "more/+"}, "items": [{"metadata": {"name": "a"}}]},
        {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "b"}}]},
    ]
    found = [one["metadata"]["name"] async for one in KubeClient(api).list_objects("exportjobs", None)]
    assert found == ["a", "b"]
    assert [path for _, path, _, _ in server.requests] == [
        "/apis/export.reltio.com/v1alpha1/exportjobs?limit=500",
        "/apis/export.reltio.com/v1alpha1/exportjobs?limit=500&continue=more/%2B",
    ]


async def test_a_list_that_does_not_end_is_an_error(
    server: ApiServer, api: client.ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reltio_export_operator.kube.client._MAX_PAGES", 3)
    server.answers = [{"metadata": {"continue": "x"}, "items": []}]
    with pytest.raises(TooManyPagesError, match="more than 3 pages"):
        assert not [one async for one in KubeClient(api).list_objects("exportjobs", "team-a")]
    assert len(server.requests) == 3


async def test_the_kinds_are_those_of_the_group(server: ApiServer, api: client.ApiClient) -> None:
    server.answers = [{"kind": "APIResourceList", "resources": [{"name": "exportjobs", "verbs": ["get"]}]}]
    assert list(await served_by(api)()) == ["exportjobs"]


@pytest.mark.parametrize("answer", ["{", "[1", "<html>"])
async def test_an_answer_that_is_not_json_is_an_error_of_the_api_server(
    server: ApiServer, api: client.ApiClient, answer: str
) -> None:
    server.answers = [answer]
    for ask in (RestClient(api).get("/apis"), served_by(api)()):
        with pytest.raises(ApiException) as raised:
            await ask
        assert raised.value.status == 500


async def test_an_error_has_its_status_and_body(server: ApiServer, api: client.ApiClient) -> None:
    server.status, server.answers = 403, [{"message": "secrets is forbidden"}]
    with pytest.raises(ApiException) as raised:
        await RestClient(api).get("/api")
    assert raised.value.status == 403
    assert "secrets is forbidden" in str(raised.value.body)
