"""Every reason that a condition or an event of an ExportJob can have, in the order of a job's life.

Reasons of failed calls come from `reltio/messages.py` and `aws/messages.py`.
"""

from __future__ import annotations

from ..api.reasons import Reason

_FAILED_CALL = ""  # the condition has the reason of the failed call

# -- before the submission

TARGET_NOT_FOUND = Reason(
    "TargetNotFound",
    "ExportTarget {target} was not found in this namespace.",
    "Create it, or create the job again with the right spec.targetRef.name.",
)
TARGET_NOT_UNDERSTOOD = Reason(
    "TargetNotUnderstood",
    "This release of the operator cannot read ExportTarget {target}.",
    "See its condition Stalled.",
)
TARGET_DELETED = Reason("TargetDeleted", "ExportTarget {target} is being deleted.", "Create it again.")
TARGET_SUSPENDED = Reason(
    "TargetSuspended", "ExportTarget {target} is suspended.", "Set its spec.suspend to false to continue."
)
TARGET_NOT_READY = Reason(
    "TargetNotReady", "ExportTarget {target} is not Ready.", "See the conditions and checks in its status."
)
QUEUED = Reason(
    "Queued",
    "Waiting for older jobs of ExportTarget {target}.",
    "Raise its spec.maxConcurrentJobs to run more jobs at the same time.",
)
TENANT_BUSY = Reason(
    "TenantBusy",
    "More than {count} tasks of others are active in the tenant of ExportTarget {target}, which is the limit of its "
    "spec.maxForeignTasks.",
    "The job starts when there are fewer. Raise spec.maxForeignTasks, or remove it, to start earlier.",
)
SUSPENDED_BEFORE_START = Reason(
    "JobSuspended", "The job is suspended and was not submitted.", "Set spec.suspend to false to continue."
)
SUSPENDED_AFTER_REFUSAL = Reason(
    "JobSuspended",
    "The job is suspended, and Reltio does not have its export.",
    "Set spec.suspend to false to submit it again.",
)
RESUMING = Reason("Resuming", "The job is no longer suspended.")
RESUMED = Reason("Resumed", "The job is not suspended.")
PATH_TOO_LONG = Reason(
    "PathTooLong",
    "The directory {path} is {bytes} bytes too long for the keys of objects in S3.",
    "Shorten spec.path of the job or spec.s3.path of its target, then create the job again.",
)

# -- the submission

