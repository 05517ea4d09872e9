"""The next step of a schedule, as pure decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kstatus import results, shape_of
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.decoding import decode_job, decode_schedule
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.meta import to_wire
from reltio_export_operator.schedules import runs
from reltio_export_operator.schedules.observation import CancelJob, Child, CreateJob, Decision, DeleteJob, Observation
from reltio_export_operator.schedules.policy import decide, job_refused, name_taken

from .history import TARGET

CREATED = datetime(2031, 1, 15, 0, 0, tzinfo=UTC)
Raw = dict[str, Any]


class Story:
    """A schedule and what happens to it: each step decides until nothing more is to be done."""

    def __init__(self, has_target: bool = True, **spec: Any) -> None:
        self.now = CREATED
        self.target = TARGET if has_target else None
        self.raw: Raw = {
            "metadata": {
                "name": "nightly",
                "namespace": "mdm",
                "uid": "u-1",
                "generation": 1,
                "creationTimestamp": CREATED.isoformat(),
            },
            "spec": {
                "schedule": "@hourly",
                "jobTemplate": {"spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}},
                **spec,
            },
            "status": {"observedGeneration": -1},
        }
        self.jobs: dict[str, Raw] = {}
        self.created: list[str] = []
        self.cancelled: list[str] = []
        self.deleted: list[str] = []
        self.events: list[str] = []
        self.refusal: str | None = None
        self.step()

    @property
    def obs(self) -> Observation:
        children = tuple(Child.of(decode_job(raw), raw["known"]) for raw in self.jobs.values())
        return Observation(decode_schedule(self.raw), self.now, children, target=self.target)

    def step(self, hours: float = 0.0) -> Decision:
        self.now += timedelta(hours=hours)
        for raw in self.jobs.values():
            raw["known"] += hours * 3600
        for _ in range(6):
            decision = decide(self.obs)
            self._write(decision)
            for action in decision.actions:
                if isinstance(action, CreateJob):
                    self._create(action)
                elif isinstance(action, CancelJob):
                    self.cancelled.append(action.child.name)
                    self.finish("Failed", action.child.name)
                elif isinstance(action, DeleteJob):
                    self.deleted.append(action.child.name)
                    del self.jobs[action.child.name]
        return decision

    def _write(self, decision: Decision) -> None:
        self.raw["status"] = to_wire(decision.status)
        self.events += [event.why.reason for event in decision.events]

    def _create(self, action: CreateJob) -> None:
        if self.refusal is not None:
            self._write(job_refused(self.obs, action.run, own(self.refusal)))
            return
        raw = runs.manifest(self.obs.schedule, action.run)
        raw["metadata"] |= {"uid": action.run.name, "generation": 1, "creationTimestamp": self.now.isoformat()}
        self.jobs[action.run.name] = {**raw, "known": 0.0}
        self.created.append(action.run.name)

    def finish(self, ending: str = "Complete", name: str | None = None) -> None:
        time = self.now.isoformat()
        done = {"type": ending, "status": "True", "lastTransitionTime": time, "reason": "Done", "message": "Done."}
        self.jobs[name or self.created[-1]]["status"] = {"conditions": [done], "completionTime": time}

    def edit(self, **spec: Any) -> None:
        self.raw["spec"] |= spec
        self.raw["metadata"]["generation"] += 1
        self.step()

    def condition(self, type_: str) -> tuple[str, str] | None:
        found = find(self.obs.status.conditions, type_)
        return (found.status, found.reason) if found is not None else None

    @property
    def kstatus(self) -> str:
        return results()[shape_of(self.raw)]


def slot(hour: int) -> str:
    return f"nightly-{int((CREATED + timedelta(hours=hour)).timestamp()) // 60}"


def test_each_slot_has_one_job_named_after_it() -> None:
    story = Story()
    for hour in (1, 2, 3):
        story.step(1)
        story.finish()
        story.step()
        assert story.created == [slot(one) for one in range(1, hour + 1)]
    assert story.condition("Ready") == ("True", "Scheduled")


def test_the_latest_of_several_missed_runs_is_made_up_for_with_an_event() -> None:
    story = Story()
    story.step(5.5)
    assert story.created == [slot(5)]
    assert story.events == ["RunsSkipped"]
    assert story.obs.status.last_missed_time == CREATED + timedelta(hours=4)


def test_a_run_beyond_its_deadline_is_missed_with_an_event() -> None:
    story = Story(startingDeadlineSeconds=600)
    story.step(1.5)
    assert story.created == []
    assert story.events == ["RunMissed"]
    story.step(0.6)
    assert story.created == [slot(2)]


@pytest.mark.parametrize(
    ("policy", "created", "cancelled"),
    [("Forbid", [slot(1)], []), ("Allow", [slot(1), slot(2)], []), ("Replace", [slot(1), slot(2)], [slot(1)])],
)
def test_what_happens_to_a_run_while_a_job_is_active(policy: str, created: list[str], cancelled: list[str]) -> None:
    story = Story(concurrencyPolicy=policy)
    story.step(1)
    story.step(1)
    assert (story.created, story.cancelled) == (created, cancelled)


def test_a_suspension_leaves_no_missed_runs_and_a_trigger_runs_meanwhile() -> None:
    story = Story(suspend=True, trigger="at creation")
    story.step(3)
    assert story.created == []
    story.edit(trigger="now")
    assert [name.startswith("nightly-t-") for name in story.created] == [True]
    story.finish()
    story.edit(suspend=False)
    assert len(story.created) == 1
    assert story.obs.status.last_handled_trigger == "now"


def test_a_job_that_is_refused_is_tried_again_until_a_later_run_is_due() -> None:
    story = Story()
    story.refusal = "exceeded quota."
    story.step(1)
    assert story.condition("Ready") == ("False", "TemplateInvalid")
    assert story.condition("Stalled") == ("True", "TemplateInvalid")
    assert story.events == ["TemplateInvalid"], "its event is posted once"
    story.step(1)
    assert story.events == ["TemplateInvalid", "RunsSkipped", "TemplateInvalid"], "another job is refused"
    story.refusal = None
    story.step()
    assert story.created == [slot(2)]
    assert story.condition("Stalled") is None
    assert story.condition("Ready") == ("True", "Scheduled")


def test_a_run_whose_name_is_taken_is_skipped() -> None:
    story = Story()
    story.now += timedelta(hours=1)
    decision = decide(story.obs)
    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    story._write(decision)
    story._write(name_taken(story.obs, action.run))
    assert story.events == ["NameTaken"]
    assert story.obs.status.last_missed_time == CREATED + timedelta(hours=1)
    story.step()
    assert story.created == []
    story.step(1)
    assert story.created == [slot(2)]


def test_a_young_job_is_kept_and_an_old_one_deleted() -> None:
    story = Story(successfulJobsHistoryLimit=0, failedJobsHistoryLimit=0)
    story.step(1)
    story.finish("Failed")
    assert story.step(0.01).requeue_after == pytest.approx(300 - 36)
    assert story.deleted == []
    story.step(0.1)
    assert story.deleted == [slot(1)]


def test_the_newest_complete_and_the_newest_full_job_are_kept() -> None:
    story = Story(successfulJobsHistoryLimit=0, incremental={"overlap": "5m"})
    for _ in range(4):
        story.step(1)
        story.finish()
    story.step(0.5)
    assert set(story.jobs) == {slot(1), slot(4)}
    assert [child.run.mode for child in story.obs.children if child.run] == ["Full", "Incremental"]


def test_a_change_of_what_is_exported_makes_the_next_run_full() -> None:
    story = Story(incremental={"overlap": "5m"})
    for _ in range(2):
        story.step(1)
        story.finish()
    export = {"type": "Entities", "fileFormat": "CSV"}
    story.edit(jobTemplate={"spec": {"targetRef": {"name": "lake"}, "export": export}})
    story.step(1)
    last = story.obs.status.last_job
    assert last is not None
    assert (last.mode, last.full_reason) == ("Full", "TemplateChanged")


def test_freshness_counts_from_the_data_and_not_from_the_end_of_a_job() -> None:
    story = Story(schedule="0 */6 * * *", freshness={"maxAge": "7h"})
    assert story.condition("Fresh") == ("Unknown", "NotYetDue")
    story.step(6)
    assert story.condition("Fresh") == ("Unknown", "NotYetDue")
    story.step(0.5)
    assert story.condition("Fresh") == ("False", "NeverComplete")
    story.finish()
    story.step()
    assert story.condition("Fresh") == ("True", "Fresh")
    story.step(5.4)
    assert story.condition("Fresh") == ("True", "Fresh")
    story.step(1.2)
    assert story.condition("Fresh") == ("False", "DataTooOld"), "seven hours after the run was started"


def test_kstatus_waits_for_what_is_under_way_and_fails_for_what_a_person_must_correct() -> None:
    assert Story().kstatus == "Current"
    assert Story(suspend=True).kstatus == "Current"
    assert Story(has_target=False).kstatus == "InProgress"
    assert Story(schedule="0 3 30 2 *").kstatus == "Failed"
    story = Story()
    story.refusal = "exceeded quota."
    story.step(1)
    assert story.kstatus == "Failed"
    waiting = Story()
    waiting.step(1)
    assert waiting.kstatus == "Current"
    waiting.step(1)
    assert waiting.kstatus == "InProgress"
    new = Story()
    new.raw["status"] = {"observedGeneration": -1}
    assert new.kstatus == "InProgress"
