"""Reads the answers of the API server within limits, for the commands, whose client is a blocking one."""

from __future__ import annotations

import zlib
from typing import Any

import urllib3.exceptions
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from ..runtime.answers import SLICE_BYTES, BeyondLimitsError, Body
from ..runtime.bounds import Answer, answer_limits
from ..runtime.deadline import Deadline, Watched

_KIND = Answer.API_SERVER


class _HTTPConnection(Watched, HTTPConnection):
    pass


class _HTTPSConnection(Watched, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class LimitedRest(RESTClientObject):  # type: ignore[misc]
    """The client's connection. Its requests raise BeyondLimitsError, and what the client raises."""

    def __init__(self, configuration: Configuration, *args: Any) -> None:
        super().__init__(configuration, *args)
        self.pool_manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def request(self, *args: Any, **options: Any) -> Any:
        deadline = Deadline(answer_limits(_KIND).seconds)
        try:
            with deadline:
                answer = super().request(*args, **options)
                answer.data = _content(answer.response)
        except (urllib3.exceptions.HTTPError, OSError):
            if not deadline.has_passed:
                raise
        if deadline.has_passed:
            raise BeyondLimitsError.of_time(_KIND)
        return answer


def _content(response: Any) -> bytes:
    body = Body(_KIND, response.headers.get("Content-Encoding", ""), error=response.status >= 400)
    try:
        while chunk := response.read1(SLICE_BYTES, decode_content=False):
            if not body.add(chunk):
                break
    except zlib.error:
        raise urllib3.exceptions.DecodeError("The answer cannot be decompressed.") from None
    except BaseException:
        response.close()
        raise
    if body.is_cut:
        response.close()
    return body.content()
