"""Sessions of the customers' roles: assumed once, shared, and renewed shortly before they expire.

boto3 is blocking, so it runs in a bounded pool of threads. Endpoint, region and the operator's own credentials
come from boto3's environment, so IRSA, EKS Pod Identity and AWS_ENDPOINT_URL work as everywhere.
"""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ..api.target import partition_of
from .errors import from_botocore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

P = ParamSpec("P")
T = TypeVar("T")

_RENEW_BEFORE = timedelta(minutes=5)
_SESSION_NAME = "reltio-export-operator"
_DURATION = 3600  # seconds; AWS's cap when the operator's own credentials are a role's (role chaining)
_LONGEST_POLICY = 2048  # characters that AssumeRole takes
_KEPT = 128  # an S3 client holds some hundred kilobytes
_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"max_attempts": 2, "mode": "standard"})
# Where STS is asked when neither the target nor the environment names a region: partitions do not know each other.
_HOME_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True)
class RoleKey:
    """What makes two sessions the same."""

    role_arn: str
    external_id: str | None = field(repr=False)
    region: str | None
    policy: str | None
    duration: int


@dataclass(frozen=True)
class AssumedRole:
    """A live session of a role, with its S3 client."""

    key: RoleKey
    s3: S3Client
    expires: datetime


class RoleSessions:
    """Assumes roles and keeps the sessions. Who asks for one that is being assumed waits for it and shares its fate."""

    def __init__(
        self,
        pool: Executor,
        *,
        bulk: Executor | None = None,
        new_session: Callable[[], boto3.Session] = boto3.Session,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._bulk = bulk or pool
        self._now = now
        self._new_session = new_session
        self._boto: boto3.Session | None = None
        self._creating = threading.Lock()  # boto3 must not create clients in two threads at once
        self._kept: OrderedDict[RoleKey, AssumedRole] = OrderedDict()
        self._pending: dict[RoleKey, asyncio.Task[AssumedRole]] = {}

    async def assume(
        self,
        role_arn: str,
        external_id: str | None,
        *,
        region: str | None = None,
        policy: dict[str, Any] | None = None,
        duration: int = _DURATION,
        fresh: bool = False,
    ) -> AssumedRole:
        """The session of this role, limited by the session policy if there is one. Raises AwsError.

        `region` is the bucket's; `duration` is in seconds; `fresh` asks AWS anew, as a proof.
        """
        packed = json.dumps(policy, separators=(",", ":")) if policy else None
        if packed is not None and len(packed) > _LONGEST_POLICY:
            packed = None  # a path so long cannot be pinned
        key = RoleKey(role_arn, external_id, region, packed, duration)
        kept = self._kept.get(key)
        if kept is not None and not fresh and kept.expires - self._now() > _RENEW_BEFORE:
            self._kept.move_to_end(key)
            return kept
        if key not in self._pending:
            self._pending[key] = asyncio.create_task(self._renew(key))
        return await asyncio.shield(self._pending[key])

    def forget(self, role: AssumedRole) -> None:
        """Drop this session: AWS refuses it. A newer one of the same role is kept."""
        if self._kept.get(role.key) is role:
            del self._kept[role.key]

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in the pool."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, functools.partial(call, *args, **kwargs))

    async def run_bulk(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call that may take long, such as reading a file: others do not wait for its thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._bulk, functools.partial(call, *args, **kwargs))

    async def _renew(self, key: RoleKey) -> AssumedRole:
        try:
            assumed = await self.run(self._assume, key)
        finally:
            del self._pending[key]
        self._kept[key] = assumed
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return assumed

    def _assume(self, key: RoleKey) -> AssumedRole:
        optional: dict[str, Any] = {}
        if key.external_id:
            optional["ExternalId"] = key.external_id
        if key.policy:
            optional["Policy"] = key.policy
        try:
            # The STS client is made anew: one that found no credentials of the operator would never look again.
            sts: STSClient = self._client("sts", key)
            answer = sts.assume_role(
                RoleArn=key.role_arn,
                RoleSessionName=_SESSION_NAME,
                DurationSeconds=key.duration,
                **optional,
            )
            credentials = answer["Credentials"]
            s3 = self._client(
                "s3",
                key,
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
            )
        except (BotoCoreError, ClientError) as error:
            secrets = [key.external_id] if key.external_id else []
            raise from_botocore(error, "sts:AssumeRole", key.role_arn, secrets=secrets) from None
        return AssumedRole(key, s3, credentials["Expiration"])

    def own_client(self, service: str, role_arn: str) -> Any:
        """A client that acts as the operator itself, in the partition of this role. Blocking."""
        return self._client(service, RoleKey(role_arn, None, None, None, 0))

    def _client(self, service: Any, key: RoleKey, **credentials: Any) -> Any:
        with self._creating:
            if self._boto is None:
                self._boto = self._new_session()
            region = key.region or self._boto.region_name or _HOME_REGIONS[partition_of(key.role_arn)]
            return self._boto.client(service, region_name=region, config=_CONFIG, **credentials)
