"""What the jobs of a schedule mean for its status, and which of them are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from ..api.schedule import ActiveJob, IncrementalStatus, LastJob, Run, ScheduleStatus
from . import pointer
from .observation import Child, DeleteJob, Observation

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# A process that lost its Lease may still be creating the job of a run: none of that name may be gone by then.
_YOUNG_SECONDS = 300.0


def with_outcomes(obs: Observation) -> ScheduleStatus:
    """The status after the jobs that have ended, and with those that run.

    A job counts once: while it is in `active`, or is the one that was being created.
    """
    status = obs.status
    pending = {job.name for job in status.active} | ({status.starting.name} if status.starting else set())
    if status.starting is not None and obs.child(status.starting.name) is not None:
        status = msgspec.structs.replace(status, last_job=last_job(status.starting))
    for child in sorted(obs.children, key=_created):
        if not child.is_active and child.name in pending:
            status = _with_outcome(status, child)
    active = tuple(ActiveJob(name=child.name, uid=child.job.metadata.uid) for child in obs.active)
    last = status.last_job
    if last is not None and last.outcome == "Active" and obs.child(last.name) is None:
        status = msgspec.structs.replace(status, last_job=msgspec.structs.replace(last, outcome="Deleted"))
    return _not_ahead(msgspec.structs.replace(status, active=active), obs.now)


def recovered(obs: Observation) -> ScheduleStatus:
    """The status of a schedule that has none: as its jobs say. The present trigger counts as handled."""
    status = ScheduleStatus(last_handled_trigger=obs.schedule.spec.trigger)
    for child in sorted(obs.children, key=_created):
        run = child.run
        if run is None:
            continue
        if run.scheduled_time is not None and run.scheduled_time > (status.last_schedule_time or _LONG_AGO):
            status = msgspec.structs.replace(status, last_schedule_time=run.scheduled_time)
        status = msgspec.structs.replace(status, last_job=last_job(run))
        if not child.is_active:
            status = _with_outcome(status, child)
    if status.incremental is None and obs.recalled is not None and obs.recalled.watermark is not None:
        data_time = max(obs.recalled.watermark, status.data_time or _LONG_AGO)
        status = msgspec.structs.replace(status, incremental=obs.recalled, data_time=data_time)
    return _not_ahead(status, obs.now)


def last_job(run: Run) -> LastJob:
    return LastJob(
        name=run.name,
        outcome="Active",
        mode=run.mode,
        full_reason=run.full_reason,
        window_start=run.window_start,
        window_end=run.window_end,
    )


def superfluous(obs: Observation) -> tuple[DeleteJob, ...]:
    """Finished jobs to delete now, the oldest first."""
    return tuple(DeleteJob(child) for child in _over_limits(obs) if child.known_for >= _YOUNG_SECONDS)


def next_collection(obs: Observation) -> datetime | None:
    """When the first of the jobs that are kept only because they are young can be deleted."""
    seconds = (_YOUNG_SECONDS - child.known_for for child in _over_limits(obs))
    wait = min((one for one in seconds if one > 0), default=None)
    return obs.now + timedelta(seconds=wait) if wait is not None else None


def _over_limits(obs: Observation) -> tuple[Child, ...]:
    """Finished jobs that the history limits do not keep, the oldest first.

    The newest full export and the newest complete one are always kept: what they delivered is still in use, and a lost
    status is recovered from them. A job whose outcome is not in the status yet is kept too, and one that the pointer
    does not have yet. So is, for now, one that this process has not known for long: a process that is late with
    creating it must find it.
    """
    spec = obs.schedule.spec
    pending = {job.name for job in obs.status.active} | ({obs.status.starting.name} if obs.status.starting else set())
    finished = [
        child
        for child in sorted(obs.children, key=_created, reverse=True)
        if not child.is_active and child.name not in pending and child.job.metadata.deletion_timestamp is None
    ]
    complete = [child for child in finished if child.job.is_complete]
    failed = [child for child in finished if not child.job.is_complete]
    full = [child for child in complete if child.run is not None and child.run.mode == "Full"]
    kept = {child.name for child in (*complete[:1], *full[:1], *pointer.pending(obs))}
    over = (*complete[spec.successful_jobs_history_limit :], *failed[spec.failed_jobs_history_limit :])
    return tuple(child for child in sorted(over, key=_created) if child.name not in kept)


def _with_outcome(status: ScheduleStatus, child: Child) -> ScheduleStatus:
    outcome = "Complete" if child.job.is_complete else "Failed"
    if status.last_job is not None and status.last_job.name == child.name:
        status = msgspec.structs.replace(status, last_job=msgspec.structs.replace(status.last_job, outcome=outcome))
    data_time = child.data_time
    if not child.job.is_complete or child.run is None or data_time is None:
        return status
    completed = child.job.status.completion_time or data_time
    status = msgspec.structs.replace(
        status,
        last_successful_time=max(completed, status.last_successful_time or _LONG_AGO),
        data_time=max(data_time, status.data_time or _LONG_AGO),
    )
    if not child.run.spec_hash:
        return status
    return msgspec.structs.replace(status, incremental=_advanced(status.incremental, child.run, data_time))


def _advanced(state: IncrementalStatus | None, run: Run, data_time: datetime) -> IncrementalStatus:
    """The watermark after a complete run. A full run starts a new series of windows."""
    state = state or IncrementalStatus()
    if run.mode == "Full":
        return IncrementalStatus(watermark=data_time, last_full_time=data_time, spec_hash=run.spec_hash)
    is_first = state.watermark is None
    if not is_first and (run.spec_hash != state.spec_hash or data_time <= (state.watermark or _LONG_AGO)):
        return state
    return msgspec.structs.replace(state, watermark=data_time, spec_hash=run.spec_hash, windows=state.windows + 1)


def _not_ahead(status: ScheduleStatus, now: datetime) -> ScheduleStatus:
    """A watermark in the future was written with a wrong clock: what it promises cannot have been exported yet."""
    state = status.incremental
    if state is None or state.watermark is None or state.watermark <= now + timedelta(seconds=1):
        return status
    return msgspec.structs.replace(
        status, incremental=msgspec.structs.replace(state, watermark=now.replace(microsecond=0))
    )


def _created(child: Child) -> tuple[datetime, str]:
    return child.job.metadata.creation_timestamp or _LONG_AGO, child.name
