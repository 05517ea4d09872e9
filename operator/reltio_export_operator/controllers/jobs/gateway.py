"""What a job needs done outside of the cluster: at Reltio's service and in the bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ...api.job import ExportJob, Submission
from ...aws.errors import AwsError
from ...aws.sessions import RoleSessions
from ...aws.store import ObjectStore
from ...delivery.manifest import MANIFEST, Delivery
from ...jobs.duplicates import group_tasks
from ...jobs.observation import ControlTasks
from ...jobs.results import Accepted, CallFailure, SearchResult
from ...kube.client import SecretError
from ...reltio import errors
from ...reltio.client import ReltioClient
from ...reltio.mapping import wire_request
from ..access import Access
from ..cache import JobCache
from .delivery_reader import DeliveryReader, Reports
from .reconciler import CallFailedError
from .task_search import TaskSearch

_REMEMBERED = 20_000  # external IDs of attempts, a few dozen bytes each
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
        text = error.message if error.ambiguous else str(error)  # the operator finds out by itself
        raise CallFailedError(
            CallFailure(
                error.reason,
                text,
                permanent=isinstance(error, _PERMANENT),
                ambiguous=error.ambiguous,
                retry_after=error.retry_after,
            )
        ) from error
    except AwsError as error:
        raise CallFailedError(CallFailure(error.reason, str(error))) from error
    except SecretError as error:
        raise CallFailedError(CallFailure("SecretUnusable", str(error))) from error


class ReltioS3Gateway:
    """Reltio and S3, as jobs see them. Every method raises RefusedError."""

    def __init__(self, access: Access, sessions: RoleSessions, registry: JobCache) -> None:
        self._access = access
        self._sessions = sessions
        self._registry = registry
        self._tasks = TaskSearch()
        self._external_ids: dict[str, str | None] = {}

    async def submit(self, job: ExportJob, may_send: Callable[[], bool]) -> Accepted:
        """Start the attempt whose intent is on record, or find out that it runs."""
        submission = _submission(job)
        async with _refusals():
            client = await self._client(job)
            external_id = await self._external_id(job)
            try:
                request = wire_request(
                    job.spec.export,
                    submission,
                    external_id=external_id,
                    encryption=submission.s3.server_side_encryption,
                )
            except (ValueError, ArithmeticError) as error:  # the schema accepts a value that cannot be encoded
                raise errors.unencodable(error) from error
            try:
                submitted = await client.submit(request, may_send)
            except errors.DestinationBusy as busy:
                try:
                    return await self._owner(client, submission, busy)
                except errors.ReltioError as error:  # it may have been this very attempt, and may have ended
                    raise CallFailedError(CallFailure(busy.reason, str(error), ambiguous=True)) from error
            return Accepted(submitted.task_ids, submitted.group_id)

    async def _owner(self, client: ReltioClient, submission: Submission, busy: errors.DestinationBusy) -> Accepted:
        """Who exports to the directory of this attempt: most likely an earlier submission of it."""
        active = [task async for task in client.active_tasks()]
        owner = next((task for task in active if task.id == busy.task_id), None) or await client.task(busy.task_id)
        if (owner.name or owner.export_name) and not owner.names_attempt(submission.id):
            raise CallFailedError(
                CallFailure(
                    busy.reason,
                    f"Task {owner.id} ({owner.name or owner.export_name}), which is not of this operator, exports to "
                    f"{submission.destination}. The job goes on when that task has ended.",
                )
            )
        mine = group_tasks(task for task in active if task.names_attempt(submission.id)).own or (owner,)
        return Accepted(tuple(task.id for task in mine), owner.group_id, adopted=True)

    async def search(self, job: ExportJob) -> SearchResult:
        """Look for the attempt: in the lists of active and finished tasks by its name, then in the bucket."""
        submission = _submission(job)
        async with _refusals():
            mine = await self._tasks.tasks_of(await self._client(job), submission.id)
            if mine or job.metadata.deletion_timestamp is not None:
                return SearchResult(tasks=mine)
        try:
            async with _refusals():
                store = await self._store(job)
                return SearchResult(manifest=await store.read(submission.path + MANIFEST, limit=1) is not None)
        except CallFailedError as error:
            return SearchResult(unreadable=error.failure)

    async def control(self, job: ExportJob, action: ControlTasks) -> None:
        """Pause, resume or stop tasks."""
        async with _refusals():
            client = await self._client(job)
            calls = {"pause": client.pause, "resume": client.resume, "stop": client.stop}
            for task_id in action.task_ids:
                try:
                    await calls[action.verb](task_id)
                except errors.ObjectNotFound:
                    continue  # gone already: the next look at the task tells

    async def inspect(self, job: ExportJob, known: Reports) -> Delivery:
        """Read the manifest, list the directory and read files as far as the job asks; leave the receipt it wants.

        `known` is what was read of files before, and is added to.
        """
        async with _refusals():
            return await DeliveryReader(lambda: self._store(job), job, known).delivery()

    async def _client(self, job: ExportJob) -> ReltioClient:
        # A namespace that goes away may lose its Secret before its jobs: what was last read still stops an export.
        deleted = job.metadata.deletion_timestamp is not None
        return await self._access.reltio(job.metadata.namespace, _submission(job).service, last_known=deleted)

    async def _external_id(self, job: ExportJob) -> str | None:
        """The external ID of the attempt: from its Secret, or else as the target said it when it was submitted.

        An ID that stands in the target itself is kept in memory only, so after a restart the target's own counts.
        """
        submission = _submission(job)
        if submission.s3.external_id_secret_ref is not None:
            return await self._access.secret_value(job.metadata.namespace, submission.s3.external_id_secret_ref)
        target = self._registry.target((job.metadata.namespace, job.spec.target_ref.name))
        if submission.id not in self._external_ids and target is not None:
            if len(self._external_ids) >= _REMEMBERED:
                del self._external_ids[next(iter(self._external_ids))]
            which = target.status.external_id_in_use or "Current"
            self._external_ids[submission.id] = await self._access.external_id_of(target, which)
        return self._external_ids.get(submission.id)

    async def _store(self, job: ExportJob) -> ObjectStore:
        """The bucket of the attempt, with an external ID that works: the role may be given a new one meanwhile."""
        s3 = _submission(job).s3
        denied: AwsError | SecretError | None = None
        tried: list[str | None] = []
        for external_id_of in (self._external_id, self._current_external_id, self._previous_external_id):
            try:
                external_id = await external_id_of(job)
                if external_id in tried:
                    continue
                tried.append(external_id)
                role = await self._sessions.assume(s3.role_arn, external_id, region=s3.region)
                return ObjectStore(self._sessions, role, s3.bucket, bulk=True)
            except (AwsError, SecretError) as error:
                if isinstance(error, AwsError) and error.reason != "AssumeRoleDenied":
                    raise
                denied = denied or error
        assert denied is not None
        raise denied

    async def _current_external_id(self, job: ExportJob) -> str | None:
        return await self._external_id_of_target(job, "Current")

    async def _previous_external_id(self, job: ExportJob) -> str | None:
        return await self._external_id_of_target(job, "Previous")

    async def _external_id_of_target(self, job: ExportJob, which: str) -> str | None:
        """What the target says now, as long as it speaks of the same role."""
        target = self._registry.target((job.metadata.namespace, job.spec.target_ref.name))
        if target is None or target.spec.s3.role_arn != _submission(job).s3.role_arn:
            return await self._external_id(job)
        return await self._access.external_id_of(target, which)

    async def stop(self) -> None:
        """End what runs besides the calls that are waited for."""
        await self._tasks.stop()


def _submission(job: ExportJob) -> Submission:
    submission = job.status.submission
    assert submission is not None, "only a job with an intent reaches outside"
    return submission
