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
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import boto3
from botocore.parsers import ResponseParserError

from ..api.foreign import KNOWN, Secrets
from ..api.reasons import ConditionReason
from ..api.target import partition_of
from ..runtime.allowed_roles import AllowedRoles
from ..runtime.clock import SYSTEM_CLOCK, Clock
from ..runtime.slots import SlotLimits, Slots
from . import credentials, messages
from .calls import LimitedCalls, UnlimitedCalls
from .denials import ASSUME_ROLE, principal
from .errors import CALL_FAILURES, SESSION_POLICY_REFUSED, AwsError, clean, from_botocore
from .lean import share
from .owner import Owner
from .parsing import understood
from .places import CallsPausedError, Place
from .transport import CALLS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

P = ParamSpec("P")
T = TypeVar("T")

_RENEW_BEFORE = timedelta(minutes=5)
# Role chaining limits a session to one hour, and a session policy has at most 2,048 characters.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (text of botocore 1.44.5)
SESSION_SECONDS = 3600
_MAX_POLICY_LENGTH = 2048
# Each has an S3 client of some hundred kilobytes, in 1,200 objects that garbage collections visit.
_MAX_CACHED_SESSIONS = 64
# Used when neither the target nor the environment names a region. STS knows the roles of its own partition only.
_DEFAULT_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True)
class RoleKey:
    """The parameters of AssumeRole. Callers with equal ones share a session."""

    owner: Owner
    role_arn: str
    external_id: str | None = field(repr=False)
    region: str | None
    policies: tuple[str, ...]
    duration: int


@dataclass(frozen=True)
class AssumedRole:
    """A session of a role, with its S3 client. `expires` is a time in UTC.

    `policy` is the position of the session policy in what the caller asked for; None: the session has none.
    """

    key: RoleKey
    s3: S3Client
    expires: datetime
    policy: int | None = None


