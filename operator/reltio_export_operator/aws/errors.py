"""Failed calls to AWS as typed errors. Messages never hold request ids, access key ids or external IDs.

Sources of the error codes and of the forms of messages:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (text of botocore 1.44.5) and
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from ..api.foreign import MAX_FOREIGN, MAX_QUOTED, NOTHING_SECRET, ForeignText, Quoted, Secrets, own, quote
from ..api.reasons import Reason, Values
from . import messages
from .answers import AnswerRefusedError
from .bodies import INTERRUPTED
from .denials import ASSUME_ROLE, Denial
from .places import CallsPausedError

# What a call of boto3 raises. The last one is not a BotoCoreError: the answer is not what the service returns.
CALL_FAILURES = (boto.BotoCoreError, boto.ClientError, ResponseParserError)

# Differs from call to call, so that a condition with it would change each time.
_REQUEST_IDS = re.compile(
    r" ?\(?\b(?:Extended Request ?ID|Request ?ID|Host ?ID|x-amz-request-id|x-amz-id-2)\b[:=]? ?[\w+/=-]+[),]*"
    r"|(?<=date/time )\d+"
    r"|\bEncoded authorization failure message: [\w-]+"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
    re.IGNORECASE,
)
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"  # of OpenSSL
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")  # of Python's http.client
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
# S3 puts "KMS." before the codes of KMS: https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
_KEY_DISABLED = frozenset({"KMS.DisabledException", "KMS.KMSInvalidStateException"})
_KMS_CODE = re.compile(r"KMS\.[A-Za-z]{1,48}")

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "AllAccessDisabled"})
_OTHER_REGION = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_EXPIRED_SESSION = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken"})
_REJECTED_CREDENTIALS = frozenset(
    {
        *("InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken"),
        *("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
        *("SignatureDoesNotMatch", "InvalidSignatureException", "UnrecognizedClientException"),
    }
)
_EXPIRED_CREDENTIALS = frozenset({"ExpiredToken", "ExpiredTokenException"})
OTHER_OBJECT = frozenset(  # than that of the listing, when an object is read
    {"NoSuchKey", "404", "PreconditionFailed", "412", "InvalidRange", "416"}
)
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html and the lists of botocore 1.44.5
# (botocore/retries/standard.py), with those of S3 and STS.
_TRANSIENT = frozenset(
    {
        *("BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete"),
        *("ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled"),
        *("RequestThrottledException", "Throttling", "ThrottledException", "ThrottlingException"),
        *("TooManyRequestsException", "TransactionInProgressException", "SlowDown", "Slow Down"),
        *("RequestTimeout", "RequestTimeoutException", "InternalError", "InternalFailure", "InternalServerError"),
        *("Internal Server Error", "ServiceUnavailable", "ServiceUnavailableException", "Service Unavailable"),
        *("OperationAborted", "IDPCommunicationError", "KMS.ThrottlingException", "KMS.KMSInternalException"),
        *("KMSInternalException", "KMS.DependencyTimeoutException", "KeyUnavailableException"),
    }
)
_TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524, 529})
_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
# Of SignatureDoesNotMatch: https://github.com/aws/aws-cli/issues/6676
_CLOCK_WORDS = re.compile(r"\bsignature (?:has )?expired\b|\bsignature not yet current\b", re.IGNORECASE)
# botocore puts the HTTP status in the place of the code where a body is missing or is not an error of the service.
_STATUS_AS_CODE = re.compile(r"\d{3}")
_WEB_IDENTITY = "AssumeRoleWithWebIdentity"  # with which botocore gets the operator's own session
_WITHOUT_BODY = "Head"  # operations whose answers have no body
SESSION_TOO_LARGE = frozenset({"PackedPolicyTooLarge", "PackedPolicyTooLargeException"})
# Of an S3-compatible store that does not know all elements of a session policy, such as actions of KMS.
SESSION_POLICY_REFUSED = SESSION_TOO_LARGE | {"MalformedPolicyDocument", "MalformedPolicyDocumentException"}
_KNOWN_CODES = frozenset(
    {
        *("", "NoSuchBucket", "NoSuchEntity", "RegionDisabledException", "ValidationError"),
        *OTHER_OBJECT,
        *(_DENIED | _OTHER_REGION | _EXPIRED_SESSION | _REJECTED_CREDENTIALS | _EXPIRED_CREDENTIALS),
        *(_TRANSIENT | _CLOCK | SESSION_POLICY_REFUSED),
    }
)
_NO_ANSWER = (boto.HTTPClientError, boto.ConnectionError)
_NO_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound)


class AwsError(Exception):
    """A call to AWS that failed, with a reason of `aws/messages.py` and the values of its templates.

    `code` is the error code of AWS, empty when it did not answer. `transient`: the same call may succeed later
    without a change. `own_credentials`: the fault is in the caller's own credentials, not in the target or its role.
    `by` (`caller`) is the principal that a denial names, empty if none; `explained`: it names the policy as well.
    """

    def __init__(
        self,
        why: Reason,
        /,
        *,
        code: str = "",
        own_credentials: bool = False,
        by: str = "",
        **values: Unpack[Values],
    ) -> None:
        self.reason = why.name
        values["caller"] = own(by or "the operator")
        self.message, self.remedy = why.parts(**values)
        self.code = code
        self.transient = why.name in messages.TRANSIENT
        self.own_credentials = own_credentials or why.name in messages.OWN_CREDENTIALS
        self.caller = by
        self.explained = why is not messages.ASSUME_ROLE_DENIED and why is not messages.ACCESS_DENIED
        self.said = ForeignText("")  # what AWS said, to decide by: the message may not quote it
        self.text = own(f"{self.message} {self.remedy}".strip())
        super().__init__(self.text)


def clean(text: object, secrets: Secrets = NOTHING_SECRET) -> Quoted:
    """AWS's own words without what differs from call to call, and without secrets."""
    quoted = quote(text, secrets, limit=MAX_FOREIGN)
    return own(" ".join(_REQUEST_IDS.sub("", quoted).split())[:MAX_QUOTED])


