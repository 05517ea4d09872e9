"""Failed calls to AWS as typed errors. Messages never hold request ids, access key ids or external IDs.

Sources of the error codes and of the forms of messages:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (text of botocore 1.44.5) and
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Unpack

from botocore import exceptions as boto

from ..api.foreign import MAX_FOREIGN, MAX_QUOTED, NOTHING_SECRET, ForeignText, Quoted, Secrets, own, quote
from ..api.reasons import Reason, Values
from . import messages
from .answers import AnswerRefusedError
from .bodies import INTERRUPTED

# Differs from call to call, so that a condition with it would change each time.
_REQUEST_IDS = re.compile(
    r" ?\(?\b(?:Extended Request ?ID|Request ?ID|Host ?ID|x-amz-request-id|x-amz-id-2)\b[:=]? ?[\w+/=-]+[),]*"
    r"|(?<=date/time )\d+"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
    re.IGNORECASE,
)
# IAM names the action and the resource, then why. The resource may be the random key of a probe object: not kept.
_NOT_AUTHORIZED = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)")
_EXPLANATION = re.compile(r"\b(?:because no|with an explicit deny in) .+", re.DOTALL)
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"  # of OpenSSL
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")  # of Python's http.client
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_KMS_CODE = re.compile(r"KMS\.[A-Za-z]{1,48}")

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "AllAccessDisabled"})
_OTHER_REGION = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_EXPIRED_SESSION = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken"})
_REJECTED_CREDENTIALS = _EXPIRED_SESSION | {
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "MissingAuthenticationToken",
}
_TRANSIENT = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        # HTTP statuses, where the body has no code. botocore also returns 500 for a listing that was cut off.
        *("429", "500", "502", "503", "504"),
    }
)
_OTHER_CODES = frozenset(
    {"", "404", "NoSuchBucket", "NoSuchEntity", "NoSuchKey", "RegionDisabledException", "ValidationError"}
)
_KMS_ACTIONS = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom")
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.ProfileNotFound,
)
_NO_ANSWER = (boto.HTTPClientError, boto.ConnectionError)


class AwsError(Exception):
    """A call to AWS that failed, with a reason of `aws/messages.py` and the values of its templates.

    `code` is the error code of AWS, empty when it did not answer. `transient`: the same call may succeed later
    without a change.
    """

    def __init__(self, why: Reason, /, *, code: str = "", transient: bool = False, **values: Unpack[Values]) -> None:
        self.reason = why.name
        self.message, self.remedy = why.parts(**values)
        self.code = code
        self.transient = transient
        self.said = ForeignText("")  # what AWS said, to decide by: the message may not quote it
        self.text = own(f"{self.message} {self.remedy}".strip())
        super().__init__(self.text)


def clean(text: object, secrets: Secrets = NOTHING_SECRET) -> Quoted:
    """AWS's own words without what differs from call to call, and without secrets."""
    quoted = quote(text, secrets, limit=MAX_FOREIGN)
    return own(" ".join(_REQUEST_IDS.sub("", quoted).split())[:MAX_QUOTED])


def from_botocore(
    error: boto.BotoCoreError | boto.ClientError, action: str, resource: str, *, secrets: Secrets = NOTHING_SECRET
) -> AwsError:
    """What boto3 raised for an action such as ``s3:PutObject`` on a resource, as an AwsError.

    `secrets` are values of the request that AWS may repeat in its message.
    """
    if isinstance(error, boto.ClientError):
        found = _from_answer(error, action, resource, secrets)
        found.said = ForeignText(error.response.get("Error", {}).get("Message", ""))
        return found
    if isinstance(error, _NO_CREDENTIALS):
        return AwsError(messages.NO_CREDENTIALS, transient=isinstance(error, boto.CredentialRetrievalError))
    if isinstance(error, boto.ParamValidationError):
        # Its report is not shown: it quotes values, and one of them is the external ID.
        return AwsError(messages.INVALID_PARAMETER, action=action, resource=resource)
    if isinstance(error, boto.ProxyConnectionError):
        tunnel = _TUNNEL.search(str(error.kwargs["error"]))
        failure = own(f"returned HTTP {tunnel[1]}" if tunnel else "could not be reached")
        proxy = error.kwargs["proxy_url"]
        return AwsError(
            messages.PROXY_FAILED, transient=True, action=action, resource=resource, proxy=proxy, failure=failure
        )
    if isinstance(error, boto.SSLError) and _UNTRUSTED in str(error):
        return AwsError(messages.UNTRUSTED_CERTIFICATE, transient=True, action=action, resource=resource)
    if isinstance(error, AnswerRefusedError):
        limit = own(error.kwargs["limit"])
        return AwsError(messages.ANSWER_BEYOND_LIMITS, transient=True, action=action, resource=resource, limit=limit)
    name = own(type(error).__name__)
    if isinstance(error, INTERRUPTED):
        return AwsError(messages.READ_INTERRUPTED, transient=True, action=action, resource=resource, error=name)
    if isinstance(error, _NO_ANSWER):
        return AwsError(messages.ENDPOINT_UNREACHABLE, transient=True, action=action, resource=resource, error=name)
    return AwsError(messages.AWS_CLIENT_ERROR, action=action, resource=resource, error=name)


