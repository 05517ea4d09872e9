"""What all kinds share: names of the API, field spelling, object metadata and times."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

GROUP = "export.reltio.com"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
TARGETS = "exporttargets"
JOBS = "exportjobs"
SCHEDULES = "exportschedules"
FINALIZER = f"{GROUP}/running-export"
CANCEL_ANNOTATION = f"{GROUP}/cancel"
ATTEMPT_ANNOTATION = f"{GROUP}/attempt"  # written by the operator
RESTORED_ANNOTATION = f"{GROUP}/restored"  # a person's answer: adopt or new
ACCEPT_ANNOTATION = f"{GROUP}/accept-delivery"  # "true": complete a job whose manifest is missing
RUN_ANNOTATION = f"{GROUP}/run"  # what a job was created for by its schedule
SCHEDULE_LABEL = f"{GROUP}/schedule"
VERIFY_ANNOTATION = f"{GROUP}/verify-requested-at"

_INITIALISMS = {"arn": "ARN", "id": "ID", "ids": "IDs", "url": "URL", "json": "JSON"}

# A time with its zone. One without a zone cannot be compared with others.
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0)]

# Lists of a status whose items have a key, as in the CRDs.
LIST_KEYS = {
    "conditions": "type",
    "reasonTimes": "type",
    "checks": "name",
    "tasks": "id",
    "duplicates": "id",
    "active": "name",
}


def field_name(attribute: str) -> str:
    """Spell a Python attribute as the Kubernetes field, e.g. ``role_arn`` as ``roleARN``."""
    first, *rest = attribute.rstrip("_").split("_")
    return first + "".join(_INITIALISMS.get(word, word.capitalize()) for word in rest)


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=field_name):
    """Base of all API values: immutable, camelCase on the wire, unknown fields ignored."""


class Problem(msgspec.Struct, frozen=True):
    """A value of a status that is not understood: where it is, and what is wrong with it.

    An item of a keyed list is named by its key, or by its index if it has none.
    """

    path: tuple[str | int, ...]
    text: str

    def __str__(self) -> str:
        first, *rest = self.path
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)
        return f"{first}{where} {self.text}"


class ObjectMeta(Model, frozen=True, kw_only=True):
    """The part of an object's metadata that decisions read."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[dict[str, Any], ...] = ()
    managed_fields: tuple[dict[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


def last_written(meta: ObjectMeta) -> datetime | None:
    """When the object was last written, by the clock of the API server; None if it does not say."""
    moments = []
    for entry in meta.managed_fields:
        with contextlib.suppress(msgspec.ValidationError):
            moments.append(msgspec.convert(entry.get("time"), Time))
    return max(moments, default=None)


def whole_seconds(moment: datetime) -> datetime:
    """Kubernetes times carry no fraction of a second."""
    return moment.astimezone(UTC).replace(microsecond=0)


def to_wire(value: Model) -> dict[str, Any]:
    """Encode as plain JSON values, times as RFC 3339 in UTC."""
    encoded: dict[str, Any] = msgspec.to_builtins(value, str_keys=True)
    return encoded


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``1h30m``; the CRD admits nothing else."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    seconds, digits = 0.0, ""
    for char in text:
        if char.isdigit():
            digits += char
        else:
            seconds += int(digits) * units[char]
            digits = ""
    return seconds
