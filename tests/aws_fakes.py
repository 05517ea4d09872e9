"""Fakes of boto3's session and clients. They record every call."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.response import StreamingBody


def object_answer(content: bytes, part: str | None = None) -> dict[str, Any]:
    """The answer of GetObject with botocore's own body. `part`: the value of Range, such as `bytes=0-9`."""
    more = {}
    if part is not None:
        start, end = part.removeprefix("bytes=").split("-")
        more["ContentRange"] = f"bytes {start}-{min(int(end), len(content) - 1)}/{len(content)}"
        content = content[int(start) : int(end) + 1]
    return {**more, "Body": StreamingBody(io.BytesIO(content), len(content)), "ContentLength": len(content)}


def refusal(code: str, region: str | None = None, operation: str = "Any") -> ClientError:
    headers = {"x-amz-bucket-region": region} if region else {}
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPHeaders": headers}}
    return ClientError(answer, operation)


class FakeClient:
    """A client whose methods call the handler of the same name. `calls` has every call."""

    def __init__(self, **handlers: Callable[..., Any]) -> None:
        self.handlers = handlers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            return self.handlers[name](**arguments)

        return call

    def named(self, name: str) -> list[dict[str, Any]]:
        return [arguments for called, arguments in self.calls if called == name]


class FakeBoto:
    """A boto3 session whose STS returns sessions of one hour, or raises the next of `failures`."""

    region_name: str | None = None

    def __init__(self) -> None:
        self.principal: str | None = None
        self.now = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)
        self.failures: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.assumed: list[dict[str, Any]] = []
        self.created: list[tuple[str, dict[str, Any]]] = []

    def get_credentials(self) -> Credentials:
        return Credentials("own-key", "own-secret")

    def client(self, service: str, **arguments: Any) -> FakeClient:
        self.created.append((service, arguments))
        return FakeClient(assume_role=self._assume_role, get_caller_identity=self._get_caller_identity)

    def _get_caller_identity(self) -> dict[str, Any]:
        if self.principal is None:
            raise refusal("AccessDenied")
        return {"Arn": self.principal}

    def _assume_role(self, **arguments: Any) -> dict[str, Any]:
        self.assumed.append(arguments)
        self.gate.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        return {
            "Credentials": {
                "AccessKeyId": f"key-{len(self.assumed)}",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": self.now + timedelta(hours=1),
            }
        }
