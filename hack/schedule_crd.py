"""Write crds/exportschedules.yaml: its own base, with the spec of an ExportJob as the template of its jobs.

A test compares the file with its sources. Run by `make generate`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
BASE = ROOT / "hack" / "exportschedules.base.yaml"
JOBS = ROOT / "crds" / "exportjobs.yaml"
SCHEDULES = ROOT / "crds" / "exportschedules.yaml"
_SINCE = (
    "With mode Since, the first run exports what was updated at this time or later. When omitted, it exports "
    "everything. Write RFC 3339 with upper-case T and a zone, such as 2031-01-15T03:00:00Z."
)
_PLACEHOLDERS = ("scheduledTime", "scheduledDate", "windowStart", "windowEnd", "mode")
# What a template cannot have, and why.
_REFUSED = {
    "suspend": "cannot be set in a template; suspend the schedule with spec.suspend",
    "cancel": "cannot be set in a template; remove it",
    "ttlSecondsAfterFinished": (
        "cannot be set in a template; set successfulJobsHistoryLimit and failedJobsHistoryLimit of the schedule"
    ),
}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def generated() -> str:
    """The text of the file."""
    schedule, job = yaml.safe_load(BASE.read_text()), yaml.safe_load(JOBS.read_text())
    schema, of_job = _schema(schedule), _schema(job)
    spec = schema["properties"]["spec"]["properties"]
    template = _without_transitions(of_job["properties"]["spec"])
    _restrict(template)
    spec["jobTemplate"]["properties"]["spec"] = template
    export = template["properties"]["export"]["properties"]
    since = spec["incremental"]["properties"]["initial"]["properties"]
    since["since"] = {**export["updatedSince"], "description": _SINCE}
    full = spec["incremental"]["properties"]["fullSchedule"]
    full["x-kubernetes-validations"] = spec["schedule"]["x-kubernetes-validations"]
    status = schema["properties"]["status"]["properties"]
    status["conditions"] = {
        **of_job["properties"]["status"]["properties"]["conditions"],
        "description": (
            "Typed statements about the object, for programs and people. Ready says whether runs are started, Fresh "
            "whether the newest data is young enough. Reconciling and Stalled appear only while true."
        ),
    }
    status["reasonTimes"] = of_job["properties"]["status"]["properties"]["reasonTimes"]
    head = "# Written by make generate from hack/exportschedules.base.yaml and crds/exportjobs.yaml.\n"
    return head + yaml.dump(schedule, Dumper=_Dumper, sort_keys=False, width=116)


def _schema(definition: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _without_transitions(node: Any) -> Any:
    """The schema without its transition rules: a template may change."""
    if isinstance(node, list):
        return [_without_transitions(item) for item in node]
    if not isinstance(node, dict):
        return node
    copy = {name: _without_transitions(value) for name, value in node.items()}
    if isinstance(rules := copy.get("x-kubernetes-validations"), list):
        kept = [rule for rule in rules if "oldSelf" not in rule["rule"]]
        del copy["x-kubernetes-validations"]
        if kept:
            copy["x-kubernetes-validations"] = kept
    if isinstance(text := copy.get("description"), str):
        copy["description"] = text.replace(" Immutable.", "")
    return copy


def _restrict(template: dict[str, Any]) -> None:
    """Refuse what a schedule decides itself, and allow the placeholders that it resolves."""
    rules = template.setdefault("x-kubernetes-validations", [])
    for name, message in _REFUSED.items():
        template["properties"][name].pop("default", None)
        rules.append({"rule": f"!has(self.{name})", "message": message, "fieldPath": f".{name}"})
    path = template["properties"]["path"]
    listed = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
    path["description"] = path["description"].replace(
        "Defaults to", f"Placeholders of the schedule are {listed}, resolved when the job is created. Defaults to"
    )
    path["x-kubernetes-validations"] = [
        {
            "rule": rule["rule"].replace("(namespace|", f"({'|'.join(_PLACEHOLDERS)}|namespace|"),
            "message": rule["message"].replace("placeholders {namespace}", f"placeholders {listed}, {{namespace}}"),
        }
        for rule in path["x-kubernetes-validations"]
    ]


if __name__ == "__main__":
    SCHEDULES.write_text(generated())
