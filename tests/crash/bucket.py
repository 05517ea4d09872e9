"""S3 and STS as boto3 shows them, over a dictionary."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from aws_fakes import object_answer


class Objects(dict[str, bytes]):
    """Objects by key; `modified` says when each was written."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now
        self.modified: dict[str, datetime] = {}

    def __setitem__(self, key: str, body: bytes) -> None:
        super().__setitem__(key, body)
        self.modified[key] = self._now().replace(microsecond=0)


class Bucket:
    """Objects by key, and a boto3 session that grants any role and reads them."""

    region_name = "us-east-1"

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.objects = Objects(now)
        self.deleted: list[str] = []
        self.fault: Callable[[str], Exception | None] = lambda action: None

    def client(self, service: str, **_: Any) -> Bucket:
        return self

    def get_credentials(self) -> Credentials:
        return Credentials("own-key", "own-secret")

    def get_caller_identity(self) -> dict[str, Any]:
        return {"Arn": "arn:aws:iam::111122223333:user/operator"}

    def assume_role(self, **_: Any) -> dict[str, Any]:
        self._strike("sts:AssumeRole")
        return {
            "Credentials": {
                "AccessKeyId": "key",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": self._now() + timedelta(hours=1),
            }
        }

    def list_objects_v2(self, *, Prefix: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        self._strike("s3:ListBucket")
        found = [
            {"Key": key, "Size": len(body), "ETag": '"etag"', "LastModified": self.objects.modified[key]}
            for key, body in sorted(self.objects.items())
            if key.startswith(Prefix)
        ]
        return {"Contents": found, "IsTruncated": False}

    def get_object(self, *, Key: str, Range: str | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._strike("s3:GetObject")
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "No such key."}}, "GetObject")
        return object_answer(self.objects[Key], Range)

    def delete_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._strike("s3:DeleteObject")
        if self.objects.pop(Key, None) is not None:
            self.deleted.append(Key)
        return {}

    def _strike(self, action: str) -> None:
        error = self.fault(action)
        if error is not None:
            raise error
