"""The next step of a schedule.

A run starts in two steps: its name and window are written to the status, with a write that fails if the schedule has
changed, and then its job is created. A process that ends between the two leaves a run that the next one creates under
the same name, so a slot never has two jobs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from ..api.conditions import Conditions, find
from ..api.foreign import Quoted, own
from ..api.meta import parse_duration
from ..api.reasons import ConditionReason
from ..api.schedule import ExportSchedule, PointerStatus, Run, ScheduleStatus
from . import messages, outcomes, runs
from . import pointer as pointers
from .observation import Action, CancelJob, CreateJob, Decision, Event, Observation
from .slots import Due, Slots
from .timetable import InvalidSchedule

_LONGEST_REQUEUE_SECONDS = 3600.0  # a clock may be set while the process waits
_WAIT_SECONDS = 60.0  # for a target or an active job, whose events requeue the schedule before


@dataclass(frozen=True)
class _Step:
    """What to do about the runs of a schedule, before the conditions are known."""

    status: ScheduleStatus
    why: ConditionReason | None = None  # why no run can start although one is due, or is being started
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()


def decide(obs: Observation) -> Decision:
    """The status to write, and what to do after that."""
    if obs.schedule.metadata.deletion_timestamp is not None:
        return Decision(obs.status)
    try:
        slots = Slots(obs.schedule)
    except InvalidSchedule as error:
        return _invalid(obs, error)
    is_lost = _is_lost(obs)
    current = obs.with_status(outcomes.recovered(obs) if is_lost else outcomes.with_outcomes(obs))
    if isinstance(obs.pointer, PointerStatus):
        current = current.with_status(msgspec.structs.replace(current.status, pointer=obs.pointer))
    current = current.with_status(_planned(current, slots))
    step = _step(current, slots)
    done = obs.with_status(step.status)
    actions = step.actions or (outcomes.superfluous(obs) if not is_lost else ())
    status = _with_conditions(done, slots, step.why)
    writes = pointers.write(done) if not is_lost and not isinstance(obs.pointer, ConditionReason) else ()
    requeue = 0.0 if any(isinstance(one, CreateJob) for one in actions) or is_lost else _requeue(done, status, step.why)
    if isinstance(obs.pointer, ConditionReason):
        requeue = min(requeue if requeue is not None else _WAIT_SECONDS, _WAIT_SECONDS)
    return Decision(status, (*writes, *actions), step.events, requeue)


def needs_recall(obs: Observation) -> bool:
    """Whether the pointer may know a watermark that neither the status nor a job has."""
    spec = obs.schedule.spec
    may_know = spec.latest_pointer is not None and spec.incremental is not None and obs.target is not None
    return may_know and _is_lost(obs) and obs.schedule.metadata.deletion_timestamp is None


def _is_lost(obs: Observation) -> bool:
    return (obs.status.observed_generation or -1) < 0  # as the CRD has it for a new object


def name_taken(obs: Observation, run: Run) -> Decision:
    """The step after a job of others was found under the name of the run: it is skipped."""
    status = _handled(obs.status, obs.schedule, run, Slots(obs.schedule))
    if run.scheduled_time is not None:
        status = msgspec.structs.replace(status, last_missed_time=run.scheduled_time)
    return Decision(status, events=(Event("Warning", messages.NAME_TAKEN(job=run.name)),))


def job_refused(obs: Observation, run: Run, problem: Quoted) -> Decision:
    """The step after the API server has refused the job of a run, which is tried again until a later run is due."""
    return _stalled(obs, obs.status, messages.TEMPLATE_INVALID(job=run.name, problem=problem), _WAIT_SECONDS)


def _planned(obs: Observation, slots: Slots) -> ScheduleStatus:
    """The status with the time of the next run.

    A new schedule or zone, and a suspension, leave no missed runs. Nor does a status that was lost: the job of a slot
    may have run and been collected, and would run again.
    """
    status, spec = obs.status, obs.schedule.spec
    if spec.suspend:
        return msgspec.structs.replace(status, next_schedule_time=None, observed_schedule=slots.identity)
    if status.observed_schedule != slots.identity or status.next_schedule_time is None:
        planned = slots.planned_after(max(obs.now, status.last_schedule_time or obs.now))
    else:
        planned = status.next_schedule_time
    return msgspec.structs.replace(status, next_schedule_time=planned, observed_schedule=slots.identity)


def _step(obs: Observation, slots: Slots) -> _Step:
    status, spec = obs.status, obs.schedule.spec
    if status.starting is not None:
        return _continue_start(obs, slots, status.starting)
    if spec.trigger and spec.trigger != status.last_handled_trigger:
        return _start_trigger(obs, spec.trigger)
    if status.next_schedule_time is None:
        return _Step(status)
    due = slots.due(status.next_schedule_time, obs.now)
    return _Step(status) if due is None else _start_slot(obs, slots, due)


def _continue_start(obs: Observation, slots: Slots, run: Run) -> _Step:
    """A run was decided on. Its job exists, or is created now, or the run is out of date."""
    if obs.child(run.name) is not None:
        return _Step(_handled(obs.status, obs.schedule, run, slots))
    if run.spec_hash and obs.target is not None and run.spec_hash != runs.spec_hash(obs.schedule, obs.target):
        return _Step(msgspec.structs.replace(obs.status, starting=None))  # decided on for what is no longer exported
    if run.trigger is not None and run.trigger != obs.schedule.spec.trigger:
        return _Step(msgspec.structs.replace(obs.status, starting=None))
    if run.scheduled_time is not None:
        planned = obs.status.next_schedule_time
        due = slots.due(planned, obs.now) if planned is not None else None
        if due is None or due.slot != run.scheduled_time or _is_late(obs, slots, due.slot):
            return _Step(msgspec.structs.replace(obs.status, starting=None))
    return _Step(obs.status, messages.STARTING(job=run.name), (CreateJob(run),))


def _start_trigger(obs: Observation, trigger: str) -> _Step:
    blocked = _blocked(obs, None)
    if blocked is not None or obs.target is None:
        return _Step(obs.status, blocked)
    return _start(obs, runs.run_for(obs.schedule, obs.target, obs.now, trigger=trigger))


def _start_slot(obs: Observation, slots: Slots, due: Due) -> _Step:
    status = obs.status
    if due.skipped is not None:
        status = msgspec.structs.replace(status, last_missed_time=due.skipped)
    if _is_late(obs, slots, due.slot):
        status = msgspec.structs.replace(
            status, last_missed_time=due.slot, next_schedule_time=slots.planned_after(due.slot)
        )
        return _Step(status, events=(Event("Warning", messages.MISSED(time=_shown(due.slot))),))
    blocked = _blocked(obs, due.slot)
    if blocked is not None or obs.target is None:
        before = find(obs.status.conditions, "Reconciling")
        is_new = blocked is not None and (before is None or before.message != blocked.message)
        return _Step(status, blocked, events=(Event("Warning", blocked),) if blocked is not None and is_new else ())
    run = runs.run_for(obs.schedule, obs.target, obs.now, slot=due.slot, is_full=due.is_full)
    step = _start(obs.with_status(status), run)
    if due.skipped is None:
        return step
    return replace(step, events=(Event("Warning", messages.SKIPPED(time=_shown(due.slot))), *step.events))


def _blocked(obs: Observation, slot: datetime | None) -> ConditionReason | None:
    """Why a run that is due cannot start now."""
    spec = obs.schedule.spec
    if obs.target is None:
        name = str(spec.job_template.spec.get("targetRef", {}).get("name", ""))
        return messages.TARGET_NOT_FOUND(target=name)
    if not obs.active_names or spec.concurrency_policy != "Forbid":
        return None
    job = obs.active_names[0]
    return messages.TRIGGER_WAITING(job=job) if slot is None else messages.WAITING(time=_shown(slot), job=job)


def _start(obs: Observation, run: Run) -> _Step:
    cancelled = [
        child
        for child in obs.active
        if obs.schedule.spec.concurrency_policy == "Replace" and not child.job.wants_cancel and child.name != run.name
    ]
    return _Step(
        msgspec.structs.replace(obs.status, starting=run),
        messages.STARTING(job=run.name),
        (*(CancelJob(child) for child in cancelled), CreateJob(run)),
        tuple(Event("Normal", messages.REPLACED(job=child.name)) for child in cancelled),
    )


def _handled(status: ScheduleStatus, schedule: ExportSchedule, run: Run, slots: Slots) -> ScheduleStatus:
    """The status after the job of a run was created, or was refused permanently."""
    status = msgspec.structs.replace(status, starting=None)
    if run.trigger is not None:
        return msgspec.structs.replace(status, last_handled_trigger=run.trigger)
    if run.scheduled_time is None:
        return status
    planned = status.next_schedule_time
    if planned is not None and planned - slots.jitter <= run.scheduled_time:
        planned = slots.planned_after(run.scheduled_time)
    return msgspec.structs.replace(status, last_schedule_time=run.scheduled_time, next_schedule_time=planned)


def _is_late(obs: Observation, slots: Slots, slot: datetime) -> bool:
    limit = obs.schedule.spec.starting_deadline_seconds
    return limit is not None and obs.now > slot + slots.jitter + timedelta(seconds=limit)


def _invalid(obs: Observation, error: InvalidSchedule) -> Decision:
    why = messages.SCHEDULE_INVALID(field=error.field, message=own(error))
    return _stalled(obs, msgspec.structs.replace(obs.status, next_schedule_time=None), why, None)


def _stalled(obs: Observation, status: ScheduleStatus, why: ConditionReason, requeue_after: float | None) -> Decision:
    """No run can start until a person has changed something. Its event is posted once."""
    generation = obs.schedule.metadata.generation
    conditions = Conditions(status.conditions, generation=generation, now=obs.now)
    conditions.put("Ready", "False", why.reason, why.message)
    conditions.put("Stalled", "True", why.reason, why.message)
    conditions.drop("Reconciling")
    before = find(status.conditions, "Ready")
    is_new = before is None or (before.reason, before.message) != (why.reason, why.message)
    status = msgspec.structs.replace(status, observed_generation=generation, conditions=conditions.result())
    return Decision(status, events=(Event("Warning", why),) if is_new else (), requeue_after=requeue_after)


def _with_conditions(obs: Observation, slots: Slots, why: ConditionReason | None) -> ScheduleStatus:
    status, spec, generation = obs.status, obs.schedule.spec, obs.schedule.metadata.generation
    conditions = Conditions(status.conditions, generation=generation, now=obs.now)
    if status.starting is not None and _was_refused(status):
        # Its job is tried again, and these conditions hold until it is accepted.
        _put_fresh(conditions, obs, slots)
        return msgspec.structs.replace(status, observed_generation=generation, conditions=conditions.result())
    if obs.target is None:
        name = str(spec.job_template.spec.get("targetRef", {}).get("name", ""))
        missing = messages.TARGET_NOT_FOUND(target=name)
        conditions.put("Ready", "False", missing.reason, missing.message)
    elif spec.suspend:
        suspended = messages.SUSPENDED()
        conditions.put("Ready", "True", suspended.reason, suspended.message)
    else:
        planned = status.next_schedule_time
        scheduled = messages.SCHEDULED(time=_shown(planned) if planned is not None else "no time")
        conditions.put("Ready", "True", scheduled.reason, scheduled.message)
    conditions.drop("Stalled")
    if why is None:
        conditions.drop("Reconciling")
    else:
        conditions.put("Reconciling", "True", why.reason, why.message)
    _put_fresh(conditions, obs, slots)
    _put_pointer(conditions, obs)
    return msgspec.structs.replace(status, observed_generation=generation, conditions=conditions.result())


def _was_refused(status: ScheduleStatus) -> bool:
    ready = find(status.conditions, "Ready")
    return ready is not None and ready.reason == messages.TEMPLATE_INVALID.name


def _put_pointer(conditions: Conditions, obs: Observation) -> None:
    """The condition PointerCurrent. It is about the pointer only: an export is complete without it."""
    status = obs.status
    if obs.schedule.spec.latest_pointer is None:
        conditions.drop("PointerCurrent")
        return
    missing = pointers.pending(obs)
    known, behind = pointers.known(obs), find(status.conditions, "PointerCurrent")
    if isinstance(obs.pointer, ConditionReason):
        conditions.put("PointerCurrent", "False", obs.pointer.reason, obs.pointer.message)
    elif missing and behind is not None and behind.status == "False":
        return  # it is tried again, and the reason holds until that succeeds
    elif missing:
        why = messages.POINTER_BEHIND(job=missing[-1].name)
        conditions.put("PointerCurrent", "False", why.reason, why.message)
    elif known is None:
        why = messages.POINTER_NOT_YET()
        conditions.put("PointerCurrent", "Unknown", why.reason, why.message)
    elif known.needs_full_export:
        why = messages.POINTER_INCOMPLETE(path=known.location)
        conditions.put("PointerCurrent", "False", why.reason, why.message)
    else:
        why = messages.POINTER_WRITTEN(path=known.location, job=known.job)
        conditions.put("PointerCurrent", "True", why.reason, why.message)


def _put_fresh(conditions: Conditions, obs: Observation, slots: Slots) -> None:
    status, freshness = obs.status, obs.schedule.spec.freshness
    if freshness is None:
        conditions.drop("Fresh")
        return
    if status.data_time is not None:
        is_fresh = obs.now < status.data_time + timedelta(seconds=parse_duration(freshness.max_age))
        why = (messages.FRESH if is_fresh else messages.STALE)(time=_shown(status.data_time))
        conditions.put("Fresh", "True" if is_fresh else "False", why.reason, why.message)
        return
    created = obs.schedule.metadata.creation_timestamp or obs.now
    first = slots.planned_after(created)
    is_due = first is not None and obs.now > first
    why = messages.NEVER_COMPLETE() if is_due else messages.NOT_YET_DUE()
    conditions.put("Fresh", "False" if is_due else "Unknown", why.reason, why.message)


def _requeue(obs: Observation, status: ScheduleStatus, why: ConditionReason | None) -> float | None:
    """Seconds until something is due by the clock."""
    moments = []
    if why is not None:
        moments.append(obs.now + timedelta(seconds=_WAIT_SECONDS))
    elif status.next_schedule_time is not None:
        moments.append(status.next_schedule_time)
    if (collection := outcomes.next_collection(obs)) is not None:
        moments.append(collection)
    freshness = obs.schedule.spec.freshness
    if freshness is not None and status.data_time is not None:
        expiry = status.data_time + timedelta(seconds=parse_duration(freshness.max_age))
        moments.extend([expiry] if expiry > obs.now else [])
    if not moments:
        return None
    return min(max(0.0, (min(moments) - obs.now).total_seconds()), _LONGEST_REQUEUE_SECONDS)


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
