"""The check before `helm uninstall` that no export still runs.

An ExportJob whose export may run in Reltio has a finalizer, which only the operator removes. Without the operator, such
a job never changes its phase, and neither it nor its namespace can be deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import click
from kubernetes.aio.client.exceptions import ApiException

from ..api.meta import API_VERSION, CANCEL_ANNOTATION, FINALIZER, JOBS
from ..kube import routing
from ..kube.client import ConflictError, KubeClient, Raw
from ..runtime import settings_loader
from ..runtime.network import Network
from ..runtime.settings import ConfigurationError, Settings

_POLL_SECONDS = 2.0
_API_SERVER_TIMEOUT_SECONDS = 30.0
_MAX_SHOWN_JOBS = 20  # in a message

REFUSE, CANCEL = "Refuse", "Cancel"


class UninstallRefused(Exception):
    """The release must not be uninstalled now. The text is shown to the user."""


@dataclass(frozen=True)
class Release:
    """The Helm release, for the commands in messages."""

    name: str
    namespace: str
    revision: int | None = None

    @property
    def uninstall(self) -> str:
        return f"helm uninstall {self.name} -n {self.namespace}"

    @property
    def keep(self) -> str:
        """How to keep the release. Helm leaves it as "uninstalling", and such a release cannot be upgraded.

        Without a revision, Helm would go back to the one before, with its values and image.
        """
        return f"helm rollback {self.name} {self.revision or 'REVISION'} -n {self.namespace}"


@dataclass
class Found:
    """The jobs that have not finished."""

    running: list[Raw] = field(default_factory=list)  # an export may run in Reltio; they have the finalizer
    waiting: list[Raw] = field(default_factory=list)  # they have no export

    def unfinished(self) -> list[Raw]:
        return self.running + self.waiting


class PreDelete:
    """Finds, and cancels if asked to, ExportJobs that still run in these namespaces. Default: all namespaces."""

    def __init__(
        self,
        kube: KubeClient,
        release: Release,
        *,
        namespaces: Sequence[str] = (),
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._kube = kube
        self._release = release
        self._namespaces = namespaces
        self._say = say
        self._clock = clock
        self._sleep = sleep

    async def refuse(self) -> None:
        """Raises UninstallRefused with the list of running jobs, if there are any."""
        found = await self._find()
        if found.running:
            raise UninstallRefused(_refusal(found.running, self._release))
        self._say(_nothing_runs(found.waiting))

    async def cancel(self, within: float) -> None:
        """Cancel all unfinished jobs, and wait until no export runs.

        Queued jobs are cancelled as well: they would start when others have finished. Raises UninstallRefused if
        exports still run after `within` seconds.
        """
        end = self._clock() + within
        found, reported = await self._find(), -1
        while True:
            requested = [await self._request_cancel(raw) for raw in found.unfinished()]
            if not found.running and all(requested):
                self._say("No export runs any more.")
                return
            if found.running and len(found.running) != reported:
                reported = len(found.running)
                self._say(f"Waiting for {_count(reported)} to stop:\n{_table(found.running)}")
            if self._clock() >= end:
                raise UninstallRefused(_not_stopped(found.running, within, self._release))
            await self._sleep(_POLL_SECONDS)
            found = await self._find()

    async def _find(self) -> Found:
        """List the jobs. Removes the finalizer of finished ones, as the operator is about to do."""
        end = self._clock() + _API_SERVER_TIMEOUT_SECONDS
        while True:
            found = Found()
            try:
                for namespace in self._namespaces or (None,):
                    async for raw in self._kube.list_objects(JOBS, namespace):
                        await self._sort(raw, found)
                return found
            except ApiException as error:
                if error.status == 404:
                    return Found()  # the kind is not served: there are no jobs
                if error.status in (401, 403):
                    raise UninstallRefused(_no_rights(error, self._release)) from None
                if self._clock() >= end:
                    raise UninstallRefused(_no_answer(error, self._release)) from None
            except (aiohttp.ClientError, TimeoutError) as error:
                if self._clock() >= end:
                    raise UninstallRefused(_no_answer(error, self._release)) from None
            await self._sleep(_POLL_SECONDS)

    async def _sort(self, raw: Raw, found: Found) -> None:
        finalizers = raw["metadata"].get("finalizers", [])
        if not _has_finished(raw):
            (found.running if FINALIZER in finalizers else found.waiting).append(raw)
        elif FINALIZER in finalizers:
            with contextlib.suppress(ConflictError):  # the operator was faster
                await self._kube.set_finalizers(JOBS, raw, [name for name in finalizers if name != FINALIZER])

    async def _request_cancel(self, raw: Raw) -> bool:
        """Request the cancellation of this version of the job. False if it has changed, because it may have started."""
        meta = raw["metadata"]
        if meta.get("deletionTimestamp") or meta.get("annotations", {}).get(CANCEL_ANNOTATION) == "true":
            return True
        try:
            await self._kube.annotate(JOBS, raw, {CANCEL_ANNOTATION: "true"})
        except ConflictError:
            return False
        return True


async def run(
    settings: Settings, network: Network, release: Release, *, policy: str, within: float, say: Callable[[str], None]
) -> None:
    """Apply the policy as the ServiceAccount of this pod. Raises UninstallRefused and ConfigurationError."""
    configuration = await routing.load_configuration(network)
    async with routing.api_client(configuration, network) as api:
        check = PreDelete(KubeClient(api), release, namespaces=settings.namespaces, say=say)
        if policy == CANCEL:
            await check.cancel(within)
        else:
            await check.refuse()


def _has_finished(raw: Raw) -> bool:
    conditions = raw.get("status", {}).get("conditions", [])
    return any(one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in conditions)


def _count(number: int) -> str:
    return "1 ExportJob" if number == 1 else f"{number} ExportJobs"


def _table(jobs: Sequence[Raw]) -> str:
    rows = [f"  {_key(raw)}: {_state(raw)}" for raw in jobs[:_MAX_SHOWN_JOBS]]
    if len(jobs) > _MAX_SHOWN_JOBS:
        rows.append(f"  and {len(jobs) - _MAX_SHOWN_JOBS} more")
    return "\n".join(rows)


def _key(raw: Raw) -> str:
    return f"{raw['metadata']['namespace']}/{raw['metadata']['name']}"


def _state(raw: Raw) -> str:
    status: dict[str, Any] = raw.get("status", {})
    phase = "Deleting" if raw["metadata"].get("deletionTimestamp") else status.get("phase") or "no status yet"
    percent = status.get("progress", {}).get("percent")
    tasks = ", ".join(task["id"] for task in status.get("tasks", []))
    return f"{phase}{f' {percent}%' if percent is not None else ''}{f' (Reltio task {tasks})' if tasks else ''}"


def _nothing_runs(waiting: Sequence[Raw]) -> str:
    text = "No export runs. The release can be uninstalled."
    if waiting:
        text += f" {_count(len(waiting))} without an export do not change until the operator is installed again."
    return text


def _refusal(running: Sequence[Raw], release: Release) -> str:
    name, namespace = running[0]["metadata"]["name"], running[0]["metadata"]["namespace"]
    verb = "runs" if len(running) == 1 else "run"
    return "\n".join(
        (
            f"Release {release.name} was not uninstalled, because {_count(len(running))} still {verb}.",
            _table(running),
            "Without the operator, their status would never change, and they could not be deleted. Do one of these:",
            f"- Wait until they have finished, then run again: {release.uninstall}",
            f"- Cancel each: kubectl annotate exportjob {name} -n {namespace} {CANCEL_ANNOTATION}=true",
            f"- Leave them until an operator is installed again: {release.uninstall} --no-hooks",
            f"- Keep the release, which can be upgraded again after this: {release.keep}",
        )
    )


def _not_stopped(running: Sequence[Raw], within: float, release: Release) -> str:
    return "\n".join(
        (
            f"Release {release.name} was not uninstalled, because {_count(len(running))} did not stop "
            f"within {within:.0f} s.",
            _table(running),
            "They are cancelled, and the operator is stopping their tasks in Reltio. Do one of these:",
            f"- Look for the cause in the operator's log: kubectl logs -n {release.namespace} -l "
            f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component=operator",
            f"- Run again: {release.uninstall}",
            f"- Leave them until an operator is installed again: {release.uninstall} --no-hooks",
            f"- Keep the release, which can be upgraded again after this: {release.keep}",
        )
    )


def _no_rights(error: ApiException, release: Release) -> str:
    return (
        f"Release {release.name} was not uninstalled, because its ServiceAccount may not list {JOBS} of {API_VERSION} "
        f"({error.status} {error.reason}). Restore its roles (rbac.create), or check the jobs yourself and run "
        f"{release.uninstall} --no-hooks"
    )


def _no_answer(error: Exception, release: Release) -> str:
    reason = f"{error.status} {error.reason}" if isinstance(error, ApiException) else type(error).__name__
    return (
        f"Release {release.name} was not uninstalled, because the API server did not list the ExportJobs ({reason}). "
        f"Run again: {release.uninstall}"
    )


@click.command(name="pre-delete")
@click.option("--policy", type=click.Choice([REFUSE, CANCEL]), default=REFUSE, show_default=True)
@click.option("--timeout", default=240.0, show_default=True, help="Seconds that Cancel waits.")
@click.option("--release", "name", default="reltio-export-operator", help="Name of the Helm release, used in messages.")
@click.option(
    "--release-namespace", "namespace", default="default", help="Namespace of the Helm release, used in messages."
)
@click.option("--release-revision", "revision", type=int, help="Revision of the Helm release, used in messages.")
def pre_delete(policy: str, timeout: float, name: str, namespace: str, revision: int | None) -> None:
    """Check before `helm uninstall` that no export still runs. The hook of the chart runs it.

    The exit code is 0 only if the release can be uninstalled. The namespaces are those of RELTIO_EXPORT_NAMESPACES.
    """
    try:
        settings = settings_loader.load().settings
        network = Network.from_environment(os.environ, ca_bundle=settings.ca_bundle)
        release = Release(name, namespace, revision)
        asyncio.run(run(settings, network, release, policy=policy, within=timeout, say=click.echo))
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    except UninstallRefused as refused:
        raise click.ClickException(str(refused)) from None
