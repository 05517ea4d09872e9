"""ExportJob: one export."""

from __future__ import annotations

from typing import Literal

from .conditions import Condition, ReasonTime, find, is_true
from .meta import ACCEPT_ANNOTATION, CANCEL_ANNOTATION, FINALIZER, Count, Model, ObjectMeta, Problem, Time
from .target import CredentialsSecretRef, Encryption, SecretKeyRef

# Of the conditions that are true, the first one of this list says why the job is in its phase.
HEADLINES = ("Failed", "Complete", "Stalled", "Reconciling", "Suspended")

ExportType = Literal["Entities", "Relations", "Activities", "MergeTree", "SegmentEntities", "Hierarchies"]


class TargetRef(Model, frozen=True, kw_only=True):
    name: str


class GroupBy(Model, frozen=True, kw_only=True):
    attribute: str
    anchor_attributes: tuple[str, ...]
    max_unique_values: int | None = None


class ExportSpec(Model, frozen=True, kw_only=True):
    """What to export.

    None means not set: the service's default applies. Which field fits which type is for the CRD to say.
    """

    type: ExportType
    name: str | None = None
    notification_emails: tuple[str, ...] = ()
    file_format: Literal["CSV", "JSON"] | None = None
    date_format: Literal["Timestamp", "Readable"] | None = None
    filter: str | None = None
    select: tuple[str, ...] = ()
    options: tuple[
        Literal["SearchByOV", "ResolveMergedEntities", "ResolveRelationEdgeTypes", "ParallelExecution"], ...
    ] = ()
    part_size: str | None = None
    activeness: Literal["All", "Active", "NotActive"] | None = None
    headers_style: Literal["Name", "Label"] | None = None
    header_format: Literal["Default", "Consistent"] | None = None
    header_order: Literal["Default", "Select"] | None = None
    skip_postprocessing: bool | None = None
    exploded: bool | None = None
    filename_template: str | None = None
    send_hidden: bool | None = None
    anchor_attribute: str | None = None
    sliced_by_crosswalks: bool | None = None
    slice_filter: str | None = None
    return_votes: bool | None = None
    start_end_prefix: bool | None = None
    include_segments: bool | None = None
    segment_ids: tuple[str, ...] = ()
    distributed: bool | None = None
    task_parts_count: int | None = None
    operational_values_only: bool | None = None
    include_types: tuple[str, ...] = ()
    updated_since: Time | None = None
    updated_before: Time | None = None
    group_by: tuple[GroupBy, ...] = ()
    hierarchy_id: str | None = None
    effective_date: str | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    output_as_json_array: bool | None = None

    @property
    def combines_files(self) -> bool:
        """Whether the service puts the part files together (its post-processing). Not unless it is asked for."""
        return self.part_size is not None if self.skip_postprocessing is None else not self.skip_postprocessing

    @property
    def is_partial(self) -> bool:
        """Whether it exports only the objects of a window of time or of a filter, of which there may be none."""
        window = (self.updated_since, self.updated_before, self.start_time, self.end_time, self.effective_date)
        return self.filter is not None or any(moment is not None for moment in window)


class DeliverySpec(Model, frozen=True, kw_only=True):
    """How far a finished export is checked before the job is Complete, and what happens to what failed ones wrote."""

    verify: Literal["None", "Manifest", "Objects", "Full"] = "Objects"
    receipt: bool = False
    min_objects: int | None = None
    cleanup_failed_attempts: bool = False


class JobSpec(Model, frozen=True, kw_only=True):
    target_ref: TargetRef
    export: ExportSpec
    path: str = "{namespace}/{name}"
    delivery: DeliverySpec = DeliverySpec()
    suspend: bool = False
    cancel: bool = False
    active_deadline_seconds: int | None = None
    backoff_limit: int = 2
    ttl_seconds_after_finished: int | None = None
    deletion_policy: Literal["Cancel", "Orphan"] = "Cancel"


class ServiceSnapshot(Model, frozen=True, kw_only=True):
    """The service as it was when the attempt was intended."""

    export_service_url: str
    auth_url: str
    tenant: str
    credentials_secret_ref: CredentialsSecretRef


class S3Snapshot(Model, frozen=True, kw_only=True):
    """The destination as it was when the attempt was intended. The external ID is never recorded.

    `external_id_source` says where it comes from, so that a job is never submitted without one that it needs. `Target`
    is the field of the target itself. None: the intent was written by a version that did not record it.
    """

    bucket: str
    role_arn: str
    region: str | None = None
    external_id_secret_ref: SecretKeyRef | None = None
    external_id_source: Literal["None", "Secret", "Target"] | None = None
    server_side_encryption: Encryption | None = None


