"""What the ExportJob controller needs from outside the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...api.foreign import Secrets, own
from ...api.job import ExportJob, Submission
from ...api.reasons import ConditionReason
from ...api.target import ExportTarget
from ...api.task import ObservedTask
from ...delivery.manifest import Delivery
from ...jobs import messages
from ...jobs.cleanup import Cleaned
from ...jobs.observation import CleanUp, ControlTasks
from ...jobs.results import Accepted, CallFailure, SearchResult
from ...kube.client import SecretError, SecretNotAllowedError
from .delivery_reader import Reports


class CallFailedError(Exception):
    """A call to Reltio or AWS failed."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class ExportGateway(Protocol):
    """Reltio and the bucket of an attempt. Every method raises CallFailedError."""

    async def submit(self, job: ExportJob, submission: Submission, may_send: Callable[[], bool]) -> Accepted:
        """Start the attempt whose intent is in status, or find out that it runs already."""
        ...

    async def paused(self, job: ExportJob, submission: Submission) -> CallFailure | None:
        """Why Reltio cannot be called now, so that no intent should be written; None if it can."""
        ...

    async def search(self, job: ExportJob, submission: Submission) -> SearchResult:
        """Search for the attempt: in the lists of active and finished tasks, then in the bucket."""
        ...

    async def find_unrecorded(self, job: ExportJob, target: ExportTarget) -> tuple[ObservedTask, ...]:
        """The tasks whose name ends with an attempt id of the job, of which the object says nothing."""
        ...

    async def foreign_tasks(self, job: ExportJob, target: ExportTarget) -> int:
        """How many tasks that are not of an ExportJob are active in the tenant, at most some seconds ago."""
        ...

    async def control(self, job: ExportJob, action: ControlTasks) -> None:
        """Pause, resume or stop tasks."""
        ...

    async def secrets_of(self, job: ExportJob, submission: Submission) -> Secrets:
        """What text of Reltio about the attempt may repeat. Raises nothing: what cannot be read makes it unknown."""
        ...

    async def secrets_of_target(self, target: ExportTarget) -> Secrets:
        """As `secrets_of`, for tasks of an attempt of which the object says nothing."""
        ...

    async def read_delivery(self, job: ExportJob, submission: Submission, known: Reports) -> Delivery:
        """Read the directory as far as spec.delivery asks, and write the receipt that it asks for.

        `known` are reports on files that were read before; new ones are added to it.
        """
        ...

    async def clean_up(self, job: ExportJob, action: CleanUp) -> Cleaned:
        """Delete what a failed attempt wrote, unless Reltio shows a task that may still write."""
        ...


def secret_failure(error: SecretError) -> ConditionReason:
    """Why a Secret cannot be used, as a reason of a job."""
    if isinstance(error, SecretNotAllowedError):
        return messages.SECRET_NOT_ALLOWED(secret=error.secret, command=error.command)
    return messages.SECRET_UNUSABLE(error=own(error))
