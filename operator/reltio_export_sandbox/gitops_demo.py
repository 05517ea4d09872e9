"""A life in Git, shown: what a person and a GitOps tool do, and how many exports ran."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from kubernetes.aio import client, config

from reltio_export_operator.cli.configured import MustFixError

from .environment import REPLICA, Options, Sandbox
from .gitops import WITHIN, Application, GitError, Raw, Repository, story


async def demo(examples: Path) -> int:
    """Run the demo; returns the exit code: 0 only if each step led to as many exports as were meant."""
    with tempfile.TemporaryDirectory(prefix="reltio-export-") as folder:
        try:
            repository = Repository(Path(folder) / "git")
        except GitError as error:
            raise MustFixError(str(error)) from None
        click.echo("Starting a Kubernetes API, AWS and Reltio on loopback, and the operator…")
        async with Sandbox(Options(Path(folder) / "sandbox")) as sandbox:
            configuration = client.Configuration()
            await config.load_kube_config(str(sandbox.kubeconfig), client_configuration=configuration)
            configuration.client_session_kwargs = {"trust_env": False}  # it is on loopback: no proxy
            async with client.ApiClient(configuration) as api:
                target = await _prepared(sandbox, api, examples)
                app = Application(repository, client.CustomObjectsApi(api), "default")
                return await _shown(app, target, sandbox)


async def _prepared(sandbox: Sandbox, api: client.ApiClient, examples: Path) -> Raw:
    """Create the Secret, which does not belong in Git. Returns the manifest of the target."""
    secret, target = sandbox.fill((examples / "target.yaml").read_text())
    await client.CoreV1Api(api).create_namespaced_secret("default", secret)
    return target


async def _shown(app: Application, target: Raw, sandbox: Sandbox) -> int:
    async def restart() -> None:
        await sandbox.stop_operator(REPLICA)
        await sandbox.start_operator()

    wrong = 0
    click.echo(f"{'meant':>5}  {'exports':>7}")
    try:
        async for step in story(app, target, restart):
            exports = len(sandbox.reltio.engine.runs)
            wrong += exports != step.meant
            click.echo(f"{step.meant:>5}  {exports:>7}  {step.text}")
    except TimeoutError:
        click.echo(f"The next step did not end within {WITHIN:.0f} s. The log of the operator:")
        click.echo(sandbox.operator_log.read_text()[-4000:])
        return 1
    click.echo("Every step led to the exports that were meant." if not wrong else f"{wrong} steps differ.")
    return 1 if wrong else 0
