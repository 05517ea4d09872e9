"""AWS refusals as typed errors with a remedy. Texts are free of request ids, key ids and external IDs.

Codes and message forms are those of the S3 and STS API references and of IAM's access-denied messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from botocore import exceptions as boto

_NOISE = re.compile(
    r"\s*\(?\b(?:Extended Request ?ID|Request ?ID|Host ?ID|x-amz-request-id|x-amz-id-2)\b[:=]?\s*[\w+/=-]+[),]*"
    r"|(?<=date/time )\d+"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b",
    re.IGNORECASE,
)
# IAM names the action and resource, then why. The resource may hold the random key of a probe: it is not kept.
_NOT_AUTHORIZED = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)")
_WHY_DENIED = re.compile(r"\b(?:because no|with an explicit deny in) .+", re.DOTALL)
_LIMIT = 512

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "AllAccessDisabled"})
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_STALE_SESSION = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidToken"})
_BAD_OWN_CREDENTIALS = _STALE_SESSION | {
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
    }
)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.ProfileNotFound,
)
_NO_ANSWER = (boto.HTTPClientError, boto.ConnectionError)


class AwsError(Exception):
    """A call to AWS that failed.

    `reason` is CamelCase and stable; `remedy` says what to change and where; `code` is AWS's own, when it answered;
    `transient` tells that the same call may succeed later without a change.
    """

    def __init__(self, reason: str, message: str, remedy: str, *, code: str = "", transient: bool = False):
        super().__init__(f"{message} {remedy}".strip())
        self.reason = reason
        self.message = message
        self.remedy = remedy
        self.code = code
        self.transient = transient


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without what differs from call to call or must not be shown."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return " ".join(_NOISE.sub("", text).split())[:_LIMIT]


def from_botocore(
    error: boto.BotoCoreError | boto.ClientError, action: str, resource: str, *, secrets: Iterable[str] = ()
) -> AwsError:
    """Turn what boto3 raised for an action such as ``s3:PutObject`` on a resource into an AwsError.

    `secrets` are values of the request that AWS may repeat in its message.
    """
    if isinstance(error, boto.ClientError):
        return _from_answer(error, action, resource, secrets)
    if isinstance(error, _NO_CREDENTIALS):
        return AwsError(
            "NoCredentials",
            "The operator has no AWS credentials of its own.",
            "Give its ServiceAccount a role by IRSA or EKS Pod Identity (serviceAccount.annotations in the chart).",
            transient=isinstance(error, boto.CredentialRetrievalError),
        )
    if isinstance(error, boto.ParamValidationError):
        # Its report quotes values, and one of them is the external ID.
        return AwsError(
            "InvalidParameter",
            f"{action} on {resource} was not sent: a parameter has the wrong form.",
            "Check bucket, roleARN and external ID in spec.s3; an external ID has 2 to 1224 characters.",
        )
    if isinstance(error, _NO_ANSWER):
        return AwsError(
            "EndpointUnreachable",
            f"{action} on {resource} got no answer ({type(error).__name__}).",
            "Check the network between the operator and AWS, and spec.s3.region.",
            transient=True,
        )
    return AwsError(
        "AWSError",
        f"{action} on {resource} failed in the AWS client ({type(error).__name__}).",
        "Check spec.s3.region and the AWS settings of the operator.",
    )


def region_mismatch(bucket: str, asked: str | None, actual: str | None, *, code: str = "") -> AwsError:
    """The bucket is not where it was looked for."""
    asked_for = f"in {asked}" if asked else "in the region asked for"
    found = f": it is in {actual}" if actual else ""
    return AwsError(
        "BucketRegionMismatch",
        f"Bucket {bucket} is not {asked_for}{found}.",
        f"Set spec.s3.region of the ExportTarget to {actual or 'the region of the bucket'}, or leave it out.",
        code=code,
    )


def bucket_region(answer: Mapping[str, Any]) -> str | None:
    """The region that S3 names in the headers of an answer about a bucket, also of a refusal."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region")
    return str(region) if region else None


