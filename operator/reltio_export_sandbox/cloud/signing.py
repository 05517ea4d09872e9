"""Presigned URLs, and requests without a signature: moto knows neither once it checks IAM.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .answers import Refusal
from .operations import Signed

_ALGORITHM = "AWS4-HMAC-SHA256"
_DATE = "%Y%m%dT%H%M%SZ"
_LONGEST = 7 * 24 * 3600  # seconds


@dataclass(frozen=True)
class Keys:
    """An access key with its secret, and the token of a session."""

    id: str
    secret: str
    token: str | None = None


def is_presigned(query: str) -> bool:
    return f"X-Amz-Algorithm={_ALGORITHM}" in query


def read_presigned(method: str, path: str, query: str, headers: Mapping[str, str]) -> Signed:
    """What a presigned URL asks of S3. Raises Refusal when parts of the signature are missing."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    scope = given.get("X-Amz-Credential", "").split("/")
    complete = {"X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"} <= set(given)
    dated = complete and re.fullmatch(r"\d{8}T\d{6}Z", given["X-Amz-Date"]) and given["X-Amz-Expires"].isdigit()
    if len(scope) != 5 or not dated:
        text = "Query-string authentication version 4 requires the X-Amz-* parameters."
        raise Refusal(400, "AuthorizationQueryParametersError", text)
    others = {name: value for name, value in given.items() if not name.lower().startswith("x-amz-")}
    return Signed(method, path, others, headers, {}, scope[0], scope[2], scope[3])


def verify(signed: Signed, environ: Mapping[str, Any], keys: Keys | None) -> None:
    """Raises Refusal for a URL that has expired or that this key has not signed."""
    if keys is None:
        raise Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    given = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    began = datetime.strptime(given["X-Amz-Date"], _DATE).replace(tzinfo=UTC)
    if began + timedelta(seconds=min(int(given["X-Amz-Expires"]), _LONGEST)) < datetime.now(UTC):
        raise Refusal(403, "AccessDenied", "Request has expired")
    signature = given.pop("X-Amz-Signature")
    names = given["X-Amz-SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            signed.method,
            environ["REQUEST_URI"].partition("?")[0],
            urlencode(sorted(given.items()), quote_via=quote, safe="-_.~"),
            *(f"{name}:{signed.headers.get(name, '').strip()}" for name in names),
            "",
            given["X-Amz-SignedHeaders"],
            "UNSIGNED-PAYLOAD",
        ]
    )
    scope = given["X-Amz-Credential"].partition("/")[2]
    text = "\n".join([_ALGORITHM, given["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(key.hex(), signature) or given.get("X-Amz-Security-Token") != keys.token:
        text = "The request signature we calculated does not match the signature you provided."
        raise Refusal(403, "SignatureDoesNotMatch", text)


def signed_again(signed: Signed, environ: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    """The request with a signature in its headers, as moto expects it."""
    path = environ["REQUEST_URI"].partition("?")[0]
    query = urlencode(list(signed.query.items()), quote_via=quote)
    url = f"http://{environ['HTTP_HOST']}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=signed.method, url=url)
    credentials = Credentials(keys.id, keys.secret, keys.token)
    S3SigV4Auth(credentials, "s3", signed.region).add_auth(request)
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    uri = path + (f"?{query}" if query else "")
    return {**environ, **headers, "QUERY_STRING": query, "REQUEST_URI": uri, "RAW_URI": uri}


def anonymous(method: str, path: str, query: str, headers: Mapping[str, str], region: str) -> Signed:
    """What a request without a signature asks of S3."""
    return Signed(method, path, dict(parse_qsl(query, keep_blank_values=True)), headers, {}, "", region, "s3")
