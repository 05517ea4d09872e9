"""Policies are evaluated as the IAM user guide has it."""

from __future__ import annotations

from typing import Any

import pytest

from reltio_export_sandbox.cloud.evaluator import Decision, NotEvaluatedError, Request, decide, is_public

ROLE = "arn:aws:iam::111122223333:role/exporter"
OBJECT = "arn:aws:s3:::lake/reltio/part-00000.gz"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any = "s3:PutObject", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def put(**context: str) -> Request:
    return Request((ROLE,), "s3:PutObject", OBJECT, context)


DENY = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::lake/reltio/*"}


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([], Decision.SILENT),
        ([allow()], Decision.ALLOW),
        ([allow("S3:putobject")], Decision.ALLOW),
        ([allow("s3:*")], Decision.ALLOW),
        ([allow(["s3:GetObject", "s3:Put*"])], Decision.ALLOW),
        ([allow("s3:GetObject")], Decision.SILENT),
        ([allow(resource="arn:aws:s3:::lake/reltio/*")], Decision.ALLOW),
        ([allow(resource="arn:aws:s3:::lake/reltio/part-0000?.gz")], Decision.ALLOW),
        ([allow(resource=["arn:aws:s3:::other/*", OBJECT])], Decision.ALLOW),
        ([allow(resource="arn:aws:s3:::lake/RELTIO/*")], Decision.SILENT),
        ([allow(resource="arn:aws:s3:::lake")], Decision.SILENT),
        ([allow(), DENY], Decision.DENY),
        ([DENY, allow()], Decision.DENY),
        ([{"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "*"}], Decision.ALLOW),
        ([{"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}], Decision.SILENT),
        ([{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::lake/*"}], Decision.SILENT),
        ([allow(Principal={"AWS": ROLE})], Decision.ALLOW),
        ([allow(Principal={"AWS": ["111122223333"]})], Decision.SILENT),
        ([allow(Principal="*")], Decision.ALLOW),
        ([allow(Principal={"AWS": "arn:aws:iam::111122223333:role/other"})], Decision.SILENT),
    ],
)
def test_of_statements_a_deny_wins_then_an_allow(statements: list[dict[str, Any]], decision: Decision) -> None:
    assert decide([policy(*statements)], put()) is decision


def test_an_account_may_be_named_by_its_number() -> None:
    request = Request((ROLE, "arn:aws:iam::111122223333:root"), "s3:PutObject", OBJECT)
    assert decide([policy(allow(Principal={"AWS": "111122223333"}))], request) is Decision.ALLOW


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {"sts:ExternalId": "x-1"}}, {"sts:externalid": "x-1"}, True),
        ({"StringEquals": {"sts:ExternalId": "x-1"}}, {"sts:externalid": "X-1"}, False),
        ({"StringEquals": {"sts:ExternalId": "x-1"}}, {}, False),
        ({"StringEquals": {"sts:ExternalId": ["x-1", "x-2"]}}, {"sts:externalid": "x-2"}, True),
        ({"StringEqualsIfExists": {"sts:ExternalId": "x-1"}}, {}, True),
        ({"StringEqualsIfExists": {"sts:ExternalId": "x-1"}}, {"sts:externalid": "x-2"}, False),
        ({"StringEqualsIgnoreCase": {"k": "ABC"}}, {"k": "abc"}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "c"}, True),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringLike": {"s3:prefix": ["reltio/*", "reltio/"]}}, {"s3:prefix": "reltio/1/"}, True),
        ({"StringLike": {"s3:prefix": "reltio/*"}}, {"s3:prefix": "other/"}, False),
        ({"StringLike": {"s3:prefix": "[ab]"}}, {"s3:prefix": "a"}, False),
        ({"StringNotLike": {"k": "a*"}}, {"k": "abc"}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/exporter"}}, {"aws:principalarn": ROLE}, True),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws:securetransport": "true"}, False),
        ({"Null": {"sts:ExternalId": "true"}}, {}, True),
        ({"Null": {"sts:ExternalId": "true"}}, {"sts:externalid": "x"}, False),
        ({"StringEquals": {"a": "1", "b": "2"}}, {"a": "1"}, False),
        ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.1"]}}, {"aws:sourceip": "127.0.0.1"}, True),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": "10.1.2.3"}, False),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"s3:max-keys": "10"}, True),
        ({"NumericNotEquals": {"s3:max-keys": 10}}, {"s3:max-keys": "10.0"}, False),
        ({"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}, {"aws:currenttime": "2029-12-31"}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "1893456000"}}, {"aws:currenttime": "2029-12-31"}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, {}, False),
        ({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["a"]}}, {}, False),
        ({"StringEquals": {"k": "${aws:PrincipalArn}"}}, {"aws:principalarn": ROLE, "k": ROLE}, True),
        ({"StringEquals": {"a": "1"}, "StringLike": {"b": "*"}}, {"a": "1", "b": ""}, True),
    ],
)
def test_all_conditions_must_hold(condition: dict[str, Any], context: dict[str, str], holds: bool) -> None:
    decision = decide([policy(allow(Condition=condition))], Request((ROLE,), "s3:PutObject", OBJECT, context))
    assert decision is (Decision.ALLOW if holds else Decision.SILENT)


def test_an_operator_that_is_not_known_is_not_passed_over() -> None:
    unknown = allow(Condition={"BinaryEquals": {"k": "eA=="}})
    with pytest.raises(NotEvaluatedError, match="BinaryEquals"):
        decide([policy(unknown)], put(k="x"))


@pytest.mark.parametrize("context", [{}, {"k": "x"}])
def test_an_operator_that_is_not_known_is_not_passed_over_where_its_key_is_missing(context: dict[str, str]) -> None:
    with pytest.raises(NotEvaluatedError):
        decide([policy({**DENY, "Condition": {"StringEqualsLoosely": {"k": "x"}}})], put(**context))


@pytest.mark.parametrize(
    ("principal", "decision"),
    [({"AWS": ROLE}, Decision.SILENT), ({"AWS": "arn:aws:iam::111122223333:role/other"}, Decision.DENY)],
)
def test_a_deny_for_all_but_some_spares_them(principal: Any, decision: Decision) -> None:
    assert decide([policy({**DENY, "NotPrincipal": principal})], put()) is decision


@pytest.mark.parametrize(
    ("resource", "context", "matches"),
    [
        ("arn:aws:s3:::lake/${aws:PrincipalTag/team}/*", {"aws:principaltag/team": "reltio"}, True),
        ("arn:aws:s3:::lake/${aws:PrincipalTag/team}/*", {"aws:principaltag/team": "other"}, False),
        ("arn:aws:s3:::lake/${aws:PrincipalTag/team}/*", {"aws:principaltag/team": "*"}, False),
        ("arn:aws:s3:::lake/${aws:PrincipalTag/team}/*", {}, False),
        ("arn:aws:s3:::lake/reltio/part-00000${*}gz", {}, False),
    ],
)
def test_a_policy_variable_stands_for_a_key_of_the_request(
    resource: str, context: dict[str, str], matches: bool
) -> None:
    decision = decide([policy(allow(resource=resource))], put(**context))
    assert decision is (Decision.ALLOW if matches else Decision.SILENT)


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        (allow(Principal="*"), True),
        (allow(Principal={"AWS": "*"}), True),
        (allow(Principal={"AWS": ROLE}), False),
        (allow(Principal="*", Condition={"StringEquals": {"aws:PrincipalArn": ROLE}}), False),
        ({**DENY, "Principal": "*"}, False),
    ],
)
def test_what_is_public(statement: dict[str, Any], public: bool) -> None:
    assert is_public(policy(statement)) is public