SUBMITTING = Reason("Submitting", "Submitting attempt {attempt}.")
RESUBMITTING = Reason("Submitting", "Submitting attempt {attempt} again, to the same directory.")
NOT_SENT = Reason(
    "NotSent", "The submission was not sent, because this replica was too late or no longer holds the Lease."
)
NO_ANSWER = Reason("AnswerLost", "Reltio did not answer within {seconds:.0f} s.")
ANSWER_LOST = Reason(
    "AnswerLost",
    "The answer to the submission was lost: {error} The operator searches for the export before it submits again.",
)
ANSWER_UNKNOWN = Reason(
    "AnswerUnknown", "It is not known yet whether Reltio has the export. The operator searches for it again."
)
UNANSWERED = Reason(
    "AnswerLost",
    "The answers to {count} submissions in a row were lost: {error} The operator searches for the export before it "
    "submits again, at most every {seconds:.0f} s.",
    "If it persists, contact Reltio Support, or set spec.cancel to true.",
)
EXTERNAL_ID_UNAVAILABLE = Reason(
    "ExternalIDUnavailable",
    "The target that held the external ID of role {role} was deleted, or has another role or no external ID now.",
    "Create the target again with this role and its external ID, or cancel the job.",
)
DESTINATION_UNREADABLE = Reason(
    _FAILED_CALL,
    "Reltio does not list the export, and the operator cannot read whether it arrived: {error}",
    "Restore the operator's access to the bucket.",
)
RECOVERING = Reason(
    "AttemptRecovered",
    "The status of the job was lost. Its annotation names attempt {attempt} in {path}, which may have been submitted. "
    "The operator searches for it.",
)
UNRECORDED_FOUND = Reason(
    "AttemptRecovered",
    "Neither status nor annotation of the job say that it was submitted, but Reltio has attempt {attempt}. "
    "The operator follows it.",
)
ATTEMPT_LOST = Reason(
    "AttemptLost",
    "The status of the job was lost, and the attempt cannot be searched for: {doubt}.",
    "Correct the target, or set spec.cancel to true and create a new ExportJob.",
)
DIRECTORY_UNKNOWN = Reason(
    "DirectoryUnknown",
    "Neither status nor annotation of the job say that it was submitted, but Reltio has its export {name} "
    "(task {tasks}). Its directory cannot be computed again, because spec.path contains the time.",
    "Check the export in Reltio's console. Then set spec.cancel to true, and create a new ExportJob to export again.",
)
RESTORED_COPY = Reason(
    "RestoredCopy",
    "The job was restored or created again from a copy of an earlier object of its name, which had begun attempt "
    "{attempt} in {path}. The operator does not know whether to export again.",
    "Run `kubectl annotate exportjob {name} -n {namespace} {annotation}=adopt` to follow that export, or to submit it "
    "to the same directory if Reltio does not have it; or set {annotation}=new to export again.",
)
EXPORT_NOT_LISTED = Reason(
    "ExportNotListed",
    "The answer to the submission was lost, and Reltio lists no task with the name of the export. But there are files "
    "at {destination}, so the export was started. The operator does not submit it again.",
    "Look for the export in Reltio's console. When it has ended, check the files and set spec.cancel to true, or "
    "create a new ExportJob.",
)
EXPORT_NOT_IDENTIFIED = Reason(
    "ExportNotIdentified",
    "The answer to the submission was lost. Task {tasks} was created at that time, and Reltio does not show its name, "
    "so it may be this export. The operator does not submit it again.",
    "Look for the export in Reltio's console and for files at its destination. To export again, set spec.cancel to "
    "true and run kubectl reltio-export rerun.",
)
SUBMITTED = Reason("Submitted", "Submitted task {tasks} to {destination}.")
SUBMITTED_WITHOUT_REGION = Reason(
    "Submitted",
    "Submitted task {tasks} to {destination}, without spec.s3.region of the target: exports with a given region may "
    "fail while Reltio combines their files.",
    "Set spec.export.skipPostprocessing to true to send the region.",
)
ADOPTED = Reason("Adopted", "Found task {tasks}, which already exports to {destination}.")

# -- while the export runs

