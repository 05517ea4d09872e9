"""Calls to Reltio and to the bucket of an attempt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ...api.foreign import KNOWN, PROCESS, Secrets
from ...api.job import ExportJob, Submission
from ...api.target import ExportTarget
from ...api.task import ObservedTask
from ...aws.errors import AwsError
from ...aws.owner import Owner
from ...aws.sessions import RoleSessions
from ...aws.store import ObjectStore
from ...delivery import limits
from ...delivery.limits import DeliveryTooLargeError
from ...delivery.manifest import MANIFEST, Delivery, manifest_name
from ...jobs import cleanup, messages
from ...jobs.cleanup import Cleaned
from ...jobs.observation import CleanUp, ControlTasks
from ...jobs.results import Accepted, CallFailure, SearchResult
from ...kube.client import SecretError
from ...reltio import errors
from ...reltio.client import ReltioClient
from ...reltio.mapping import longest_part, wire_request
from ...runtime.clock import SYSTEM_CLOCK, Clock
from ...runtime.lru import LruCache
from ..access import Access, snapshot
from ..cache import JobCache, Key
from .census import Census
from .cleanups import clean_directory
from .delivery_reader import DeliveryReader, Reports
from .foreign_tasks import ForeignTasks
from .gateway_port import CallFailedError, secret_failure
from .task_search import TaskSearch

_REMEMBERED = 20_000  # external IDs of attempts, a few dozen bytes each
_PERMANENT = (errors.InvalidParameter, errors.RequestTooLong, errors.WrongService)
# The allow list of the tenant, a gateway, or a person who corrects a role or a Secret may be behind these.
_NEED_A_PERSON = (errors.AccessDenied, errors.ObjectNotFound, errors.CredentialsRejected, errors.TokenRejected)
_BAD_REQUEST_TRIES = 4  # of a submission that is refused with a 400 whose cause is not known


class ExternalIDUnavailableError(Exception):
    """The target that held the external ID of an attempt was deleted or changed. The text is the role's ARN."""


@asynccontextmanager
async def _call_failures() -> AsyncIterator[None]:
    """Turn errors of Reltio, AWS and Kubernetes into CallFailedError."""
    try:
        yield
    except errors.ReltioError as error:
        text = error.message if error.ambiguous else error.text  # the operator finds out by itself
        raise CallFailedError(
            CallFailure(
                error.reason,
                text,
                permanent=isinstance(error, _PERMANENT),
                tries=_BAD_REQUEST_TRIES if isinstance(error, errors.BadRequest) else None,
                needs_person=isinstance(error, _NEED_A_PERSON),
                ambiguous=error.ambiguous,
                retry_after=error.retry_after,
            )
        ) from error
    except AwsError as error:
        raise CallFailedError(CallFailure(error.reason, error.text)) from error
    except ExternalIDUnavailableError as error:
        why = messages.EXTERNAL_ID_UNAVAILABLE(role=str(error))
        raise CallFailedError(CallFailure(why.reason, why.message)) from error
    except DeliveryTooLargeError as error:
        too_large = messages.DELIVERY_TOO_LARGE(cause=str(error))
        raise CallFailedError(CallFailure(too_large.reason, too_large.message)) from error
    except SecretError as error:
        why = secret_failure(error)
        raise CallFailedError(CallFailure(why.reason, why.message)) from error


