"""What a job needs done outside of the cluster: at Reltio's service and in the bucket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..api.job import ExportJob, Submission
from ..api.observation import TaskView
from ..aws.errors import AwsError
from ..aws.sessions import RoleSessions
from ..aws.store import CANARY, ObjectStore
from ..jobs.outcomes import MANIFEST, Delivery, Findings, Refusal
from ..jobs.view import Control
from ..reltio import errors
from ..reltio.client import ReltioClient
from ..reltio.mapping import wire_request
from .access import Access
from .jobs import RefusedError
from .kube import SecretError
from .registry import Registry

_MANIFEST_LIMIT = 16 * 2**20
_PERMANENT = (
    errors.InvalidParameter,
    errors.BadRequest,
    errors.AccessDenied,
    errors.PayloadTooLarge,
)


@asynccontextmanager
async def _refusals() -> AsyncIterator[None]:
    """Turn errors of both services into refusals that decisions understand."""
    try:
        yield
    except errors.ReltioError as error:
        text = f"{error.message} {error.remedy}".strip()
        raise RefusedError(
            Refusal(
                error.reason,
                text,
                permanent=isinstance(error, _PERMANENT),
                ambiguous=error.ambiguous,
                retry_after=error.retry_after,
            )
        ) from error
    except AwsError as error:
        raise RefusedError(Refusal(error.reason, str(error))) from error
    except SecretError as error:
        raise RefusedError(Refusal("SecretUnusable", str(error))) from error


class Services:
    """Reltio and S3, as jobs see them. Every method raises RefusedError."""

    def __init__(self, access: Access, sessions: RoleSessions, registry: Registry) -> None:
        self._access = access
        self._sessions = sessions
        self._registry = registry

    async def submit(self, job: ExportJob) -> tuple[str, ...]:
        """Start the attempt whose intent is on record; answers with the ids of its tasks."""
        submission = _submission(job)
        async with _refusals():
            client = await self._client(job)
            target = self._registry.target((job.metadata.namespace, job.spec.target_ref.name))
            if target is None:
                raise RefusedError(
                    Refusal("TargetNotFound", f"ExportTarget {job.spec.target_ref.name} is gone; create it.")
                )
            request = wire_request(
                job.spec.export,
                submission,
                external_id=await self._access.external_id(target),
                encryption=target.spec.s3.server_side_encryption,
            )
            try:
                return (await client.submit(request)).task_ids
            except errors.DestinationBusy as busy:
                # The directory is this attempt's alone: whoever exports there is its own earlier submission.
                mine = await self._tasks_of(client, submission)
                return tuple(task.id for task in mine) or (busy.task_id,)

    async def search(self, job: ExportJob) -> Findings:
        """Look for the attempt: in the lists of active and finished tasks by its name, then in the bucket."""
        submission = _submission(job)
        async with _refusals():
            mine = await self._tasks_of(await self._client(job), submission)
            if mine:
                return Findings(tasks=mine)
            store = await self._store(job)
            return Findings(manifest=await store.read(submission.path + MANIFEST, limit=1) is not None)

    async def control(self, job: ExportJob, action: Control) -> None:
        """Pause, resume or stop tasks."""
        async with _refusals():
            client = await self._client(job)
            calls = {"pause": client.pause, "resume": client.resume, "stop": client.stop}
            for task_id in action.task_ids:
                try:
                    await calls[action.verb](task_id)
                except errors.ObjectNotFound:
                    continue  # gone already: the next look at the task tells

    async def inspect(self, job: ExportJob) -> Delivery:
        """Read the manifest and list the directory of the attempt."""
        path = _submission(job).path
        async with _refusals():
            store = await self._store(job)
            content = await store.read(path + MANIFEST, limit=_MANIFEST_LIMIT)
            sizes = {
                item.key.removeprefix(path): item.size
                async for item in store.list(path)
                if not item.key.removeprefix(path).startswith(CANARY)
            }
        return Delivery(_parsed(content), sizes)

    async def _client(self, job: ExportJob) -> ReltioClient:
        return await self._access.reltio(job.metadata.namespace, _submission(job).service)

    async def _store(self, job: ExportJob) -> ObjectStore:
        s3 = _submission(job).s3
        target = self._registry.target((job.metadata.namespace, job.spec.target_ref.name))
        external_id = await self._access.external_id(target) if target else None
        role = await self._sessions.assume(s3.role_arn, external_id, region=s3.region)
        return ObjectStore(self._sessions, role, s3.bucket)

    @staticmethod
    async def _tasks_of(client: ReltioClient, submission: Submission) -> tuple[TaskView, ...]:
        """Tasks that carry the attempt's marker. Active ones first: one that ends in between is in the history."""
        found: dict[str, TaskView] = {}
        async for task in client.active_tasks():
            if task.carries(submission.id):
                found[task.id] = task
        async for task in client.history():
            if task.carries(submission.id):
                found[task.id] = task
        return tuple(found.values())


def _submission(job: ExportJob) -> Submission:
    submission = job.status.submission
    assert submission is not None, "only a job with an intent reaches outside"
    return submission


def _parsed(content: bytes | None) -> object | None:
    if content is None:
        return None
    try:
        parsed: object = json.loads(content)
    except ValueError:
        return "unparsable"
    return parsed
