"""Errors of boto3 become a reason, a message without secrets and a remedy."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from aws_texts import ENCODED, IAM_DENIALS, KMS_DENIALS, REGION_DISABLED, ROLE_NOT_READABLE, S3_DENIALS, STS_DENIALS
from reltio_export_operator.api.foreign import Secrets, own
from reltio_export_operator.api.reasons import Reason
from reltio_export_operator.aws import messages
from reltio_export_operator.aws.errors import AwsError, clean, from_botocore
from reltio_export_operator.targets import readiness

ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
USER = "User: arn:aws:sts::111122223333:assumed-role/reltio-exporter/reltio-export-operator"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234"


def refusal(code: str, text: str = "No.", operation: str = "Any", headers: dict[str, str] | None = None) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": text},
        "ResponseMetadata": {"HTTPHeaders": headers or {}},
    }
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("code", "action", "reason"),
    [
        ("AccessDenied", "s3:PutObject", "AccessDenied"),
        ("403", "s3:ListBucket", "AccessDenied"),
        ("NoSuchBucket", "s3:PutObject", "BucketNotFound"),
        ("404", "s3:ListBucket", "BucketNotFound"),
        ("NoSuchKey", "s3:GetObject", "AWSError"),
        ("PermanentRedirect", "s3:PutObject", "BucketRegionMismatch"),
        ("AuthorizationHeaderMalformed", "s3:ListBucket", "BucketRegionMismatch"),
        ("301", "s3:ListBucket", "BucketRegionMismatch"),
        ("KMS.DisabledException", "s3:PutObject", "KMSKeyDisabled"),
        ("KMS.KMSInvalidStateException", "s3:GetObject", "KMSKeyDisabled"),
        ("KMS.NotFoundException", "s3:PutObject", "KMSDenied"),
        ("ExpiredToken", "s3:GetObject", "ExpiredCredentials"),
        ("InvalidAccessKeyId", "s3:GetObject", "ExpiredCredentials"),
        ("SlowDown", "s3:PutObject", "AWSUnavailable"),
        ("AccessDenied", "sts:AssumeRole", "AssumeRoleDenied"),
        ("InvalidClientTokenId", "sts:AssumeRole", "OperatorCredentialsRejected"),
        ("ExpiredToken", "sts:AssumeRole", "OperatorCredentialsExpired"),
        ("RegionDisabledException", "sts:AssumeRole", "RegionDisabled"),
        ("ValidationError", "sts:AssumeRole", "AssumeRoleInvalid"),
        ("PackedPolicyTooLarge", "sts:AssumeRole", "SessionTooLarge"),
    ],
)
def test_an_error_code_maps_to_a_reason_with_a_remedy(code: str, action: str, reason: str) -> None:
    resource = ROLE if action == "sts:AssumeRole" else "lake"
    operation = "HeadBucket" if code.isdigit() else "Any"
    error = from_botocore(refusal(code, operation=operation), action, resource)
    assert (error.reason, error.code) == (reason, code)
    assert error.remedy
    assert str(error) == f"{error.message} {error.remedy}"


@pytest.mark.parametrize(
    ("raised", "reason", "transient"),
    [
        (boto.NoCredentialsError(), "NoCredentials", False),
        (boto.PartialCredentialsError(provider="env", cred_var="key"), "NoCredentials", False),
        (boto.CredentialRetrievalError(provider="container-role", error_msg="boom"), "CredentialsUnreachable", True),
        (boto.EndpointConnectionError(endpoint_url="https://s3"), "EndpointUnreachable", True),
        (boto.ConnectTimeoutError(endpoint_url="https://s3"), "EndpointUnreachable", True),
        (boto.ReadTimeoutError(endpoint_url="https://s3"), "EndpointUnreachable", True),
        (boto.ResponseStreamingError(error="reset"), "ReadInterrupted", True),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), "ReadInterrupted", True),
        (boto.FlexibleChecksumError(error_msg="differs"), "ReadInterrupted", True),
        (boto.SSLError(endpoint_url="https://s3", error=Exception("self-signed")), "EndpointUnreachable", True),
        (boto.ParamValidationError(report="Invalid length for ExternalId, value: x"), "InvalidParameter", False),
        (boto.InvalidRegionError(region_name="mars"), "AWSError", False),
        (refusal("SlowDown"), "AWSUnavailable", True),
        (refusal("ExpiredToken"), "ExpiredCredentials", True),
        (refusal("AccessDenied"), "AccessDenied", False),
    ],
)
def test_an_error_is_transient_if_the_same_call_may_succeed_later(
    raised: boto.BotoCoreError | ClientError, reason: str, transient: bool
) -> None:
    error = from_botocore(raised, "s3:PutObject", "lake")
    assert (error.reason, error.transient) == (reason, transient)


KINDS = {
    "service control policy": "administrator of the AWS organization",
    "resource control policy": "administrator of the AWS organization",
    "VPC endpoint policy": "VPC endpoint for S3",
    "permissions boundary": "permissions boundary of the role",
    "session policy": "spec.s3.path",
    "resource-based policy": "policy of the bucket",
}


ASSUMING = {
    "service control policy": messages.ASSUMING_DENIED_BY_ORGANIZATION,
    "resource control policy": messages.ASSUMING_DENIED_BY_ORGANIZATION,
    "VPC endpoint policy": messages.ASSUMING_DENIED_BY_ENDPOINT_POLICY,
    "permissions boundary": messages.ASSUMING_DENIED_BY_OWN_BOUNDARY,
    "session policy": messages.ASSUMING_DENIED_BY_OWN_SESSION,
    "resource-based policy": messages.ASSUMING_DENIED_BY_TRUST_POLICY,
    "identity-based policy": messages.ASSUMING_DENIED_BY_OWN_POLICY,
}


@pytest.mark.parametrize("name", IAM_DENIALS)
def test_the_kind_of_policy_in_words_of_any_service_decides_the_remedy(name: str) -> None:
    recorded, kind = IAM_DENIALS[name], name.partition(",")[0]
    error = from_botocore(refusal(recorded.code, recorded.text), "sts:AssumeRole", ROLE)
    action = error.message.partition(" on ")[0].rpartition(" ")[2]
    expected = ASSUMING[kind].parts(action=action, caller=own(error.caller), role=ROLE, explanation=own(""))
    assert error.remedy == expected[1]
    start = "because" if "because" in recorded.text else "with an explicit"
    assert f'"{recorded.text[recorded.text.index(start) :]}".' in error.message


@pytest.mark.parametrize("name", KMS_DENIALS)
def test_the_words_of_kms_are_quoted_and_the_remedy_is_about_the_key(name: str) -> None:
    recorded = KMS_DENIALS[name]
    error = from_botocore(refusal(recorded.code, recorded.text), "s3:PutObject", "lake")
    assert error.reason == "KMSDenied"
    assert recorded.text[recorded.text.index("because") :] in error.message
    assert "key policy" in error.remedy


def test_what_differs_between_two_equal_denials_is_not_shown() -> None:
    error = from_botocore(refusal(ENCODED.code, ENCODED.text), "s3:PutObject", "lake")
    assert "service control policy" in error.message
    assert "XQ_" not in str(error)


def test_a_role_that_may_not_be_read_names_what_is_missing() -> None:
    error = from_botocore(refusal(ROLE_NOT_READABLE.code, ROLE_NOT_READABLE.text), "iam:GetRole", ROLE)
    assert error.reason == "AccessDenied"
    assert "no identity-based policy allows the iam:GetRole action" in error.message


def test_a_region_in_which_sts_is_off_is_named() -> None:
    error = from_botocore(refusal(REGION_DISABLED.code, REGION_DISABLED.text), "sts:AssumeRole", ROLE)
    assert (error.reason, error.transient) == ("RegionDisabled", False)


@pytest.mark.parametrize("name", [name for name in S3_DENIALS if name.partition(",")[0] in KINDS])
def test_a_denial_quotes_the_kind_of_policy_and_has_a_remedy_for_it(name: str) -> None:
    recorded, kind = S3_DENIALS[name], name.partition(",")[0]
    action = "s3:ListBucket" if "s3:ListBucket" in recorded.text else "s3:GetObject"
    error = from_botocore(refusal(recorded.code, recorded.text), action, "lake")
    assert error.reason == "AccessDenied"
    assert f'AWS denied {action} on lake: "' in error.message
    assert kind in error.message
    assert KINDS[kind] in error.remedy
    assert "object-name" not in str(error)


def test_a_denial_that_names_no_policy_is_quoted_or_has_no_explanation() -> None:
    plain, blocked = (
        from_botocore(refusal(S3_DENIALS[name].code, S3_DENIALS[name].text), "s3:PutObject", "lake")
        for name in ("no explanation", "blocked encryption type")
    )
    assert plain.message == "AWS denied s3:PutObject on lake: no reason given."
    assert "this bucket has blocked upload requests" in blocked.message


@pytest.mark.parametrize(
    ("name", "caller", "remedy"),
    [
        ("trust policy, implicit", "arn:aws:iam::123456789012:user/John", "in the trust policy of the role"),
        ("trust policy, explicit", "arn:aws:iam::123456789012:user/John", "remove any Deny"),
        ("tags of the session", "arn:aws:iam::***:user/deployer", "Allow sts:TagSession next to sts:AssumeRole"),
        (
            "tags of the session of a role",
            "arn:aws:iam::913550007193:role/stac-publish-oidc-overturemaps",
            "Allow sts:TagSession next to sts:AssumeRole",
        ),
        (
            "source identity",
            "arn:aws:iam::REDACTED:role/REDACTED_ROLE_1",
            "Allow sts:SetSourceIdentity next to sts:AssumeRole",
        ),
        ("no explanation", "arn:aws:iam::123456789098:role/kube2iam", "trust policy names arn:aws:iam::1234"),
    ],
)
def test_a_denied_role_names_the_principal_and_what_denied_it(name: str, caller: str, remedy: str) -> None:
    recorded = STS_DENIALS[name]
    error = from_botocore(refusal(recorded.code, recorded.text), "sts:AssumeRole", ROLE)
    assert (error.reason, error.caller) == ("AssumeRoleDenied", caller)
    assert f"AWS denied {caller} " in error.message
    assert remedy in error.remedy
    assert "8e228500" not in str(error), "the name of a session differs between pods"


def test_other_words_about_a_denied_role_are_quoted() -> None:
    root, plain = (
        from_botocore(refusal(STS_DENIALS[name].code, STS_DENIALS[name].text), "sts:AssumeRole", ROLE)
        for name in ("root", "no words")
    )
    assert 'AssumeRole on arn:aws:iam::111122223333:role/reltio-exporter: "Roles may not be assumed by root' in str(
        root
    )
    assert "the root user of an account cannot assume roles" in root.remedy
    assert "It does not say whether" in plain.message
    other = from_botocore(refusal("AccessDenied", "The role is quarantined."), "sts:AssumeRole", ROLE)
    assert '"The role is quarantined".' in other.message
    assert "trust policy" in other.remedy


@pytest.mark.parametrize(
    ("code", "action", "reason"),
    [
        ("AccessDenied", "sts:AssumeRole", "AssumeRoleDenied"),
        ("NoSuchEntity", "sts:AssumeRole", "RoleNotFound"),
        ("NoSuchEntity", "iam:GetRole", "RoleNotFound"),
        ("MethodNotAllowed", "iam:GetPolicyVersion", "AWSError"),
    ],
)
def test_an_error_without_its_envelope_is_read_as_well(code: str, action: str, reason: str) -> None:
    """As botocore parses the errors of STS and IAM of Ceph RGW, which have no ErrorResponse (see docs/rgw.md)."""
    metadata = {"HTTPStatusCode": 400, "RequestId": "tx0", "RetryAttempts": 0}
    answer: Any = {"Code": code, "Message": None, "HostId": "1", "ResponseMetadata": metadata}
    error = from_botocore(ClientError(answer, "Any"), action, ROLE)
    assert (error.reason, error.code) == (reason, code)
    assert error.remedy


def test_a_denial_without_words_names_the_principal_that_is_known() -> None:
    error = from_botocore(
        refusal("AccessDenied", "Access denied"), "sts:AssumeRole", ROLE, caller="arn:aws:iam::1:user/x"
    )
    assert error.message.startswith("AWS denied arn:aws:iam::1:user/x sts:AssumeRole on")
    assert from_botocore(refusal("AccessDenied", ""), "sts:AssumeRole", ROLE).message.startswith(
        "AWS denied the operator sts:AssumeRole on"
    )


def test_transient_reasons_are_those_that_keep_a_target_ready() -> None:
    assert messages.TRANSIENT <= readiness.TRANSIENT


def test_a_denied_kms_action_is_reported_as_kms_denied() -> None:
    text = f"{USER} is not authorized to perform: kms:GenerateDataKey on resource: {KEY} because no identity-based "
    error = from_botocore(refusal("AccessDenied", text + "policy allows it"), "s3:PutObject", "lake")
    assert error.reason == "KMSDenied"
    assert 'denied kms:GenerateDataKey: "because no identity-based policy allows it".' in error.message


@pytest.mark.parametrize(
    "why",
    [
        "because no session policy allows the s3:PutObject action",
        "with an explicit deny in a resource-based policy",
    ],
)
def test_a_denial_quotes_the_explanation_of_aws_without_the_random_key(why: str) -> None:
    text = f'{USER} is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::lake/probe-8f3a" {why}'
    error = from_botocore(refusal("AccessDenied", text), "s3:PutObject", "lake")
    assert error.message == f'AWS denied s3:PutObject on lake: "{why}".'


@pytest.mark.parametrize("secrets", [Secrets(), Secrets.of("ab"), Secrets.unknown()])
def test_the_reason_does_not_depend_on_whether_the_words_of_aws_may_be_quoted(secrets: Secrets) -> None:
    text = f"{USER} is not authorized to perform: kms:GenerateDataKey on resource: arn because no policy allows it"
    denied = from_botocore(refusal("AccessDenied", text), "s3:PutObject", "lake", secrets=secrets)
    assert denied.reason == "KMSDenied"
    assert "kms:GenerateDataKey" in denied.message
    long = from_botocore(
        refusal("ValidationError", "It exceeds MaxSessionDuration."), "sts:AssumeRole", ROLE, secrets=secrets
    )
    assert long.said.holds("MaxSessionDuration")


def test_the_message_names_the_region_of_a_bucket_in_another_region() -> None:
    error = from_botocore(
        refusal("PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-1"}), "s3:ListBucket", "lake"
    )
    assert "is in eu-west-1" in error.message
    assert "spec.s3.region of the ExportTarget to eu-west-1" in error.remedy


def test_a_denied_role_of_the_operator_itself_is_not_reported_for_the_role_of_the_target() -> None:
    error = from_botocore(
        refusal("AccessDenied", operation="AssumeRoleWithWebIdentity"),
        "sts:AssumeRole",
        ROLE,
        secrets=Secrets.of("ext-1"),
    )
    assert error.reason == "OperatorCredentialsRejected"
    assert ROLE not in str(error)


def test_the_external_id_is_masked_in_the_words_of_aws() -> None:
    text = "1 validation error detected: Value 'ext-77\n' at 'externalId' failed to satisfy constraint"
    error = from_botocore(refusal("ValidationError", text), "sts:AssumeRole", ROLE, secrets=Secrets.of("ext-77\n"))
    assert "ext-77" not in str(error)
    assert "'*** ' at 'externalId'" in error.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Denied (Request ID: 4442587FB7D0A2F9)", "Denied"),
        ("Denied. RequestId: 4442-58, HostId: aGVs/bG8=", "Denied."),
        ("Denied (Extended Request ID: aGVs/bG8=)", "Denied"),
        ("The key ASIAIOSFODNN7EXAMPLE is unknown", "The key is unknown"),
        ("two\n lines", "two lines"),
        ("x" * 2000, "x" * 512),
    ],
)
def test_request_ids_and_key_ids_are_removed_and_the_length_is_bounded(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_braces_in_the_words_of_aws_are_shown_as_they_are() -> None:
    error = from_botocore(refusal("InvalidRequest", "{0} {code} {"), "s3:PutObject", "lake")
    assert error.message == 's3:PutObject on lake failed. AWS returned InvalidRequest: "{0} {code} {".'


def test_an_error_without_words_of_aws_shows_the_code() -> None:
    error = from_botocore(refusal("503", ""), "s3:PutObject", "lake")
    assert error.message == "s3:PutObject on lake failed. AWS returned 503."


def test_an_error_shows_its_message_and_its_remedy() -> None:
    with pytest.raises(AwsError, match=r"^It failed\. Correct x\.$"):
        raise AwsError(Reason("Failed", "It failed.", "Correct {field}."), field="x")
