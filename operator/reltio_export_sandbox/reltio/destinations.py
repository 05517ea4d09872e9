"""Where files go: the customer's bucket as the customer's role, or memory."""

from __future__ import annotations

import threading
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .config import SimulatorConfig
from .submit import Order

_CONFIG = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30, proxies={})  # it is on loopback

_DEFAULT_REGION = "us-east-1"
_REGION_HEADER = "x-amz-bucket-region"


class Folder(Protocol):
    """The bucket of one order, opened for one task. Keys are whole keys. Each call may raise."""

    def put(self, key: str, body: bytes) -> None: ...
    def get(self, key: str) -> bytes: ...
    def delete(self, key: str) -> None: ...
    def keys(self, prefix: str) -> list[str]: ...


class ObjectSink(Protocol):
    """Gives each task its folder. `open` may raise, and may block when the engine has threads."""

    def open(self, order: Order) -> Folder: ...


class MemorySink:
    """Keeps objects in a dictionary; every role may do everything."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}  # by bucket and key

    def open(self, order: Order) -> Folder:
        return _MemoryFolder(self.objects, order.destination["s3Bucket"])


class _MemoryFolder:
    def __init__(self, objects: dict[tuple[str, str], bytes], bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    def put(self, key: str, body: bytes) -> None:
        self._objects[self._bucket, key] = body

    def get(self, key: str) -> bytes:
        return self._objects[self._bucket, key]

    def delete(self, key: str) -> None:
        self._objects.pop((self._bucket, key), None)

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for bucket, key in self._objects if bucket == self._bucket and key.startswith(prefix))


class S3Sink:
    """Assumes the role of each order with its external ID, as the principal of the service."""

    def __init__(self, config: SimulatorConfig, endpoint: str, key_id: str, secret: str) -> None:
        self._config = config
        self._endpoint = endpoint
        self._session: Any = boto3.Session()
        self._lock = threading.Lock()
        self._key = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}

    def open(self, order: Order) -> Folder:
        """Raises botocore's ClientError when the role cannot be assumed."""
        given = order.destination.get("s3Region")
        region = given or _DEFAULT_REGION
        common = {"endpoint_url": self._endpoint, "region_name": region, "config": _CONFIG}
        credentials = self._client("sts", **common, **self._key).assume_role(
            RoleArn=order.destination["roleArn"], RoleSessionName="reltio-export", **self._more(order)
        )["Credentials"]
        keys = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }
        s3 = self._client("s3", **common, **keys)
        if given is None:
            detected = region_of(s3, order.destination["s3Bucket"], self._config.region_detection)
            s3 = s3 if detected == region else self._client("s3", **(common | {"region_name": detected}), **keys)
        return _S3Folder(s3, order)

    def _client(self, service: Any, **more: Any) -> Any:
        """One session for all: it reads the models of the services once. It is not safe to be shared unguarded."""
        with self._lock:
            return self._session.client(service, **more)

    def _more(self, order: Order) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if "externalId" in order.destination:
            more["ExternalId"] = order.destination["externalId"]
        if self._config.session_seconds is not None:
            more["DurationSeconds"] = self._config.session_seconds
        return more


def region_of(s3: Any, bucket: str, call: str) -> str:
    """The region of the bucket, as this call says it.

    HeadBucket also says it to whom it refuses all else; where it does not, the first region stands, and the calls after
    it fail in words, which the answer to a HEAD does not have. GetBucketLocation needs a permission that the
    documentation does not ask for, and raises botocore's ClientError without it.
    """
    if call == "GetBucketLocation":
        return str(s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] or _DEFAULT_REGION)
    try:
        answer = s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    return str(answer["ResponseMetadata"]["HTTPHeaders"].get(_REGION_HEADER, _DEFAULT_REGION))


class _S3Folder:
    def __init__(self, s3: Any, order: Order) -> None:
        self._s3 = s3
        self._bucket = order.destination["s3Bucket"]
        self._encryption = {
            name: order.destination[header]
            for header, name in (("s3Sse", "ServerSideEncryption"), ("s3SseKmsKey", "SSEKMSKeyId"))
            if header in order.destination
        }

    def put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, **self._encryption)

    def get(self, key: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=key)

    def keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]
