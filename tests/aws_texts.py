"""Messages of AWS as they were recorded in public, each with its source. Names and accounts are those of the source."""

from __future__ import annotations

from dataclasses import dataclass

_S3_PAGE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html"
_IAM_PAGE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"
_ARN_PAGE = "https://aws.amazon.com/blogs/security/enhanced-access-denied-error-messages-with-policy-arns"


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

# By the kind of policy, for a call of any service: the actions are those of the source.
IAM_DENIALS = {
    "service control policy, implicit": _denied(
        "User: arn:aws:iam::777788889999:user/John is not authorized to perform: codecommit:ListRepositories because "
        "no service control policy allows the codecommit:ListRespositories action",
        _IAM_PAGE,
    ),
    "service control policy, explicit": _denied(
        "User: arn:aws:iam::777788889999:user/John is not authorized to perform: codecommit:ListRepositories with an "
        "explicit deny in a service control policy",
        _IAM_PAGE,
    ),
    "service control policy, explicit, with its ARN": _denied(
        "User: arn:aws:iam::123456789012:user/Matt is not authorized to perform: iam:ListRoles on resource: "
        "arn:aws:iam::123456789012:role/* with an explicit deny in a service control policy: "
        "arn:aws:organizations::987654321098:policy/o-qv5af4abcd/service_control_policy/p-2kgnabcd",
        _ARN_PAGE,
    ),
    "service control policy, explicit, through a VPC endpoint": _denied(
        "User: arn:aws:sts::111122223333:assumed-role/role-name/role-session-name is not authorized to perform: "
        "SNS:Publish on resource: arn:aws:sns:us-east-1:444455556666:role-name-2 with an explicit deny in a VPC "
        "endpoint policy transitively through a service control policy",
        _IAM_PAGE,
    ),
    "resource control policy, explicit": _denied(
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: secretsmanager:GetSecretValue on "
        "resource: arn:aws:secretsmanager:us-east-1:123456789012:secret:* with an explicit deny in a resource control "
        "policy",
        _IAM_PAGE,
    ),
    "VPC endpoint policy, implicit": _denied(
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: codecommit:ListRepositories because "
        "no VPC endpoint policy allows the codecommit:ListRepositories action",
        _IAM_PAGE,
    ),
    "VPC endpoint policy, explicit": _denied(
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: codedeploy:ListDeployments on "
        "resource: arn:aws:codedeploy:us-east-1:123456789012:deploymentgroup:* with an explicit deny in a VPC endpoint "
        "policy",
        _IAM_PAGE,
    ),
    "permissions boundary, implicit": _denied(
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: codedeploy:ListDeployments on "
        "resource: arn:aws:codedeploy:us-east-1:123456789012:deploymentgroup:* because no permissions boundary allows "
        "the codedeploy:ListDeployments action",
        _IAM_PAGE,
    ),
    "permissions boundary, explicit": _denied(
        "User: arn:aws:iam::777788889999:user/John is not authorized to perform: sagemaker:ListModels with an explicit "
        "deny in a permissions boundary",
        _IAM_PAGE,
    ),
    "session policy, implicit": _denied(
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: codecommit:ListRepositories because "
        "no session policy allows the codecommit:ListRepositories action",
        _IAM_PAGE,
    ),
    "session policy, explicit": _denied(
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: codedeploy:ListDeployments on "
        "resource: arn:aws:codedeploy:us-east-1:123456789012:deploymentgroup:* with an explicit deny in a sessions "
        "policy",
        _IAM_PAGE,
    ),
    "resource-based policy, implicit": _denied(
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: secretsmanager:GetSecretValue because "
        "no resource-based policy allows the secretsmanager:GetSecretValue action",
        _IAM_PAGE,
    ),
    "resource-based policy, explicit": _denied(
        "User: arn:aws:iam::123456789012:user/John is not authorized to perform: secretsmanager:GetSecretValue on "
        "resource: arn:aws:secretsmanager:us-east-1:123456789012:secret:* with an explicit deny in a resource-based "
        "policy",
        _IAM_PAGE,
    ),
    "identity-based policy, implicit": _denied(
        "User: arn:aws:iam::123456789012:role/HR is not authorized to perform: codecommit:ListRepositories because no "
        "identity-based policy allows the codecommit:ListRepositories action",
        _IAM_PAGE,
    ),
    "identity-based policy, explicit": _denied(
        "User: arn:aws:iam::123456789012:role/HR is not authorized to perform: codedeploy:ListDeployments on resource: "
        "arn:aws:codedeploy:us-east-1:123456789012:deploymentgroup:* with an explicit deny in an identity-based policy",
        _IAM_PAGE,
    ),
}
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
    "tags of the session of a role": _denied(
        "User: arn:aws:sts::913550007193:assumed-role/stac-publish-oidc-overturemaps/GitHubActions is not authorized "
        "to perform: sts:TagSession on resource: arn:aws:iam::763944545891:role/cloudfront-invalidator",
        "https://github.com/OvertureMaps/stac/issues/113",
    ),
    "source identity": _denied(
        "User: arn:aws:sts::REDACTED:assumed-role/REDACTED_ROLE_1/REDACTED_SESSION_NAME is not authorized to perform: "
        "sts:SetSourceIdentity on resource: arn:aws:iam::REDACTED:role/IambicHubRole",
        "https://github.com/noqdev/iambic/issues/357",
    ),
    "root": _denied("Roles may not be assumed by root accounts.", "https://github.com/kubeflow/testing/pull/961"),
    "no words": _denied(
        "Not authorized to perform sts:AssumeRole", "https://github.com/Netflix/security_monkey/issues/530"
    ),
    "no explanation": _denied(
        "User: arn:aws:sts::123456789098:assumed-role/kube2iam/8e228500-kube2iam is not authorized to perform: "
        "sts:AssumeRole on resource: arn:aws:iam::123456789098:role/k8s/kube2iam",
        "https://github.com/external-secrets/external-secrets/issues/3264",
    ),
}
# For a call of S3 on an object that is encrypted with a key of KMS.
KMS_DENIALS = {
    "key in another account or region": _denied(
        "User: arn:aws:sts::032379705303:assumed-role/… is not authorized to perform: kms:GenerateDataKey on this "
        "resource because the resource does not exist in this Region, no resource-based policies allow access, or a "
        "resource-based policy explicitly denies access",
        "https://github.com/buildkite/docs/pull/2344",
    ),
    "key of a ciphertext": _denied(
        "User: ****/us-east-2-cstore-role/elasticbeanstalk-aws is not authorized to perform: kms:Decrypt on the "
        "resource associated with this ciphertext because the resource does not exist in this Region, no "
        "resource-based policies allow access, or a resource-based policy explicitly denies access",
        "https://github.com/onnela-lab/beiwe-backend/issues/363",
    ),
    "identity-based policy": _denied(
        "User: arn:aws:iam::0123456789:user/copilot-cli-admin is not authorized to perform: kms:GenerateDataKey on "
        "resource: arn:aws:kms:ap-northeast-1:0123456789:key/xxxxxxxxxxxxxxxxxx because no identity-based policy "
        "allows the kms:GenerateDataKey action",
        "https://github.com/aws/copilot-cli/issues/5500",
    ),
    "key policy": _denied(
        "User: arn:aws:sts::612659970365:assumed-role/AWSReservedSSO_modernisation-platform-developer_a128c494c6e3fd65/"
        "rwhittlemoj@digital.justice.gov.uk is not authorized to perform: kms:GenerateDataKey on resource: "
        "arn:aws:kms:eu-west-2:612659970365:key/a466d1fa-5c7f-4b10-8343-08763635d8c4 because no resource-based policy "
        "allows the kms:GenerateDataKey action",
        "https://github.com/ministryofjustice/modernisation-platform/pull/1296",
    ),
}
ROLE_NOT_READABLE = _denied(
    "User: arn:aws:iam::341538367464:user/matt is not authorized to perform: iam:GetRole on resource: role "
    "cdk-hnb659fds-file-publishing-role-341538367464-eu-west-2 because no identity-based policy allows the iam:GetRole "
    "action",
    "https://github.com/aws/aws-cdk/issues/27067",
)
REGION_DISABLED = Recorded(
    "RegionDisabledException",
    "STS is not activated in this region for account:01234567890. Your account administrator can activate STS in this "
    "region using the IAM Console.",
    "https://github.com/org-formation/org-formation-cli/issues/465",
)
CHAINED_SESSION_TOO_LONG = Recorded(
    "ValidationError",
    "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    "https://github.com/99designs/aws-vault/issues/263",
)
ENCODED = _denied(
    "You are not authorized to perform this operation. User: arn:aws:sts::999888777666:assumed-role/ReadOnly/Tom is "
    "not authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:us-east-1:999888777666:instance/* with an "
    "explicit deny in a service control policy. Encoded authorization failure message: XQ_jqde5rHje6j9P-qke7-HNpHWzSW",
    "https://repost.aws/knowledge-center/organizations-troubleshoot-explicit-deny-scp",
)
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
