"""Reading and checking a submission."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import invalid

EXPORT_TYPES = {
    "entities": "ENTITIES",
    "relations": "RELATIONS",
    "activities": "ACTIVITY_LOG",
    "entities/_crosswalksTree": "MERGE_TREE",
    "entities/segments": "ENTITIES",
    "hierarchies": "HIERARCHIES",  # its exportType is not documented
}
_DESTINATION = ("s3Bucket", "s3Path", "s3Region", "s3Sse", "s3SseKmsKey", "roleArn", "externalId")
_OTHER_STORES = ("gcsBucket", "azureStorageContainer")
_STATIC_KEYS = ("awsAccessKey", "awsSecretKey")
_ENUMS = {
    "fileFormat": ("CSV", "JSON"),
    "dateFormat": ("TIMESTAMP", "READABLE"),
    "activeness": ("ALL", "ACTIVE", "NOT_ACTIVE"),
    "headersStyle": ("NAME", "LABEL"),
}
_ENCRYPTIONS = ("AES256", "aws:kms")
_UNITS = {"b": 0, "k": 1, "kb": 1, "m": 2, "mb": 2, "g": 3, "gb": 3, "t": 4, "tb": 4}
_SMALLEST_PART = 104857600


@dataclass(frozen=True)
class Order:
    """An accepted submission: what to export, and where to."""

    number: int
    tenant: str
    endpoint: str
    export_type: str
    name: str
    destination: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    group_id: str
    user: str = "export_client"
    task_ids: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> dict[str, Any]:
        """Query and body together; the query wins, as documented for the filter."""
        return {**self.body, **self.query}

    @property
    def made_up_name(self) -> str:
        """As in `merill_16-41_entities`: it has nothing of the name that was given."""
        return f"{self.tenant}_{self.export_type}_{self.number}".lower()

    @property
    def file_format(self) -> str:
        """CSV or JSON."""
        return self.query.get("fileFormat", "csv").upper()

    @property
    def is_combined(self) -> bool:
        """Whether the parts are put together in the end; version 2 does not unless it is asked to."""
        return self.query.get("skipPostprocessing", "true").lower() == "false"

    @property
    def part_bytes(self) -> float | None:
        """The size, uncompressed, at which combined files are cut."""
        return _bytes(self.query["partSize"]) if "partSize" in self.query else None

    @property
    def place(self) -> tuple[str, str]:
        """Bucket and path, slashes normalised: what two exports must not share."""
        return self.destination["s3Bucket"], normal(self.destination["s3Path"])


def normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part)


def read_destination(headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, str]:
    """Destination parameters from headers and query; the query wins. Raises Refusal."""
    given = {key: value for key in _DESTINATION if (value := query.get(key, headers.get(key.lower()))) is not None}
    others = [key for key in _OTHER_STORES if key in query or key.lower() in headers]
    if others:
        raise invalid("s3, gcs, azure", "only one custom destination may be given.")
    if "s3Bucket" not in given:
        raise invalid("s3Bucket", "a custom destination is needed here.")
    if not normal(given.get("s3Path", "")):
        raise invalid("s3Path", "s3Path cannot be empty.")
    if "roleArn" not in given and not all(key in query or key.lower() in headers for key in _STATIC_KEYS):
        raise invalid("roleArn", "roleArn or static keys are needed.")
    if given.get("s3Sse", "AES256") not in _ENCRYPTIONS:
        raise invalid("s3Sse", f"unknown value {given['s3Sse']}.")
    return given


def check(endpoint: str, query: Mapping[str, str], body: Mapping[str, Any]) -> None:
    """Refuse what the service refuses. Raises Refusal."""
    _check_kind(endpoint, query, body)
    for key, allowed in _ENUMS.items():
        if key in query and query[key].upper() not in allowed:
            raise invalid(key, f"unknown value {query[key]}.")
    name = query.get("name")
    if name is not None and (
        len(name.strip()) > 140 or not re.fullmatch(r"[A-Za-z0-9](.*[A-Za-z0-9])?", name.strip(), re.DOTALL)
    ):
        raise invalid("name", "name must begin and end with a letter or digit and have at most 140 characters.")
    template = query.get("filenameTemplate")
    if template is not None:
        if not template:
            raise invalid("filenameTemplate", "filenameTemplate cannot be empty.")
        if len(template) > 512 or not re.fullmatch(r"([A-Za-z0-9_-]|\{\{n\}\})+", template):
            raise invalid("filenameTemplate", "filenameTemplate holds characters that are not allowed.")
    if "partSize" in query:
        size = _bytes(query["partSize"])
        if size < _SMALLEST_PART:
            raise invalid("partSize", f"the value should be at least {_SMALLEST_PART} bytes.")
    groups = body.get("groupBy") or []
    for group in groups if isinstance(groups, list) else [groups]:
        _check_group(group)
    if query.get("exploded") == "true" and query.get("slicedByCrosswalks") == "true":
        raise invalid("exploded", "exploded cannot be used with slicedByCrosswalks.")


def _check_kind(endpoint: str, query: Mapping[str, str], body: Mapping[str, Any]) -> None:
    """What single kinds of export need."""
    if endpoint == "entities/segments" and not body.get("segmentIds"):
        raise invalid("segmentIds", "segmentIds cannot be empty.")
    if endpoint == "hierarchies" and not query.get("hierarchyId"):
        raise invalid("hierarchyId", "hierarchyId cannot be empty.")
    if "effectiveDate" in query and not re.fullmatch(r"\d{4}-\d\d-\d\d", query["effectiveDate"]):
        raise invalid("effectiveDate", "effectiveDate must have the format yyyy-MM-dd.")


def _bytes(text: str) -> float:
    """Raises Refusal."""
    if text.strip().isdecimal():
        return float(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    if not match or match.group(2) not in _UNITS:
        raise invalid("partSize", "partSize has an unknown unit.")
    return float(match.group(1)) * float(1024 ** _UNITS[match.group(2)])


def _check_group(group: Mapping[str, Any]) -> None:
    for key in ("attribute", "anchorAttributes"):
        if not group.get(key):
            raise invalid(key, f'the "{key}" field cannot be empty.')
    unique = group.get("maxNumberOfUniqueValues", 64)
    if not 1 <= unique <= 2048:
        raise invalid(
            "maxNumberOfUniqueValues",
            f"the value should belong to the following interval [1, 2048], but was {unique}.",
        )
