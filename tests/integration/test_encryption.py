"""Targets whose files are encrypted under a KMS key."""

from __future__ import annotations

import asyncio
from typing import Any

from integration.conftest import World, condition
from reltio_export_operator.targets.permissions import export_policy
from reltio_export_sandbox.environment import BUCKET, ROLE

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ENCRYPTED: dict[str, Any] = {"serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyARN": KEY}}


async def test_the_generated_policy_is_enough_for_a_target_with_a_key_and_its_exports(world: World) -> None:
    statements = export_policy(BUCKET, "lake/", kms_key_arn=KEY)["Statement"]
    await asyncio.to_thread(world.sandbox.cloud.set_statements, ROLE, *statements)
    await world.secret()
    await world.target(**ENCRYPTED)
    target = await world.ready()
    checks = {check["name"]: check["status"] for check in target["status"]["checks"]}
    assert checks["Encryption"] == "True"
    await world.job()
    job = await world.finished()
    assert condition(job, "Complete"), job["status"]
    s3 = world.sandbox.cloud.client("s3")
    found = await asyncio.to_thread(world.sandbox.cloud.list_objects, BUCKET, job["status"]["output"]["prefix"])
    heads = [await asyncio.to_thread(s3.head_object, Bucket=BUCKET, Key=key) for key, _ in found]
    assert {(head["ServerSideEncryption"], head["SSEKMSKeyId"]) for head in heads} == {("aws:kms", KEY)}


async def test_a_target_whose_role_may_not_use_the_key_is_not_ready(world: World) -> None:
    statements = export_policy(BUCKET, "lake/")["Statement"]
    await asyncio.to_thread(world.sandbox.cloud.set_statements, ROLE, *statements)
    await world.secret()
    await world.target(**ENCRYPTED)
    target = await world.ready(status="False")
    check = next(check for check in target["status"]["checks"] if check["name"] == "Encryption")
    assert check["status"] == "False"
    assert "kms:GenerateDataKey" in check["message"]
