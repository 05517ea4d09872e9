"""Every field of every type of export, from `kubectl apply` to what the service recorded, header by header."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from kubernetes.aio.client.exceptions import ApiException

from integration.conftest import World, condition
from unit.reltio.test_mapping import FIELDS, WIRE_NAMES

Raw = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")
EXTERNAL_ID = "3f0c2b5e-8d1a-4c56-9a2f-0b7f7f6f1c11"
ENDPOINTS = {
    "Entities": "entities",
    "Relations": "relations",
    "Activities": "activities",
    "MergeTree": "entities/_crosswalksTree",
    "SegmentEntities": "entities/segments",
    "Hierarchies": "hierarchies",
}
# What the dossier of the service documents for each type; all else must be refused by the API server.
COMMON = {
    "notification_emails", "part_size", "skip_postprocessing", "filename_template",
}  # fmt: skip
TABLE = {
    "file_format", "date_format", "filter", "select", "options", "headers_style", "header_format", "header_order",
    "send_hidden", "anchor_attribute", "sliced_by_crosswalks", "distributed", "task_parts_count",
    "operational_values_only", "include_types", "updated_since", "updated_before", "group_by", "activeness",
}  # fmt: skip
TAKEN = {
    "Entities": COMMON | TABLE | {"exploded", "slice_filter"},
    "Relations": COMMON | TABLE | {"return_votes", "start_end_prefix", "slice_filter"},
    "Activities": COMMON | {"file_format", "date_format", "filter", "distributed", "task_parts_count"},
    "MergeTree": COMMON | {"activeness", "start_time", "end_time", "output_as_json_array"},
    "SegmentEntities": COMMON | TABLE | {"exploded", "slice_filter", "include_segments", "segment_ids"},
    "Hierarchies": COMMON | {"file_format", "date_format", "select", "hierarchy_id", "effective_date"},
}
SINGLE = {row[0]: row for row in reversed(FIELDS)}  # of fields with two rows, the first
SINGLE |= {  # values that go together with all the others
    "skip_postprocessing": ("skip_postprocessing", False, "query", {"skipPostprocessing": "false"}),
    "updated_before": ("updated_before", "2030-01-16T00:00:00Z", "body", {"updateTimeFilter": {"to": 1894752000000}}),
    "options": ("options", ["SearchByOV", "ParallelExecution"], "query", {"options": "searchByOv,parallelExecution"}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(opener: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opener(tmp_path_factory.mktemp("sandbox")) as world:
        await world.secret()
        await world.target(serverSideEncryption={"algorithm": "AES256"}, spec={"maxConcurrentJobs": 16})
        await world.ready()
        yield world


def fields(attributes: set[str]) -> Raw:
    return {WIRE_NAMES[name]: SINGLE[name][1] for name in sorted(attributes)}


@pytest.mark.parametrize("type_", ENDPOINTS)
async def test_a_field_that_the_service_does_not_take_for_this_type_is_refused_by_name(
    shared: World, type_: str
) -> None:
    for attribute in sorted(SINGLE.keys() - TAKEN[type_]):
        base = fields({"SegmentEntities": {"segment_ids"}, "Hierarchies": {"hierarchy_id"}}.get(type_, set()))
        with pytest.raises(ApiException) as refused:
            await shared.job("refused", export={"type": type_, **base, **fields({attribute})})
        assert refused.value.status == 422
        assert WIRE_NAMES[attribute] in refused.value.body, f"{type_} {attribute}"


@pytest.mark.parametrize("type_", ENDPOINTS)
async def test_every_field_of_a_type_reaches_the_service_and_the_export_arrives(shared: World, type_: str) -> None:
    taken = TAKEN[type_]
    name = f"all-{type_.lower()}"
    await shared.job(name, export={"type": type_, **fields(taken)})
    job = await shared.finished(name)
    assert condition(job, "Complete"), job["status"]["conditions"]
    submission = job["status"]["submission"]
    (order,) = [run.order for run in shared.sandbox.reltio.engine.runs if run.order.name == submission["name"]]
    expected: dict[str, Raw] = {"query": {"name": submission["name"]}, "body": {}}
    for attribute in taken:
        _, _, place, wire = SINGLE[attribute]
        for key, value in wire.items():
            both = isinstance(value, dict)
            expected[place][key] = {**expected[place].get(key, {}), **value} if both else value
    assert order.endpoint == ENDPOINTS[type_]
    assert order.query == expected["query"]
    assert order.body == expected["body"]
    assert order.destination == {
        "s3Bucket": "acme-mdm-exports",
        "s3Path": submission["path"].rstrip("/"),
        "s3Sse": "AES256",
        "roleArn": shared.sandbox.role_arn,
        "externalId": EXTERNAL_ID,
    }
