"""What the tenants hold: made from a seed, so the same for everybody who asks."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

from .config import Tenant

_FIRST = ("Ada", "Blaise", "Carl", "Dorothy", "Emmy", "Felix", "Grace", "Henri")
_LAST = ("Archer", "Baker", "Cooper", "Draper", "Fisher", "Mason", "Sawyer", "Turner")
_COUNTRIES = ("US", "DE", "FR", "JP", "BR")
_TYPES = ("HCP", "HCO", "Location")
_EPOCH_MS = 1_893_456_000_000

Record = dict[str, Any]


def count(tenant: Tenant, export_type: str) -> int:
    """How many objects of this kind the tenant holds."""
    return {
        "ENTITIES": tenant.entities,
        "RELATIONS": tenant.relations,
        "ACTIVITY_LOG": tenant.activities,
        "MERGE_TREE": tenant.merges,
        "HIERARCHIES": tenant.connections,
    }[export_type]


@lru_cache(maxsize=32)
def records(tenant_id: str, export_type: str, number: int) -> tuple[Record, ...]:
    """The first objects of this kind. Shared: not to be changed."""
    make = {
        "ENTITIES": _entity,
        "RELATIONS": _relation,
        "ACTIVITY_LOG": _activity,
        "MERGE_TREE": _merge,
        "HIERARCHIES": _connection,
    }[export_type]
    return tuple(make(random.Random(f"{tenant_id}/{export_type}/{n}"), n) for n in range(number))


def _entity(rng: random.Random, number: int) -> Record:
    kind = _TYPES[number % len(_TYPES)]
    created = _EPOCH_MS + number * 1000
    return {
        "uri": f"entities/{number:07d}",
        "type": f"configuration/entityTypes/{kind}",
        "attributes": {
            "FirstName": rng.choice(_FIRST),
            "LastName": rng.choice(_LAST),
            "Country": rng.choice(_COUNTRIES),
        },
        "crosswalks": f"configuration/sources/CRM/{number}",
        "createdTime": created,
        "updatedTime": created + rng.randrange(10**9),
        "active": number % 20 != 19,
    }


def _relation(rng: random.Random, number: int) -> Record:
    return {
        "uri": f"relations/{number:07d}",
        "type": "configuration/relationTypes/WorksAt",
        "startObject": f"entities/{rng.randrange(1000):07d}",
        "endObject": f"entities/{rng.randrange(1000):07d}",
        "createdTime": _EPOCH_MS + number,
        "updatedTime": _EPOCH_MS + number + rng.randrange(10**9),
        "active": True,
    }


def _activity(rng: random.Random, number: int) -> Record:
    return {
        "activityId": f"a-{number}",
        "objectUri": f"entities/{rng.randrange(1000):07d}",
        "user": rng.choice(_FIRST).lower(),
        "timestamp": _EPOCH_MS + number,
    }


def _merge(rng: random.Random, number: int) -> Record:
    loser = rng.randrange(1000)
    return {
        "uri": f"entities/{number:07d}",
        "crosswalks": [{"uri": f"entities/{number:07d}/crosswalks/x", "type": "configuration/sources/CRM"}],
        "merges": [{"time": _EPOCH_MS + number, "user": "system", "losers": [f"entities/{loser:07d}"]}],
    }


def _connection(rng: random.Random, number: int) -> Record:
    return {
        "uri": f"hierarchyConnections/{number:07d}",
        "parent": f"entities/{number // 3:07d}",
        "child": f"entities/{number + 1:07d}",
        "createdTime": _EPOCH_MS + number + rng.randrange(10**6),
    }


def wanted(record: Record, parameters: dict[str, Any]) -> bool:
    """Whether an export with these parameters holds the record: type, activeness and time of update."""
    types = parameters.get("includeType")
    if types and record.get("type") not in types:
        return False
    activeness = str(parameters.get("activeness", "ALL")).upper()
    if activeness != "ALL" and record.get("active") is not (activeness == "ACTIVE"):
        return False
    window = parameters.get("updateTimeFilter") or {}
    updated = record.get("updatedTime", 0)
    return bool(window.get("since", 0) <= updated <= window.get("to", 2**62))


def _updated(record: Record, moment: int | None) -> Record:
    return record if moment is None else {**record, "updatedTime": moment}


def selected(tenant: Tenant, export_type: str, parameters: dict[str, Any]) -> list[Record]:
    """The records that an export with these parameters delivers, in order."""
    if tenant.hides_types:
        return []
    held = records(tenant.id, export_type, count(tenant, export_type))
    if export_type == "ENTITIES" and tenant.updates:
        held = tuple(_updated(record, tenant.updates.get(number)) for number, record in enumerate(held))
    if export_type == "ACTIVITY_LOG" and tenant.activity_items:
        held = tuple(_with_items(record, tenant.activity_items) for record in held)
    return [record for record in held if wanted(record, parameters)]


def read(tenant: Tenant, export_type: str) -> int:
    """How many objects an export reads, those included that it leaves out then."""
    return 0 if tenant.hides_types else count(tenant, export_type)


def _with_items(activity: Record, number: int) -> Record:
    items = [{"id": f"{activity['activityId']}-{n}", "objectUri": activity["objectUri"]} for n in range(number)]
    whole = {key: value for key, value in activity.items() if key != "objectUri"}
    return {**whole, "items": items, "itemsTotal": number}