ACCEPTED = Reason("ExportRunning", "Reltio accepted the export as task {tasks}.")
EXPORT_RUNNING = Reason("ExportRunning", "Reltio reports {statuses}.")
PAUSED_AT_SERVICE = Reason(
    "PausedAtService", "The export was paused in Reltio, not by this operator.", "Resume it in Reltio's console."
)
UNKNOWN_TASK_STATUS = Reason(
    "UnknownTaskStatus", "Reltio reports {statuses}, which is not a documented status. The operator keeps waiting."
)
UNKNOWN_END = Reason(
    "UnknownTaskStatus",
    "Reltio reports {statuses}, which is not a documented status. Task {tasks} has not been among the active tasks of "
    "the tenant for {minutes} minutes, and manifest.json was not found at {destination}.",
    "Look for the export in Reltio's console. Cancel this job if it has ended there, and create a new one.",
)
NOT_STARTED = Reason(
    "ExportNotStarted",
    "Reltio has not started the export, but reports {statuses} since {since}: {cause}.",
    "If it stays so, look for other tasks of the tenant in Reltio's console. spec.activeDeadlineSeconds limits the "
    "wait.",
)
THROTTLED = Reason(
    "ExportThrottled",
    "Reltio reports {statuses}: it holds the export up, because the tenant makes more calls than it is allowed.",
    "No action is needed; the export continues by itself.",
)
JOB_SUSPENDED = Reason("JobSuspended", "The export is paused.", "Set spec.suspend to false to continue.")
PAUSING = Reason("Pausing", "The job is suspended. The operator is pausing its tasks in Reltio.")
CONTINUING = Reason("Resuming", "The export continues.")
RESUMING_TASKS = Reason("Resuming", "The job is no longer suspended. The operator is resuming its tasks in Reltio.")
NOT_CONTROLLED = Reason(_FAILED_CALL, "The operator cannot {action} the tasks, and tries again: {error}")
SIBLING_FAILED = Reason("SiblingFailed", "A task of the export failed. The operator is stopping the others.")
TASK_FAILED = Reason("TaskFailed", "{count} of {total} tasks did not complete: {tasks}.")
TASK_CANCELED = Reason(
    "TaskCanceled",
    "{count} of {total} tasks did not complete: {tasks}. The export was stopped in Reltio.",
    "Create a new ExportJob to run it again.",
)
TASK_VANISHED = Reason(
    "TaskVanished",
    "Reltio no longer knows task {tasks}, and manifest.json was not found at {destination}.",
    "Look for the export in Reltio's console. Cancel this job if it does not run there.",
)
RETRY_PENDING = Reason("RetryPending", "Attempt {attempt} of {attempts} failed: {reason}: {error} Retrying at {time}.")
BACKOFF_LIMIT_EXCEEDED = Reason(
    "BackoffLimitExceeded",
    "{error}",
    "Create a new ExportJob to run it again.",
    about="All attempts failed. The message is that of the last one.",
)
SECOND_EXPORT_FOUND = Reason(
    "SecondExportFound",
    "Reltio runs more than one export for this job. The operator is stopping the newer one (task {tasks}).",
)
TASKS_UNREADABLE = Reason(_FAILED_CALL, "The tasks cannot be read: {error} Last status: {statuses}.")

# -- the delivery