def from_botocore(
    error: Exception, action: str, resource: str, *, secrets: Secrets = NOTHING_SECRET, caller: str = ""
) -> AwsError:
    """What boto3 raised (one of CALL_FAILURES) for an action such as ``s3:PutObject`` on a resource, as an AwsError.

    `secrets` are values of the request that AWS may repeat in its message. `caller` is the ARN of the operator's own
    principal, for denials that do not name it.
    """
    where: dict[str, Any] = {"action": action, "resource": resource}
    name = own(type(error).__name__)
    if isinstance(error, boto.ClientError):
        answer = _Answer.of(error, secrets)
        found = _from_answer(answer, action, resource, caller)
        found.said = ForeignText(answer.said)
        return found
    if isinstance(error, ResponseParserError):
        return AwsError(messages.UNEXPECTED_ANSWER, **where, answer=own("it cannot be parsed"))
    if isinstance(error, CallsPausedError):
        return AwsError(messages.CALLS_PAUSED, host=error.kwargs["place"], error=own(error.kwargs["error"]))
    if isinstance(error, _NO_CREDENTIALS):
        return AwsError(messages.NO_CREDENTIALS)
    if isinstance(error, boto.CredentialRetrievalError):
        return AwsError(messages.CREDENTIALS_UNREACHABLE, provider=own("the source of its credentials"))
    if isinstance(error, boto.ParamValidationError):
        # Its report is not shown: it quotes values, and one of them is the external ID.
        return AwsError(messages.INVALID_PARAMETER, **where)
    if isinstance(error, boto.ProxyConnectionError):
        tunnel = _TUNNEL.search(str(error.kwargs["error"]))
        failure = own(f"returned HTTP {tunnel[1]}" if tunnel else "could not be reached")
        return AwsError(messages.PROXY_FAILED, **where, proxy=error.kwargs["proxy_url"], failure=failure)
    if isinstance(error, boto.SSLError) and _UNTRUSTED in str(error):
        return AwsError(messages.UNTRUSTED_CERTIFICATE, **where)
    if isinstance(error, AnswerRefusedError):
        return AwsError(messages.ANSWER_BEYOND_LIMITS, **where, limit=own(error.kwargs["limit"]))
    if isinstance(error, INTERRUPTED):
        return AwsError(messages.READ_INTERRUPTED, **where, error=name)
    if isinstance(error, _NO_ANSWER):
        return AwsError(messages.ENDPOINT_UNREACHABLE, **where, error=name)
    return AwsError(messages.AWS_CLIENT_ERROR, **where, error=name)


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
    return AwsError(messages.READ_INTERRUPTED, action="s3:GetObject", resource=bucket, error=differ)


