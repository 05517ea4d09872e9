"""A job whose writes an admission policy refuses, beside one whose writes it accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.aio import client

from integration.conftest import GROUP, VERSION, condition
from integration.replicas import until

if TYPE_CHECKING:
    from integration.conftest import World

pytestmark = pytest.mark.asyncio
_NAME = "refuse-expensive-exports"


def policy(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """A policy that refuses what the operator writes to jobs with a label, and its binding to the namespace."""
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": ["UPDATE"],
        "resources": ["exportjobs", "exportjobs/status"],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
            "objectSelector": {"matchLabels": {"cost": "high"}},
        },
        "validations": [{"expression": "false", "message": "ask the budget office"}],
    }
    name = {"metadata": {"name": f"{_NAME}-{world.namespace}"}}
    binding = {"policyName": name["metadata"]["name"], "validationActions": ["Deny"]}
    return {**name, "spec": spec}, {**name, "spec": binding}


async def is_refused(world: World) -> bool:
    """Whether the policy has taken effect: the API server needs a moment."""
    try:
        await world.patch("ExportJob", "first", {"metadata": {"annotations": {"probe": "1"}}})
    except client.ApiException as error:
        return "ask the budget office" in str(error.body)
    return False


async def test_a_job_that_a_policy_refuses_lets_the_next_one_go_first(world: World) -> None:
    admission = client.AdmissionregistrationV1Api(world.objects.api_client)
    rules, binding = policy(world)
    name = rules["metadata"]["name"]
    await world.secret()
    await world.target(spec={"maxConcurrentJobs": 1, "suspend": True})
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ExportJob",
        "metadata": {"name": "first", "labels": {"cost": "high"}},
        "spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}},
    }
    await world.objects.create_namespaced_custom_object(GROUP, VERSION, world.namespace, "exportjobs", body)
    await admission.create_validating_admission_policy(rules)
    await admission.create_validating_admission_policy_binding(binding)
    try:
        await until(lambda: is_refused(world), bool)
        await world.job()
        await world.patch("ExportTarget", "lake", {"spec": {"suspend": False}})
        assert condition(await world.finished(), "Complete")
        reasons = await world.events("first", "WriteRefused")
        assert reasons.count("WriteRefused") == 1
        first = await world.get("ExportJob", "first")
        assert not first["metadata"].get("finalizers")
        assert "submission" not in first["status"]
    finally:
        await admission.delete_validating_admission_policy_binding(name)
        await admission.delete_validating_admission_policy(name)
    assert condition(await world.finished("first", within=120), "Complete")
