"""Denials in the words that AWS publishes, with the names of a call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aws_texts import IAM_DENIALS, S3_DENIALS, STS_DENIALS
from reltio_export_sandbox.cloud.evaluator import Request

_ORGANIZATION = "service control policy, explicit, with its ARN"


@dataclass(frozen=True)
class Layer:
    """The policies of one kind that speak of a call. `must_allow`: without an Allow the call is denied."""

    kind: str
    statements: list[dict[str, Any]]
    must_allow: bool = True


def denial(kind: str, explicit: bool, caller: str, request: Request, explains: bool, with_arns: bool) -> str:
    """What AWS says. Without `explains`, as to a caller of another organization."""
    resource = f'"{request.resource}"' if request.action.startswith("s3:") else request.resource
    if not explains:
        if request.action.startswith("s3:"):
            return S3_DENIALS["no explanation"].text
        return f"User: {caller} is not authorized to perform: {request.action} on resource: {resource}"
    texts = STS_DENIALS if kind == "trust policy" else IAM_DENIALS
    name = f"{kind}, {'explicit' if explicit else 'implicit'}"
    name = _ORGANIZATION if with_arns and name == "service control policy, explicit" else name
    of_call = f"{request.action} on resource: {resource}"
    text = re.sub(r"(?<=perform: )\S+(?: on resource: \S+)?", of_call, texts[name].text)
    text = re.sub(r"(?<=User: )\S+", caller, text)
    return re.sub(r"(?<=allows the )\S+", request.action, text)
