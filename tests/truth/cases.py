"""The possible truths: what the service may do where its documentation is silent, and how a job must end then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crash.world import NAMESPACE, TARGET

from .truth import Raw, Truth
from .world import TruthWorld


def _lose_answer(world: TruthWorld) -> None:
    world.wire.strikes_of_submissions.append("reset-after")


def _lose_answer_among_others(world: TruthWorld) -> None:
    world.simulator.others(300, stuck=True)
    _lose_answer(world)


def _lose_answer_among_a_few(world: TruthWorld) -> None:
    world.simulator.others(3, stuck=True)
    _lose_answer(world)


def _leave_tenant_to_others(world: TruthWorld, **behaviour: Any) -> None:
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"maxForeignTasks": 2}})
    world.simulator.others(3, **behaviour)


def _hold_activities(world: TruthWorld) -> None:
    world.simulator.tenants[0].activity_items = 3


def _refuse_location(world: TruthWorld) -> None:
    world.simulator.refusal = (
        "An error occurred (AccessDenied) when calling the GetBucketLocation operation: User: "
        "arn:aws:sts::111122223333:assumed-role/exporter/reltio-export is not authorized to perform: "
        's3:GetBucketLocation on resource: "arn:aws:s3:::lake" because no identity-based policy allows the '
        "s3:GetBucketLocation action"
    )


def _gateway(form: str, since: float, until: float) -> Callable[[TruthWorld], None]:
    """Let the gateway refuse the operator's address between these times."""

    def arrange(world: TruthWorld) -> None:
        config = world.simulator.reltio.config
        world.clock.after(since, lambda: setattr(config, "gateway_403", form))
        world.clock.after(until, lambda: setattr(config, "gateway_403", ""))

    return arrange


def _refuse(**fault: Any) -> Callable[[TruthWorld], None]:
    return lambda world: world.simulator.fault(**fault)


def _answer(code: int, text: str) -> Raw:
    return {"severity": "Error", "errorCode": code, "errorMessage": text, "errorDetailMessage": text}


