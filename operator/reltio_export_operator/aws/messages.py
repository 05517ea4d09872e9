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
NO_USER_CREDENTIALS = Reason(
    "NoCredentials",
    "There are no AWS credentials on this machine that can be used ({error}).",
    "Log in to AWS (for example with `aws sso login`), or set AWS_PROFILE, and run the command again.",
)
TOKEN_FILE_UNUSABLE = Reason(
    "TokenFileUnusable",
    "The operator has no AWS credentials, because the file {path}, which {variable} names, {problem}.",
    "Restart the operator's pod, so that EKS mounts the token of its ServiceAccount again. If this does not help, "
    "check the projected volume in the pod and the role of the ServiceAccount (IRSA or EKS Pod Identity).",
)
CREDENTIALS_UNREACHABLE = Reason(
    "CredentialsUnreachable",
    "The operator cannot get AWS credentials, because {provider} did not answer.",
    "Check that the agent of EKS Pod Identity (or ECS, or the instance metadata service) runs on the operator's node, "
    "and that no NetworkPolicy or proxy stops the connection to its link-local address.",
)
CREDENTIALS_REFUSED = Reason(
    "CredentialsRefused",
    "The operator cannot get AWS credentials, because {provider} refused with HTTP status {answer}.",
    "Check that an EKS Pod Identity association exists for the ServiceAccount of the operator, and that the trust "
    "policy of its role allows pods.eks.amazonaws.com sts:AssumeRole and sts:TagSession.",
)
CREDENTIALS_FAILED = Reason(
    "CredentialsFailed",
    "The operator cannot get AWS credentials ({error}).",
    "Check the role of the operator's ServiceAccount (IRSA or EKS Pod Identity), and the AWS_ variables of its pod.",
)
OPERATOR_CREDENTIALS_REJECTED = Reason(
    "OperatorCredentialsRejected",
    "AWS rejected the credentials of the operator. It returned {answer}.",
    "Check the role of the operator's ServiceAccount (IRSA or EKS Pod Identity).",
)
OPERATOR_CREDENTIALS_EXPIRED = Reason(
    "OperatorCredentialsExpired",
    "The credentials of the operator have expired. AWS returned {answer}.",
    "No action is needed; the operator gets new ones. If this does not end, check the role of its ServiceAccount.",
)
USER_CREDENTIALS_REJECTED = Reason(
    "OperatorCredentialsRejected",
    "AWS rejected your credentials. It returned {answer}.",
    "Log in to AWS again (for example with `aws sso login`), or set AWS_PROFILE, and run the command again.",
)
OPERATOR_ROLE_DENIED = Reason(
    "OperatorCredentialsRejected",
    "The operator cannot assume its own role with AssumeRoleWithWebIdentity. AWS returned {answer}.",
    "Check the role in serviceAccount.annotations of the chart, and that its trust policy names the OIDC provider of "
    "the cluster and this ServiceAccount.",
)
OPERATOR_REGION_DISABLED = Reason(
    "OperatorRegionDisabled",
    "The credentials of the operator are valid, but not in {region}: its account has not enabled this region.",
    "Enable {region} in the account of the operator, or correct spec.s3.region of the ExportTarget.",
)
CLOCK_SKEWED = Reason(
    "ClockSkewed",
    "{action} on {resource} was refused, because the clock of the operator differs from that of AWS.",
    "Correct the clock of the operator's node, for example with NTP.",
)

# -- the role of the target

