"""A cache of the sessions of assumed roles, with an S3 client for each.

boto3 blocks, so its calls run in a bounded pool of threads. Endpoint, region and the operator's own credentials
come from boto3's environment: IRSA, EKS Pod Identity and AWS_ENDPOINT_URL work as in any program.
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
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ..api.foreign import KNOWN, Secrets
from ..api.reasons import ConditionReason
from ..api.target import partition_of
from ..runtime.allowed_roles import AllowedRoles
from ..runtime.clock import SYSTEM_CLOCK, Clock
from . import messages
from .errors import AwsError, from_botocore
from .owner import Owner

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

P = ParamSpec("P")
T = TypeVar("T")

_RENEW_BEFORE = timedelta(minutes=5)
# Role chaining limits a session to one hour, and a session policy has at most 2,048 characters.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (text of botocore 1.44.5)
_SESSION_SECONDS = 3600
_MAX_POLICY_LENGTH = 2048
_MAX_CACHED_SESSIONS = 128  # an S3 client holds some hundred kilobytes
_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"max_attempts": 2, "mode": "standard"})
# Used when neither the target nor the environment names a region. STS knows the roles of its own partition only.
_DEFAULT_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True)
class RoleKey:
    """The parameters of AssumeRole. Callers with equal ones share a session."""

    owner: Owner
    role_arn: str
    external_id: str | None = field(repr=False)
    region: str | None
    policy: str | None
    duration: int


@dataclass(frozen=True)
class AssumedRole:
    """A session of a role, with its S3 client. `expires` is a time in UTC."""

    key: RoleKey
    s3: S3Client
    expires: datetime


class RoleSessions:
    """Assumes roles and caches the sessions. Concurrent callers share one AssumeRole call and its result."""

    def __init__(
        self,
        pool: Executor,
        *,
        bulk: Executor | None = None,
        new_session: Callable[[], boto3.Session] = boto3.Session,
        allowed: AllowedRoles | None = None,
        session_tags: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._allowed = allowed or AllowedRoles()
        self._session_tags = session_tags
        self._pool = pool
        self._bulk = bulk or pool
        self._clock = clock
        self._new_session = new_session
        self._boto: boto3.Session | None = None
        self._client_lock = threading.Lock()  # boto3 cannot create clients in two threads at once
        self._cached: OrderedDict[RoleKey, AssumedRole] = OrderedDict()
        self._pending: dict[RoleKey, asyncio.Task[AssumedRole]] = {}

    def check_allowed(self, owner: Owner, role_arn: str) -> None:
        """Raise AwsError if a target in this namespace may not name this role. Nothing is sent."""
        if not self._allowed.allows(owner.namespace, role_arn):
            raise AwsError(messages.ROLE_NOT_ALLOWED, role=role_arn, namespace=owner.namespace)

    def refusal_of(self, owner: Owner, role_arn: str) -> ConditionReason | None:
        """Why a target in this namespace may not name this role; None if it may."""
        try:
            self.check_allowed(owner, role_arn)
        except AwsError as error:
            return ConditionReason(error.reason, error.text)
        return None

    async def assume(
        self,
        owner: Owner,
        role_arn: str,
        external_id: str | None,
        *,
        region: str | None = None,
        policy: dict[str, Any] | None = None,
        duration: int = _SESSION_SECONDS,
        fresh: bool = False,
    ) -> AssumedRole:
        """The session of this role for the owner, limited by the session policy if there is one. Raises AwsError.

        `region`: that of the bucket. `duration`: in seconds. `fresh`: call AssumeRole even if a session is cached.
        """
        self.check_allowed(owner, role_arn)
        packed = json.dumps(policy, separators=(",", ":")) if policy else None
        if packed is not None and len(packed) > _MAX_POLICY_LENGTH:
            packed = None  # the session then has all permissions of the role
        key = RoleKey(owner, role_arn, external_id, region, packed, duration)
        cached = self._cached.get(key)
        if cached is not None and not fresh and cached.expires - self._clock.utc_now() > _RENEW_BEFORE:
            self._cached.move_to_end(key)
            return cached
        if key not in self._pending:
            self._pending[key] = asyncio.create_task(self._renew(key))
        return await asyncio.shield(self._pending[key])

    def forget(self, role: AssumedRole) -> None:
        """Remove this session from the cache; AWS refused it. A newer one of the same role stays."""
        if self._cached.get(role.key) is role:
            del self._cached[role.key]

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in the pool of threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, functools.partial(call, *args, **kwargs))

    async def run_bulk(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call that may take minutes, such as reading a file, in a pool of its own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._bulk, functools.partial(call, *args, **kwargs))

    async def _renew(self, key: RoleKey) -> AssumedRole:
        try:
            assumed = await self.run(self._assume, key)
        finally:
            del self._pending[key]
        self._cached[key] = assumed
        self._cached.move_to_end(key)
        while len(self._cached) > _MAX_CACHED_SESSIONS:
            self._cached.popitem(last=False)
        return assumed

    def _assume(self, key: RoleKey) -> AssumedRole:
        optional: dict[str, Any] = {}
        if key.external_id:
            optional["ExternalId"] = key.external_id
        if key.policy:
            optional["Policy"] = key.policy
        if self._session_tags:
            optional["Tags"] = key.owner.tags
        try:
            # A new client each time: botocore does not search for credentials again where it found none.
            sts: STSClient = self._client("sts", key.role_arn, key.region)
            answer = sts.assume_role(
                RoleArn=key.role_arn,
                RoleSessionName=key.owner.session_name,
                DurationSeconds=key.duration,
                **optional,
            )
            credentials = answer["Credentials"]
            KNOWN.add(key.owner.namespace, credentials["SecretAccessKey"])
            s3 = self._client(
                "s3",
                key.role_arn,
                key.region,
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
            )
        except (BotoCoreError, ClientError) as error:
            secrets = Secrets.of(key.external_id) | key.owner.secrets
            failure = from_botocore(error, "sts:AssumeRole", key.role_arn, secrets=secrets)
            if self._session_tags and failure.reason == messages.ASSUME_ROLE_DENIED.name:
                failure = AwsError(messages.ASSUME_TAGGED_ROLE_DENIED, code=failure.code, role=key.role_arn)
            raise failure from None
        return AssumedRole(key, s3, credentials["Expiration"])

    def own_client(self, service: str, role_arn: str) -> Any:
        """A client with the operator's own credentials, in the partition of this role. Blocking."""
        return self._client(service, role_arn, None)

    def _client(self, service: Any, role_arn: str, region: str | None, **credentials: Any) -> Any:
        with self._client_lock:
            if self._boto is None:
                self._boto = self._new_session()
            region = region or self._boto.region_name or _DEFAULT_REGIONS[partition_of(role_arn)]
            return self._boto.client(service, region_name=region, config=_CONFIG, **credentials)
