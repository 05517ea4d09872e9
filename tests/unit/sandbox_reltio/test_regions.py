"""The service finds out where a bucket is, unless s3Region says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reltio_export_sandbox.reltio import SimulatorConfig
from reltio_export_sandbox.reltio.destinations import S3Sink, region_of
from reltio_export_sandbox.reltio.submit import Order

ROLE = "arn:aws:iam::111122223333:role/exporter"


def answered(status: int, region: str | None) -> dict[str, Any]:
    headers = {} if region is None else {"x-amz-bucket-region": region}
    return {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}


@dataclass
class Bucket:
    """A client of S3 that only knows where its bucket is."""

    status: int = 200
    region: str | None = "eu-central-1"
    asked: list[str] = field(default_factory=list)

    def head_bucket(self, Bucket: str) -> dict[str, Any]:  # noqa: N803 - the name of botocore
        self.asked.append(f"HeadBucket {Bucket}")
        answer = answered(self.status, self.region)
        if self.status >= 300:
            raise ClientError({"Error": {"Code": str(self.status), "Message": "no"}, **answer}, "HeadBucket")  # type: ignore[typeddict-item]
        return answer

    def get_bucket_location(self, Bucket: str) -> dict[str, Any]:  # noqa: N803
        self.asked.append(f"GetBucketLocation {Bucket}")
        return {"LocationConstraint": self.region}


@pytest.mark.parametrize("status", [200, 301, 400, 403])
def test_head_bucket_says_the_region_also_where_it_is_refused(status: int) -> None:
    assert region_of(Bucket(status), "lake", "HeadBucket") == "eu-central-1"


@pytest.mark.parametrize("status", [403, 404])
def test_without_the_header_the_next_call_is_to_fail_in_words(status: int) -> None:
    assert region_of(Bucket(status, None), "lake", "HeadBucket") == "us-east-1"


@pytest.mark.parametrize(("constraint", "region"), [("eu-central-1", "eu-central-1"), (None, "us-east-1")])
def test_get_bucket_location_has_no_name_for_the_oldest_region(constraint: str | None, region: str) -> None:
    assert region_of(Bucket(region=constraint), "lake", "GetBucketLocation") == region


class Service:
    """Stands in for boto3: notes the regions of the clients that are made."""

    def __init__(self) -> None:
        self.bucket = Bucket()
        self.regions: list[str] = []

    def client(self, service: str, region_name: str, **_: Any) -> Any:
        if service == "s3":
            self.regions.append(region_name)
            return self.bucket
        return self

    def assume_role(self, **_: Any) -> dict[str, Any]:
        return {"Credentials": dict.fromkeys(("AccessKeyId", "SecretAccessKey", "SessionToken"), "-")}


@pytest.mark.parametrize(
    ("given", "call", "asked", "regions"),
    [
        ({}, "HeadBucket", ["HeadBucket lake"], ["us-east-1", "eu-central-1"]),
        ({}, "GetBucketLocation", ["GetBucketLocation lake"], ["us-east-1", "eu-central-1"]),
        ({"s3Region": "eu-west-1"}, "HeadBucket", [], ["eu-west-1"]),
    ],
)
def test_the_bucket_is_written_to_in_its_region(
    given: dict[str, str], call: Any, asked: list[str], regions: list[str]
) -> None:
    service = Service()
    sink = S3Sink(SimulatorConfig(region_detection=call), "http://aws.test", "-", "-")
    sink._session = service
    destination = {"s3Bucket": "lake", "s3Path": "p", "roleArn": ROLE, **given}
    sink.open(Order(1, "acme01", "entities", "ENTITIES", "n", destination, {}, {}, "g"))
    assert (service.bucket.asked, service.regions) == (asked, regions)
