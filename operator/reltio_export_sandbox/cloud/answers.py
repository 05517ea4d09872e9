"""Refusals of AWS in their own XML."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Refusal(Exception):
    """An error of AWS. `details` are further elements of S3's error document."""

    status: int
    code: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def s3(self) -> bytes:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""
        elements = {"Code": self.code, "Message": self.message, **self.details, "RequestId": _request_id()}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()

    def query(self) -> bytes:
        """https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html"""
        kind = "Receiver" if self.status >= 500 else "Sender"
        return (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<Error><Type>{kind}</Type><Code>{escape(self.code)}</Code>"
            f"<Message>{escape(self.message)}</Message></Error>"
            f"<RequestId>{_request_id()}</RequestId></ErrorResponse>"
        ).encode()


def not_authorized(caller: str, action: str, resource: str, why: str = "") -> Refusal:
    """403 AccessDenied in the words that S3, STS and KMS use."""
    quoted = f'"{resource}"' if action.startswith("s3:") else resource
    message = f"User: {caller} is not authorized to perform: {action} on resource: {quoted}"
    return Refusal(403, "AccessDenied", f"{message} {why}".rstrip())


def wrong_region(bucket: str, region: str, used: str) -> Refusal:
    """What S3 answers to a request for a bucket of `region` that was signed for and sent to `used`.

    The endpoint of us-east-1 is the global one, which leads to every bucket and then finds the signature wrong. The
    others return where the bucket is, and clients follow.
    """
    header = {"x-amz-bucket-region": region}
    if used == "us-east-1":
        text = f"The authorization header is malformed; the region '{used}' is wrong; expecting '{region}'"
        return Refusal(400, "AuthorizationHeaderMalformed", text, {"Region": region}, header)
    return Refusal(
        301,
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint.",
        {"Endpoint": f"{bucket}.s3.{region}.amazonaws.com", "Bucket": bucket},
        header,
    )


def _request_id() -> str:
    return uuid.uuid4().hex[:16].upper()
