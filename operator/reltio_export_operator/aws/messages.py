"""Every reason that a call to AWS can fail with: the message, and what to do.

`{answer}` is the error code that AWS returned with its own words in quotation marks.
"""

from __future__ import annotations

from ..api.reasons import Reason

# -- the operator's own credentials

NO_CREDENTIALS = Reason(
    "NoCredentials",
    "The operator has no AWS credentials.",
    "Give its ServiceAccount a role with IRSA or EKS Pod Identity (serviceAccount.annotations in the chart).",
)
OPERATOR_CREDENTIALS_REJECTED = Reason(
    "OperatorCredentialsRejected",
    "AWS rejected the credentials of the operator. It returned {answer}.",
    "Check the role of the operator's ServiceAccount (IRSA or EKS Pod Identity).",
)
OPERATOR_ROLE_DENIED = Reason(
    "OperatorCredentialsRejected",
    "The operator cannot assume its own role with AssumeRoleWithWebIdentity. AWS returned {answer}.",
    "Check the role in serviceAccount.annotations of the chart, and that its trust policy names the OIDC provider of "
    "the cluster and this ServiceAccount.",
)

# -- the role of the target

ASSUME_ROLE_DENIED = Reason(
    "AssumeRoleDenied",
    "AWS denied sts:AssumeRole on {role}. It does not say whether the role, the principal, the external ID or a "
    "permission is wrong.",
    "Check that the role exists, that its trust policy names the principal of the operator, that its sts:ExternalId "
    "equals spec.s3.externalID, and that the policy of the operator allows sts:AssumeRole on the role.",
)
ASSUME_TAGGED_ROLE_DENIED = Reason(
    "AssumeRoleDenied",
    f"{ASSUME_ROLE_DENIED.text}",
    f"{ASSUME_ROLE_DENIED.action} As the setting sessionTags is on, both policies must allow sts:TagSession as well.",
)
ROLE_NOT_ALLOWED = Reason(
    "RoleNotAllowed",
    "The settings of the operator do not allow {role} to targets in namespace {namespace}. Nothing was sent.",
    "Set spec.s3.roleARN to a role of this namespace, or ask the administrator of the operator to add the role to the "
    "setting allowedRoles.",
)
ASSUME_ROLE_INVALID = Reason(
    "AssumeRoleInvalid",
    "AWS refused the request to assume {role}. It returned {answer}.",
    "Correct spec.s3.roleARN or the external ID (no spaces or line breaks), or the session duration of the role.",
)
REGION_DISABLED = Reason(
    "RegionDisabled",
    "{role} cannot be assumed in this region, because its account has not activated STS there.",
    "Activate STS for the region in the account of the role, or correct spec.s3.region of the ExportTarget.",
)
EXPIRED_CREDENTIALS = Reason(
    "ExpiredCredentials",
    "The session of the role has expired or was revoked.",
    "No action is needed; the operator assumes the role again.",
)
ROLE_NOT_FOUND = Reason(
    "RoleNotFound",
    "Role {role} was not found in the operator's account, or one of its policies was deleted just now.",
    "Create the role, or correct spec.s3.roleARN. The policies of a role in another account cannot be read.",
)
OTHER_ROLE_FOUND = Reason(
    "RoleNotFound",
    "The role of this name in the operator's account is {found}, not {role}.",
    "Correct the account and path in spec.s3.roleARN. The policies of a role in another account cannot be read.",
)

# -- the bucket

BUCKET_NOT_FOUND = Reason(
    "BucketNotFound",
    "Bucket {bucket} does not exist.",
    "Create the bucket, or correct spec.s3.bucket of the ExportTarget.",
)
BUCKET_REGION_MISMATCH = Reason(
    "BucketRegionMismatch",
    "Bucket {bucket} is in {region}, not in {configured}.",
    "Set spec.s3.region of the ExportTarget to {region}, or remove it.",
)
BUCKET_REGION_UNKNOWN = Reason(
    "BucketRegionMismatch",
    "Bucket {bucket} is not in the region of the request.",
    "Set spec.s3.region of the ExportTarget to the region of the bucket, or remove it.",
)
ACCESS_DENIED = Reason(
    "AccessDenied",
    "AWS denied {action} on {resource}: {explanation}.",
    "Allow {action} in the permission policy of the role, and check that no bucket policy denies it.",
)
_KMS_REMEDY = (
    "Allow the role kms:GenerateDataKey and kms:Decrypt in its permission policy and in the key policy, and check that "
    "the key is enabled and in the region of the bucket."
)
KMS_KEY_UNUSABLE = Reason("KMSDenied", "The KMS key cannot be used. AWS returned {answer}.", _KMS_REMEDY)
KMS_ACTION_DENIED = Reason(
    "KMSDenied", "The KMS key cannot be used, because AWS denied {action}: {explanation}.", _KMS_REMEDY
)

# -- any call

INVALID_PARAMETER = Reason(
    "InvalidParameter",
    "{action} on {resource} was not sent, because a parameter has the wrong form.",
    "Check bucket, roleARN and the external ID in spec.s3. An external ID has 2 to 1224 characters.",
)
PROXY_FAILED = Reason(
    "EndpointUnreachable",
    "{action} on {resource} was not sent: the proxy {proxy} {failure}.",
    "Check HTTPS_PROXY and NO_PROXY of the operator, and that the proxy allows connections to AWS.",
)
UNTRUSTED_CERTIFICATE = Reason(
    "EndpointUnreachable",
    "{action} on {resource} was not sent, because the certificate of the endpoint is not trusted.",
    "Behind a proxy that inspects TLS, name its certificate authority in caBundle of the chart; see docs/proxies.md.",
)
READ_INTERRUPTED = Reason(
    "ReadInterrupted",
    "The answer to {action} on {resource} was cut off or damaged in transit ({error}).",
    "No action is needed; the operator will read the object again. If this does not end, check the proxies between the "
    "operator and AWS.",
)
ANSWER_BEYOND_LIMITS = Reason(
    "AnswerBeyondLimits",
    "The operator stopped reading the answer to {action} on {resource}: {limit}.",
    "Check the proxies between the operator and AWS, and AWS_ENDPOINT_URL. The operator will retry.",
)
OBJECT_CHANGED = Reason(
    "ObjectChanged",
    "An object in bucket {bucket} was replaced or deleted while the delivery was read.",
    "No action is needed; the operator will list the directory again.",
)
ENDPOINT_UNREACHABLE = Reason(
    "EndpointUnreachable",
    "AWS did not answer {action} on {resource} ({error}).",
    "Check the network between the operator and AWS, and spec.s3.region.",
)
AWS_UNAVAILABLE = Reason(
    "AWSUnavailable",
    "{action} on {resource} failed. AWS returned {answer}.",
    "No action is needed; the operator will retry.",
)
AWS_ERROR = Reason(
    "AWSError",
    "{action} on {resource} failed. AWS returned {answer}.",
    "See the error code in the AWS documentation of {action}.",
)
AWS_CLIENT_ERROR = Reason(
    "AWSError",
    "{action} on {resource} failed in the AWS client ({error}).",
    "Check spec.s3.region and the AWS settings of the operator.",
)