def region_mismatch(bucket: str, configured: str | None, region: str | None, *, code: str = "") -> AwsError:
    """The bucket is in `region` (None: unknown), the request went to `configured` (None: a default)."""
    if region is None:
        return AwsError(messages.BUCKET_REGION_UNKNOWN, code=code, bucket=bucket)
    return AwsError(
        messages.BUCKET_REGION_MISMATCH,
        code=code,
        bucket=bucket,
        region=region,
        configured=configured or "the region of the request",
    )


def reads_differ(bucket: str) -> AwsError:
    """Two reads of one object, which did not change, gave different bytes."""
    differ = own("two reads differ")
    return AwsError(messages.READ_INTERRUPTED, transient=True, action="s3:GetObject", resource=bucket, error=differ)


def object_changed(bucket: str, code: str) -> AwsError:
    """An object was replaced or deleted after it was listed."""
    return AwsError(messages.OBJECT_CHANGED, code=code, transient=True, bucket=bucket)


def bucket_region(answer: Mapping[str, Any]) -> str | None:
    """The region in the headers of an answer about a bucket; S3 sends it with errors as well."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region")
    return str(region) if region else None


def _code(code: object, secrets: Secrets) -> str:
    """The error code. One that AWS documents may be shown; another one is as foreign as the message."""
    text = str(code)
    if text in _DENIED | _OTHER_REGION | _REJECTED_CREDENTIALS | _TRANSIENT | _OTHER_CODES or _KMS_CODE.fullmatch(text):
        return text
    return clean(text, secrets) if _CODE.fullmatch(text) else "an unknown error code"


def _from_answer(error: boto.ClientError, action: str, resource: str, secrets: Secrets) -> AwsError:
    answer = error.response.get("Error", {})
    code, text = _code(answer.get("Code", ""), secrets), clean(answer.get("Message", ""), secrets)
    if error.operation_name == "AssumeRoleWithWebIdentity":
        transient = code in _TRANSIENT or code == "IDPCommunicationError"
        return AwsError(messages.OPERATOR_ROLE_DENIED, code=code, transient=transient, answer=_quoted(code, text))
    if action == "sts:AssumeRole":
        return _from_assume_role(code, text, resource)
    if code == "NoSuchBucket" or (code == "404" and action == "s3:ListBucket"):
        return AwsError(messages.BUCKET_NOT_FOUND, code=code, bucket=resource)
    if code == "NoSuchEntity" and action.startswith("iam:"):
        return AwsError(messages.ROLE_NOT_FOUND, code=code, role=resource)
    if code in _OTHER_REGION:
        return region_mismatch(resource, None, bucket_region(error.response), code=code)
    if code in _DENIED:
        return _denied(code, text, action, resource, str(answer.get("Message", ""))[:MAX_FOREIGN])
    if code.startswith("KMS"):
        return AwsError(messages.KMS_KEY_UNUSABLE, code=code, answer=_quoted(code, text))
    if code in _EXPIRED_SESSION:
        return AwsError(messages.EXPIRED_CREDENTIALS, code=code, transient=True)
    return _other(code, text, action, resource)


def _denied(code: str, text: str, action: str, resource: str, said: str) -> AwsError:
    """Of KMS where IAM's message names one of its actions: S3 calls it for the role."""
    named = _NOT_AUTHORIZED.search(said)  # and not in what may be quoted: the reason must not depend on that
    denied = named["action"] if named and (named["action"] in _KMS_ACTIONS or named[0] in text) else action
    found = _EXPLANATION.search(text)
    explanation = own(f'"{found[0].rstrip(".")}"' if found else "no reason given")
    reason = messages.KMS_ACTION_DENIED if denied.startswith("kms:") else messages.ACCESS_DENIED
    return AwsError(reason, code=code, action=denied, resource=resource, explanation=explanation)


def _from_assume_role(code: str, text: str, role: str) -> AwsError:
    answer = _quoted(code, text)
    if code in _DENIED:
        return AwsError(messages.ASSUME_ROLE_DENIED, code=code, role=role)
    if code in _REJECTED_CREDENTIALS:
        transient = code in _EXPIRED_SESSION
        return AwsError(messages.OPERATOR_CREDENTIALS_REJECTED, code=code, transient=transient, answer=answer)
    if code == "RegionDisabledException":
        return AwsError(messages.REGION_DISABLED, code=code, role=role)
    if code == "ValidationError":
        return AwsError(messages.ASSUME_ROLE_INVALID, code=code, role=role, answer=answer)
    return _other(code, text, "sts:AssumeRole", role)


def _other(code: str, text: str, action: str, resource: str) -> AwsError:
    transient = code in _TRANSIENT
    reason = messages.AWS_UNAVAILABLE if transient else messages.AWS_ERROR
    return AwsError(
        reason, code=code, transient=transient, action=action, resource=resource, answer=_quoted(code, text)
    )


def _quoted(code: str, text: str) -> Quoted:
    """AWS's error code, and its own words in quotation marks."""
    return own(f'{code}: "{text.rstrip(".")}"' if text else code)
