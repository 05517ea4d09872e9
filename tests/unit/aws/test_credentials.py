"""A fault in the caller's own credentials is named as one, with what to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions as boto

from aws_fakes import FakeBoto, refusal
from aws_texts import AGENT_REFUSED, AGENT_UNREACHABLE, OWN_ROLE_DENIED, REGION_NOT_ENABLED, SESSION_TOO_LARGE
from reltio_export_operator.aws import credentials
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import RoleSessions

ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
OWNER = Owner("mdm", "lake")
FULL, SMALL = {"Sid": "full"}, {"Sid": "small"}


def failure_of(raised: Exception | None, *, of_user: bool = False) -> AwsError:
    def find() -> None:
        if raised is not None:
            raise raised

    with pytest.raises(AwsError) as caught:
        credentials.resolve(find, of_user=of_user)
    assert caught.value.own_credentials
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("raised", "reason", "transient"),
    [
        (None, "NoCredentials", False),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), "NoCredentials", False),
        (boto.ProfileNotFound(profile="x"), "NoCredentials", False),
        (
            boto.CredentialRetrievalError(provider="container-role", error_msg=AGENT_UNREACHABLE[0]),
            "CredentialsUnreachable",
            True,
        ),
        (
            boto.CredentialRetrievalError(provider="container-role", error_msg=AGENT_REFUSED[0]),
            "CredentialsRefused",
            False,
        ),
        (boto.EndpointConnectionError(endpoint_url="https://sts"), "EndpointUnreachable", True),
        (boto.InfiniteLoopConfigError(source_profile="x", visited_profiles=[]), "CredentialsFailed", False),
        (ValueError("surrogates not allowed"), "CredentialsFailed", False),
        (
            refusal(OWN_ROLE_DENIED.code, operation="AssumeRoleWithWebIdentity"),
            "OperatorCredentialsRejected",
            False,
        ),
        (refusal("IDPCommunicationError", operation="AssumeRoleWithWebIdentity"), "AWSUnavailable", True),
        (refusal("503", operation="AssumeRoleWithWebIdentity"), "AWSUnavailable", True),
    ],
)
def test_credentials_that_cannot_be_found_have_a_reason_of_their_own(
    raised: Exception | None, reason: str, transient: bool
) -> None:
    failure = failure_of(raised)
    assert (failure.reason, failure.transient) == (reason, transient)
    assert "spec.s3.externalID" not in str(failure)


@pytest.mark.parametrize("variable", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
@pytest.mark.parametrize(
    ("content", "problem"), [(None, "does not exist"), ("", "is empty"), (" \n", "is empty"), (".", "cannot be read")]
)
def test_an_unusable_token_file_is_named_with_its_variable(
    variable: str, content: str | None, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path if content == "." else tmp_path / "token"
    if content not in (None, "."):
        path.write_text(str(content))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/v1/credentials")
    monkeypatch.setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1")
    monkeypatch.setenv(variable, str(path))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(AwsError) as caught:
        credentials.resolve(boto3.Session(region_name="us-east-1").get_credentials, of_user=False)
    assert (caught.value.reason, caught.value.transient) == ("TokenFileUnusable", False)
    assert f"{path}, which {variable} names, {problem}" in caught.value.message


def test_a_user_at_a_terminal_is_asked_to_log_in() -> None:
    for raised in (None, boto.ProfileNotFound(profile="x"), boto.UnauthorizedSSOTokenError()):
        failure = failure_of(raised, of_user=True)
        assert "AWS_PROFILE" in failure.remedy
        assert "ServiceAccount" not in str(failure)


def sessions(pool: ThreadPoolExecutor, fake: FakeBoto, **more: Any) -> RoleSessions:
    return RoleSessions(pool, new_session=lambda: fake, **more)  # type: ignore[arg-type, return-value]


async def test_a_session_policy_that_is_too_large_is_replaced_by_a_smaller_one_and_then_by_none(
    pool: ThreadPoolExecutor,
) -> None:
    for failures, used in ((0, 0), (1, 1), (2, None)):
        fake = FakeBoto()
        fake.failures = [refusal(SESSION_TOO_LARGE.code)] * failures
        role = await sessions(pool, fake).assume(OWNER, ROLE, "ext", policies=[FULL, SMALL])
        assert role.policy == used
        asked = ['{"Sid":"full"}', '{"Sid":"small"}', None]
        assert [one.get("Policy") for one in fake.assumed] == asked[: failures + 1]


async def test_a_session_policy_that_the_store_does_not_know_is_replaced_by_none(pool: ThreadPoolExecutor) -> None:
    fake = FakeBoto()
    fake.failures = [refusal("MalformedPolicyDocument")] * 2  # as RGW for actions of KMS
    role = await sessions(pool, fake).assume(OWNER, ROLE, "ext", policies=[FULL, SMALL])
    assert (role.policy, len(fake.assumed)) == (None, 3)


async def test_a_session_that_is_too_large_without_a_policy_is_reported(pool: ThreadPoolExecutor) -> None:
    fake = FakeBoto()
    fake.failures = [refusal(SESSION_TOO_LARGE.code)] * 3
    with pytest.raises(AwsError) as caught:
        await sessions(pool, fake).assume(OWNER, ROLE, "ext", policies=[FULL, SMALL])
    assert (caught.value.reason, caught.value.transient) == ("SessionTooLarge", False)


async def test_a_policy_longer_than_aws_takes_is_not_sent(pool: ThreadPoolExecutor) -> None:
    fake = FakeBoto()
    role = await sessions(pool, fake).assume(OWNER, ROLE, "ext", policies=[{"Sid": "x" * 2048}, SMALL])
    assert (role.policy, [one["Policy"] for one in fake.assumed]) == (1, ['{"Sid":"small"}'])


async def test_another_failure_is_not_answered_with_wider_permissions(pool: ThreadPoolExecutor) -> None:
    fake = FakeBoto()
    fake.failures = [refusal("AccessDenied")]
    with pytest.raises(AwsError):
        await sessions(pool, fake).assume(OWNER, ROLE, "ext", policies=[FULL, SMALL])
    assert len(fake.assumed) == 1


async def test_valid_credentials_that_a_region_rejects_are_not_called_invalid(pool: ThreadPoolExecutor) -> None:
    for principal, reason in (
        ("arn:aws:iam::1:user/x", "OperatorRegionDisabled"),
        (None, "OperatorCredentialsRejected"),
    ):
        fake = FakeBoto()
        fake.principal, fake.failures = principal, [refusal(REGION_NOT_ENABLED.code)]
        with pytest.raises(AwsError) as caught:
            await sessions(pool, fake).assume(OWNER, ROLE, "ext", region="eu-south-1")
        assert caught.value.reason == reason


async def test_a_denial_without_a_principal_is_completed_by_that_of_the_operator(pool: ThreadPoolExecutor) -> None:
    fake = FakeBoto()
    fake.principal = "arn:aws:sts::111122223333:assumed-role/operator/eks-cluster-pod-8f3a"
    fake.failures = [refusal("AccessDenied")]
    with pytest.raises(AwsError) as caught:
        await sessions(pool, fake).assume(OWNER, ROLE, "ext")
    assert caught.value.caller == "arn:aws:iam::111122223333:role/operator"
    assert "AWS denied arn:aws:iam::111122223333:role/operator sts:AssumeRole" in caught.value.message
    assert "8f3a" not in str(caught.value)


async def test_rejected_credentials_of_a_user_are_not_those_of_a_service_account(pool: ThreadPoolExecutor) -> None:
    fake = FakeBoto()
    fake.failures = [refusal("ExpiredToken")]
    with pytest.raises(AwsError) as caught:
        await sessions(pool, fake, of_user=True).assume(OWNER, ROLE, "ext")
    assert "AWS_PROFILE" in caught.value.remedy
