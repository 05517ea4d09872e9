"""The gate in front of moto: a WSGI application that lets requests through as they came, or refuses them as AWS does.

It also lays faults on requests, logs them, and has an admin API under ``/_cloud/``.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from . import account, signing
from .answers import Refusal
from .evaluator import NotEvaluatedError
from .guard import Settings, check, check_anonymous
from .operations import Signed, read

_LOGGED = 20_000
_LONGEST_HANG = 120.0  # seconds

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class CloudFault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What happens to requests that match, and when.

    `service` is s3 or sts, `action` a regular expression found in `s3:PutObject` or `sts:AssumeRole`, `path` one
    found in `/bucket/key`. It strikes the `nth` that matches and those after it, `times` in all (0: without end),
    `before` or `after` the effect: with silence for `hang` seconds, a closed connection, or an error.
    """

    service: str = ""
    action: str = ""
    path: str = ""
    nth: int = 1
    times: int = 1
    when: Literal["before", "after"] = "before"
    hang: float = 0.0
    close: bool = False
    status: int = 0
    code: str = "InternalError"
    message: str = "We encountered an internal error. Please try again."
    seen: int = 0

    def strikes(self, service: str, action: str, path: str) -> bool:
        if self.service not in ("", service) or not re.search(self.action, action) or not re.search(self.path, path):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times == 0 or self.seen < self.nth + self.times)


class Gate:
    """Wraps moto's application. Serves requests on several threads."""

    def __init__(self, inner: App) -> None:
        self._inner = inner
        self._settings = Settings()
        self._faults: list[CloudFault] = []
        self._requests: deque[dict[str, Any]] = deque(maxlen=_LOGGED)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_cloud/"):
            return self._administer(environ, start_response)
        if environ["PATH_INFO"].startswith("/moto-api"):
            return self._inner(environ, start_response)
        body = _buffered(environ)
        place = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], _headers(environ)
        signed = read(*place, body)
        if signed is not None and signed.service not in ("s3", "sts"):
            return self._inner(environ, start_response)
        service, method = signed.service if signed else "s3", environ["REQUEST_METHOD"]
        try:
            if signed is None:
                if _is_query_api(place[3]):
                    service = "sts"
                    raise Refusal(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
                return self._pass_unsigned(place, body, environ, start_response)
            return self._pass(signed, body, environ, start_response)
        except NotEvaluatedError as error:
            return _refused(Refusal(501, "NotImplemented", str(error)), service, method, start_response)
        except Refusal as refusal:
            return _refused(_with_region(refusal, method, environ["PATH_INFO"]), service, method, start_response)

    def _pass_unsigned(
        self, place: tuple[str, str, str, dict[str, str]], body: bytes, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """A presigned URL, or a request of nobody in particular. Raises Refusal."""
        if "AWSAccessKeyId=" in place[2]:
            text = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
            raise Refusal(400, "InvalidRequest", text)
        if signing.is_presigned(place[2]):
            signed = signing.read_presigned(*place)
            keys = account.keys(signed.key_id)
            signing.verify(signed, environ, keys)
        else:
            signed = signing.anonymous(*place, region=account.region(environ["PATH_INFO"]))
            check_anonymous(signed)
            keys = account.owner_keys()
        if keys is None:
            raise Refusal(403, "AccessDenied", "Access Denied")
        return self._pass(signed, body, signing.signed_again(signed, environ, keys), start_response)

    def _pass(self, signed: Signed, body: bytes, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        action = signed.s3_action if signed.service == "s3" else f"sts:{signed.form.get('Action')}"
        self._requests.append({"action": action, "method": signed.method, "path": signed.path, "region": signed.region})
        struck = [fault for fault in list(self._faults) if fault.strikes(signed.service, action, signed.path)]
        fault = struck[0] if struck else None
        if fault is not None and fault.when == "before":
            _suffer(fault, environ)
        check(signed, body, self._settings)
        if fault is None or fault.when == "before":
            return self._inner(environ, start_response)
        for _ in self._inner(environ, lambda *_: None):
            pass
        _suffer(fault, environ)
        return []

    def _administer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Bodies and answers are JSON. 400 says what is wrong with a body; 404 is for unknown calls."""
        call = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_cloud/")
        try:
            status, answer = 200, self._administered(call, _buffered(environ))
        except msgspec.ValidationError as error:
            status, answer = 400, {"error": str(error)}
        except KeyError:
            status, answer = 404, {"error": f"{' '.join(call)} is not known here"}
        content = json.dumps(answer).encode()
        start_response(f"{status} -", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]

    def _administered(self, call: tuple[str, str], body: bytes) -> Any:
        match call:
            case "GET", "requests":
                return list(self._requests)
            case "DELETE", "requests":
                self._requests.clear()
            case "GET", "faults":
                return msgspec.to_builtins(self._faults)
            case "POST", "faults":
                self._faults.append(msgspec.json.decode(body, type=CloudFault))
            case "DELETE", "faults":
                self._faults.clear()
            case "PUT", "settings":
                self._settings = msgspec.json.decode(body, type=Settings)
            case "DELETE", "sessions":
                account.end_sessions()
            case _:
                raise KeyError(call)
        return dataclasses.asdict(self._settings)


def _suffer(fault: CloudFault, environ: Environ) -> None:
    """Wait, cut the line, or raise the error."""
    time.sleep(min(fault.hang, _LONGEST_HANG))
    if fault.status:
        raise Refusal(fault.status, fault.code, fault.message)
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("The line was cut on request.")


def _buffered(environ: Environ) -> bytes:
    """The body, which is put back for the next reader."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    if length:
        environ["wsgi.input"] = io.BytesIO(body)
    return body


def _headers(environ: Environ) -> dict[str, str]:
    given = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    given |= {name: environ[name] for name in ("CONTENT_TYPE",) if environ.get(name)}
    return {name.replace("_", "-").lower(): value for name, value in given.items()}


def _is_query_api(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _with_region(refusal: Refusal, method: str, path: str) -> Refusal:
    """S3 returns the region of a bucket also without permission."""
    if method != "HEAD" or path.strip("/").count("/"):
        return refusal
    region = account.region(path)
    return (
        dataclasses.replace(refusal, headers={"x-amz-bucket-region": region, **refusal.headers}) if region else refusal
    )


def _refused(refusal: Refusal, service: str, method: str, start_response: StartResponse) -> Iterable[bytes]:
    content = refusal.s3() if service == "s3" else refusal.query()
    content = b"" if method == "HEAD" else content
    kind = "application/xml" if service == "s3" else "text/xml"
    headers = [("Content-Type", kind), ("Content-Length", str(len(content))), *refusal.headers.items()]
    start_response(f"{refusal.status} {refusal.code}", headers)
    return [content]
