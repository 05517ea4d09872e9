"""Policies judged as IAM judges them, and never with a wrong certainty."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.targets.iam import Request, evaluate, wildcards_filled

RELTIO = "arn:aws:iam::999999999999:user/reltio.platform.jobs"
OBJECT = "arn:aws:s3:::lake/out/x"


def allow(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **more}


def deny(**more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", **more}


def permission(*statements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"Version": "2012-10-17", "Statement": list(statements)}]


PUT = Request("s3:PutObject", OBJECT)


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        ([], "NoMatch"),
        ([allow(Action="s3:PutObject", Resource="arn:aws:s3:::lake/out/*")], "Allow"),
        ([allow(Action="S3:putobject", Resource="*")], "Allow"),
        ([allow(Action="s3:*", Resource="*")], "Allow"),
        ([allow(Action=["s3:Get*", "s3:Put*"], Resource="*")], "Allow"),
        ([allow(Action="s3:GetObject", Resource="*")], "NoMatch"),
        ([allow(Action="s3:PutObject", Resource="arn:aws:s3:::lake/other/*")], "NoMatch"),
        ([allow(Action="s3:PutObject", Resource="arn:aws:s3:::LAKE/*")], "NoMatch"),
        ([allow(Action="s3:PutObject", Resource="arn:aws:s3:::l?ke/*")], "Allow"),
        ([allow(NotAction="s3:DeleteObject", Resource="*")], "Allow"),
        ([allow(NotAction="s3:Put*", Resource="*")], "NoMatch"),
        ([allow(Action="*", NotResource="arn:aws:s3:::lake/*")], "NoMatch"),
        ([allow(Action="*", Resource="*"), deny(Action="s3:PutObject", Resource="*")], "Deny"),
        ([deny(Action="s3:PutObject", Resource="arn:aws:s3:::lake/other/*"), allow(Action="*", Resource="*")], "Allow"),
    ],
)
def test_actions_and_resources(statements: list[dict[str, Any]], answer: str) -> None:
    assert evaluate(permission(*statements), PUT) == answer


def trust(principal: Any, **condition: Any) -> list[dict[str, Any]]:
    more = {"Condition": condition} if condition else {}
    return permission(allow(Action="sts:AssumeRole", Principal=principal, **more))


def assume(external_id: str | None = None) -> Request:
    context = {"sts:externalid": external_id, "aws:principalarn": RELTIO}
    return Request("sts:AssumeRole", "arn:aws:iam::111122223333:role/x", RELTIO, context)


@pytest.mark.parametrize(
    ("principal", "answer"),
    [
        ({"AWS": RELTIO}, "Allow"),
        ({"AWS": ["arn:aws:iam::1:root", RELTIO]}, "Allow"),
        ({"AWS": "999999999999"}, "Allow"),
        ({"AWS": "arn:aws:iam::999999999999:root"}, "Allow"),
        ("*", "Allow"),
        ({"AWS": "*"}, "Allow"),
        ({"AWS": "arn:aws:iam::999999999999:user/other"}, "NoMatch"),
        ({"AWS": "111122223333"}, "NoMatch"),
        ({"Service": "ec2.amazonaws.com"}, "NoMatch"),
    ],
)
def test_principals(principal: Any, answer: str) -> None:
    assert evaluate(trust(principal), assume()) == answer


ASKS = {"StringEquals": {"sts:ExternalId": "secret"}}


@pytest.mark.parametrize(
    ("condition", "external_id", "answer"),
    [
        (ASKS, "secret", "Allow"),
        (ASKS, "other", "NoMatch"),
        (ASKS, None, "NoMatch"),
        ({"StringEquals": {"sts:ExternalId": ["old", "secret"]}}, "secret", "Allow"),
        ({"StringLike": {"sts:ExternalId": "sec*"}}, "secret", "Allow"),
        ({"StringEqualsIfExists": {"sts:ExternalId": "secret"}}, None, "Allow"),
        ({"StringNotEquals": {"sts:ExternalId": "secret"}}, "other", "Allow"),
        ({"StringNotEquals": {"sts:ExternalId": "secret"}}, None, "Allow"),
        ({"Null": {"sts:ExternalId": "false"}}, None, "NoMatch"),
        ({"Null": {"sts:ExternalId": "true"}}, None, "Allow"),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, None, "Unknown"),
        ({**ASKS, "IpAddressIfExists": {"aws:SourceIp": "192.0.2.0/24"}}, "secret", "Unknown"),
        ({**ASKS, "StringEquals": {"sts:ExternalId": "x", "aws:PrincipalOrgID": "o-1"}}, "secret", "NoMatch"),
        ({"Null": {"aws:PrincipalOrgID": "true"}}, None, "Unknown"),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}, None, "Unknown"),
        ({"ForAllValues:StringEquals": {"sts:ExternalId": "secret"}}, None, "Allow"),
        ({"ForAllValues:StringEquals": {"sts:ExternalId": "secret"}}, "other", "NoMatch"),
        ({"ForAnyValue:StringNotEquals": {"sts:ExternalId": "secret"}}, None, "NoMatch"),
        ({"ForAnyValue:StringEquals": {"sts:ExternalId": "secret"}}, "secret", "Allow"),
        ({"StringNotEqualsIfExists": {"sts:ExternalId": "secret"}}, None, "Allow"),
        ({"StringLike": {"sts:ExternalId": "secre${*}"}}, "secret", "NoMatch"),
        ({"StringEquals": {"sts:ExternalId": "a${*}*"}}, "a**", "Allow"),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/reltio.*"}}, None, "Allow"),
        ({"ArnLike": {"aws:PrincipalArn": "arn:*:reltio.platform.jobs"}}, None, "Unknown"),
        ({"Bool": {"aws:SecureTransport": True}}, None, "Unknown"),
        ({"DateLessThan": {"sts:ExternalId": "2031-01-01"}}, "secret", "Unknown"),
        ({"StringEquals": {"sts:ExternalId": "${aws:username}"}}, "secret", "Unknown"),
    ],
)
def test_conditions(condition: dict[str, Any], external_id: str | None, answer: str) -> None:
    assert evaluate(trust({"AWS": RELTIO}, **condition), assume(external_id)) == answer


ACCOUNT = "arn:aws:iam::999999999999:root"


@pytest.mark.parametrize(
    ("principal", "asking", "answer"),
    [
        pytest.param({"AWS": RELTIO}, ACCOUNT, "Unknown", id="one of the account, and it may be the one"),
        pytest.param({"AWS": ACCOUNT}, ACCOUNT, "Allow", id="the account"),
        pytest.param({"AWS": "arn:aws:iam::1:user/x"}, ACCOUNT, "NoMatch", id="another account"),
        pytest.param({"AWS": ACCOUNT}, RELTIO.replace("arn:aws:", "arn:aws-cn:"), "NoMatch", id="another partition"),
    ],
)
def test_an_account_is_not_taken_for_one_of_its_principals(principal: Any, asking: str, answer: str) -> None:
    assert evaluate(trust(principal), Request("sts:AssumeRole", principal=asking)) == answer


@pytest.mark.parametrize(
    ("spared", "answer"),
    [([RELTIO, ACCOUNT], "Allow"), ([ACCOUNT], "Unknown"), (["arn:aws:iam::1:root"], "Deny"), (["*"], "Allow")],
)
def test_a_deny_spares_whom_it_names(spared: list[str], answer: str) -> None:
    doubtful = deny(Action="sts:AssumeRole", NotPrincipal={"AWS": spared})
    assert evaluate([*trust({"AWS": RELTIO}), *permission(doubtful)], assume()) == answer


@pytest.mark.parametrize(
    ("resource", "answer"),
    [
        ("arn:aws:s3:::lake/${aws:PrincipalTag/team}/*", "Unknown"),
        ("arn:aws:s3:::other/${aws:PrincipalTag/team}/*", "NoMatch"),
        ("arn:aws:s3:::lake/out/${*}", "NoMatch"),
    ],
)
def test_a_variable_in_a_resource_is_not_guessed(resource: str, answer: str) -> None:
    assert evaluate(permission(allow(Action="s3:*", Resource=resource)), PUT) == answer
    refused = {"Unknown": "Unknown", "NoMatch": "Allow"}[answer]
    both = permission(allow(Action="*", Resource="*"), deny(Action="*", Resource=resource))
    assert evaluate(both, PUT) == refused


def test_a_deny_that_is_not_understood_leaves_no_certainty() -> None:
    doubtful = deny(Action="*", Resource="*", Condition={"DateGreaterThan": {"aws:CurrentTime": "2030-01-01"}})
    request = Request("s3:PutObject", OBJECT, context={"aws:currenttime": "2031-01-01"})
    assert evaluate(permission(allow(Action="*", Resource="*"), doubtful), request) == "Unknown"


@given(st.lists(st.sampled_from(["Allow", "Deny"]), max_size=5))
def test_an_explicit_deny_wins_in_any_order(effects: list[str]) -> None:
    statements = [{"Effect": effect, "Action": "*", "Resource": "*"} for effect in effects]
    expected = "Deny" if "Deny" in effects else "Allow" if effects else "NoMatch"
    assert evaluate(permission(*statements), PUT) == expected


@pytest.mark.parametrize(
    ("principal", "answer"),
    [
        ("999999999999", "Allow"),
        ("arn:aws:iam::999999999999:root", "Allow"),
        (RELTIO, "Unknown"),
        ("arn:aws-cn:iam::999999999999:root", "NoMatch"),
        ("arn:aws:iam::111122223333:root", "NoMatch"),
    ],
)
def test_an_account_of_which_only_some_principal_is_named_leaves_no_certainty(principal: str, answer: str) -> None:
    request = Request("sts:AssumeRole", "*", "arn:aws:iam::999999999999:root")
    assert evaluate(trust({"AWS": principal}), request) == answer


@pytest.mark.parametrize(
    ("operator", "value", "answer"),
    [
        ("StringEquals", "Ext-1", "Allow"),
        ("StringEquals", "ext-1", "NoMatch"),
        ("StringEqualsIgnoreCase", "ext-1", "Allow"),
        ("StringEqualsIgnoreCase", "ext-2", "NoMatch"),
        ("StringNotEquals", "ext-1", "Allow"),
        ("StringNotEquals", "Ext-1", "NoMatch"),
        ("StringNotEqualsIgnoreCase", "EXT-1", "NoMatch"),
        ("StringNotEqualsIgnoreCase", "other", "Allow"),
        ("StringNotLike", "Ext-*", "NoMatch"),
        ("StringNotLike", "ext-*", "Allow"),
    ],
)
def test_case_counts_unless_the_operator_ignores_it(operator: str, value: str, answer: str) -> None:
    statement = allow(Action="s3:PutObject", Condition={operator: {"aws:tag": value}})
    request = Request("s3:PutObject", OBJECT, context={"aws:tag": "Ext-1"})
    assert evaluate(permission(statement), request) == answer


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("ext-*", "ext-x"), ("e?t", "ext"), ("a${*}b", "a*b"), ("a${?}${$}", "a?$"), ("plain", "plain")],
)
def test_a_pattern_matches_the_text_that_is_made_from_it(pattern: str, text: str) -> None:
    assert wildcards_filled(pattern, "x") == text


@pytest.mark.parametrize(
    "document",
    [
        *(None, "not JSON", [], {"Statement": 5}, {"Statement": "x"}, {"Statement": [5]}),
        *({"Statement": allow(Condition="x")}, {"Statement": allow(Condition={"StringEquals": "x"})}),
        *({"Statement": {"Effect": "Perhaps"}}, {"Statement": [{}]}),
    ],
)
def test_what_is_not_a_policy_is_not_known(document: Any) -> None:
    assert evaluate([document, *permission(allow(Action="*", Resource="*"))], PUT) == "Unknown"
    assert evaluate([document, *permission(deny(Action="*", Resource="*"))], PUT) == "Deny"


def test_a_permission_policy_with_principals_is_for_others() -> None:
    assert evaluate(permission(allow(Action="*", Principal={"AWS": RELTIO})), PUT) == "NoMatch"
