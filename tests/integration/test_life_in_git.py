"""Jobs in a real Git repository: each export that a person meant, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.conftest import World
from reltio_export_sandbox.environment import BUCKET, EXTERNAL_ID, REPLICA
from reltio_export_sandbox.gitops import Application, Repository, story

if TYPE_CHECKING:
    Raw = dict[str, Any]


async def test_every_step_leads_to_the_exports_that_were_meant(world: World, tmp_path: Path) -> None:
    await world.secret()
    app = Application(Repository(tmp_path / "git"), world.objects, world.namespace)

    async def restart() -> None:
        await world.sandbox.stop_operator(REPLICA)
        await world.sandbox.start_operator()

    found = []
    async for step in story(app, target_of(world), restart):
        assert await app.diff() == [], step.text
        found.append((step.text, step.meant, len(world.sandbox.reltio.engine.runs)))
    assert len(found) > 9
    assert [one for one in found if one[1] != one[2]] == []


def target_of(world: World) -> Raw:
    sandbox = world.sandbox
    return {
        "apiVersion": "export.reltio.com/v1alpha1",
        "kind": "ExportTarget",
        "metadata": {"name": "lake"},
        "spec": {
            "reltio": {
                "exportServiceURL": sandbox.reltio.export_service_url,
                "authURL": sandbox.reltio.auth_url,
                "tenant": "acme01",
                "credentialsSecretRef": {"name": "reltio-api"},
            },
            "s3": {"bucket": BUCKET, "region": "us-east-1", "roleARN": sandbox.role_arn, "externalID": EXTERNAL_ID},
        },
    }
