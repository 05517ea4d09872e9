from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from kubernetes import client as blocking
from kubernetes.aio import client

from limits.server import Server, serving
from reltio_export_operator.runtime import bounds


@pytest.fixture(scope="session", autouse=True)
def loaded() -> None:
    """Load what the clients load at their first use, so that it is not counted as the memory of an answer."""
    assert client.CustomObjectsApi
    assert client.CoreV1Api
    assert blocking.CustomObjectsApi
    assert blocking.CoreV1Api
    for service in ("s3", "iam", "sts"):
        boto3.client(service, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def limits_as_before() -> Iterator[None]:
    before = dict(bounds._LIMITS)
    yield
    bounds._LIMITS.update(before)
