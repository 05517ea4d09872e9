"""Every call whose answer comes from outside, made against a server of the test. Each raises when it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from botocore.utils import ContainerMetadataFetcher
from kubernetes import client as blocking
from kubernetes.aio import client

from any_host import ANY_HOST
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.meta import API_VERSION
from reltio_export_operator.aws.answers import LimitedCredentialsSession
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.roles import RoleReader
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore, StoredObject
from reltio_export_operator.aws.transport import session_factory
from reltio_export_operator.cli import cluster as commands
from reltio_export_operator.kube import connection, routing
from reltio_export_operator.kube.client import KubeClient
from reltio_export_operator.kube.discovery import served_by
from reltio_export_operator.kube.election import LeaseClient
from reltio_export_operator.kube.watching import WatchMonitor, watch_session
from reltio_export_operator.reltio.auth import TokenSource
from reltio_export_operator.reltio.client import ReltioClient
from reltio_export_operator.reltio.model import WireRequest
from reltio_export_operator.reltio.transport import http_client
from reltio_export_operator.runtime.network import Network

Call = Callable[[str], Awaitable[Any]]

_META = {"namespace": "team-a", "name": "n", "uid": "u", "resourceVersion": "1"}
_OBJECT = {"apiVersion": API_VERSION, "kind": "ExportJob", "metadata": _META, "spec": {}}
_ROLE = "arn:aws:iam::111122223333:role/lake"
_OWNER = Owner("team-a", "lake")


async def _all(listed: Any) -> list[Any]:
    return [each async for each in listed]


class _Token:
    async def token(self) -> str:
        return "t"

    def invalidate(self, token: str) -> None: ...


def _reltio(call: Callable[[ReltioClient], Any]) -> Call:
    async def made(url: str) -> Any:
        async with http_client(Network(), hosts=ANY_HOST) as http:
            return await call(ReltioClient(url, "acme01", _Token(), http=http))  # type: ignore[arg-type]

    return made


async def _token(url: str) -> Any:
    async with http_client(Network(), hosts=ANY_HOST) as http:
        return await TokenSource(url, "client", "secret", http=http).token()


def _kube(call: Callable[[client.ApiClient], Any]) -> Call:
    async def made(url: str) -> Any:
        async with _api(url) as api:
            return await call(api)

    return made


@asynccontextmanager
async def _api(url: str) -> Any:
    configuration = client.Configuration(host=url)
    with mock.patch.object(connection, "load_configuration", mock.AsyncMock(return_value=configuration)):
        loaded = await routing.load_configuration(Network())
    async with client.ApiClient(loaded) as api:
        yield api


def _watch(path: str) -> Call:
    """What kopf reads of a list or watch; refusals are waited out, so they are raised in place of the wait."""

    async def made(url: str) -> Any:
        async def sleep(_: float) -> None:
            raise RuntimeError(monitor.unready())

        async with _api(url) as api:
            monitor = WatchMonitor(["exportjobs"])
            monitor.begin()
            async with watch_session(api, monitor, sleep) as session, session.get(f"{url}{path}") as response:
                return await response.json()

    return made


def _aws(call: Callable[[RoleSessions, ObjectStore], Any]) -> Call:
    async def made(url: str) -> Any:
        make = session_factory(Network(region="us-east-1"))

        def new_session() -> Any:
            session = make()
            plain = session.client
            session.client = lambda service, **options: plain(service, endpoint_url=url, **options)  # type: ignore[assignment,method-assign]
            return session

        environment = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_MAX_ATTEMPTS": "1"}
        with ThreadPoolExecutor(1) as pool, mock.patch.dict("os.environ", environment):
            sessions = RoleSessions(pool, new_session=new_session)
            key = RoleKey(_OWNER, _ROLE, None, "us-east-1", (), 3600)
            s3 = sessions._client("s3", _ROLE, "us-east-1")
            role = AssumedRole(key, s3, datetime.now(UTC))
            return await call(sessions, ObjectStore(sessions, role, "lake"))

    return made


async def _probe(_: RoleSessions, store: ObjectStore) -> None:
    async for _action, error in store.probe("x/", None, name="n"):
        if error is not None:
            raise error


def _listing(_: RoleSessions, store: ObjectStore) -> Any:
    return _all(store.list("x/"))


async def _credentials(url: str) -> Any:
    fetcher = ContainerMetadataFetcher(session=LimitedCredentialsSession(timeout=2), sleep=lambda _: None)
    return fetcher.retrieve_full_uri(url.replace("127.0.0.1", "localhost"))


def _command(call: Callable[[commands.Cluster], Any]) -> Call:
    async def made(url: str) -> Any:
        loaded = blocking.Configuration(host=url, proxy="", no_proxy="")
        api = commands._routed(loaded, Network())
        return call(commands.Cluster(blocking.CustomObjectsApi(api), blocking.CoreV1Api(api), "team-a"))

    return made


def _shown(events: list[Any]) -> list[Any]:
    """Events of which none are shown after an error status, which is raised here as for other calls."""
    if not events:
        raise RuntimeError("no events after status 500")
    return events


def _lease(call: Callable[[LeaseClient], Any]) -> Call:
    return _kube(lambda api: call(LeaseClient(api, "team-a", "lease")))


def _objects(call: Callable[[KubeClient], Any]) -> Call:
    return _kube(lambda api: call(KubeClient(api)))


_FILE = StoredObject("x/file.json", 10, "etag")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LEASE = {"metadata": _META, "spec": {}}

JSON_CALLS: dict[str, Call] = {
    "token": _token,
    "submit": _reltio(lambda reltio: reltio.submit(WireRequest("entities", {}, {}, {}))),
    "number of tasks": _reltio(lambda reltio: reltio.ping_tenant()),
    "active tasks": _reltio(lambda reltio: _all(reltio.active_tasks())),
    "history": _reltio(lambda reltio: _all(reltio.history())),
    "external ID": _reltio(lambda reltio: reltio.new_external_id()),
    "task": _reltio(lambda reltio: reltio.task("t")),
    "stop": _reltio(lambda reltio: reltio.stop("t")),
    "get": _objects(lambda kube: kube.get("exportjobs", "team-a", "n")),
    "list": _objects(lambda kube: _all(kube.list_objects("exportjobs", None))),
    "list of a namespace": _objects(lambda kube: _all(kube.list_objects("exportjobs", "team-a"))),
    "patch": _objects(lambda kube: kube.annotate("exportjobs", _OBJECT, {})),
    "patch status": _objects(lambda kube: kube.patch_status("exportjobs", _OBJECT, {})),
    "create": _objects(lambda kube: kube.create("exportjobs", _OBJECT)),
    "delete": _objects(lambda kube: kube.delete("exportjobs", _OBJECT)),
    "secret": _objects(lambda kube: kube.secret_values("team-a", "n", ("k",))),
    "event": _objects(lambda kube: kube.post_event("ExportJob", _OBJECT, "Normal", "R", own("m"), _NOW)),
    "kinds": _kube(lambda api: served_by(api)()),
    "namespace": _kube(lambda api: client.CoreV1Api(api).read_namespace("team-a", _request_timeout=30)),
    "lease": _lease(lambda leases: leases.get()),
    "new lease": _lease(lambda leases: leases.create({})),
    "renewed lease": _lease(lambda leases: leases.replace(_LEASE)),
    "event of the lease": _lease(lambda leases: leases.announce(_LEASE, "m")),
    "list of kopf": _watch(f"/apis/{API_VERSION}/exportjobs?limit=500"),
    "credentials of the pod": _credentials,
    "command get": _command(lambda cluster: cluster.get("exportjobs", "n")),
    "command create": _command(lambda cluster: cluster.create("exportjobs", _OBJECT)),
    "command patch": _command(lambda cluster: cluster.patch("exportjobs", "n", {})),
    "command events": _command(lambda cluster: _shown(cluster.events("u"))),
    "command secret": _command(lambda cluster: cluster.secret("n")),
}
XML_CALLS: dict[str, Call] = {
    "assume role": _aws(lambda sessions, _: sessions.assume(_OWNER, _ROLE, None)),
    "role": _aws(lambda sessions, _: RoleReader(sessions, _OWNER).describe(_ROLE)),
    "probe": _aws(_probe),
    "listing": _aws(_listing),
    "put": _aws(lambda _, store: store.put("x", b"")),
    "put pointer": _aws(lambda _, store: store.put_if("x", b"", "etag")),
    "delete object": _aws(lambda _, store: store.delete("x")),
}
# Calls whose successful answer is an object of S3, which has limits of its own: only errors are answers.
OBJECT_CALLS: dict[str, Call] = {
    "read part of an object": _aws(lambda _, store: store.read_range(_FILE, 0, 10)),
    "read pointer": _aws(lambda _, store: store.find("x", 1 << 20)),
    "check object": _aws(lambda _, store: store.check_file(_FILE)),
}