def _from_answer(error: boto.ClientError, action: str, resource: str, secrets: Iterable[str]) -> AwsError:
    answer = error.response.get("Error", {})
    code, text = str(answer.get("Code", "")), clean(str(answer.get("Message", "")), secrets)
    if error.operation_name == "AssumeRoleWithWebIdentity":
        return _own_role_refused(code, text)
    if action == "sts:AssumeRole":
        return _assume_role(code, text, resource)
    if code == "NoSuchBucket" or (code == "404" and action == "s3:ListBucket"):
        return AwsError(
            "BucketNotFound",
            f"Bucket {resource} does not exist.",
            "Create the bucket, or correct spec.s3.bucket of the ExportTarget.",
            code=code,
        )
    if code == "NoSuchEntity" and action.startswith("iam:"):
        return AwsError(
            "RoleNotFound",
            f"The operator's account has no role {resource}, or one of its policies was just removed.",
            "Create the role, or correct spec.s3.roleARN; a role of another account cannot be inspected.",
            code=code,
        )
    if code in _ELSEWHERE:
        return region_mismatch(resource, None, bucket_region(error.response), code=code)
    if code in _DENIED:
        return _denied(code, text, action, resource)
    if code.startswith("KMS"):
        return _kms(code, text)
    if code in _STALE_SESSION:
        return AwsError(
            "ExpiredCredentials",
            "The session of the role has expired or was revoked.",
            "None needed: it is renewed.",
            code=code,
            transient=True,
        )
    return _other(code, text, action, resource)


def _denied(code: str, text: str, action: str, resource: str) -> AwsError:
    named = _NOT_AUTHORIZED.search(text)
    denied = named["action"] if named else action
    why = _WHY_DENIED.search(text)
    if denied.startswith("kms:"):
        return _kms(code, f"{denied} is denied{' ' + why[0] if why else ''}")
    return AwsError(
        "AccessDenied",
        f"{denied} on {resource} is denied{' ' + why[0].rstrip('.') if why else ''}.",
        f"Allow {denied} in the permission policy of the role, and see that no bucket policy denies it.",
        code=code,
    )


def _kms(code: str, text: str) -> AwsError:
    return AwsError(
        "KMSDenied",
        f"The KMS key cannot be used: {text.rstrip('.')}.",
        "Allow the role kms:GenerateDataKey and kms:Decrypt, in its permission policy and in the key's, and see that "
        "the key is enabled and in the region of the bucket.",
        code=code,
    )


def _assume_role(code: str, text: str, role: str) -> AwsError:
    if code in _DENIED:
        return AwsError(
            "AssumeRoleDenied",
            f"Assuming {role} is denied; AWS does not tell whether role, principal, external ID or permission is "
            "wrong.",
            "Check that the role exists, that its trust policy names the operator's principal, that its "
            "sts:ExternalId equals spec.s3.externalID, and that the operator's own policy allows sts:AssumeRole "
            "on it.",
            code=code,
        )
    if code in _BAD_OWN_CREDENTIALS:
        return AwsError(
            "OperatorCredentialsRejected",
            "AWS rejects the operator's own credentials.",
            "Check the role of the operator's ServiceAccount (IRSA or EKS Pod Identity).",
            code=code,
            transient=code in _STALE_SESSION,
        )
    if code == "RegionDisabledException":
        return AwsError(
            "RegionDisabled",
            f"{role} cannot be assumed in this region: its account has not activated STS there.",
            "Activate STS for the region in the role's account, or correct spec.s3.region of the ExportTarget.",
            code=code,
        )
    if code == "ValidationError":
        return AwsError(
            "AssumeRoleInvalid",
            f"AWS refuses the request to assume {role}: {text}",
            "Correct spec.s3.roleARN or the external ID (no spaces or line breaks), or the role's session duration.",
            code=code,
        )
    return _other(code, text, "sts:AssumeRole", role)


def _own_role_refused(code: str, text: str) -> AwsError:
    return AwsError(
        "OperatorCredentialsRejected",
        f"AWS does not let the operator take its own role (AssumeRoleWithWebIdentity, {code}): {text}",
        "Check the role in serviceAccount.annotations of the chart, and that its trust policy names the cluster's "
        "OIDC provider and this ServiceAccount.",
        code=code,
        transient=code in _TRANSIENT or code == "IDPCommunicationError",
    )


def _other(code: str, text: str, action: str, resource: str) -> AwsError:
    transient = code in _TRANSIENT
    return AwsError(
        "AWSUnavailable" if transient else "AWSError",
        f"{action} on {resource} failed with {code}: {text}",
        f"See {code} in the AWS documentation of {action}.",
        code=code,
        transient=transient,
    )
