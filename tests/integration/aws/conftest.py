"""boto3 as it is, against moto with IAM deciding."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import boto3
import pytest
import pytest_asyncio

from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import AssumedRole, RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.runtime.clock import SystemClock
from reltio_export_sandbox.cloud import Cloud
from reltio_export_sandbox.cloud.cloud import EXPORT_ACTIONS

OWNER = Owner("mdm", "lake")
EXTERNAL_ID = "3f0c2b5e-8d1a-4c56-9a2f-0b7f7f6f1c11"


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def cloud() -> AsyncIterator[Cloud]:
    cloud = Cloud()
    await cloud.start()
    yield cloud
    await cloud.stop()


@dataclass
class Account:
    """One bucket and one role of the account, the operator's sessions, and their clock."""

    cloud: Cloud
    pool: Executor
    name: str
    role_arn: str = ""
    ahead: timedelta = timedelta()

    def __post_init__(self) -> None:
        self.sessions = self.operator()

    def operator(self, boto: boto3.Session | None = None) -> RoleSessions:
        """Sessions of an operator that has just started, in the environment as it is or as somebody else."""
        account = self

        class ClockAhead(SystemClock):
            def utc_now(self) -> datetime:
                return super().utc_now() + account.ahead

        return RoleSessions(self.pool, new_session=lambda: boto or boto3.Session(), clock=ClockAhead())

    async def create(self) -> None:
        await asyncio.to_thread(self.cloud.create_bucket, self.name)
        self.role_arn = await asyncio.to_thread(self.cloud.put_role, self.name, external_id=EXTERNAL_ID)

    async def allow(self, actions: Iterable[str]) -> None:
        await asyncio.to_thread(self.cloud.set_actions, self.name, actions)

    async def allow_all_but(self, action: str) -> None:
        await self.allow([allowed for allowed in EXPORT_ACTIONS if allowed != action])

    async def assume(self, external_id: str | None = EXTERNAL_ID, *, fresh: bool = False) -> AssumedRole:
        return await self.sessions.assume(OWNER, self.role_arn, external_id, region="us-east-1", fresh=fresh)

    async def store(self, bucket: str | None = None) -> ObjectStore:
        return ObjectStore(self.sessions, await self.assume(), bucket or self.name)


@pytest.fixture
def operator_environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What IRSA or a Secret would give the operator, and where AWS is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", cloud.operator_credentials.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", cloud.operator_credentials.secret)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
async def account(cloud: Cloud, operator_environment: None) -> AsyncIterator[Account]:
    with ThreadPoolExecutor(4) as pool:
        account = Account(cloud, pool, f"lake-{uuid.uuid4().hex[:12]}")
        await account.create()
        yield account