VERIFYING_DELIVERY = Reason(
    "VerifyingDelivery", "Reltio completed the export. The operator is checking the files at {destination}."
)
MANIFEST_PENDING = Reason(
    "ManifestPending",
    "Reltio completed the export, but {cause}. It may follow.",
)
MANIFEST_MISSING = Reason(
    "ManifestMissing",
    "Reltio completed the export more than an hour ago, but {cause}. At {destination} are {count} objects of {bytes} "
    "bytes: {names}.",
    "Check them yourself. To complete the job with them, run `kubectl annotate exportjob {name} -n {namespace} "
    "{annotation}=true`. If the tenant never writes a manifest, ask Reltio Support to turn on writeManifest, or set "
    "spec.delivery.verify to None in new jobs.",
)
DELIVERY_ACCEPTED = Reason(
    "DeliveryAccepted",
    "The annotation {annotation} accepted the {count} objects of {bytes} bytes at {destination} without a manifest. "
    "The operator did not check them.",
)
DELIVERY_UNVERIFIED = Reason(
    "DeliveryUnverified",
    "Reltio completed the export, but {destination} cannot be read: {error}",
    "Restore the operator's access to the bucket.",
)
DESTINATION_CHANGED = Reason(
    "DeliveryUnverified",
    "Reltio completed the export, but {destination} cannot be read, and the target was changed or deleted: {error}",
    "Check the files there yourself.",
)
DELIVERY_MISMATCH = Reason(
    "DeliveryMismatch",
    "The files at {destination} do not match the manifest: {differences}.",
    "Create a new ExportJob to export again.",
)
DELIVERY_TOO_LARGE = Reason(
    "DeliveryTooLarge",
    "Reltio completed the export, but its delivery was not compared with the manifest: {cause}.",
    "Check the files yourself. In a new ExportJob, set spec.delivery.verify to None to complete without it.",
)
DELIVERED_PARTLY_READ = Reason(
    "DeliveredPartlyRead",
    "{objects} objects in {files} files arrived at {destination}, but the content of {count} of them was examined only "
    "in part, because it decompresses to too much or takes too long: {names}.",
    "Check these files yourself.",
)
DELIVERED = Reason("Delivered", "{objects} objects in {files} files arrived at {destination}.")
DELIVERED_UNCOUNTED = Reason(
    "Delivered", "{files} files arrived at {destination}. The number of their objects is not known."
)
FILES_VERIFIED = Reason(
    "FilesVerified",
    "Each of the {files} files is there and whole, and they have as many records as {manifest} has objects.",
    about="The condition DeliveryVerified is True: each listed file is there and whole, and the files have as many "
    "records as the manifest has objects.",
)
COUNTS_OPEN = Reason(
    "CountsOpen",
    "Each listed file is there, and whole as far as spec.delivery.verify reads. Not compared: {problems}.",
    about="The condition DeliveryVerified is Unknown: nothing is odd, but not everything could be compared.",
)
DELIVERY_UNCERTAIN = Reason(
    "DeliveryUncertain",
    "Each listed file is there, whole and readable, but this is open: {problems}.",
    "Check the files, because records may be missing.",
    about="The condition DeliveryVerified is Unknown: counts or optional fields of the manifest are odd.",
)
NO_OBJECTS = Reason(
    "NoObjects",
    "The export has no objects, although it has no filter and no window of time.",
    "If the tenant has objects, add a role of the API client to the metadata permissions of the tenant "
    "(GET https://ENVIRONMENT.reltio.com/reltio/permissions/TENANT): types that are restricted to other roles are left "
    "out without an error. spec.delivery.minObjects lets such an export fail.",
)
TOO_FEW_OBJECTS = Reason(
    "TooFewObjects",
    "The export to {destination} has {objects} objects, but spec.delivery.minObjects is {count}.",
    "If the tenant has more, check spec.export, and add a role of the API client to the metadata permissions of the "
    "tenant: types that are restricted to other roles are left out without an error.",
)
REPORTED_BY_SERVICE = Reason(
    "ReportedByService",
    "Reltio reports that the export to {destination} is complete. The files were not checked, "
    "because spec.delivery.verify is None.",
)

# -- the end

CANCELLED = Reason("Cancelled", "The job was cancelled.")
DEADLINE_EXCEEDED = Reason(
    "DeadlineExceeded", "The job was active for longer than spec.activeDeadlineSeconds ({seconds} s)."
)
DELETING = Reason("Deleting", "The job is being deleted. Waiting for {count} tasks to stop.")
EXPORT_MAY_STILL_RUN = Reason(
    "ExportMayStillRun",
    "The job is being deleted, and export {name} may still be running in Reltio (task {tasks}, directory "
    "{destination}). The operator removes the finalizer {seconds:.0f} s after it observed the deletion.",
    "Stop it in Reltio's console if it does not end.",
)
DELETING_PARTIAL_DATA = Reason(
    "DeletingPartialData",
    "Attempt {attempt} failed. What it wrote to {destination} is deleted before the next attempt.",
)
PARTIAL_DATA_DELETED = Reason(
    "PartialDataDeleted", "Deleted {count} objects that failed attempt {attempt} had written to {destination}."
)
PARTIAL_DATA_KEPT = Reason(
    "PartialDataKept",
    "After attempt {attempt} failed, {count} objects in {destination} were deleted, and others stay: {error}",
    "Delete the rest when you do not need it and nothing writes there any more.",
)
CLEANUP_INCOMPLETE = Reason(
    "CleanupIncomplete",
    "Stopped waiting after {seconds:.0f} s: export {name} may still be running in Reltio (task {tasks}, directory "
    "{destination}).",
    "Stop it in Reltio's console.",
)
CLEANUP_UNLISTED = Reason(
    "CleanupIncomplete",
    "The job is being deleted. Its export {name} has written files to {destination}, and Reltio lists no task of it.",
    "If it still runs, stop it in Reltio's console.",
)
WOULD_BE_RECREATED = Reason(
    "WouldBeRecreated",
    "spec.ttlSecondsAfterFinished has passed, but {manager} would create the job again and so start a second export.",
    "Remove the job at its source; it is then deleted.",
)

