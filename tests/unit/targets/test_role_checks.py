"""What the policies of a role say about Reltio, as far as they say it."""

from __future__ import annotations

from typing import Any

import pytest

from builders import target
from reltio_export_operator.targets.role_checks import Role, check_role, check_session_duration

RELTIO = "arn:aws:iam::999999999999:user/reltio.platform.jobs"
ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
ASKS = {"sts:ExternalId": "ext-1"}
ALL = {"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}


def trust(*principals: str, effect: str = "Allow", **condition: Any) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": {"AWS": [*principals]},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }


def results(
    *permissions: dict[str, Any],
    trusts: tuple[dict[str, Any], ...] = (trust(RELTIO, StringEquals=ASKS),),
    principals: tuple[str, ...] = (RELTIO,),
    role: str = ROLE,
    **s3: Any,
) -> dict[str, tuple[str, str]]:
    """Status and reason of each check."""
    spec = {
        "s3": {"bucket": "lake", "path": "/reltio/", "roleARN": role, **s3},
        "verification": {"mode": "Inspect", "reltioPrincipals": [*principals]},
    }
    judged = Role(role, {"Statement": [*trusts]}, ({"Statement": list(permissions) or [ALL]},), 43_200)
    return {check.name: (check.status, check.reason) for check in check_role(target(spec=spec), judged, "ext-1")}


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"StringEquals": {**ASKS, "aws:PrincipalAccount": "999999999999"}}, "True"),
        ({"StringEquals": ASKS, "ArnLike": {"aws:PrincipalArn": RELTIO}}, "True"),
        ({"StringEquals": ASKS, "Bool": {"aws:SecureTransport": "true"}}, "True"),
        ({"StringEquals": {**ASKS, "aws:PrincipalAccount": "111122223333"}}, "False"),
        ({"StringEquals": {**ASKS, "aws:PrincipalOrgID": "o-1"}}, "Unknown"),
        ({"StringEquals": ASKS, "IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, "Unknown"),
    ],
)
def test_trust_is_judged_by_what_is_known_of_the_request(condition: dict[str, Any], status: str) -> None:
    assert results(trusts=(trust("*", **condition),))["TrustsReltio"][0] == status


@pytest.mark.parametrize("pattern", ["*-1", "ext-?", "e*1"])
def test_an_external_id_that_is_compared_with_a_pattern_is_reported(pattern: str) -> None:
    found = results(trusts=(trust(RELTIO, StringLike={"sts:ExternalId": pattern}),))
    assert found["TrustsReltio"][0] == "True"
    assert found["WrongExternalIDRefused"] == ("False", "ExternalIDNotExact")


def test_a_pattern_that_accepts_no_other_value_passes() -> None:
    exact = (trust(RELTIO, StringLike=ASKS), trust(RELTIO, StringEquals={"sts:ExternalId": "ext-*"}))
    assert results(trusts=exact)["WrongExternalIDRefused"][0] == "True"


def test_a_quantifier_that_a_missing_external_id_passes_is_reported() -> None:
    quantified: dict[str, Any] = {"ForAllValues:StringEquals": ASKS}
    found = results(trusts=(trust(RELTIO, **quantified),))
    assert found["MissingExternalIDRefused"] == ("False", "ExternalIDNotRequired")


def test_an_account_of_reltio_is_not_taken_for_the_user_that_is_trusted() -> None:
    assert results(principals=("999999999999",))["TrustsReltio"][0] == "Unknown"


def denied(**condition: Any) -> tuple[dict[str, Any], ...]:
    return ALL, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*", "Condition": condition}


SSE = {"serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyARN": "arn:aws:kms:eu-central-1:111122223333:key/k"}}


@pytest.mark.parametrize(
    ("condition", "s3", "status"),
    [
        ({"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}, SSE, "True"),
        ({"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}, {}, "False"),
        ({"Null": {"s3:x-amz-server-side-encryption": "true"}}, {}, "False"),
        ({"Bool": {"aws:SecureTransport": False}}, {}, "True"),
        ({"StringEquals": {"aws:PrincipalAccount": "111122223333"}}, {}, "False"),
        ({"ArnNotEquals": {"aws:PrincipalArn": ROLE}}, {}, "True"),
        ({"StringNotEquals": {"aws:ResourceAccount": "111122223333"}}, {}, "Unknown"),
        ({"DateLessThan": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}}, {}, "Unknown"),
    ],
)
def test_a_denial_is_judged_by_what_is_known_of_the_request(
    condition: dict[str, Any], s3: dict[str, Any], status: str
) -> None:
    assert results(*denied(**condition), **s3)["RolePermits"][0] == status


@pytest.mark.parametrize(
    ("key", "role", "condition", "status"),
    [
        (SSE, ROLE, {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}, "True"),
        (SSE, ROLE, {"kms:ViaService": "s3.us-east-1.amazonaws.com"}, "False"),
        (SSE, ROLE, {"kms:CallerAccount": "111122223333"}, "True"),
        (SSE, ROLE, {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::lake"}, "Unknown"),
        (
            {"serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyARN": "arn:aws-cn:kms:cn-north-1:1:key/k"}},
            ROLE.replace("arn:aws:", "arn:aws-cn:"),
            {"kms:ViaService": "s3.cn-north-1.amazonaws.com.cn"},
            "True",
        ),
    ],
)
def test_a_key_is_asked_for_where_it_is(key: dict[str, Any], role: str, condition: dict[str, str], status: str) -> None:
    writes = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    uses = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": {"StringEquals": condition}}
    assert results(writes, uses, role=role, **key)["RolePermits"][0] == status


def test_the_check_of_the_session_duration_names_the_hours_that_the_role_allows() -> None:
    assert "12 hours" in check_session_duration(43_200).message
    assert check_session_duration(43_199).status == "False"


@pytest.mark.parametrize("document", ["not JSON", None, [], {"Statement": [{"Effect": "Allow", "Condition": "x"}]}])
def test_policies_that_are_none_make_the_checks_unknown(document: Any) -> None:
    spec = {"verification": {"mode": "Inspect", "reltioPrincipals": [RELTIO]}}
    checks = check_role(target(spec=spec), Role(ROLE, document, (document,), 43_200), "ext-1")
    known = {check.name for check in checks if check.status != "Unknown"}
    assert known == {"SessionDuration"}
