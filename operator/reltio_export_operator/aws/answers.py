"""Reads the answers of AWS within limits. The bodies of S3's objects are read in bodies.py."""

from __future__ import annotations

import zlib
from typing import Any
from urllib.parse import unquote
from xml.parsers import expat

import urllib3.exceptions
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.exceptions import BotoCoreError, ConnectionClosedError, HTTPClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from ..runtime.answers import SLICE_BYTES, BeyondLimitsError, Body, check_json
from ..runtime.bounds import Answer, answer_limits
from ..runtime.deadline import Deadline, Watched

_POLICIES = ("AssumeRolePolicyDocument", "PolicyDocument", "Document")  # elements with JSON that botocore parses


class AnswerRefusedError(BotoCoreError):
    """An answer is beyond the limits of runtime/bounds.py. botocore does not repeat the request."""

    fmt = "{limit}"


class _HTTPConnection(Watched, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(Watched, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(AWSHTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(AWSHTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class LimitedSession(URLLib3Session):
    """botocore's HTTP session, which reads whole answers within limits, and objects not at all."""

    answer, error = Answer.AWS, Answer.AWS_ERROR

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pool_classes_by_scheme = _POOLS
        manager: Any = self._manager  # type: ignore[attr-defined]
        manager.pool_classes_by_scheme = _POOLS

    def send(self, request: Any) -> Any:
        """Raises what botocore's session raises, and AnswerRefusedError."""
        is_object, request.stream_output = request.stream_output, True  # or botocore would read it
        kind = self.answer
        deadline = Deadline(answer_limits(kind).seconds)
        try:
            with deadline:
                response: Any = super().send(request)
                failed = response.status_code >= 300
                kind = self.error if failed else kind
                if failed or not is_object:
                    response._content = _content(kind, response, request.url)
            if deadline.has_passed:
                raise BeyondLimitsError.of_time(kind)
        except BeyondLimitsError as error:
            raise AnswerRefusedError(limit=error.limit) from None
        except Exception:
            if deadline.has_passed:
                raise AnswerRefusedError(limit=BeyondLimitsError.of_time(kind).limit) from None
            raise
        finally:
            request.stream_output = is_object
        return response


class LimitedCredentialsSession(LimitedSession):
    """The same for credentials, which come from this node."""

    answer = error = Answer.CREDENTIALS


def _content(kind: Answer, response: Any, url: str) -> bytes:
    raw = response.raw
    body = Body(kind, raw.headers.get("content-encoding", ""))
    try:
        while chunk := raw.read1(SLICE_BYTES):
            body.add(chunk)
    except BeyondLimitsError:
        raw.close()
        raise
    except urllib3.exceptions.ReadTimeoutError as error:
        raise ReadTimeoutError(endpoint_url=url, error=error) from None
    except (urllib3.exceptions.ProtocolError, OSError) as error:
        raise ConnectionClosedError(endpoint_url=url, error=error) from None
    except (urllib3.exceptions.HTTPError, zlib.error, ValueError) as error:
        raise HTTPClientError(error=error) from None
    content = body.content()
    check_xml(kind, content)
    return content


def check_xml(kind: Answer, content: bytes) -> None:
    """Raise BeyondLimitsError if elements are nested too deeply or too many, or if there is a document type.

    AWS sends no document type; entities, which may expand without bound, can only be declared there. A policy within
    the answer, which is JSON, has the same limits. Anything but XML is left to botocore.
    """
    try:
        _Check(kind).parse(content)
    except expat.ExpatError:
        return


class _Check:
    def __init__(self, kind: Answer) -> None:
        self._kind = kind
        self._limits = answer_limits(kind)
        self._depth = 0
        self._entries = 0
        self._policy: list[str] | None = None

    def parse(self, content: bytes) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._document_type
        parser.Parse(content, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._entries += 1 + len(attributes)
        if self._depth > self._limits.depth:
            raise BeyondLimitsError(self._kind, f"is nested deeper than {self._limits.depth:.0f} levels")
        if self._entries > self._limits.entries:
            raise BeyondLimitsError(self._kind, f"has more than {self._limits.entries:,.0f} values")
        if name.rpartition(":")[2] in _POLICIES:
            self._policy = []

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._policy is not None:
            check_json(self._kind, unquote("".join(self._policy)))
            self._policy = None

    def _text(self, text: str) -> None:
        if self._policy is not None:
            self._policy.append(text)

    def _document_type(self, *_: object) -> None:
        raise BeyondLimitsError(self._kind, "has a document type, which AWS does not send")
