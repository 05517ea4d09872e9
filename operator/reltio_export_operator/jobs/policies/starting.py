"""Rules for a job whose export is not known to run yet."""

from __future__ import annotations

import msgspec

from ...api.meta import whole_seconds
from .. import naming
from ..endings import failed
from ..observation import Begin, Decision, Says, Search, View, status_of, wait_left


def send_again(view: View) -> Decision | None:
    """The service said no for now, so it does not have the export: after a while it is asked again."""
    submission = view.status.submission
    if submission is None or view.status.tasks or submission.refused_time is None:
        return None
    held = held_back(view)
    if held is not None:
        return held
    left = wait_left(view)
    if left:
        return Decision(view.status, after=left)
    return resubmission(view)


def held_back(view: View) -> Decision | None:
    """What keeps a submission that the service does not have from being sent again: a suspension."""
    target = view.target
    if view.job.spec.suspend:
        says = Says("JobSuspended", "Not at the service; set spec.suspend to false to submit it again.")
        return Decision(status_of(view, "Suspended", suspended=says, start_time=None))
    if target is not None and target.spec.suspend:
        says = _target_suspended(view)
        return Decision(status_of(view, "Pending", reconciling=says))
    if view.job.is_suspended:
        start = view.status.start_time or whole_seconds(view.now)
        says = Says("Resuming", "No longer suspended.")
        return Decision(status_of(view, "Pending", reconciling=says, start_time=start), after=0)
    return None


def settle_doubt(view: View) -> Decision | None:
    """An intent without an answer: the service is asked before anything is sent again."""
    submission = view.status.submission
    if submission is None or view.status.tasks:
        return None
    left = wait_left(view)
    return Decision(view.status, after=left) if left else Decision(view.status, Search(submission))


def hold_before_start(view: View) -> Decision | None:
    """Suspended before anything was submitted."""
    if view.status.submission is not None or not view.job.spec.suspend:
        return None
    says = Says("JobSuspended", "Not submitted; set spec.suspend to false to go on.")
    return Decision(status_of(view, "Suspended", suspended=says, queue_position=None, start_time=None))


def retry_later(view: View) -> Decision | None:
    """An earlier attempt failed: its backoff runs."""
    left = wait_left(view)
    return Decision(view.status, after=left) if view.status.submission is None and left else None


def wait_for_target(view: View) -> Decision | None:
    """The target is missing, suspended or not proven to work."""
    if view.status.submission is not None:
        return None
    name, target = view.job.spec.target_ref.name, view.target
    if target is None:
        says = Says("TargetNotFound", f"ExportTarget {name} does not exist in this namespace; create it.")
    elif target.metadata.deletion_timestamp is not None:
        says = Says("TargetDeleted", f"ExportTarget {name} is being deleted; create it again.")
    elif target.spec.suspend:
        says = _target_suspended(view)
    elif not target.is_ready:
        says = Says("TargetNotReady", f"ExportTarget {name} is not Ready; see its conditions and checks.")
    else:
        return None
    return Decision(status_of(view, "Pending", reconciling=says, queue_position=None, retry_time=None))


def wait_for_turn(view: View) -> Decision | None:
    """All places of the target are taken, or older jobs come first."""
    if view.status.submission is not None or view.ahead == 0:
        return None
    shown = view.status.queue_position
    if shown is not None and view.job.condition("Reconciling") and not _worth_telling(shown, view.ahead):
        return Decision(view.status)
    says = Says("Queued", f"Waits for a place at ExportTarget {view.job.spec.target_ref.name}.")
    # Its backoff is over: from now on it counts among those who want a place.
    return Decision(status_of(view, "Queued", reconciling=says, queue_position=view.ahead, retry_time=None))


def begin(view: View) -> Decision | None:
    """Its turn: the intent is written first, then the service is called."""
    if view.status.submission is not None or view.target is None:
        return None
    submission = naming.intend(view.job, view.target, view.now)
    excess = naming.excess(submission.path)
    if excess:
        text = f"The directory {submission.path} is {excess} bytes too long for the keys of S3's objects."
        return failed(view, "PathTooLong", f"{text} Shorten spec.path of the job, or spec.s3.path of its target.")
    says = Says("Submitting", f"Attempt {submission.attempt} is being submitted.")
    status = status_of(
        view,
        "Submitting",
        reconciling=says,
        submission=submission,
        attempts=submission.attempt,
        start_time=view.status.start_time or whole_seconds(view.now),
        queue_position=None,
        retry_time=None,
        waits=None,
        waiting_since=None,
        tasks=(),
        duplicates=(),
        progress=None,
    )
    return Decision(status, Begin(submission))


def resubmission(view: View) -> Decision:
    """The same attempt once more, to the same directory, under the same name, as a new intent on record."""
    submission = view.status.submission
    assert submission is not None
    again = msgspec.structs.replace(
        submission, intended_time=whole_seconds(view.now), refused_time=None, resent=submission.resent + 1
    )
    says = Says("Submitting", f"Attempt {submission.attempt} is submitted again, to the same directory.")
    return Decision(status_of(view, "Submitting", reconciling=says, submission=again, retry_time=None), Begin(again))


def _target_suspended(view: View) -> Says:
    name = view.job.spec.target_ref.name
    return Says("TargetSuspended", f"ExportTarget {name} is suspended; set its spec.suspend to false.")


def _worth_telling(shown: int, ahead: int) -> bool:
    """Whether a queue position has moved enough for a person to care: near the head, or halved."""
    return ahead != shown and (ahead <= 10 or ahead <= shown // 2 or ahead > shown)
