"""The definition of schedules: its template is the spec of an ExportJob, and it refuses what cannot run."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import hack_modules
from reltio_export_sandbox.apiserver.structural import broken_rules
from schemas import Schema, definition, schema_of

schedule_crd = hack_modules.load("schedule_crd")
SPEC = schema_of("exportschedules")["properties"]["spec"]
EXPORT = {"type": "Entities", "fileFormat": "JSON"}
Raw = dict[str, Any]


def test_the_file_is_the_one_that_is_generated() -> None:
    assert schedule_crd.SCHEDULES.read_text() == schedule_crd.generated(), "run make generate"


def structure(schema: Schema) -> Schema:
    """A schema without its texts, rules and defaults."""
    plain = copy.deepcopy(schema)
    for name in ("description", "x-kubernetes-validations", "default"):
        plain.pop(name, None)
    for name in ("properties", "items", "additionalProperties"):
        if isinstance(plain.get(name), dict):
            parts = plain[name]
            plain[name] = (
                {key: structure(one) for key, one in parts.items()} if name == "properties" else structure(parts)
            )
    return plain


def test_a_template_has_the_fields_of_a_job() -> None:
    assert structure(SPEC["properties"]["jobTemplate"]["properties"]["spec"]) == structure(
        schema_of("exportjobs")["properties"]["spec"]
    )


def test_a_template_may_change() -> None:
    assert "oldSelf" not in str(definition("exportschedules"))
    assert "Immutable" not in str(definition("exportschedules"))


def schedule(changes: Raw, **template: Any) -> Raw:
    job = {"targetRef": {"name": "lake"}, "export": EXPORT, **template}
    return {
        "schedule": "0 3 * * *",
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"spec": job},
        **changes,
    }


def problems(spec: Raw) -> list[str]:
    return [str(cause) for cause in broken_rules(spec, None, SPEC, "spec")]


@pytest.mark.parametrize(
    "spec",
    [
        schedule({}),
        *(schedule({"schedule": text}) for text in ("@hourly", "@yearly", "*/5 1-3 * JAN,FEB MON-FRI", " 0 3 * * 0 ")),
        *(schedule({"timeZone": name}) for name in ("Europe/Berlin", "Etc/GMT+5", "America/Port-au-Prince")),
        schedule({"incremental": {"overlap": "1m", "fullSchedule": "@weekly"}}),
        schedule({"incremental": {"initial": {"mode": "Since", "since": "2031-01-15T03:00:00Z"}}}),
        schedule({}, path="x/{scheduledTime}/{scheduledDate}/{windowStart}-{windowEnd}/{mode}/{namespace}"),
        schedule({"freshness": {"maxAge": "26h"}}),
    ],
)
def test_what_can_run_is_admitted(spec: Raw) -> None:
    assert problems(spec) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (schedule({"schedule": "TZ=UTC 0 3 * * *"}), "set spec.timeZone"),
        (schedule({"schedule": "CRON_TZ=UTC 0 3 * * *"}), "set spec.timeZone"),
        *((schedule({"schedule": text}), "use @hourly") for text in ("@every 5m", "@reboot", "@Daily")),
        *(
            (schedule({"schedule": text}), "does not have five fields")
            for text in ("", "0 3 * *", "0 0 3 * * *", "0 3 * * é")
        ),
        *(
            (schedule({"timeZone": name}), "is not the name of a time zone")
            for name in ("", "Local", "/etc/passwd", "../x")
        ),
        (schedule({"concurrencyPolicy": "Allow", "incremental": {}}), "must be Forbid with incremental"),
        (schedule({"concurrencyPolicy": "Replace", "incremental": {}}), "must be Forbid with incremental"),
        (schedule({"incremental": {}}, export={"type": "Hierarchies"}), "have no window of time"),
        (schedule({"incremental": {}}, export={**EXPORT, "updatedSince": "2031-01-15T03:00:00Z"}), "which sets them"),
        *(
            (schedule({"incremental": {"overlap": text}}), "not a duration from 1m")
            for text in ("59s", "1", "", "200h")
        ),
        (schedule({"incremental": {"fullSchedule": "@reboot"}}), "use @hourly"),
        (schedule({"incremental": {"initial": {"mode": "Since"}}}), "must be set with mode Since"),
        (schedule({"incremental": {"initial": {"mode": "Full", "since": "2031-01-15T03:00:00Z"}}}), "only with it"),
        (schedule({}, suspend=False), "suspend the schedule with spec.suspend"),
        (schedule({}, cancel=True), "cannot be set in a template"),
        (schedule({}, ttlSecondsAfterFinished=60), "successfulJobsHistoryLimit"),
        (schedule({}, path="x/{slot}"), "placeholders"),
        (schedule({"freshness": {"maxAge": "a day"}}), "not a duration"),
    ],
)
def test_what_cannot_run_is_refused_with_what_to_write(spec: Raw, said: str) -> None:
    assert any(said in problem for problem in problems(spec)), problems(spec)
