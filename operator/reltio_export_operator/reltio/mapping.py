"""Maps `spec.export` to the names and values of the Export Service. Only this module knows both.

Enum values are sent in lower case, except those which the documentation shows in upper case only (activeness,
headerFormat, headerOrder). Sources of names, values and places, and the date of the copy that was read:
2026-05-15: https://docs.reltio.com/en/objectives/load-and-export-data/data-exporting-at-a-glance/data-exporting-operation/export-data-using-reltio-export-service/export-entities
2026-05-15: https://docs.reltio.com/en/objectives/load-and-export-data/data-exporting-at-a-glance/data-exporting-operation/export-data-using-reltio-export-service/export-relations
2026-05-15: https://docs.reltio.com/en/objectives/load-and-export-data/data-exporting-at-a-glance/data-exporting-operation/export-data-using-reltio-export-service/exporting-activity-log-data
2026-05-15: https://docs.reltio.com/en/developer-resources/entity-management-apis/entity-management-apis-at-a-glance/merge-and-unmerge-entities-api/export-merge-tree
2026-07-10: https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/export-entities-by-segment-id
2026-07-10: https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/store-export-results
2026: `hierarchies` stands only in the texts of the developer portal: https://github.com/vedsarkar/ui5-new-token, file
openApi/Export/Export.spec.json
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from ..api.job import ExportSpec, Submission
from ..api.target import Encryption
from .model import WireRequest

_ENDPOINTS = {
    "Entities": "entities",
    "Relations": "relations",
    "Activities": "activities",
    "MergeTree": "entities/_crosswalksTree",
    "SegmentEntities": "entities/segments",
    "Hierarchies": "hierarchies",
}
_OPTIONS = {
    "SearchByOV": "searchByOv",
    "ResolveMergedEntities": "resolveMergedEntities",
    "ResolveRelationEdgeTypes": "resolveRelationEdgeTypes",
    "ParallelExecution": "parallelExecution",
}
_ACTIVENESS = {"All": "ALL", "Active": "ACTIVE", "NotActive": "NOT_ACTIVE"}
_MAX_QUERY_FILTER = 1024  # characters; a longer filter is sent in the body, because URLs have a limit
_FIELDS = {  # of the parts of a request that can be long
    "name": "spec.export.name",
    "email": "spec.export.notificationEmails",
    "filter": "spec.export.filter",
    "select": "spec.export.select",
    "filenameTemplate": "spec.export.filenameTemplate",
    "anchorAttribute": "spec.export.anchorAttribute",
    "includeType": "spec.export.includeTypes",
    "groupBy": "spec.export.groupBy",
    "sliceFilter": "spec.export.sliceFilter",
    "segmentIds": "spec.export.segmentIDs",
    "s3Path": "spec.path",
    "roleArn": "spec.s3.roleARN of the ExportTarget",
    "externalId": "the external ID of the ExportTarget",
    "s3SseKmsKey": "spec.s3.serverSideEncryption.kmsKeyARN of the ExportTarget",
}
_QUANTITY_SUFFIXES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


def wire_request(
    export: ExportSpec,
    submission: Submission,
    *,
    external_id: str | None,
    encryption: Encryption | None,
) -> WireRequest:
    """The request that submits this attempt."""
    return WireRequest(
        endpoint=_ENDPOINTS[export.type],
        query=_query(export, submission.name),
        headers=_headers(export, submission, external_id, encryption),
        body=_body(export) or None,
    )


def _query(export: ExportSpec, name: str) -> Mapping[str, str]:
    values: dict[str, object] = {
        "name": name,
        "email": ",".join(export.notification_emails) or None,
        "fileFormat": _lower(export.file_format),
        "dateFormat": _lower(export.date_format),
        "filter": export.filter if not _is_long(export.filter) else None,
        "select": ",".join(export.select) or None,
        "options": ",".join(_OPTIONS[option] for option in export.options) or None,
        "partSize": f"{quantity_bytes(export.part_size)}b" if export.part_size else None,
        "activeness": _ACTIVENESS[export.activeness] if export.activeness else None,
        "headersStyle": _lower(export.headers_style),
        "skipPostprocessing": not export.combines_files,  # the service's default differs between tenants
        "exploded": export.exploded,
        "filenameTemplate": export.filename_template,
        "sendHidden": export.send_hidden,
        "anchorAttribute": export.anchor_attribute,
        "slicedByCrosswalks": export.sliced_by_crosswalks,
        "returnVotes": export.return_votes,
        "sePrefix": export.start_end_prefix,
        "exportSegments": export.include_segments,
        "hierarchyId": export.hierarchy_id,
        "effectiveDate": export.effective_date,
        "distributed": export.distributed,
        "taskPartsCount": export.task_parts_count,
    }
    return {key: _text(value) for key, value in values.items() if value is not None}


def _body(export: ExportSpec) -> Mapping[str, Any]:
    window = {"since": _millis(export.updated_since), "to": _millis(export.updated_before)}
    values: dict[str, Any] = {
        "ovOnly": export.operational_values_only,
        "includeType": list(export.include_types) or None,
        "updateTimeFilter": {key: value for key, value in window.items() if value is not None} or None,
        "groupBy": [
            {
                "attribute": group.attribute,
                "anchorAttributes": list(group.anchor_attributes),
                **({"maxNumberOfUniqueValues": group.max_unique_values} if group.max_unique_values else {}),
            }
            for group in export.group_by
        ]
        or None,
        "headerFormat": export.header_format.upper() if export.header_format else None,
        "headerOrder": export.header_order.upper() if export.header_order else None,
        "filter": export.filter if _is_long(export.filter) else None,
        "sliceFilter": export.slice_filter,
        "startDate": _text_millis(export.start_time),
        "endDate": _text_millis(export.end_time),
        "outputAsJsonArray": export.output_as_json_array,
        "segmentIds": list(export.segment_ids) or None,
    }
    return {key: value for key, value in values.items() if value is not None}


def _headers(
    export: ExportSpec, submission: Submission, external_id: str | None, encryption: Encryption | None
) -> Mapping[str, str]:
    values = {
        "s3Bucket": submission.s3.bucket,
        "s3Path": submission.path.rstrip("/"),
        # The documentation asks to disable post-processing where an export with a given region fails. Without the
        # parameter, the service finds the region out.
        "s3Region": None if export.combines_files else submission.s3.region,
        "roleArn": submission.s3.role_arn,
        "externalId": external_id,
        "s3Sse": encryption.algorithm if encryption else None,
        "s3SseKmsKey": encryption.kms_key_arn if encryption else None,
    }
    return {key: value for key, value in values.items() if value is not None}


def longest_part(request: WireRequest, status: int | None) -> tuple[str, int]:
    """The field that takes most of what a server found too long, and its bytes in the request.

    413 is about the body, 414 about the URL; some servers count the URL among the headers, so 431 is about both.
    """
    body = {key: json.dumps(value) for key, value in (request.body or {}).items()}
    query = {key: quote(value) for key, value in request.query.items()}
    parts = {413: body, 414: query}.get(status or 0, {**query, **request.headers})
    key = max(parts, key=lambda key: len(parts[key].encode()), default="")
    field = _FIELDS.get(key, f"spec.export ({key})" if key else "spec.export")
    return field, len(parts[key].encode()) if key else 0


def quantity_bytes(quantity: str) -> int:
    """The bytes of a Kubernetes quantity such as ``500Mi`` or ``1.5G``."""
    digits = quantity.rstrip("kMGTi")
    return int(Decimal(digits) * _QUANTITY_SUFFIXES[quantity[len(digits) :]])


def _is_long(text: str | None) -> bool:
    return text is not None and len(text) > _MAX_QUERY_FILTER


def _lower(value: str | None) -> str | None:
    return value.lower() if value else None


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _millis(moment: datetime | None) -> int | None:
    return round(moment.astimezone(UTC).timestamp() * 1000) if moment else None


def _text_millis(moment: datetime | None) -> str | None:
    millis = _millis(moment)
    return str(millis) if millis is not None else None