class RoleSessions:
    """Assumes roles and caches the sessions. Concurrent callers share one AssumeRole call and its result."""

    def __init__(
        self,
        pool: Executor | LimitedCalls,
        *,
        bulk: Executor | None = None,
        new_session: Callable[[], boto3.Session] = boto3.Session,
        allowed: AllowedRoles | None = None,
        session_tags: bool = False,
        of_user: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._allowed = allowed or AllowedRoles()
        self._session_tags = session_tags
        self._of_user = of_user  # the credentials are those of a person at a terminal
        self._calls = UnlimitedCalls(pool, bulk or pool) if isinstance(pool, Executor) else pool
        self._clock = clock
        self._new_session = new_session
        self._boto: boto3.Session | None = None
        self._shared: dict[str, tuple[Any, Any]] = {}
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
        policies: Sequence[dict[str, Any]] = (),
        duration: int = SESSION_SECONDS,
        fresh: bool = False,
    ) -> AssumedRole:
        """The session of this role for the owner. Raises AwsError.

        `policies`: session policies that may limit it, the one to use first. Where one is refused, as too large
        together with the session tags or by a store that does not know all its elements, the next is tried; without
        any, the session may do what the role may.
        `region`: that of the bucket. `duration`: in seconds. `fresh`: call AssumeRole even if a session is cached.
        """
        self.check_allowed(owner, role_arn)
        written = tuple(json.dumps(policy, separators=(",", ":")) for policy in policies)
        key = RoleKey(owner, role_arn, external_id, region, written, duration)
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

    def has_expired(self, role: AssumedRole) -> bool:
        """Whether the session is past its end, which AWS may also report as a denial."""
        return role.expires <= self._clock.utc_now()

    def place(self, service: str, role_arn: str, region: str | None) -> Place:
        """Where the calls of a client for this role go."""
        return Place.of(service, self._region(role_arn, region))

    def slots_by_region(self, limits: SlotLimits) -> Slots[str]:
        """Slots for work that makes several calls in a region, the one of `place`."""
        return self._calls.slots_by_region(limits)

    async def run(
        self, place: Place | None, namespace: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a blocking call in the pool of threads. `place`: where it is sent to; None: it sends nothing."""
        return await self._calls.small.run(place, namespace, functools.partial(call, *args, **kwargs))

    async def run_bulk(
        self, place: Place | None, namespace: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a blocking call that may take minutes, such as reading a file, in a pool of its own."""
        return await self._calls.bulk.run(place, namespace, functools.partial(call, *args, **kwargs))

    async def _renew(self, key: RoleKey) -> AssumedRole:
        try:
            place = self.place("sts", key.role_arn, key.region)
            assumed = await self.run(place, key.owner.namespace, self._assume, key)
        except CallsPausedError as error:
            raise _explained(error, key) from None
        finally:
            del self._pending[key]
        self._cached[key] = assumed
        self._cached.move_to_end(key)
        while len(self._cached) > _MAX_CACHED_SESSIONS:
            self._cached.popitem(last=False)
        return assumed

    def _assume(self, key: RoleKey) -> AssumedRole:
        position, answer = self._call_assume_role(key)
        try:
            with understood():
                own = answer["Credentials"]
                names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
                id_, secret, token = (own[name] for name in names)
                expires = own["Expiration"].astimezone(UTC)
        except ResponseParserError as error:
            raise self._failure(error, key) from None
        KNOWN.add(key.owner.namespace, secret)
        s3 = self._client(
            "s3",
            key.role_arn,
            key.region,
            aws_access_key_id=id_,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )
        return AssumedRole(key, s3, expires, position)

    def _call_assume_role(self, key: RoleKey) -> tuple[int | None, Any]:
        """The answer of STS, and the position of the session policy that it accepted."""
        optional: dict[str, Any] = {}
        if key.external_id:
            optional["ExternalId"] = key.external_id
        if self._session_tags:
            optional["Tags"] = key.owner.tags
        # A new client each time: botocore does not search for credentials again where it found none.
        sts: STSClient = self._own_client("sts", key.role_arn, key.region)
        fitting = [(at, policy) for at, policy in enumerate(key.policies) if len(policy) <= _MAX_POLICY_LENGTH]
        for position, policy in (*fitting, (None, None)):
            limit: dict[str, Any] = {"Policy": policy} if policy else {}
            try:
                return position, sts.assume_role(
                    RoleArn=key.role_arn,
                    RoleSessionName=key.owner.session_name,
                    DurationSeconds=key.duration,
                    **optional,
                    **limit,
                )
            except CALL_FAILURES as error:
                failure = self._failure(error, key)
                if policy is None or failure.code not in SESSION_POLICY_REFUSED:
                    raise failure from None
        raise AssertionError  # the last request has no policy, and either returned or failed

    def _failure(self, error: Exception, key: RoleKey) -> AwsError:
        """The failure of AssumeRole, with what only another call or a setting explains."""
        failure = _explained(error, key)
        if failure.reason == messages.ASSUME_ROLE_DENIED.name:
            return self._denial(error, failure, key)
        if failure.code == "InvalidClientTokenId" and key.region and self._principal(replace(key, region=None)):
            return AwsError(messages.OPERATOR_REGION_DISABLED, code=failure.code, region=key.region)
        rejected = (messages.OPERATOR_CREDENTIALS_REJECTED.name, messages.OPERATOR_CREDENTIALS_EXPIRED.name)
        if self._of_user and failure.reason in rejected:
            return AwsError(messages.USER_CREDENTIALS_REJECTED, code=failure.code, answer=clean(failure.code))
        return failure

    def _denial(self, error: Exception, failure: AwsError, key: RoleKey) -> AwsError:
        caller = failure.caller or self._principal(key)
        if self._session_tags and not failure.explained:
            reason = messages.ASSUME_TAGGED_ROLE_DENIED
            return AwsError(reason, code=failure.code, by=caller, role=key.role_arn)
        return failure if failure.caller else _explained(error, key, caller)

    def _principal(self, key: RoleKey) -> str:
        """The ARN of the operator's own principal; empty if AWS does not return it. Needs no permission.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html (text of botocore 1.44.5)
        """
        try:
            sts: STSClient = self._client("sts", key.role_arn, key.region)
            return principal(clean(sts.get_caller_identity()["Arn"], key.owner.secrets))
        except CALL_FAILURES:
            return ""

    def own_client(self, service: str, role_arn: str) -> Any:
        """A client with the operator's own credentials, in the partition of this role. Blocking. Raises AwsError."""
        return self._own_client(service, role_arn, None)

    def _own_client(self, service: str, role_arn: str, region: str | None) -> Any:
        credentials.resolve(self._find_credentials, of_user=self._of_user)
        try:
            return self._client(service, role_arn, region)
        except CALL_FAILURES as error:
            raise from_botocore(error, ASSUME_ROLE, role_arn) from None

    def _client(self, service: Any, role_arn: str, region: str | None, **own: Any) -> Any:
        with self._client_lock:
            session = self._session()
            client: Any = session.client(service, region_name=self._region(role_arn, region), config=CALLS, **own)
            share(client, service, self._shared)
            return client

    def _region(self, role_arn: str, region: str | None) -> str:
        """The region of a client for this role. That of the session is known once a client was made."""
        of_session = self._boto.region_name if self._boto is not None else None
        return region or of_session or _DEFAULT_REGIONS[partition_of(role_arn)]

    def _find_credentials(self) -> Any:
        with self._client_lock:
            return self._session().get_credentials()

    def _session(self) -> boto3.Session:
        if self._boto is None:
            self._boto = self._new_session()
        return self._boto


def _explained(error: Exception, key: RoleKey, caller: str = "") -> AwsError:
    secrets = Secrets.of(key.external_id) | key.owner.secrets
    return from_botocore(error, ASSUME_ROLE, key.role_arn, secrets=secrets, caller=caller)
