"""Sessions of the customers' roles: assumed once, shared, and renewed shortly before they expire.

boto3 is blocking, so it runs in a bounded pool of threads. Endpoint, region and the operator's own credentials
come from boto3's environment, so IRSA, EKS Pod Identity and AWS_ENDPOINT_URL work as everywhere.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import boto3
from botocore.config import Config

from .errors import from_botocore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

P = ParamSpec("P")
T = TypeVar("T")

_RENEW_BEFORE = timedelta(minutes=5)
_SESSION_NAME = "reltio-export-operator"
_DURATION = 3600  # the cap when the operator's own credentials are a role's
_KEPT = 256
_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"max_attempts": 2, "mode": "standard"})


@dataclass(frozen=True)
class RoleKey:
    """What makes two sessions the same."""

    role_arn: str
    external_id: str | None
    region: str | None
    policy: str | None = None

    def __repr__(self) -> str:
        return f"RoleKey({self.role_arn})"


@dataclass(frozen=True)
class AssumedRole:
    """A live session of a role, with its S3 client."""

    s3: S3Client
    expires: datetime


class RoleSessions:
    """Assumes roles, single-flight, and keeps the sessions until shortly before they expire."""

    def __init__(self, pool: Executor, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._pool = pool
        self._now = now
        self._boto: boto3.Session | None = None
        self._kept: OrderedDict[RoleKey, AssumedRole] = OrderedDict()
        self._locks: dict[RoleKey, asyncio.Lock] = {}

    async def assume(
        self,
        role_arn: str,
        external_id: str | None,
        *,
        region: str | None = None,
        policy: dict[str, Any] | None = None,
        fresh: bool = False,
    ) -> AssumedRole:
        """The session of this role. `fresh` asks AWS anew, as a proof. Raises AwsError."""
        key = RoleKey(role_arn, external_id, region, json.dumps(policy) if policy else None)
        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is not None and not fresh and kept.expires - self._now() > _RENEW_BEFORE:
                self._kept.move_to_end(key)
                return kept
            assumed = await self.run(self._assume, key)
            self._kept[key] = assumed
            while len(self._kept) > _KEPT:
                dropped, _ = self._kept.popitem(last=False)
                self._locks.pop(dropped, None)
            return assumed

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in the pool."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, functools.partial(call, *args, **kwargs))

    def _assume(self, key: RoleKey) -> AssumedRole:
        if self._boto is None:
            self._boto = boto3.Session()
        optional: dict[str, Any] = {}
        if key.external_id:
            optional["ExternalId"] = key.external_id
        if key.policy:
            optional["Policy"] = key.policy
        region = key.region or self._boto.region_name or "us-east-1"
        try:
            sts = self._boto.client("sts", region_name=region, config=_CONFIG)
            answer = sts.assume_role(
                RoleArn=key.role_arn,
                RoleSessionName=_SESSION_NAME,
                DurationSeconds=_DURATION,
                **optional,
            )
        except Exception as error:
            raise from_botocore(error, "sts:AssumeRole", key.role_arn) from None
        credentials = answer["Credentials"]
        client = self._boto.client(
            "s3",
            region_name=region,
            config=_CONFIG,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )
        return AssumedRole(client, credentials["Expiration"])