def object_changed(bucket: str, code: str) -> AwsError:
    """An object was replaced or deleted after it was listed."""
    return AwsError(messages.OBJECT_CHANGED, code=code, bucket=bucket)


def bucket_region(answer: Mapping[str, Any]) -> str | None:
    """The region in the headers of an answer about a bucket; S3 sends it with errors as well."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region")
    return str(region) if region else None


def _code(code: object, secrets: Secrets) -> str:
    """The error code. One that AWS documents may be shown; another one is as foreign as the message."""
    text = str(code)
    if text in _KNOWN_CODES or _STATUS_AS_CODE.fullmatch(text) or _KMS_CODE.fullmatch(text):
        return text
    return clean(text, secrets) if _CODE.fullmatch(text) else "an unknown error code"


@dataclass(frozen=True)
class _Answer:
    """An error that AWS, or something before it, returned. `status` is that of HTTP, None if it is not known.

    `said` is what AWS said, to decide by; `text` is what of it may be quoted.
    """

    code: str
    said: str = field(repr=False)
    text: Quoted
    status: int | None
    operation: str
    region: str | None  # of the bucket

    @classmethod
    def of(cls, error: boto.ClientError, secrets: Secrets) -> _Answer:
        # Some S3-compatible stores leave out ErrorResponse, so that botocore finds no `Error` in the answer.
        stated: Mapping[str, Any] = error.response.get("Error") or error.response
        metadata: Mapping[str, Any] = error.response.get("ResponseMetadata") or {}
        status = metadata.get("HTTPStatusCode")
        code = _code(stated.get("Code") or "", secrets)
        if status is None and _STATUS_AS_CODE.fullmatch(code):
            status = int(code)
        said = str(stated.get("Message") or "")[:MAX_FOREIGN]
        return cls(code, said, clean(said, secrets), status, error.operation_name, bucket_region(error.response))

    @property
    def quoted(self) -> Quoted:
        """The error code, and AWS's own words in quotation marks."""
        code = self.code or f"HTTP status {self.status}"
        return own(f'{code}: "{self.text.rstrip(".")}"' if self.text else code)

    @property
    def is_transient(self) -> bool:
        return self.code in _TRANSIENT or self.status in _TRANSIENT_STATUSES

    @property
    def is_about_the_clock(self) -> bool:
        return self.code in _CLOCK or (self.code in _REJECTED_CREDENTIALS and bool(_CLOCK_WORDS.search(self.said)))

    @property
    def is_from_aws(self) -> bool:
        """Whether a service of AWS wrote it: those answer with an error code, save where there is no body."""
        without_code = not self.code or _STATUS_AS_CODE.fullmatch(self.code) is not None
        return not without_code or self.operation.startswith(_WITHOUT_BODY) or self.code in _OTHER_REGION