_ASSUMING_DENIED = "AWS denied {caller} {action} on {role}: {explanation}."
ASSUME_ROLE_DENIED = Reason(
    "AssumeRoleDenied",
    "AWS denied {caller} sts:AssumeRole on {role}. It does not say whether the role, the principal, the external ID or "
    "a permission is wrong.",
    "Check that the role exists, that its trust policy names {caller}, that its sts:ExternalId equals "
    "spec.s3.externalID, and that the policy of the operator allows sts:AssumeRole on the role.",
)
ASSUME_TAGGED_ROLE_DENIED = Reason(
    "AssumeRoleDenied",
    f"{ASSUME_ROLE_DENIED.text}",
    f"{ASSUME_ROLE_DENIED.action} As the setting sessionTags is on, both policies must allow sts:TagSession as well.",
)
ASSUMING_DENIED_BY_TRUST_POLICY = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Name {caller} in the trust policy of the role, let its sts:ExternalId equal spec.s3.externalID, and remove any "
    "Deny of {action} there.",
)
ASSUMING_DENIED_BY_OWN_POLICY = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Allow {action} on {role} in the permission policy of {caller}, and remove any Deny of it there.",
)
ASSUMING_DENIED_BY_OWN_BOUNDARY = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Allow {action} on {role} in the permissions boundary of {caller}, and remove any Deny of it there.",
)
ASSUMING_DENIED_BY_OWN_SESSION = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Allow {action} on {role} in the session policy of {caller}, and remove any Deny of it there. It may come from the "
    "EKS Pod Identity association.",
)
ASSUMING_DENIED_BY_ENDPOINT_POLICY = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Allow {action} on {role} in the policy of the VPC endpoint for STS that the operator uses, and remove any Deny of "
    "it there.",
)
ASSUMING_DENIED_BY_ORGANIZATION = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Ask the administrator of the AWS organization to let this policy allow {action} on {role} to {caller}.",
)
TAGGING_DENIED = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Allow sts:TagSession next to sts:AssumeRole, in the trust policy of the role and in the policy of {caller}. The "
    "tags come from EKS Pod Identity or from the setting sessionTags.",
)
SOURCE_IDENTITY_DENIED = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Allow sts:SetSourceIdentity next to sts:AssumeRole, in the trust policy of the role and in the policy of "
    "{caller}. The source identity comes from the operator's own session.",
)
ASSUMING_DENIED_TO_ROOT = Reason(
    "AssumeRoleDenied",
    _ASSUMING_DENIED,
    "Run the operator with a role or an IAM user: the root user of an account cannot assume roles.",
)
ASSUMING_DENIED_OTHERWISE = Reason("AssumeRoleDenied", _ASSUMING_DENIED, ASSUME_ROLE_DENIED.action)
SESSION_TOO_LARGE = Reason(
    "SessionTooLarge",
    "{role} cannot be assumed, because the session tags are too large even without a session policy. AWS returned "
    "{answer}.",
    "Switch off the setting sessionTags, or the session tags of the EKS Pod Identity association, or use IRSA.",
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
ASSUMED_ROLE_NOT_FOUND = Reason(
    "RoleNotFound",
    "Role {role} does not exist.",
    "Create the role, or correct spec.s3.roleARN.",
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
_DENIED = ACCESS_DENIED.text
DENIED_BY_ROLE_POLICY = Reason(
    "AccessDenied", _DENIED, "Allow {action} in the permission policy of the role, and remove any Deny of it there."
)
DENIED_BY_BUCKET_POLICY = Reason(
    "AccessDenied", _DENIED, "Allow the role {action} in the policy of the bucket, and remove any Deny of it there."
)
DENIED_BY_ROLE_BOUNDARY = Reason(
    "AccessDenied", _DENIED, "Allow {action} in the permissions boundary of the role, and remove any Deny of it there."
)
DENIED_BY_SESSION_POLICY = Reason(
    "AccessDenied",
    _DENIED,
    "Set spec.s3.bucket of the ExportTarget to the name of the bucket itself: the operator limits its session to this "
    "bucket and spec.s3.path, and the alias of an access point is not the bucket.",
)
DENIED_BY_ENDPOINT_POLICY = Reason(
    "AccessDenied",
    _DENIED,
    "Allow {action} on {resource} in the policy of the VPC endpoint for S3 that the operator uses, and remove any Deny "
    "of it there.",
)
DENIED_BY_ORGANIZATION = Reason(
    "AccessDenied",
    _DENIED,
    "Ask the administrator of the AWS organization to let this policy allow {action} on {resource} to the role.",
)
_KMS_REMEDY = (
    "Allow the role kms:GenerateDataKey and kms:Decrypt in its permission policy and in the key policy, and remove any "
    "Deny of them there. Check that the key is enabled and in the region of the bucket."
)
KMS_KEY_UNUSABLE = Reason("KMSDenied", "The KMS key cannot be used. AWS returned {answer}.", _KMS_REMEDY)
KMS_ACTION_DENIED = Reason(
    "KMSDenied", "The KMS key cannot be used, because AWS denied {action}: {explanation}.", _KMS_REMEDY
)
KMS_KEY_DISABLED = Reason(
    "KMSKeyDisabled",
    "The KMS key cannot be used, because it is disabled or is about to be deleted. AWS returned {answer}.",
    "Enable the key, or cancel its deletion. Files that are encrypted under it cannot be read without it.",
)
OF_KEYS = frozenset({KMS_KEY_UNUSABLE.name, KMS_KEY_DISABLED.name})

ENCRYPTION_DIFFERS = Reason(
    "EncryptionDiffers",
    "An object in bucket {bucket} was stored {actual}, although {expected} was requested.",
    "Correct spec.s3.serverSideEncryption, or the default encryption of the bucket or of the S3-compatible store.",
)
CONTENT_DIFFERS = Reason(
    "ContentDiffers",
    "An object in bucket {bucket} was read with other content than was written to it.",
    "Check what changes objects between the operator and S3, such as a gateway, a proxy or an S3 Object Lambda.",
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
CALLS_PAUSED = Reason(
    "CallsPaused",
    "Calls to {host} are paused, because several in a row had no connection or no answer ({error}).",
    "The operator tries again within a minute, and continues by itself. If it persists, check the network between the "
    "operator and AWS, and spec.s3.region.",
)
AWS_UNAVAILABLE = Reason(
    "AWSUnavailable",
    "{action} on {resource} failed. AWS returned {answer}.",
    "No action is needed; the operator will retry.",
)
UNEXPECTED_ANSWER = Reason(
    "UnexpectedAWSAnswer",
    "{action} on {resource} got an answer that is not from AWS ({answer}).",
    "Check the proxies and gateways between the operator and AWS, and AWS_ENDPOINT_URL of the operator.",
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

# -- what the reasons mean for the caller

# The same call may succeed later without a change.
TRANSIENT = frozenset(
    reason.name
    for reason in (
        CREDENTIALS_UNREACHABLE,
        OPERATOR_CREDENTIALS_EXPIRED,
        CLOCK_SKEWED,
        EXPIRED_CREDENTIALS,
        READ_INTERRUPTED,
        OBJECT_CHANGED,
        ENDPOINT_UNREACHABLE,
        CALLS_PAUSED,
        ANSWER_BEYOND_LIMITS,
        AWS_UNAVAILABLE,
        UNEXPECTED_ANSWER,
    )
)
# About the operator's own credentials, so the fault is neither in the target nor in its role.
OWN_CREDENTIALS = frozenset(
    reason.name
    for reason in (
        NO_CREDENTIALS,
        TOKEN_FILE_UNUSABLE,
        CREDENTIALS_UNREACHABLE,
        CREDENTIALS_REFUSED,
        CREDENTIALS_FAILED,
        OPERATOR_CREDENTIALS_REJECTED,
        OPERATOR_CREDENTIALS_EXPIRED,
        OPERATOR_REGION_DISABLED,
        CLOCK_SKEWED,
    )
)
