"""AWS refusals as typed errors with a remedy. Texts are free of request ids, key ids and external IDs."""

from __future__ import annotations

import re

from botocore import exceptions as botocore_errors

_NOISE = re.compile(
    r"\s*\(?(?:Request ?ID|HostId|Extended Request ID|x-amz-request-id)[:=]?\s*[\w+/=-]+\)?"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b",
    re.IGNORECASE,
)
_TRANSIENT_CODES = {
    "InternalError",
    "InternalFailure",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
}


class AwsError(Exception):
    """A call to AWS that failed.

    `reason` is CamelCase and stable; `remedy` says what to change and where; `transient` tells that the same
    call may succeed later without a change.
    """

    def __init__(self, reason: str, message: str, remedy: str, *, code: str = "", transient: bool = False):
        super().__init__(f"{message} {remedy}".strip())
        self.reason = reason
        self.message = message
        self.remedy = remedy
        self.code = code
        self.transient = transient


def clean(text: str) -> str:
    """The text without what differs from call to call or must not be shown."""
    return _NOISE.sub("", text).strip()[:512]


def from_botocore(error: Exception, action: str, resource: str) -> AwsError:
    """Turn what boto3 raised for an action such as ``s3:PutObject`` on a resource into an AwsError."""
    if isinstance(error, botocore_errors.ClientError):
        return _from_answer(error, action, resource)
    if isinstance(error, botocore_errors.NoCredentialsError | botocore_errors.PartialCredentialsError):
        return AwsError(
            "NoCredentials",
            "The operator has no AWS credentials of its own.",
            "Give its ServiceAccount a role by IRSA or EKS Pod Identity (serviceAccount.annotations in the chart).",
        )
    return AwsError(
        "EndpointUnreachable",
        f"{action} on {resource} got no answer: {clean(type(error).__name__)}.",
        "Check the network between the operator and AWS, and spec.s3.region.",
        transient=True,
    )


def _from_answer(error: botocore_errors.ClientError, action: str, resource: str) -> AwsError:
    answer = error.response.get("Error", {})
    code, text = str(answer.get("Code", "")), clean(str(answer.get("Message", "")))
    if action == "sts:AssumeRole":
        return _assume_role(code, text, resource)
    if code == "NoSuchBucket" or (code == "404" and action == "s3:ListBucket"):
        return AwsError(
            "BucketNotFound",
            f"Bucket {resource} does not exist.",
            "Create the bucket, or correct spec.s3.bucket of the ExportTarget.",
            code=code,
        )
    if code in (
        "PermanentRedirect",
        "301",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    ):
        region = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
        actual = f" It is in {region}." if region else ""
        return AwsError(
            "BucketRegionMismatch",
            f"Bucket {resource} is not in the region asked for.{actual}",
            "Correct spec.s3.region of the ExportTarget, or leave it out.",
            code=code,
        )
    if code.startswith("KMS"):
        return AwsError(
            "KMSDenied",
            f"The KMS key cannot be used: {text}",
            "Allow the role kms:GenerateDataKey and kms:Decrypt on the key.",
            code=code,
        )
    if code in ("AccessDenied", "403", "AllAccessDisabled"):
        return AwsError(
            "AccessDenied",
            f"{action} on {resource} is denied.",
            f"Allow {action} in the permission policy of the role, and see that no bucket policy denies it.",
            code=code,
        )
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken"):
        return AwsError(
            "ExpiredCredentials",
            "The session of the role has expired.",
            "None needed: it is renewed.",
            code=code,
            transient=True,
        )
    return AwsError(
        "AWSError",
        f"{action} on {resource} failed with {code}: {text}",
        "See the code in the AWS documentation of the action.",
        code=code,
        transient=code in _TRANSIENT_CODES,
    )


def _assume_role(code: str, text: str, role: str) -> AwsError:
    if code in ("AccessDenied", "AccessDeniedException", "403"):
        return AwsError(
            "AssumeRoleDenied",
            f"Assuming {role} is denied; AWS does not tell whether principal, external ID or permission is wrong.",
            "Check that the role exists, that its trust policy names the operator's principal, that its "
            "sts:ExternalId equals spec.s3.externalID, and that the operator's own policy allows sts:AssumeRole "
            "on it.",
            code=code,
        )
    if code in ("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException"):
        return AwsError(
            "OperatorCredentialsRejected",
            "AWS rejects the operator's own credentials.",
            "Check the role of the operator's ServiceAccount (IRSA or EKS Pod Identity).",
            code=code,
        )
    return AwsError(
        "AssumeRoleFailed",
        f"Assuming {role} failed with {code}: {text}",
        "See the code in the AWS documentation of AssumeRole.",
        code=code,
        transient=code in _TRANSIENT_CODES,
    )