_NOTHING = {"rows": 0, "no_manifest": True}
_UNVERIFIED = {"delivery": {"verify": "None"}}
_ONCE = {"backoffLimit": 0}
_SLOW = {"objects_per_second": 2.0}
_NOT_STARTED = "Reconciling ExportNotStarted"
TRUTHS = (
    Truth("Names", "as they were sent"),
    Truth("Names", "wrapped", config={"wrap_names": True}),
    Truth("Names", "not in lists", config={"names_in_lists": False}),
    Truth("Names", "nowhere", config={"show_names": False}),
    Truth("Names", "also in exportName", config={"export_names": True}),
    Truth("Names", "wrapped, and the answer is lost", config={"wrap_names": True}, arrange=_lose_answer),
    Truth("Lost answer", "the export is listed with its name", arrange=_lose_answer),
    Truth("Lost answer", "no groupId", config={"group_id": False}, arrange=_lose_answer),
    Truth("Lost answer", "two tasks", behaviour={"tasks": 2}, arrange=_lose_answer),
    Truth("Lost answer", "no names in lists", config={"names_in_lists": False}, arrange=_lose_answer),
    Truth(
        "Lost answer",
        "a short export without a manifest, verify None",
        "Complete ReportedByService",
        behaviour={"rows": 10, "no_manifest": True},
        spec={"delivery": {"verify": "None"}},
        arrange=_lose_answer,
    ),
    Truth(
        "Lost answer",
        "a short export without names or a manifest, verify None",
        "Stalled ExportNotListed",
        config={"show_names": False},
        behaviour={"rows": 10, "no_manifest": True},
        spec={"delivery": {"verify": "None"}},
        arrange=_lose_answer,
    ),
    Truth(
        "Lost answer",
        "names in lists, no rows, no manifest, verify None",
        "Complete ReportedByService",
        behaviour=_NOTHING,
        spec=_UNVERIFIED,
        arrange=_lose_answer,
    ),
    Truth(
        "Lost answer",
        "names by id only, no rows, no manifest, verify None",
        "Complete ReportedByService",
        config={"names_in_lists": False},
        behaviour=_NOTHING,
        spec=_UNVERIFIED,
        arrange=_lose_answer,
    ),
    Truth(
        "Lost answer",
        "no names, no rows, no manifest, verify None",
        "Stalled ExportNotIdentified",
        config={"show_names": False},
        behaviour=_NOTHING,
        spec=_UNVERIFIED,
        arrange=_lose_answer,
    ),
    Truth(
        "Lost answer",
        "no names, no rows, no manifest",
        "Stalled ExportNotIdentified",
        config={"show_names": False},
        behaviour=_NOTHING,
        arrange=_lose_answer,
    ),
    Truth(
        "Lost answer",
        "no names, no rows, no manifest, no groupId, a long export",
        "Stalled ExportNotIdentified",
        config={"show_names": False, "group_id": False, "objects_per_second": 0.1},
        behaviour={"no_manifest": True, "rows": 0},
        spec=_UNVERIFIED,
        arrange=_lose_answer,
        within=6 * 3600.0,
    ),
    Truth(
        "Lost answer",
        "no names, and the export of another client, long",
        "Complete Delivered",
        config={"show_names": False, **_SLOW},
        arrange=_lose_answer_among_a_few,
    ),
    Truth("Lost answer", "no names, no groupId", config={"show_names": False, "group_id": False}, arrange=_lose_answer),
    Truth(
        "Lost answer",
        "300 tasks of others in another order for each page",
        config={"shuffled_lists": True},
        arrange=_lose_answer_among_others,
    ),
    Truth(
        "Lost answer",
        "300 tasks of others, pages of 50 in any order",
        config={"shuffled_lists": True, "page_cap": 50},
        arrange=_lose_answer_among_others,
    ),
    Truth("Group", "no groupId", config={"group_id": False}, behaviour={"tasks": 2}),
    Truth("Ids in the answer", "numbers", config={"numeric_ids": True}, behaviour={"tasks": 2}),
    Truth("Ids in the answer", "one of two", behaviour={"tasks": 2, "answered": 1}),
    Truth(
        "Ids in the answer",
        "one of two, no names in lists",
        config={"names_in_lists": False},
        behaviour={"tasks": 2, "answered": 1},
    ),
    Truth("Ids in the answer", "those of no task", config=_SLOW, behaviour={"tasks": 2, "answered_by_others": True}),
    Truth(
        "Ids in the answer",
        "those of no task, no groupId",
        config={"group_id": False, **_SLOW},
        behaviour={"answered_by_others": True},
    ),
    Truth("Ids in the answer", "none", behaviour={"answered": 0}),
    Truth("Lifetime of a token", "not in the answer", config={"token_without_lifetime": True}),
    Truth("WAITING", "is not listed", config={"list_waiting": False, **_SLOW}, behaviour={"tasks": 3}),
    Truth("endTime", "on tasks that run", behaviour={"tasks": 2, "early_end_time": True}, config=_SLOW),
    Truth("New tasks", "show up after a minute", behaviour={"appears_after": 60.0}, config=_SLOW),
    Truth("Order of lists", "differs", config={"shuffled_lists": True, **_SLOW}, behaviour={"tasks": 3}),
    Truth("Clock of the service", "nine minutes behind", config={"clock_skew": -540.0}, arrange=_lose_answer),
    Truth(
        "Status at the end",
        "PLATFORM_TASK_FAILED",
        "Failed TaskFailed",
        behaviour={"ends_as": "PLATFORM_TASK_FAILED"},
        spec=_ONCE,
    ),
    Truth("Status at the end", "ERROR", "Failed TaskFailed", behaviour={"ends_as": "ERROR"}, spec=_ONCE),
    Truth(
        "Status at the end",
        "COMPLETED_WITH_ERRORS",
        "Failed TaskFailed",
        behaviour={"ends_as": "COMPLETED_WITH_ERRORS"},
        spec=_ONCE,
    ),
    Truth(
        "Status at the end",
        "unknown, and the data arrived",
        also=("Reconciling UnknownTaskStatus",),
        behaviour={"ends_as": "FINISHED"},
    ),
    Truth(
        "Status at the end",
        "unknown, and nothing arrived",
        "Stalled UnknownTaskStatus",
        also=("Reconciling UnknownTaskStatus",),
        behaviour={"ends_as": "GIVEN_UP", "no_manifest": True},
    ),
    Truth(
        "Status at the end",
        "never shown, and the data arrived",
        behaviour={"hidden": "everywhere"},
        also=("Stalled TaskVanished",),
        config=_SLOW,
    ),
    Truth("manifest.json", "a minute late", also=("Reconciling ManifestPending",), behaviour={"manifest_after": 60.0}),
    Truth(
        "manifest.json",
        "half an hour late",
        also=("Reconciling ManifestPending",),
        behaviour={"manifest_after": 1800.0},
    ),
    Truth("manifest.json", "is never written", "Stalled ManifestMissing", behaviour={"no_manifest": True}),
    Truth("totalObjects", "is an estimate", behaviour={"total_off_by": -3}),
    *(
        Truth(
            "totalObjects",
            f"counts {counted}, {spec.get('fileFormat', 'CSV')} {spec['type']}{note}",
            config={"total_counts": counted},
            arrange=_hold_activities,
            spec={"export": spec},
        )
        for counted in ("objects", "read", "records", "items")
        for spec, note in (
            ({"type": "Activities"}, ""),
            ({"type": "Activities", "fileFormat": "JSON"}, ""),
            ({"type": "Entities", "includeTypes": ["configuration/entityTypes/HCP"]}, " of one type"),
            ({"type": "Entities", "updatedSince": "2031-01-15T00:00:00Z"}, " of an empty window"),
        )
    ),
    Truth("Permissions on metadata", "hide all objects", also=("Empty NoObjects",), behaviour={"rows": 0}),
    Truth(
        "Permissions on metadata",
        "hide all objects, with minObjects",
        "Failed TooFewObjects",
        behaviour={"rows": 0},
        spec={"delivery": {"minObjects": 1}},
    ),
    Truth(
        "Window of time",
        "has no objects",
        behaviour={"rows": 0},
        spec={"export": {"type": "Entities", "updatedSince": "2030-01-15T00:00:00Z"}},
    ),
    Truth(
        "403 at submission",
        "passes",
        also=("Reconciling AccessDenied",),
        arrange=_refuse(status=403, html=True, times=3),
    ),
    Truth(
        "403 at submission", "lasts", "Stalled AccessDenied", arrange=_refuse(status=403, html=True, times=0), exports=0
    ),
    *(
        Truth(
            f"403 of a gateway, {form or 'none'}",
            when,
            also=("Reconciling AccessDenied",),
            config={"gateway_403": form if since < 1 else "", **_SLOW},
            arrange=_gateway(form, since, until),
        )
        for form in ("html", "json", "empty")
        for when, since, until in (("before the submission", 0.0, 120.0), ("while the export runs", 60.0, 900.0))
    ),
    Truth(
        "400 at submission",
        "unknown, passes",
        also=("Reconciling BadRequest",),
        arrange=_refuse(status=400, html=True, times=3),
    ),
    Truth(
        "400 at submission",
        "unknown, lasts",
        "Failed BadRequest",
        arrange=_refuse(status=400, body=_answer(7, "no"), times=0),
        exports=0,
    ),
    Truth(
        "Symbol of the task limit",
        "another one",
        also=("Reconciling TenantTaskLimit",),
        arrange=_refuse(status=400, body=_answer(7, "BACKGROUND_TASKS_LIMIT_EXCEEDED"), times=8),
    ),
    Truth(
        "Tasks of a tenant",
        "one after the other",
        also=(_NOT_STARTED,),
        config={"serial": True, **_SLOW},
        arrange=lambda world: world.simulator.others(1),
    ),
    Truth(
        "A task that is SCHEDULED",
        "stays so",
        "Failed DeadlineExceeded",
        also=(_NOT_STARTED,),
        behaviour={"stuck": True},
        spec={"activeDeadlineSeconds": 1800},
    ),
    Truth(
        "A tenant without credits",
        "continues later",
        also=("Reconciling ExportThrottled",),
        behaviour={"out_of_credits": True},
    ),
    Truth(
        "maxForeignTasks",
        "others run more tasks, then fewer",
        also=("Reconciling TenantBusy",),
        arrange=lambda world: _leave_tenant_to_others(world, canceled_after=900.0, stuck=True),
    ),
    *(
        Truth("Names of files", named, config=config, spec={"export": {"type": "Entities", **spec}})
        for named, config, spec in (
            ("part_00000.csv.gz", {"default_template": "part_{{n}}", "format_extension": True}, {}),
            ("part-00000", {"append_extension": False}, {}),
            ("part-00000 without compression", {"append_extension": False, "compression": "NONE"}, {}),
            ("part-00000 as JSON", {"append_extension": False, "compression": "ZIP"}, {"fileFormat": "JSON"}),
            ("export-file00000.gz", {}, {"filenameTemplate": "export-file"}),
            ("export-file-00000.gz", {"number_separator": "-"}, {"filenameTemplate": "export-file"}),
            ("combined, by the name of the service", {"combined_names": "exportName"}, {"skipPostprocessing": False}),
            ("in a directory of the service", {"subdirectory": "2031/05-Sep-2031"}, {}),
        )
    ),
    *(
        Truth(
            "Names in manifest.json",
            f"{form}{', in a directory of the service' if below else ''}",
            config={"manifest_names": form, "subdirectory": below},
        )
        for form in ("key", "s3", "https")
        for below in ("", "2031/05-Sep-2031")
    ),
    Truth(
        "Region of the bucket",
        "is asked for with a call that the role may not make",
        "Failed TaskFailed",
        arrange=_refuse_location,
        spec=_ONCE,
    ),
    Truth("Files", "combined into one", spec={"export": {"type": "Entities", "skipPostprocessing": False}}),
    Truth("Type of hierarchies", "HIERARCHIES", spec={"export": {"type": "Hierarchies", "hierarchyID": "0ABlc0A"}}),
)
