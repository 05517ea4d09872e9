"""The role that is written out is the role that is needed: nothing less works, nothing more is in it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from builders import target
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.targets.role_checks import Role, check_role
from reltio_export_operator.targets.role_templates import RoleDesign, as_cloudformation, as_json, as_terraform, design

RELTIO = "arn:aws:iam::999999999999:user/reltio.platform.jobs"
KEY = "arn:aws:kms:us-east-1:111122223333:key/k"


def a_target(**s3: Any) -> ExportTarget:
    spec = {
        "s3": {
            "bucket": "acme-mdm-exports",
            "path": "/reltio/",
            "roleARN": "arn:aws:iam::111122223333:role/data/reltio-exporter",
            "serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyARN": KEY},
            **s3,
        },
        "verification": {"mode": "Inspect", "reltioPrincipals": [RELTIO]},
    }
    return target(spec=spec)


def results(role: RoleDesign, external_id: str | None = "ext-1", **s3: Any) -> dict[str, str]:
    judged = Role("arn:aws:iam::111122223333:role/x", role.trust, (role.permissions,), role.max_session_seconds)
    return {check.name: check.status for check in check_role(a_target(**s3), judged, external_id)}


def test_the_generated_role_passes_every_inspection() -> None:
    assert set(results(design(a_target(), [RELTIO], "ext-1")).values()) == {"True"}


ACTIONS = ["s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject", "kms:GenerateDataKey", "kms:Decrypt"]


@pytest.mark.parametrize("action", ACTIONS)
def test_without_any_one_action_exactly_the_permissions_fail(action: str) -> None:
    role = design(a_target(), [RELTIO], "ext-1")
    permissions = copy.deepcopy(role.permissions)
    for statement in permissions["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [one for one in actions if one != action]
    poorer = RoleDesign(role.name, role.path, role.trust, permissions)
    assert [name for name, status in results(poorer).items() if status != "True"] == ["RolePermits"]


def test_the_generated_actions_are_all_and_only_these() -> None:
    statements = design(a_target(), [RELTIO], "ext-1").permissions["Statement"]
    given = [one for s in statements for one in (s["Action"] if isinstance(s["Action"], list) else [s["Action"]])]
    assert sorted(given) == sorted(ACTIONS)


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"external_id": None}, ["WrongExternalIDRefused", "MissingExternalIDRefused"]),
        ({"principals": ["arn:aws:iam::999999999999:user/other"]}, ["TrustsReltio"]),
    ],
)
def test_a_trust_policy_that_is_too_wide_or_too_narrow_fails_its_own_check(
    change: dict[str, Any], failing: list[str]
) -> None:
    wanted: dict[str, Any] = {"principals": [RELTIO], "external_id": "ext-1", **change}
    role = design(a_target(), wanted["principals"], wanted["external_id"])
    assert [name for name, status in results(role).items() if status == "False"] == failing


def test_a_short_session_fails_its_own_check() -> None:
    role = design(a_target(), [RELTIO], "ext-1")
    short = RoleDesign(role.name, role.path, role.trust, role.permissions, 3600)
    assert [name for name, status in results(short).items() if status == "False"] == ["SessionDuration"]


def test_the_role_keeps_its_name_path_and_partition() -> None:
    china = a_target(roleARN="arn:aws-cn:iam::111122223333:role/a/b/exporter", serverSideEncryption=None)
    role = design(china, ["111122223333"], None)
    assert (role.name, role.path) == ("exporter", "/a/b/")
    assert role.trust["Statement"][0]["Principal"]["AWS"] == "arn:aws-cn:iam::111122223333:root"
    assert role.permissions["Statement"][1]["Resource"] == "arn:aws-cn:s3:::acme-mdm-exports/reltio/*"


def test_json_and_cloudformation_hold_the_same_role() -> None:
    role = design(a_target(), [RELTIO], "ext-1")
    plain = json.loads(as_json(role))
    formed = json.loads(as_cloudformation(role))["Resources"]["ReltioExportRole"]["Properties"]
    assert plain == formed


def test_terraform_names_every_part() -> None:
    text = as_terraform(design(a_target(), [RELTIO], "ext-1"))
    for part in ("max_session_duration = 43200", '"sts:ExternalId" = "ext-1"', *ACTIONS, "reltio-exporter-export"):
        assert part in text
    assert text.count("{") == text.count("}")


def test_terraform_is_indented_by_its_depth() -> None:
    role = RoleDesign("r", "/", {"Version": "1", "Statement": [{"Principal": {"AWS": "a"}}]}, {"Statement": []})
    assert as_terraform(role).splitlines()[:15] == [
        'resource "aws_iam_role" "reltio_export" {',
        '  name                 = "r"',
        '  path                 = "/"',
        "  max_session_duration = 43200",
        "  assume_role_policy   = jsonencode({",
        '    "Version" = "1"',
        '    "Statement" = [{',
        '        "Principal" = {',
        '          "AWS" = "a"',
        "        }",
        "      }]",
        "  })",
        "}",
        "",
        'resource "aws_iam_role_policy" "reltio_export" {',
    ]
