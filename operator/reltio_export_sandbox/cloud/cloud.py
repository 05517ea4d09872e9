"""The sandbox's AWS account: principals, roles and buckets, and what is to go wrong with them.

moto keeps the state and checks signatures; the gate before it has the rules that moto leaves out, such as a missing
external ID, resources and conditions of policies, regions, and the length of sessions. See docs/sandbox-cloud.md.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import httpx
from botocore.config import Config

_REGION = "us-east-1"
_ACCOUNT = "123456789012"
EXPORT_ACTIONS = ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
_CONFIG = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30, proxies={})  # it is on loopback


@dataclass(frozen=True)
class AccessKey:
    id: str
    secret: str = field(repr=False)


class Cloud:
    """moto with IAM enforced. The helpers that change the account block: call them in a thread."""

    operator_principal_arn = f"arn:aws:iam::{_ACCOUNT}:user/export-operator"
    reltio_principal_arn = f"arn:aws:iam::{_ACCOUNT}:user/reltio.platform.jobs"

    admin_principal_arn = f"arn:aws:iam::{_ACCOUNT}:user/sandbox-admin"

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._admin = AccessKey("testing", "testing")
        self.operator_credentials = self._admin
        self.reltio_credentials = self._admin
        self.url = ""

    async def start(self) -> None:
        """Start moto and create the principals; from then on IAM decides."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"{__package__}.server",
            str(self._port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        if not line.strip():
            raise RuntimeError("The AWS stand-in did not start.")
        self.url = f"http://127.0.0.1:{int(line)}"
        await asyncio.to_thread(self._create_principals)

    @property
    def admin_credentials(self) -> AccessKey:
        """Of the account's owner, who may do everything."""
        return self._admin

    async def stop(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def client(self, service: Any, *, region: str = _REGION) -> Any:
        """A boto3 client with the rights of an administrator."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=self._admin.id,
            aws_secret_access_key=self._admin.secret,
            config=_CONFIG,
        )

    def create_bucket(self, name: str, *, region: str = _REGION) -> None:
        place = {} if region == _REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.client("s3", region=region).create_bucket(Bucket=name, **place)

    def delete_bucket(self, name: str) -> None:
        """Delete the bucket with everything in it."""
        for key, _ in self.list_objects(name):
            self.delete_object(name, key)
        self.client("s3").delete_bucket(Bucket=name)

    def put_role(
        self,
        name: str,
        *,
        path: str = "/",
        external_id: str | None = None,
        actions: Iterable[str] = EXPORT_ACTIONS,
        max_session_seconds: int = 43200,
    ) -> str:
        """Create or replace a role that Reltio and the operator may assume; returns its ARN."""
        iam = self.client("iam")
        trust = json.dumps(self._trust(external_id))
        try:
            arn: str = iam.create_role(
                RoleName=name, Path=path, AssumeRolePolicyDocument=trust, MaxSessionDuration=max_session_seconds
            )["Role"]["Arn"]
        except iam.exceptions.EntityAlreadyExistsException:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
            arn = iam.get_role(RoleName=name)["Role"]["Arn"]
        self.set_actions(name, actions)
        return arn

    def set_external_id(self, role: str, external_id: str | None) -> None:
        document = json.dumps(self._trust(external_id))
        self.client("iam").update_assume_role_policy(RoleName=role, PolicyDocument=document)

    def set_actions(self, role: str, actions: Iterable[str]) -> None:
        """Let the role do exactly these actions."""
        self.set_statements(role, {"Effect": "Allow", "Action": list(actions), "Resource": "*"})

    def set_statements(self, role: str, *statements: dict[str, Any]) -> None:
        """Give the role this policy and no other."""
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.client("iam").put_role_policy(RoleName=role, PolicyName="export", PolicyDocument=document)

    def add_fault(self, **fault: Any) -> None:
        """Lay a fault on requests: the fields of `gate.CloudFault`."""
        self._control("POST", "faults", fault)

    def clear_faults(self) -> None:
        self._control("DELETE", "faults")

    def configure(self, *, chained: Sequence[str] = (), disabled_keys: Sequence[str] = ()) -> None:
        """ARNs of principals whose sessions are capped at an hour, as those of roles are, and of unusable KMS keys."""
        self._control("PUT", "settings", {"chained": list(chained), "disabled_keys": list(disabled_keys)})

    def end_sessions(self) -> None:
        """Let all credentials of assumed roles expire now."""
        self._control("DELETE", "sessions")

    def requests(self) -> list[dict[str, str]]:
        """Signed calls of S3 and STS so far, oldest first: `action`, `method`, `path`, `region`."""
        found: list[dict[str, str]] = (
            httpx.get(f"{self.url}/_cloud/requests", trust_env=False).raise_for_status().json()
        )
        return found

    def _control(self, method: str, what: str, body: dict[str, Any] | None = None) -> None:
        httpx.request(method, f"{self.url}/_cloud/{what}", json=body, trust_env=False).raise_for_status()

    def list_objects(self, bucket: str, prefix: str = "") -> list[tuple[str, int]]:
        """Keys and sizes."""
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [(item["Key"], item["Size"]) for page in pages for item in page.get("Contents", [])]

    def read_object(self, bucket: str, key: str) -> bytes:
        content: bytes = self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def delete_object(self, bucket: str, key: str) -> None:
        self.client("s3").delete_object(Bucket=bucket, Key=key)

    def _trust(self, external_id: str | None) -> dict[str, Any]:
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Principal": {"AWS": [self.operator_principal_arn, self.reltio_principal_arn, self.admin_principal_arn]},
            "Action": "sts:AssumeRole",
        }
        if external_id is not None:
            statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
        return {"Version": "2012-10-17", "Statement": [statement]}

    def _create_principals(self) -> None:
        anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        admin = self._create_user("sandbox-admin", anything)
        self.operator_credentials = self._create_user("export-operator", assume)
        self.reltio_credentials = self._create_user("reltio.platform.jobs", assume)
        self._admin = admin
        httpx.post(f"{self.url}/moto-api/reset-auth", content=b"0", trust_env=False).raise_for_status()

    def _create_user(self, name: str, statement: dict[str, Any]) -> AccessKey:
        iam = self.client("iam")
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="sandbox", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return AccessKey(key["AccessKeyId"], key["SecretAccessKey"])
