"""Clients of boto3 are small, and what they share is loaded before the event loop starts."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any

import boto3
import pytest
from botocore import xform_name

from reltio_export_operator.aws import lean
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.roles import _attached_policies, _inline_policies
from reltio_export_operator.aws.transport import session_factory
from reltio_export_operator.runtime.network import Network

_KEYS: Any = {"region_name": "us-east-1", "aws_access_key_id": "k", "aws_secret_access_key": "s"}


def _session() -> Any:
    return session_factory(Network(region="us-east-1"))()


def _plain() -> Any:
    return boto3.Session()


def test_a_further_client_is_small() -> None:
    session, shared = _session(), dict[str, tuple[Any, Any]]()
    kept = []
    for _ in range(2):
        lean.share(session.client("s3", **_KEYS), "s3", shared)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(10):
        kept.append(session.client("s3", **_KEYS))
        lean.share(kept[-1], "s3", shared)
    gc.collect()
    assert (len(gc.get_objects()) - before) / len(kept) < 700


@pytest.mark.parametrize("service", lean.SERVICES)
def test_clients_have_the_operations_that_are_called_and_no_others(service: str) -> None:
    made, full = _session().client(service, **_KEYS), _plain().client(service, **_KEYS)
    operations = set(full.meta.method_to_api_mapping)
    assert {name for name in operations if hasattr(made, name)} == operations & lean.OPERATIONS
    assert operations & lean.OPERATIONS


def test_every_operation_that_is_kept_exists() -> None:
    existing = set[str]()
    for service in lean.SERVICES:
        existing |= set(_plain().client(service, **_KEYS).meta.method_to_api_mapping)
    assert existing >= lean.OPERATIONS


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1"])
def test_a_client_that_shares_rules_has_the_endpoint_of_its_region(region: str) -> None:
    shared = dict[str, tuple[Any, Any]]()
    for chosen in ("us-east-1", region):
        client = _session().client("s3", **{**_KEYS, "region_name": chosen})
        lean.share(client, "s3", shared)
        plain = _plain().client("s3", **{**_KEYS, "region_name": chosen})
        urls = [one.generate_presigned_url("get_object", {"Bucket": "lake", "Key": "k"}) for one in (client, plain)]
        assert urls[0].partition("?")[0] == urls[1].partition("?")[0]


def test_the_handlers_that_s3_needs_are_kept() -> None:
    """A bucket whose name is not a host name, and a path that has to be escaped, are handled by botocore's handlers."""
    made, plain = (make().client("s3", **_KEYS) for make in (_session, _plain))
    for bucket in ("lake", "lake.with.dots", "arn:aws:s3:us-east-1:111122223333:accesspoint/ap"):
        urls = [one.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b/ü"}) for one in (made, plain)]
        assert urls[0].partition("?")[0] == urls[1].partition("?")[0]


def test_nothing_is_loaded_after_the_preparation() -> None:
    code = """
import gc, sys
from reltio_export_operator.aws.transport import session_factory
from reltio_export_operator.handlers import operator
from reltio_export_operator.runtime.network import Network
operator.prepare(Network())
loaded, opened = set(sys.modules), []
sys.addaudithook(lambda event, given: opened.append(given[0]) if event == "open" else None)
for service in ("s3", "sts", "iam"):
    session_factory(Network())().client(
        service, region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
models = [path for path in opened if "/data/" in str(path)]
print(len(models), sorted(set(sys.modules) - loaded), "anyio._backends._asyncio" in sys.modules)
print(gc.get_freeze_count() > 50_000, len(gc.get_objects()) < 50_000)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "0 [] True\nTrue True\n"


class _Iam:
    """Lists policies without end."""

    def __init__(self, per_page: int) -> None:
        self.per_page = per_page
        self.pages = 0

    def get_paginator(self, _: str) -> _Iam:
        return self

    def paginate(self, **_: str) -> Any:
        while True:
            self.pages += 1
            listed = [{"PolicyArn": "arn"}] * self.per_page
            yield {"PolicyNames": listed, "AttachedPolicies": listed, "IsTruncated": True}


@pytest.mark.parametrize("per_page", [0, 1, 100])
@pytest.mark.parametrize(
    ("read", "action"), [(_inline_policies, "ListRolePolicies"), (_attached_policies, "ListAttachedRolePolicies")]
)
def test_a_list_of_policies_without_end_is_an_error(read: Any, action: str, per_page: int) -> None:
    iam = _Iam(per_page)
    with pytest.raises(AwsError, match=f"iam:{action} .* more than 200 policies or 20 pages") as raised:
        read(iam, "role")
    assert raised.value.reason == "AnswerBeyondLimits"
    assert iam.pages <= 21


@pytest.mark.parametrize("service", lean.SERVICES)
def test_the_models_of_operations_that_are_called_are_those_of_botocore(service: str) -> None:
    ours, full = (made.client(service, **_KEYS).meta.service_model for made in (_session(), _plain()))
    assert len(ours.operation_names) < len(full.operation_names)
    assert {xform_name(name) for name in full.operation_names} & lean.OPERATIONS == {
        xform_name(name) for name in ours.operation_names
    }
    for name in ours.operation_names:
        kept, original = ours.operation_model(name), full.operation_model(name)
        assert kept.http["method"] == original.http["method"]  # handlers change the path
        assert _members(kept.input_shape) == _members(original.input_shape)
        assert _members(kept.output_shape) == _members(original.output_shape)
        assert [shape.name for shape in kept.error_shapes] == [shape.name for shape in original.error_shapes]


def _members(shape: Any, above: tuple[str, ...] = ()) -> Any:
    """A shape with all that is below it."""
    if shape is None or shape.name in above:
        return shape and shape.name
    known = (*above, shape.name)
    below = [getattr(shape, part) for part in ("member", "key", "value") if hasattr(shape, part)]
    below += getattr(shape, "members", {}).values()
    return shape.name, shape.type_name, shape.serialization, shape.metadata, [_members(one, known) for one in below]


@pytest.mark.parametrize("service", [*lean.SERVICES, "sso", "sso-oidc"])
def test_services_have_the_regions_and_endpoints_that_botocore_knows(service: str) -> None:
    ours, full = _session(), _plain()
    for partition in ("aws", "aws-us-gov", "aws-cn"):
        regions = full.get_available_regions(service, partition)
        assert ours.get_available_regions(service, partition) == regions
    made = [session.client(service, **_KEYS).meta.endpoint_url for session in (ours, full)]
    assert made[0] == made[1]
