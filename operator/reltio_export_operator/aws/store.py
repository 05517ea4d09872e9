"""A bucket seen through an assumed role."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from ..api.target import Encryption
from .errors import AwsError, from_botocore
from .sessions import AssumedRole, RoleSessions

CANARY = ".reltio-export-operator-probe-"
_CANARY_BODY = b"written and deleted by reltio-export-operator to verify this target\n"


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing; size in bytes."""

    key: str
    size: int


class ObjectStore:
    """Async calls on one bucket. Each raises AwsError."""

    def __init__(self, sessions: RoleSessions, role: AssumedRole, bucket: str) -> None:
        self._sessions = sessions
        self._s3 = role.s3
        self._bucket = bucket

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Every object under the prefix, a page at a time."""
        token: dict[str, Any] = {}
        while True:
            page = await self._call(
                "s3:ListBucket", self._s3.list_objects_v2, Bucket=self._bucket, Prefix=prefix, **token
            )
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def read(self, key: str, *, limit: int) -> bytes | None:
        """The object's content up to `limit` bytes, or None when there is no such object."""

        def read() -> bytes:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
            return answer["Body"].read(limit)

        try:
            content: bytes = await self._call("s3:GetObject", read)
        except AwsError as error:
            if error.code in ("NoSuchKey", "404"):
                return None
            raise
        return content

    async def probe(self, prefix: str, encryption: Encryption | None) -> AsyncIterator[tuple[str, AwsError | None]]:
        """List, put, get and delete a small object under the prefix; yields each action with its outcome.

        A failed list does not keep the others from being tried; get and delete need the put to have worked.
        """
        key = f"{prefix}{CANARY}{secrets.token_hex(8)}"
        sse: dict[str, Any] = {}
        if encryption is not None:
            sse["ServerSideEncryption"] = encryption.algorithm
            if encryption.kms_key_arn:
                sse["SSEKMSKeyId"] = encryption.kms_key_arn
        where = {"Bucket": self._bucket}
        steps: tuple[tuple[str, Callable[..., Any], dict[str, Any]], ...] = (
            ("s3:ListBucket", self._s3.list_objects_v2, {**where, "Prefix": prefix, "MaxKeys": 1}),
            ("s3:PutObject", self._s3.put_object, {**where, "Key": key, "Body": _CANARY_BODY, **sse}),
            ("s3:GetObject", self._s3.get_object, {**where, "Key": key}),
            ("s3:DeleteObject", self._s3.delete_object, {**where, "Key": key}),
        )
        for action, call, arguments in steps:
            try:
                await self._call(action, call, **arguments)
            except AwsError as error:
                yield action, error
                if action == "s3:PutObject":
                    return
            else:
                yield action, None

    async def _call(self, action: str, call: Callable[..., Any], **arguments: Any) -> Any:
        try:
            return await self._sessions.run(call, **arguments)
        except Exception as error:
            raise from_botocore(error, action, self._bucket) from None