def _from_answer(answer: _Answer, action: str, resource: str, caller: str) -> AwsError:
    code = answer.code
    where: dict[str, Any] = {"action": action, "resource": resource, "code": code}
    if answer.is_transient:
        return AwsError(messages.AWS_UNAVAILABLE, **where, answer=answer.quoted)
    if answer.is_about_the_clock:
        return AwsError(messages.CLOCK_SKEWED, **where)
    if not answer.is_from_aws:
        return AwsError(messages.UNEXPECTED_ANSWER, **where, answer=own(f"HTTP status {answer.status}"))
    if answer.operation == _WEB_IDENTITY:
        return AwsError(messages.OPERATOR_ROLE_DENIED, code=code, answer=answer.quoted)
    if action == ASSUME_ROLE:
        return _from_assume_role(answer, resource, caller)
    if action.startswith("iam:"):
        return _from_iam(answer, action, resource)
    return _from_s3(answer, action, resource)


def _from_iam(answer: _Answer, action: str, role: str) -> AwsError:
    if answer.code == "NoSuchEntity":
        return AwsError(messages.ROLE_NOT_FOUND, code=answer.code, role=role)
    return _rejected_credentials(answer) or _denied(answer, action, role) or _other(answer, action, role)


def _from_s3(answer: _Answer, action: str, bucket: str) -> AwsError:
    code = answer.code
    if code == "NoSuchBucket" or (code == "404" and action == "s3:ListBucket"):
        return AwsError(messages.BUCKET_NOT_FOUND, code=code, bucket=bucket)
    if code in _OTHER_REGION:
        return region_mismatch(bucket, None, answer.region, code=code)
    if code in _KEY_DISABLED:
        return AwsError(messages.KMS_KEY_DISABLED, code=code, answer=answer.quoted)
    if code.startswith("KMS"):
        return AwsError(messages.KMS_KEY_UNUSABLE, code=code, answer=answer.quoted)
    if code in _EXPIRED_SESSION:
        return AwsError(messages.EXPIRED_CREDENTIALS, code=code)
    return _denied(answer, action, bucket) or _other(answer, action, bucket)


def _denied(answer: _Answer, action: str, resource: str) -> AwsError | None:
    if answer.code not in _DENIED:
        return None
    denial = Denial.of(answer.said, answer.text)
    return AwsError(
        denial.reason(action),
        code=answer.code,
        action=denial.action or action,
        resource=resource,
        explanation=denial.quoted,
    )


def _other(answer: _Answer, action: str, resource: str) -> AwsError:
    return AwsError(messages.AWS_ERROR, code=answer.code, action=action, resource=resource, answer=answer.quoted)


def _from_assume_role(answer: _Answer, role: str, caller: str) -> AwsError:
    code = answer.code
    if code in _DENIED:
        denial = Denial.of(answer.said, answer.text)
        return AwsError(
            denial.reason(ASSUME_ROLE),
            code=code,
            by=denial.caller or caller,
            action=denial.action or ASSUME_ROLE,
            role=role,
            explanation=denial.quoted,
        )
    rejected = _rejected_credentials(answer)
    if rejected is not None:
        return rejected
    if code == "RegionDisabledException":
        return AwsError(messages.REGION_DISABLED, code=code, role=role)
    if code == "NoSuchEntity":  # AWS itself answers AccessDenied
        return AwsError(messages.ASSUMED_ROLE_NOT_FOUND, code=code, role=role)
    if code in SESSION_TOO_LARGE:
        return AwsError(messages.SESSION_TOO_LARGE, code=code, role=role, answer=answer.quoted)
    if code == "ValidationError":
        return AwsError(messages.ASSUME_ROLE_INVALID, code=code, role=role, answer=answer.quoted)
    return _other(answer, ASSUME_ROLE, role)


def _rejected_credentials(answer: _Answer) -> AwsError | None:
    """What AWS answers to a request that is signed with the operator's own credentials, if it is about these."""
    if answer.code in _EXPIRED_CREDENTIALS:
        return AwsError(messages.OPERATOR_CREDENTIALS_EXPIRED, code=answer.code, answer=answer.quoted)
    if answer.code in _REJECTED_CREDENTIALS:
        return AwsError(messages.OPERATOR_CREDENTIALS_REJECTED, code=answer.code, answer=answer.quoted)
    return None
