"""A target uses a Secret only after it has opted in, and notices by itself when it does."""

from __future__ import annotations

import asyncio
import json
import shutil

from integration.conftest import Raw, World, condition
from reltio_export_sandbox.environment import CLIENT, EXTERNAL_ID

COMMAND = "kubectl label secret -n {namespace} {name} export.reltio.com/allow=true"


async def bare_secret(world: World, name: str, **data: str) -> None:
    await world.core.create_namespaced_secret(world.namespace, {"metadata": {"name": name}, "stringData": data})


async def allow(world: World, name: str) -> None:
    """Run the command in the message, or do as it does where there is no kubectl."""
    if shutil.which("kubectl"):
        command = COMMAND.format(namespace=world.namespace, name=name).split()
        kubeconfig = f"--kubeconfig={world.sandbox.kubeconfig}"
        process = await asyncio.create_subprocess_exec(*command, kubeconfig, stdout=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0
        return
    change = {"metadata": {"labels": {"export.reltio.com/allow": "true"}}}
    await world.core.patch_namespaced_secret(name, world.namespace, change)


async def test_a_target_becomes_ready_by_itself_when_its_secrets_opt_in(world: World) -> None:
    await bare_secret(world, "reltio-api", clientID=CLIENT.id, clientSecret=CLIENT.secret)
    await bare_secret(world, "ids", externalID=EXTERNAL_ID)
    await world.target(externalID=None, externalIDSecretRef={"name": "ids"})
    found = await world.ready(status="False")
    checks = {check["name"]: check for check in found["status"]["checks"]}
    for check, name in (("ReltioToken", "reltio-api"), ("AssumeRole", "ids")):
        assert checks[check]["reason"] == "SecretNotAllowed"
        assert COMMAND.format(namespace=world.namespace, name=name) in checks[check]["remedy"]
    stalled = condition(found, "Stalled")
    assert stalled is not None
    assert COMMAND.format(namespace=world.namespace, name="reltio-api") in stalled["message"]
    assert EXTERNAL_ID not in json.dumps(found["status"])
    await allow(world, "reltio-api")
    await allow(world, "ids")
    await world.ready()


async def test_a_job_of_a_target_without_verification_waits_until_its_secret_opts_in(world: World) -> None:
    await bare_secret(world, "reltio-api", clientID=CLIENT.id, clientSecret=CLIENT.secret)
    await world.target(spec={"verification": {"mode": "Disabled"}})
    await world.job()

    def is_refused(raw: Raw) -> bool:
        return (condition(raw, "Reconciling") or {}).get("reason") == "SecretNotAllowed"

    waiting = await world.until("ExportJob", "nightly", is_refused)
    assert COMMAND.format(namespace=world.namespace, name="reltio-api") in json.dumps(waiting["status"])
    assert world.sandbox.reltio.engine.runs == []
    await allow(world, "reltio-api")
    assert condition(await world.finished(within=90), "Complete")