class Submission(Model, frozen=True, kw_only=True):
    """The intent of one attempt, written before the service is called.

    `refused_time` is set while it is certain that the service does not have the export. `resent` counts the calls after
    the first one, and `first_intended_time` is set with them: `intended_time` is that of the last call. The first one
    has the time of the API server's clock. `unanswered` counts the last calls in a row whose answer is not known,
    `refusals` those that were refused for a cause that is not known, and `group_id` is the service's own name for the
    tasks of one export.
    """

    id: str
    attempt: int
    name: str
    path: str
    destination: str
    intended_time: Time
    first_intended_time: Time | None = None
    service: ServiceSnapshot
    s3: S3Snapshot
    submitted_time: Time | None = None
    refused_time: Time | None = None
    resent: Count = 0
    unanswered: Count = 0
    refusals: Count = 0
    group_id: str | None = None
    adopted: bool = False


class TaskStatus(Model, frozen=True, kw_only=True):
    """A task of the service, as it was last observed."""

    id: str
    status: str = ""
    stage: str | None = None
    processed: int | None = None
    total: int | None = None
    error: str | None = None


class Progress(Model, frozen=True, kw_only=True):
    processed: int = 0
    total: int | None = None
    percent: int | None = None
    objects_per_second: int | None = None
    estimated_completion_time: Time | None = None
    summary: str = ""


class Output(Model, frozen=True, kw_only=True):
    """What was found in S3; numbers are None where nothing was checked."""

    bucket: str = ""
    prefix: str = ""
    verified: Literal["None", "Manifest", "Objects", "Full"] = "None"
    files: int | None = None
    bytes: int | None = None
    objects: int | None = None
    digest: str | None = None
    first_files: tuple[str, ...] = ()
    receipt: str | None = None


class Failure(Model, frozen=True, kw_only=True):
    attempt: int
    reason: str
    message: str
    time: Time
    destination: str | None = None


class Cleanup(Model, frozen=True, kw_only=True):
    """Whether the objects that one failed attempt wrote were deleted.

    `time` is when it was recorded that the attempt had ended, `retry_time` when the next try is due after `retries`
    failed ones. `Kept`: all or some of the objects are still there, and `message` says why.
    """

    attempt: int
    result: Literal["Deleting", "Deleted", "Kept"]
    time: Time
    destination: str | None = None
    deleted: Count = 0
    message: str | None = None
    retries: Count = 0
    retry_time: Time | None = None


class JobStatus(Model, frozen=True, kw_only=True):
    observed_generation: int | None = None
    phase: str | None = None
    message: str | None = None
    conditions: tuple[Condition, ...] = ()
    reason_times: tuple[ReasonTime, ...] = ()
    start_time: Time | None = None
    completion_time: Time | None = None
    duration: str | None = None
    queue_position: Count | None = None
    attempts: Count | None = None
    retry_time: Time | None = None
    waits: Count | None = None
    waiting_since: Time | None = None
    submission: Submission | None = None
    tasks: tuple[TaskStatus, ...] = ()
    duplicates: tuple[TaskStatus, ...] = ()
    progress: Progress | None = None
    output: Output | None = None
    failures: tuple[Failure, ...] = ()
    cleanups: tuple[Cleanup, ...] = ()


class ExportJob(Model, frozen=True, kw_only=True):
    metadata: ObjectMeta
    spec: JobSpec
    status: JobStatus = JobStatus()
    status_problems: tuple[Problem, ...] = ()  # what of the status was not understood when it was decoded

    @property
    def is_finished(self) -> bool:
        return is_true(self.status.conditions, "Complete") or is_true(self.status.conditions, "Failed")

    @property
    def is_complete(self) -> bool:
        return is_true(self.status.conditions, "Complete")

    @property
    def is_suspended(self) -> bool:
        """Whether the operator has suspended it, as against `spec.suspend` that asks for it."""
        return is_true(self.status.conditions, "Suspended")

    @property
    def wants_cancel(self) -> bool:
        return self.spec.cancel or self.metadata.annotations.get(CANCEL_ANNOTATION) == "true"

    @property
    def accepts_delivery(self) -> bool:
        """Whether a person has accepted the files of an export without a manifest."""
        return self.metadata.annotations.get(ACCEPT_ANNOTATION) == "true"

    @property
    def holds_finalizer(self) -> bool:
        return FINALIZER in self.metadata.finalizers

    def condition(self, type_: str) -> Condition | None:
        return find(self.status.conditions, type_)
