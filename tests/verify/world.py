"""One target with everything right, and the real controller that verifies it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import httpx

from clocks import FakeClock
from crash.clock import Clock
from crash.kube import MemoryKube, merged
from reltio_export_operator.api.decoding import decode_target
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.controllers.access import Access
from reltio_export_operator.controllers.cache import JobCache
from reltio_export_operator.controllers.call_limiter import CallLimiter
from reltio_export_operator.controllers.targets.reconciler import TargetController
from reltio_export_operator.reltio.hosts import ReltioHosts
from reltio_export_operator.runtime.allowed_roles import AllowedRoles
from reltio_export_operator.runtime.circuits import Circuits
from reltio_export_sandbox.reltio import Client, Tenant
from reltio_export_sandbox.reltio.agenda import Inline
from reltio_export_sandbox.reltio.inprocess import InProcessReltio

from .aws import OPERATOR, Aws, Bucket, Role, allow

Raw = dict[str, Any]
NAMESPACE, TARGET = "mdm", "lake"
CLIENT = Client("export-client", "client-secret")
BUCKET, EXTERNAL_ID = "acme-mdm-exports", "3f0c2b5e-8d1a"
ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
KEY = "arn:aws:kms:us-east-1:111122223333:key/k"
RELTIO = "arn:aws:iam::999999999999:user/reltio.platform.jobs"
RIGHT_URLS = {"exportServiceURL": InProcessReltio.export_service_url, "authURL": InProcessReltio.auth_url}
PORTAL = InProcessReltio.export_service_url.replace("/jobs", "/portal/jobs")
SPEC: Raw = {
    "reltio": {
        **RIGHT_URLS,
        "tenant": "acme01",
        "credentialsSecretRef": {"name": "reltio-api"},
    },
    "s3": {
        "bucket": BUCKET,
        "path": "/reltio/",
        "region": "us-east-1",
        "roleARN": ROLE,
        "externalID": EXTERNAL_ID,
    },
}


class World:
    """The services, the cluster and the target. What is arranged wrongly can be put right again."""

    def __init__(self, spec: Raw | None = None) -> None:
        self.clock = FakeClock(datetime.now(UTC))
        self._clock = Clock()
        self._cut: list[str] = []
        self.allowed_roles: dict[str, list[str]] = {}  # the setting
        self.hosts = ReltioHosts(["reltio.test"], ["reltio.test"])  # by settings
        self.calls = 0  # to Reltio
        self.requests: list[bool] = []  # whether a request for a verification was taken
        self.kube = MemoryKube(self._clock, lambda: datetime.now(UTC))
        self.previous_external_id = ""
        self.clients(CLIENT)
        self.secret()
        self.aws = Aws(roles={ROLE: self.intended_role()}, buckets={BUCKET: Bucket()})
        self.kube.user_create("exporttargets", NAMESPACE, TARGET, merged(copy.deepcopy(SPEC), spec or {}))

    @property
    def spec(self) -> Raw:
        """Of the target, as it is now."""
        found: Raw = self.kube.objects["exporttargets", NAMESPACE, TARGET]["spec"]
        return found

    @property
    def path(self) -> str:
        """The prefix of the keys of all exports."""
        return str(self.spec["s3"]["path"]).lstrip("/")

    def intended_role(self) -> Role:
        """The role as the customer meant it."""
        return Role(
            {
                "Effect": "Allow",
                "Principal": {"AWS": [OPERATOR, RELTIO]},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
            },
            [
                allow(["s3:ListBucket", "s3:GetBucketPublicAccessBlock"], [f"arn:aws:s3:::{BUCKET}"]),
                allow(["s3:PutObject", "s3:GetObject", "s3:DeleteObject"], [f"arn:aws:s3:::{BUCKET}/reltio/*"]),
            ],
        )

    def forget(self) -> None:
        """The next verification makes every check, also the rare ones."""
        self.kube.objects["exporttargets", NAMESPACE, TARGET].pop("status", None)

    def clients(self, *clients: Client) -> None:
        self.reltio = InProcessReltio(tenants=[Tenant("acme01", entities=10)], clients=clients)

    def secret(self, **change: str | None) -> None:
        values: dict[str, str | None] = {"clientID": CLIENT.id, "clientSecret": CLIENT.secret, **change}
        self.kube.secrets[NAMESPACE, "reltio-api"] = {key: value for key, value in values.items() if value}

    def cut(self, path: str) -> None:
        """Nothing below this path can be connected to."""
        self._cut.append(path)

    def connect(self) -> None:
        """Everything can be connected to again."""
        self._cut.clear()

    async def verify(self, *, requested: int = 0) -> ExportTarget:
        """What the status says after a reconcile, as in a new process.

        `requested`: how often a failed call for a job asks for a verification before.
        """

        class Network(httpx.AsyncBaseTransport):
            async def handle_async_request(network, request: httpx.Request) -> httpx.Response:  # noqa: N805
                self.calls += 1
                if any(request.url.path.startswith(path) for path in self._cut):
                    raise httpx.ConnectError("refused", request=request)
                if request.url.path.startswith("/portal/"):
                    return httpx.Response(200, html="<html>Log in</html>")
                return await self.reltio.handle_async_request(request)

        async with httpx.AsyncClient(transport=Network()) as http:
            allowed = AllowedRoles(self.allowed_roles)
            sessions = RoleSessions(Inline(), new_session=lambda: self.aws, allowed=allowed)  # type: ignore[arg-type, return-value]
            cache = JobCache()
            controller = TargetController(
                self.kube,
                Access(self.kube, http, hosts=self.hosts, clock=self.clock),
                sessions,
                cache,
                self.clock,
                retry_interval_seconds=0,
                probe_timeout_seconds=30,
                limiter=CallLimiter(Circuits(self.clock), lambda key: None),
                wake_job=lambda key: None,
            )
            cache.put_target(decode_target(self.kube.objects["exporttargets", NAMESPACE, TARGET]))
            self.requests = [controller.request_verification((NAMESPACE, TARGET)) for _ in range(requested)]
            await controller.reconcile((NAMESPACE, TARGET))
        return decode_target(self.kube.objects["exporttargets", NAMESPACE, TARGET])
