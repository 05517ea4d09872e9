"""Roles, clients and policies for the tests of the sandbox's AWS."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from reltio_export_sandbox.cloud import AccessKey, Cloud

CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=5)
LAKE, FAR, EXTERNAL_ID = "lake-of-tests", "far-away-lake", "3f0c2b5e"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
_numbers = itertools.count()


class Role:
    """A new role, and clients with sessions of it."""

    def __init__(self, cloud: Cloud, *statements: dict[str, Any], **more: Any) -> None:
        self.cloud = cloud
        self.name = f"role-{next(_numbers)}"
        self.arn = cloud.put_role(self.name, external_id=more.pop("external_id", EXTERNAL_ID), **more)
        if statements:
            cloud.set_statements(self.name, *statements)

    def assume(self, key: AccessKey | None = None, external_id: str | None = EXTERNAL_ID, **more: Any) -> Any:
        who = key or self.cloud.operator_credentials
        given = {} if external_id is None else {"ExternalId": external_id}
        sts = client(self.cloud, "sts", who.id, who.secret)
        return sts.assume_role(RoleArn=self.arn, RoleSessionName="test", **given, **more)["Credentials"]

    def s3(self, **more: Any) -> Any:
        found = self.assume(**more)
        return client(self.cloud, "s3", found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def client(
    cloud: Cloud,
    service: Any,
    id_: str,
    secret: str,
    token: str | None = None,
    *,
    region: str = "us-east-1",
    config: Config | None = None,
) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.url,
        region_name=region,
        aws_access_key_id=id_,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=CONFIG.merge(config) if config is not None else CONFIG,
    )


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Status, code and message of the refusal."""
    with pytest.raises(ClientError) as error:
        call()
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def deny(action: str, resource: str, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, "Condition": condition}
