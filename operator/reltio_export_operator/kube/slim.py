"""Leaves out what kopf needs not know of objects: it parses and copies all that it gets, on the event loop.

A handler of events takes the key of an object, and what `Manager.needs_reconcile` and `schedule_to_wake` read. To parse
a page of a list may take a tenth of a second; to find these fields in it takes some milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ..api.meta import FINALIZER
from ..runtime.answers import SLICE_BYTES
from ..runtime.slices import Steps

_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_Field = Raw | UnsetType  # a value as it was sent, of any type
Listed = Callable[[dict[str, Any]], None]  # takes an object of a list, with the fields that are kept
T = TypeVar("T", bound=Struct)


class _Part(Struct, omit_defaults=True):
    """Fields that are kept. All others are skipped when it is decoded."""


class _Owner(_Part):
    kind: _Field = UNSET
    name: _Field = UNSET
    controller: _Field = UNSET


class _Metadata(_Part, rename="camel"):
    name: _Field = UNSET
    namespace: _Field = UNSET
    uid: _Field = UNSET
    resource_version: _Field = UNSET
    generation: _Field = UNSET
    deletion_timestamp: _Field = UNSET
    finalizers: list[str] | UnsetType | None = UNSET
    owner_references: list[_Owner] | UnsetType | None = UNSET
    more: _Field = msgspec.field(default=UNSET, name="continue")


class _Spec(_Part, rename="camel"):
    ttl_seconds_after_finished: _Field = UNSET


class _Condition(_Part):
    type: _Field = UNSET
    status: _Field = UNSET


class _Status(_Part, rename="camel"):
    observed_generation: _Field = UNSET
    conditions: list[_Condition] | UnsetType = UNSET


class _Object(_Part, rename="camel"):
    """An object, or the `Status` of a watch that has failed."""

    api_version: _Field = UNSET
    kind: _Field = UNSET
    metadata: _Metadata | UnsetType = UNSET
    spec: _Field = UNSET
    status: _Field = UNSET
    code: _Field = UNSET
    reason: _Field = UNSET
    message: _Field = UNSET


class _List(_Part, rename="camel"):
    api_version: _Field = UNSET
    kind: _Field = UNSET
    metadata: _Metadata | UnsetType = UNSET
    items: list[Raw] | UnsetType = UNSET


class _Event(_Part):
    type: _Field = UNSET
    object: _Object | UnsetType = UNSET


_EVENT, _LIST, _OBJECT = msgspec.json.Decoder(_Event), msgspec.json.Decoder(_List), msgspec.json.Decoder(_Object)
_SPEC, _STATUS = msgspec.json.Decoder(_Spec), msgspec.json.Decoder(_Status)
_encode = msgspec.json.encode


def slim_event(line: bytes) -> bytes:
    """One event of a watch, with its end of line. Raises ValueError if it is none."""
    try:
        event = _EVENT.decode(line)
    except _ERRORS:
        raise ValueError("it is not an event of a watch") from None
    if isinstance(event.object, _Object):
        _slim(event.object)
    return _encode(event) + b"\n"


def slim_list(
    content: bytes, each: Callable[[bytes], None] = lambda item: None, listed: Listed | None = None
) -> Steps[bytes]:
    """A page of a list. Raises ValueError if it is none.

    `each` is called with every item as it was sent. With `listed`, each object is given to it with the fields that are
    kept, and the page that is returned has none.
    """
    try:
        page = _LIST.decode(content)
        yield
        items, taken = [], 0
        for item in page.items or ():
            one = _OBJECT.decode(item)
            each(bytes(item))
            _slim(one)
            if listed is None:
                items.append(Raw(_encode(one)))
            else:
                listed(msgspec.json.decode(_encode(one)))
            taken += len(bytes(item))
            if taken > SLICE_BYTES:
                taken = 0
                yield
    except _ERRORS:
        raise ValueError("it is not a list") from None
    page.items = items
    return _encode(page)


def _slim(raw: _Object) -> None:
    if isinstance(raw.metadata, _Metadata) and raw.metadata.finalizers:
        raw.metadata.finalizers = [FINALIZER] if FINALIZER in raw.metadata.finalizers else []
    if isinstance(raw.spec, Raw):
        raw.spec = _part(_SPEC.decode, raw.spec)
    if isinstance(raw.status, Raw) and raw.code is UNSET:  # the status of a Status is a text
        raw.status = _part(_STATUS.decode, raw.status)


def _part(decode: Callable[[Raw], T], given: Raw) -> _Field:
    """Nothing for a part that is of another form, as if it were absent: the object is then reconciled."""
    try:
        return Raw(_encode(decode(given)))
    except _ERRORS:
        return UNSET
