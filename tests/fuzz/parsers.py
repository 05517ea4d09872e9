"""Every parser of foreign input, with what it may raise and a strategy for what it is given."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from hypothesis import strategies as st

from reltio_export_operator.api.decoding import decode_job, decode_target
from reltio_export_operator.aws.answers import check_xml
from reltio_export_operator.delivery import manifest
from reltio_export_operator.reltio.errors import error_from_response, retry_after
from reltio_export_operator.reltio.model import parse_submitted, parse_task
from reltio_export_operator.runtime.answers import BeyondLimitsError, Body, JsonGuard, parse_json
from reltio_export_operator.runtime.bounds import Answer
from reltio_export_operator.runtime.failures import explain_status
from reltio_export_operator.runtime.proxies import ProxyPolicy
from reltio_export_operator.runtime.settings import ConfigurationError
from reltio_export_operator.targets.iam import statements_of, values_of

_ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
_KEYS = st.sampled_from(
    [
        "id",
        "status",
        "name",
        "error",
        "errorCode",
        "errorMessage",
        "message",
        "error_description",
        "access_token",
        "expires_in",
        "taskIds",
        "groupId",
        "currentState",
        "globalStatus",
        "statusId",
        "createdTime",
        "endTime",
        "parameters",
        "exportName",
        "etaMillis",
        "metadata",
        "spec",
        "status",
        "uid",
        "generation",
        "conditions",
        "tasks",
        "s3",
        "reltio",
        "bucket",
        "roleARN",
        "export",
        "path",
        "Statement",
        "Effect",
        "Action",
        "Condition",
        "files",
        "Principal",
        "exportedFiles",
        "numberOfProcessedObjects",
        "total",
        "items",
    ]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | _ANY_TEXT
    | st.sampled_from(["1e999", "nan", "-1", "2026-01-01T00:00:00Z", "9999-99-99", "*", ""])
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | _ANY_TEXT, inner, max_size=6),
    max_leaves=20,
)
OBJECTS = st.dictionaries(_KEYS, VALUES, max_size=8)
JSON = VALUES.map(lambda value: json.dumps(value).encode())
CUT = st.tuples(JSON, st.integers(0, 200)).map(lambda pair: pair[0][: pair[1]])
BYTES = JSON | CUT | st.binary(max_size=200) | st.text(alphabet='[]{}",:\\u d8tn1e', max_size=60).map(str.encode)
XML = st.text(alphabet="<>/a&;!\"'=- ?%[{", max_size=60).map(str.encode) | BYTES
DATES = (
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    | st.text(st.characters(codec="latin-1"), max_size=40)
    | st.integers().map(str)
    | st.text(alphabet="0123456789 :,+-²٣MonJanGT", max_size=40)
)
PROXIES = st.fixed_dictionaries(
    {},
    optional={
        name: st.text(alphabet="htps:/@%[]*.,0123456789aü \n#?", max_size=40) for name in ("HTTPS_PROXY", "NO_PROXY")
    },
)


@dataclass(frozen=True)
class Parser:
    parse: Callable[[Any], object]
    given: st.SearchStrategy[Any]
    raises: tuple[type[Exception], ...] = ()


def _guarded(pieces: list[bytes]) -> None:
    """The guard comes to the same depth and strings whatever the pieces are."""
    whole, parts = JsonGuard(Answer.API_SERVER), JsonGuard(Answer.API_SERVER)
    whole.add(b"".join(pieces))
    for piece in pieces:
        parts.add(piece)
    assert (whole._in_string, whole._backslash) == (parts._in_string, parts._backslash)


def _depth(value: Any) -> None:
    """The guard of valid JSON ends at its beginning, outside of strings."""
    guard = JsonGuard(Answer.API_SERVER)
    guard.add(json.dumps(value).encode())
    assert (guard._depth, guard._in_string) == (0, False)


def _body(coding_and_chunks: tuple[str, list[bytes]]) -> None:
    coding, chunks = coding_and_chunks
    body = Body(Answer.TOKEN, coding)
    for chunk in chunks:
        body.add(chunk)
    body.content()


def _error(status_and_content: tuple[int, bytes]) -> None:
    status, content = status_and_content
    error = error_from_response(httpx.Response(status, content=content), mutating=True)
    assert len(str(error)) < 5000


def _retry(value: str) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is None or 0 <= seconds <= 3600


def _proxies(environment: dict[str, str]) -> None:
    ProxyPolicy.from_environment(environment).proxy_for("https://bücher.example:8443/x")


PARSERS: dict[str, Parser] = {
    "JSON": Parser(parse_json, BYTES, (ValueError,)),
    "limits of JSON in pieces": Parser(_guarded, st.lists(BYTES, max_size=5), (BeyondLimitsError,)),
    "limits of valid JSON": Parser(_depth, VALUES, (BeyondLimitsError,)),
    "compressed body": Parser(
        _body,
        st.tuples(st.sampled_from(["", "gzip", "deflate", "br", "gzip, gzip"]), st.lists(BYTES, max_size=4)),
        (zlib.error, BeyondLimitsError),
    ),
    "XML": Parser(lambda data: check_xml(Answer.AWS, data), XML, (BeyondLimitsError,)),
    "error of Reltio": Parser(_error, st.tuples(st.integers(300, 599), BYTES)),
    "error of the API server": Parser(lambda body: explain_status(500, "x", body), BYTES),
    "task": Parser(parse_task, OBJECTS.filter(lambda raw: "id" in raw), ()),
    "submission": Parser(parse_submitted, VALUES, ()),
    "Retry-After": Parser(_retry, DATES),
    "manifest": Parser(manifest.parse, BYTES, (ValueError,)),
    "policy": Parser(lambda document: [values_of(one.get("Action")) for one in statements_of(document)], OBJECTS),
    "ExportJob": Parser(decode_job, OBJECTS, (msgspec.ValidationError,)),
    "ExportTarget": Parser(decode_target, OBJECTS, (msgspec.ValidationError,)),
    "proxies": Parser(_proxies, PROXIES, (ConfigurationError,)),
}
