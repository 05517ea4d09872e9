"""The command `sandbox`: a sandbox that runs until it is interrupted, and what to type in another terminal."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reltio_export_operator.runtime.settings import ConfigurationError

from . import manifests
from .environment import BUCKET, REGION, Options, Sandbox
from .lock import DirectoryLock
from .reltio import SimulatorConfig

_LOG_TAIL = 4000  # characters of the operator's log that are shown when it has ended


async def run(directory: Path, examples: Path, *, port: int, time_scale: float, echo: Callable[[str], None]) -> None:
    """Run a sandbox until SIGINT or SIGTERM. `directory` is absolute.

    Raises ConfigurationError when the sandbox cannot start or its operator ends.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    options = Options(directory, kube_port=port, simulator=SimulatorConfig(time_scale=time_scale))
    with DirectoryLock(directory):
        async with Sandbox(options) as sandbox:
            written = directory / "examples"
            shutil.rmtree(written, ignore_errors=True)
            manifests.write(examples, written, sandbox.place)
            echo(introduction(sandbox, written))
            while not stop.is_set() and not sandbox.operator_has_ended():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1)
            if not stop.is_set():
                tail = sandbox.operator_log.read_text()[-_LOG_TAIL:]
                raise ConfigurationError(f"The operator has ended: {tail}")


def introduction(sandbox: Sandbox, examples: Path) -> str:
    """What is there, and lines to paste into another terminal."""
    target, job = (shlex.quote(str(examples / name)) for name in ("target.yaml", "job.yaml"))
    with_receipt = shlex.quote(str(examples / "jobs" / "with-receipt.yaml"))
    lines = [
        "The sandbox is running. Press Ctrl-C to stop it. In another terminal, set up the shell:",
        "",
        *_indented(*exports(sandbox)),
        "",
        "Then run an export, and look at what it delivered:",
        "",
        *_indented(
            f"kubectl apply -f {target} -f {job} -f {with_receipt}",
            "kubectl get exporttargets,exportjobs",
            "kubectl wait --for=condition=Complete exportjobs --all --timeout=60s",
            "kubectl reltio-export why people",
            "kubectl reltio-export receipt with-receipt --verify",
            f"aws s3 ls --recursive s3://{BUCKET}/",
        ),
        "",
        "More to try:",
        "",
        *_indented(
            "kubectl get exportjobs -w",
            f"kubectl reltio-export verify -f {target} --allow-host {sandbox.reltio_host}",
            f"ls {shlex.quote(str(examples / 'jobs'))}",
        ),
        "",
        f"Reltio: {sandbox.reltio.url}  AWS: {sandbox.cloud.url}  Log: {sandbox.operator_log}",
    ]
    return "\n".join(lines)


def exports(sandbox: Sandbox) -> list[str]:
    """Shell commands after which kubectl, its plugin and the AWS command line speak to the sandbox."""
    key = sandbox.cloud.admin_credentials
    programs = Path(sys.executable).parent
    return [
        f"export KUBECONFIG={shlex.quote(str(sandbox.kubeconfig))}",
        f"export PATH={shlex.quote(str(programs))}:$PATH",
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
        f"export AWS_ENDPOINT_URL={sandbox.cloud.url} AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}",
        f"export AWS_ACCESS_KEY_ID={key.id} AWS_SECRET_ACCESS_KEY={shlex.quote(key.secret)}",
        "export NO_PROXY=${NO_PROXY:+$NO_PROXY,}127.0.0.1",
    ]


def _indented(*lines: str) -> list[str]:
    return [f"  {line}" for line in lines]