# -- what keeps the operator from working on the job

SPEC_NOT_UNDERSTOOD = Reason(
    "SpecNotUnderstood",
    "This release of the operator cannot read the job: {error}.",
    "Create the job again, or run the release of the operator that belongs to the installed CRDs.",
)
CLEANUP_UNREADABLE = Reason(
    "CleanupIncomplete",
    "The job is being deleted, and this release of the operator cannot read it. Its finalizer was removed after "
    "{seconds:.0f} s.",
    "An export may be running: search Reltio's console for exports with {uid} in their name, and stop them there.",
)
UNREADABLE_MAY_STILL_RUN = Reason(
    "ExportMayStillRun",
    "The job is being deleted, and this release of the operator cannot read it: {error}. Its export may still be "
    "running in Reltio (task {tasks}, directory {destination}). The operator removes the finalizer {seconds:.0f} s "
    "after it observed the deletion.",
    "Search Reltio's console for exports with {uid} in their name, and stop them there.",
)
STATUS_VALUES_IGNORED = Reason(
    "StatusNotUnderstood",
    "{problems} The operator uses defaults instead, and keeps what is stored.",
    "Correct it with `kubectl edit exportjob {name} -n {namespace} --subresource=status`, or run the release of the "
    "operator that wrote it.",
)
STATUS_UNCERTAIN = Reason(
    "StatusNotUnderstood",
    "The status does not say for certain which exports were submitted: {doubts}. "
    "The operator submits nothing for this job, because that could be a second export.",
    "Correct the status with `kubectl edit exportjob {name} -n {namespace} --subresource=status`. Or search Reltio's "
    "console for exports with {uid} in their name, stop those that are not wanted, and set spec.cancel to true.",
)
STATUS_CORRECTED = Reason("StatusCorrected", "The job can be read again, and continues.")
WRITE_ACCEPTED = Reason("WriteAccepted", "The API server accepts what the operator writes, and the job continues.")
ENDED_UNCERTAIN = Reason(
    _FAILED_CALL,
    "{early} The status does not say for certain which exports were submitted: {doubts}.",
    "An export may be running: search Reltio's console for exports with {uid} in their name, and stop them there.",
)
CLEANUP_UNCERTAIN = Reason(
    "CleanupIncomplete",
    "The job is being deleted, and its status does not say for certain which exports were submitted: {doubts}.",
    "An export may be running: search Reltio's console for exports with {uid} in their name, and stop them there.",
)
WRITE_REFUSED = Reason(
    "WriteRefused",
    "The API server refuses what the operator writes to this job: {error} It tries again, with a backoff.",
    "Correct the admission policy, quota or right that refuses it, or install the CRDs of this release.",
)
SECRET_NOT_ALLOWED = Reason(
    "SecretNotAllowed",
    "Secret {secret} has not opted in to be used by the operator. It was not used.",
    "To allow it, run `{command}`.",
)
SECRET_UNUSABLE = Reason(
    "SecretUnusable",
    "{error}",
    "Create or correct the Secret.",
    about="A Secret was not found, may not be read, or does not have a key that the target names.",
)
INTERNAL_ERROR = Reason("InternalError", "{error} while the delivery was read.", "See the log of the operator.")
OPERATOR_ERROR = Reason("OperatorError", "The tasks cannot be read.", "See the log of the operator.")

# -- events that repeat the message of a condition

COMPLETED = Reason("Completed", "{message}", about="The job is Complete.")
FAILED = Reason(
    "Failed", "{reason}: {message}", about="The job is Failed, with the reason and message of the condition."
)
DUPLICATE_DETECTED = Reason("DuplicateDetected", "{message}", about="See SecondExportFound.")
