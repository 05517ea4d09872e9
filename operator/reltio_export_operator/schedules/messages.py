"""Every reason that a condition or an event of an ExportSchedule can have."""

from __future__ import annotations

from ..api.reasons import Reason

SPEC_NOT_UNDERSTOOD = Reason(
    "SpecNotUnderstood",
    "This release of the operator cannot read the schedule: {error}.",
    "Correct the field, or run the release of the operator that belongs to the installed CRDs.",
)
STATUS_VALUES_IGNORED = Reason(
    "StatusNotUnderstood",
    "{problems} The operator uses defaults instead, and keeps what is stored.",
    "Correct it with `kubectl edit exportschedule {name} -n {namespace} --subresource=status`, or run the release of "
    "the operator that wrote it.",
)
SCHEDULED = Reason("Scheduled", "The next run is at {time}.")
SUSPENDED = Reason("Suspended", "The schedule is suspended.", "Set spec.suspend to false to continue.")
SCHEDULE_INVALID = Reason("ScheduleInvalid", "{field}: {message}", "No run is started until it is corrected.")
TARGET_NOT_FOUND = Reason(
    "TargetNotFound",
    "ExportTarget {target} was not found in this namespace. The latest run that is due starts when it exists.",
    "Create it, or correct spec.jobTemplate.spec.targetRef.name.",
)
STARTING = Reason("StartingJob", "Creating ExportJob {job}.")
WAITING = Reason(
    "JobActive",
    "The run of {time} waits for ExportJob {job}, because spec.concurrencyPolicy is Forbid.",
    "Run the schedule less often if this happens regularly.",
)
TRIGGER_WAITING = Reason(
    "JobActive", "The triggered run waits for ExportJob {job}, because spec.concurrencyPolicy is Forbid."
)
STARTED = Reason("JobCreated", "Created ExportJob {job}.")
REPLACED = Reason("JobReplaced", "Cancelling ExportJob {job}, because spec.concurrencyPolicy is Replace.")
MISSED = Reason(
    "RunMissed",
    "The run of {time} was not started within spec.startingDeadlineSeconds.",
    "Raise it if a late run is better than none.",
)
SKIPPED = Reason("RunsSkipped", "Runs before the one of {time} were due too. Only the latest is started.")
NAME_TAKEN = Reason(
    "NameTaken",
    "ExportJob {job} exists and does not belong to this schedule. Its run is skipped.",
    "Delete or rename the job, or rename the schedule.",
)
TEMPLATE_INVALID = Reason(
    "TemplateInvalid",
    "The API server refused ExportJob {job}: {problem} It is tried again until a later run is due.",
    "Correct spec.jobTemplate, or what the API server names, such as a quota.",
)
FRESH = Reason("Fresh", "Objects updated before {time} are in a complete export.")
STALE = Reason(
    "DataTooOld",
    "The newest complete export has objects updated before {time}, which is longer ago than spec.freshness.maxAge.",
    "See the last jobs of the schedule.",
)
NOT_YET_DUE = Reason("NotYetDue", "The first run is not due yet.")
NEVER_COMPLETE = Reason(
    "NeverComplete", "The first run was due, and no export is complete yet.", "See the jobs of the schedule."
)
POINTER_WRITTEN = Reason("PointerWritten", "{path} shows the data of ExportJob {job} and all that belongs to it.")
POINTER_NOT_YET = Reason("NoExportYet", "No export is complete yet, so there is nothing to show.")
POINTER_BEHIND = Reason("PointerBehind", "The pointer is being written for ExportJob {job}.")
POINTER_NOT_WRITTEN = Reason(
    "PointerNotWritten", "The pointer cannot be read or written: {problem} The operator tries again."
)
POINTER_TAKEN = Reason(
    "PointerTaken",
    "{path} is the pointer of another schedule, and stays as it is.",
    "Set another spec.latestPointer.path, or delete the object.",
)
POINTER_CHANGED = Reason("PointerChanged", "Somebody else has written {path} meanwhile. The operator tries again.")
POINTER_INCOMPLETE = Reason(
    "PointerIncomplete", "{path} lacks windows of jobs that do not exist any more, so the next run is full."
)