class ReltioS3Gateway:
    """ExportGateway on Reltio and S3."""

    def __init__(
        self,
        access: Access,
        sessions: RoleSessions,
        cache: JobCache,
        census: Census | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        verify_target: Callable[[Key], None] = lambda key: None,
    ) -> None:
        self._verify_target = verify_target
        self._access = access
        self._sessions = sessions
        self._cache = cache
        self._tasks = TaskSearch()
        self._foreign_tasks = ForeignTasks(clock)
        self._census = census or Census()
        self._external_ids: LruCache[str, str | None] = LruCache(_REMEMBERED)

    @asynccontextmanager
    async def _failures(self, job: ExportJob) -> AsyncIterator[None]:
        """As _call_failures; a failure that the target has as well makes the operator verify the target."""
        try:
            async with _call_failures():
                yield
        except CallFailedError as error:
            if _concerns_target(error.__cause__):
                self._verify_target((job.metadata.namespace, job.spec.target_ref.name))
            raise

    async def submit(self, job: ExportJob, submission: Submission, may_send: Callable[[], bool]) -> Accepted:
        """Start the attempt whose intent is in status, or find out that it runs already."""
        async with self._failures(job):
            self._sessions.check_allowed(_owner_of(job), submission.s3.role_arn)
            client = await self._client(job, submission)
            external_id = await self._external_id(job, submission)
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
            except errors.RequestTooLong as error:
                raise error.with_longest(*longest_part(request, error.status)) from error
            except errors.DestinationBusy as busy:
                return await self._owner(client, busy)
            return Accepted(submitted.task_ids, submitted.group_id)

    async def paused(self, job: ExportJob, submission: Submission) -> CallFailure | None:
        """Why Reltio cannot be called now, so that no intent should be written; None if it can."""
        try:
            paused = (await self._client(job, submission)).paused()
        except (SecretError, errors.UnusableURL):
            return None  # the submission finds out and reports it
        if paused is None:
            return None
        return CallFailure(paused.reason, paused.text, retry_after=paused.retry_after)

    async def _owner(self, client: ReltioClient, busy: errors.DestinationBusy) -> Accepted:
        """The export that keeps the directory of this attempt busy.

        Only this attempt can use the directory, so the task is one of its earlier submissions, whatever its name is.
        Its siblings are looked up as far as Reltio can be asked now; a later poll finds the others.
        """
        mine: tuple[str, ...] = (busy.task_id,)
        try:
            active = [task async for task in client.active_tasks()]
            owner = next((task for task in active if task.id == busy.task_id), None)
            owner = owner or await client.task(busy.task_id)
        except errors.ReltioError:
            return Accepted(mine, adopted=True)
        if owner.group_id:
            mine += tuple(task.id for task in active if task.group_id == owner.group_id and task.id != owner.id)
        return Accepted(mine, owner.group_id, adopted=True)

    async def search(self, job: ExportJob, submission: Submission) -> SearchResult:
        """Look for the attempt: in the lists of active and finished tasks by its name, then in the bucket."""
        async with self._failures(job):
            mine, unnamed = await self._tasks.tasks_of(await self._client(job, submission), submission)
            if mine or job.metadata.deletion_timestamp is not None:
                return SearchResult(tasks=mine, unnamed=unnamed)
        try:
            async with self._failures(job):
                store = await self._store(job, submission)
                manifest = await store.exists(submission.path + MANIFEST)
                files = manifest or await store.has_objects(submission.path)
                manifest = manifest or (files and await _has_manifest_below(store, submission.path))
                return SearchResult(manifest=manifest, files=files, unnamed=unnamed)
        except CallFailedError as error:
            return SearchResult(unnamed=unnamed, unreadable=error.failure)

    async def find_unrecorded(self, job: ExportJob, target: ExportTarget) -> tuple[ObservedTask, ...]:
        """The tasks whose name ends with an attempt id of the job, of which the object says nothing."""
        async with self._failures(job):
            deleted = job.metadata.deletion_timestamp is not None
            client = await self._access.reltio(job.metadata.namespace, snapshot(target), last_known=deleted)
            return await self._census.tasks_of(client, job)

    async def foreign_tasks(self, job: ExportJob, target: ExportTarget) -> int:
        """How many tasks that are not of an ExportJob are active in the tenant, at most some seconds ago."""
        async with self._failures(job):
            client = await self._access.reltio(job.metadata.namespace, snapshot(target))
            return await self._foreign_tasks.count(client)

    async def control(self, job: ExportJob, action: ControlTasks) -> None:
        """Pause, resume or stop tasks."""
        async with self._failures(job):
            client = await self._client(job, action.submission)
            calls = {"pause": client.pause, "resume": client.resume, "stop": client.stop}
            for task_id in action.task_ids:
                try:
                    await calls[action.verb](task_id)
                except errors.ObjectNotFound:
                    continue  # it has ended: the next poll shows it

    async def secrets_of(self, job: ExportJob, submission: Submission) -> Secrets:
        """The external IDs of the attempt and its target, and what else was read in the namespace."""
        kept = submission.s3.external_id_secret_ref is not None or submission.id in self._external_ids
        unread = Secrets() if kept or self._target(job) is not None else Secrets.unknown()
        for which in (None, "Current", "Previous"):
            try:
                await self._external_id_of(job, submission, which)
            except Exception:  # whatever the reason is: a secret that is not known cannot be masked
                unread = Secrets.unknown()
        return KNOWN.of([PROCESS, job.metadata.namespace]) | unread

    async def secrets_of_target(self, target: ExportTarget) -> Secrets:
        """As `secrets_of`, for tasks of an attempt of which the object says nothing."""
        for which in ("Current", "Previous"):
            try:
                await self._access.external_id_of(target, which)
            except Exception:
                return Secrets.unknown()
        return KNOWN.of([PROCESS, target.metadata.namespace])

    async def read_delivery(self, job: ExportJob, submission: Submission, known: Reports) -> Delivery:
        """Read the directory as far as spec.delivery asks, and write the receipt that it asks for.

        `known` are reports on files that were read before; new ones are added to it.
        """
        async with self._failures(job):
            return await DeliveryReader(lambda: self._store(job, submission), job, known).delivery()

    async def clean_up(self, job: ExportJob, action: CleanUp) -> Cleaned:
        """Delete what a failed attempt wrote, unless Reltio shows a task that may still write."""
        submission = action.submission
        async with self._failures(job):
            mine, unnamed = await self._tasks.tasks_of(await self._client(job, submission), submission)
            if cleanup.may_write(job, (*mine, *unnamed)):
                return Cleaned(found=(*mine, *unnamed))
            return await clean_directory(await self._store(job, submission), action)

    async def _client(self, job: ExportJob, submission: Submission) -> ReltioClient:
        # A namespace that is deleted may lose its Secret before its jobs: the last known value still stops an export.
        deleted = job.metadata.deletion_timestamp is not None
        return await self._access.reltio(job.metadata.namespace, submission.service, last_known=deleted)

    async def _external_id(self, job: ExportJob, submission: Submission) -> str | None:
        """The external ID of the attempt, from where the intent says that it comes from.

        Raises ExternalIDUnavailableError when that is not there any more: without it, the export would fail. An ID that
        is in the target itself is kept in memory only, so after a restart the target's current one is used.
        """
        s3 = submission.s3
        if s3.external_id_secret_ref is not None:
            return await self._access.secret_value(job.metadata.namespace, s3.external_id_secret_ref)
        if s3.external_id_source == "None":
            return None
        if submission.id not in self._external_ids:
            target = self._target(job)
            if target is None or target.spec.s3.role_arn != s3.role_arn:
                raise ExternalIDUnavailableError(s3.role_arn)
            value = await self._access.external_id_of(target, target.status.external_id_in_use or "Current")
            if value is None and s3.external_id_source == "Target":
                raise ExternalIDUnavailableError(s3.role_arn)
            self._external_ids.put(submission.id, value)
        return self._external_ids.get(submission.id)

    async def _store(self, job: ExportJob, submission: Submission) -> ObjectStore:
        """The bucket of the attempt, with an external ID that works: the role may have a new one by now."""
        s3 = submission.s3
        denied: AwsError | SecretError | ExternalIDUnavailableError | None = None
        tried: list[str | None] = []
        for which in (None, "Current", "Previous"):
            try:
                external_id = await self._external_id_of(job, submission, which)
                if external_id in tried:
                    continue
                tried.append(external_id)
                role = await self._sessions.assume(_owner_of(job), s3.role_arn, external_id, region=s3.region)
                return ObjectStore(self._sessions, role, s3.bucket)
            except (AwsError, SecretError, ExternalIDUnavailableError) as error:
                if isinstance(error, AwsError) and error.reason != "AssumeRoleDenied":
                    raise
                denied = denied or error
        assert denied is not None
        raise denied

    async def _external_id_of(self, job: ExportJob, submission: Submission, which: str | None) -> str | None:
        """The attempt's own external ID (None), or the target's `Current` or `Previous` one if it has the same role."""
        target = self._target(job)
        if which is None or target is None or target.spec.s3.role_arn != submission.s3.role_arn:
            return await self._external_id(job, submission)
        return await self._access.external_id_of(target, which)

    def _target(self, job: ExportJob) -> ExportTarget | None:
        return self._cache.target((job.metadata.namespace, job.spec.target_ref.name))

    async def stop(self) -> None:
        """Cancel what runs outside of the calls."""
        await self._tasks.stop()
        await self._census.stop()


def _concerns_target(error: BaseException | None) -> bool:
    """Whether it does not pass by itself, and a verification of the target can find it too."""
    if isinstance(error, AwsError):
        return not error.transient
    return isinstance(error, SecretError | errors.CredentialsRejected | errors.TokenRejected | errors.AccessDenied)


async def _has_manifest_below(store: ObjectStore, path: str) -> bool:
    """Whether the manifest is in a subdirectory. One LIST for each 1,000 objects."""
    names, seen = [], 0
    async for item in store.list(path):
        seen += 1
        if item.key.endswith(f"/{MANIFEST}"):
            names.append(item.key.removeprefix(path))
        if seen >= limits.LIMITS.objects:
            break
    return manifest_name(names) is not None


def _owner_of(job: ExportJob) -> Owner:
    """The target of the job, whose role is used."""
    return Owner(job.metadata.namespace, job.spec.target_ref.name)
