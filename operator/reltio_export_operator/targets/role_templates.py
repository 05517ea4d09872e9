"""The role that a target needs, written out: permission policy, trust policy and settings. Pure text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..api.target import ExportTarget
from .permissions import export_policy
from .role_checks import WANTED_SECONDS


@dataclass(frozen=True)
class RoleDesign:
    """Everything to create the role with; session length in seconds."""

    name: str
    path: str
    trust: dict[str, Any]
    permissions: dict[str, Any]
    max_session_seconds: int = WANTED_SECONDS


def design(target: ExportTarget, principals: Sequence[str], external_id: str | None) -> RoleDesign:
    """The least that an export to this target needs, for these principals alone."""
    s3 = target.spec.s3
    partition, resource = s3.role_arn.split(":")[1], s3.role_arn.split(":", 5)[5]
    _, *path, name = resource.split("/")
    return RoleDesign(
        name=name,
        path="/" + "".join(f"{part}/" for part in path),
        trust=_trust(partition, principals, external_id),
        permissions=export_policy(
            s3.bucket,
            s3.prefix,
            partition=partition,
            kms_key_arn=s3.server_side_encryption.kms_key_arn if s3.server_side_encryption else None,
        ),
    )


def _trust(partition: str, principals: Sequence[str], external_id: str | None) -> dict[str, Any]:
    arns = [who if who.startswith("arn:") else f"arn:{partition}:iam::{who}:root" for who in principals]
    statement: dict[str, Any] = {
        "Sid": "Reltio",
        "Effect": "Allow",
        "Principal": {"AWS": arns[0] if len(arns) == 1 else arns},
        "Action": "sts:AssumeRole",
    }
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def as_json(role: RoleDesign) -> str:
    return json.dumps(
        {
            "RoleName": role.name,
            "Path": role.path,
            "MaxSessionDuration": role.max_session_seconds,
            "AssumeRolePolicyDocument": role.trust,
            "Policies": [{"PolicyName": f"{role.name}-export", "PolicyDocument": role.permissions}],
        },
        indent=2,
    )


def as_terraform(role: RoleDesign) -> str:
    """Two resources of Terraform's AWS provider."""
    return "\n".join(
        [
            'resource "aws_iam_role" "reltio_export" {',
            f"  name                 = {_quoted(role.name)}",
            f"  path                 = {_quoted(role.path)}",
            f"  max_session_duration = {role.max_session_seconds}",
            f"  assume_role_policy   = jsonencode({_hcl(role.trust, 1)})",
            "}",
            "",
            'resource "aws_iam_role_policy" "reltio_export" {',
            f"  name   = {_quoted(f'{role.name}-export')}",
            "  role   = aws_iam_role.reltio_export.id",
            f"  policy = jsonencode({_hcl(role.permissions, 1)})",
            "}",
            "",
        ]
    )


def as_cloudformation(role: RoleDesign) -> str:
    """A CloudFormation template in JSON, which is YAML too."""
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Role through which Reltio exports to S3",
        "Resources": {
            "ReltioExportRole": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": role.name,
                    "Path": role.path,
                    "MaxSessionDuration": role.max_session_seconds,
                    "AssumeRolePolicyDocument": role.trust,
                    "Policies": [{"PolicyName": f"{role.name}-export", "PolicyDocument": role.permissions}],
                },
            }
        },
        "Outputs": {"RoleARN": {"Value": {"Fn::GetAtt": ["ReltioExportRole", "Arn"]}}},
    }
    return json.dumps(template, indent=2)


def _hcl(value: object, depth: int) -> str:
    """A value in Terraform's syntax, indented for its depth."""
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        lines = [f"{inner}{_quoted(str(key))} = {_hcl(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + "\n".join(lines) + f"\n{outer}}}"
    if isinstance(value, list):
        return "[" + ", ".join(_hcl(item, depth + 1) for item in value) + "]"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
