"""Messages of AWS as they were recorded in public, each with its source. Names and accounts are those of the source."""

from __future__ import annotations

from dataclasses import dataclass

_S3_PAGE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html"
_IAM_PAGE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"


@dataclass(frozen=True)
class Recorded:
    """A message with the error code that it came with."""

    code: str
    text: str
    source: str


def _denied(text: str, source: str = _S3_PAGE) -> Recorded:
    return Recorded("AccessDenied", text, source)


_MARY = "User: arn:aws:iam::123456789012:user/MaryMajor is not authorized to perform: s3:GetObject"
_OTHER_MARY = "User: arn:aws:iam::777788889999:user/MaryMajor is not authorized to perform: s3:GetObject"
_OBJECT = ' on resource: "arn:aws:s3:::amzn-s3-demo-bucket1/object-name"'
_JOHN = "User: arn:aws:iam::123456789012:user/John is not authorized to perform: sts:AssumeRole"

# By the kind of policy, for a call of S3.
S3_DENIALS = {
    "service control policy, implicit": _denied(
        f"{_OTHER_MARY} because no service control policy allows the s3:GetObject action"
    ),
    "service control policy, explicit": _denied(f"{_OTHER_MARY} with an explicit deny in a service control policy"),
    "resource control policy, explicit": _denied(
        f"{_OTHER_MARY}{_OBJECT} with an explicit deny in a resource control policy"
    ),
    "VPC endpoint policy, implicit": _denied(f"{_MARY} because no VPC endpoint policy allows the s3:GetObject action"),
    "VPC endpoint policy, explicit": _denied(f"{_MARY}{_OBJECT} with an explicit deny in a VPC endpoint policy"),
    "permissions boundary, implicit": _denied(
        f"{_MARY}{_OBJECT} because no permissions boundary allows the s3:GetObject action"
    ),
    "permissions boundary, explicit": _denied(f"{_OTHER_MARY} with an explicit deny in a permissions boundary"),
    "session policy, implicit": _denied(f"{_MARY} because no session policy allows the s3:GetObject action"),
    "session policy, explicit": _denied(f"{_MARY}{_OBJECT} with an explicit deny in a session policy"),
    "resource-based policy, implicit": _denied(
        f"{_MARY} because no resource-based policy allows the s3:GetObject action"
    ),
    "resource-based policy, explicit": _denied(
        "User: arn:aws:iam::<account-ID>:user/<username> is not authorized to perform: s3:ListBucket on resource: "
        '"arn:aws:s3:::<bucket=-name>" with an explicit deny in a resource-based policy',
        "https://github.com/noobaa/noobaa-core/issues/10060",
    ),
    "blocked encryption type": _denied(
        "User: arn:aws:iam::123456789012:user/MaryMajor is not authorized to perform: s3:PutObject on resource: "
        '"arn:aws:s3:::amzn-s3-demo-bucket1/object-name" because this bucket has blocked upload requests that specify '
        "Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption "
        "type"
    ),
    "no explanation": _denied("Access Denied", "https://github.com/aws/aws-cli/issues/813"),
}
# By what denied it, for AssumeRole.
STS_DENIALS = {
    "trust policy, implicit": _denied(
        f"{_JOHN} because no role trust policy allows the sts:AssumeRole action", _IAM_PAGE
    ),
    "trust policy, explicit": _denied(f"{_JOHN} with an explicit deny in the role trust policy", _IAM_PAGE),
    "tags of the session": _denied(
        "User: arn:aws:iam::***:user/deployer is not authorized to perform: sts:TagSession on resource: "
        "arn:aws:iam::***:role/devops",
        "https://github.com/aws-actions/configure-aws-credentials/issues/54",
    ),
    "no explanation": _denied(
        "User: arn:aws:sts::123456789098:assumed-role/kube2iam/8e228500-kube2iam is not authorized to perform: "
        "sts:AssumeRole on resource: arn:aws:iam::123456789098:role/k8s/kube2iam",
        "https://github.com/external-secrets/external-secrets/issues/3264",
    ),
}
OWN_ROLE_DENIED = _denied(
    "Not authorized to perform sts:AssumeRoleWithWebIdentity", "https://github.com/sentry-kubernetes/charts/issues/514"
)
CLOCK_IS_SLOW = Recorded(
    "SignatureDoesNotMatch",
    "Signature expired: 20220127T001427Z is now earlier than 20220127T014428Z (20220127T015928Z - 15 min.)",
    "https://github.com/aws/aws-cli/issues/6676",
)
REGION_NOT_ENABLED = Recorded(
    "InvalidClientTokenId",
    "The security token included in the request is invalid.",
    "https://github.com/aws/aws-sdk-ruby/issues/2850",
)
SESSION_TOO_LARGE = Recorded(
    "PackedPolicyTooLarge",
    "Packed size of session tags consumes 112% of allotted space.",
    "https://github.com/aws/containers-roadmap/issues/2413 (code: configure-aws-credentials/issues/1898)",
)
# Of botocore, where the agent of EKS Pod Identity or of ECS does not answer, or refuses.
AGENT_UNREACHABLE = (
    "Error retrieving metadata: Received error when attempting to retrieve container metadata: Connect timeout on "
    'endpoint URL: "http://169.254.170.23/v1/credentials"',
    "https://github.com/aws-samples/containers-blog-maelstrom/issues/123",
)
AGENT_REFUSED = (
    'Error retrieving metadata: Received non 200 response (400) from ECS metadata: {"code":"InvalidIdInRequest",'
    '"message":"CredentialsV2Request: ID not found"}',
    "https://github.com/aws/amazon-ecs-agent/issues/738",
)
