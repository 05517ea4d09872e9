"""Takes the jobs that lists and watches show to `KnownJobs`, below kopf, which gets only a part of each."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from ..runtime.answers import SLICE_BYTES, parse_json
from .known import KnownJobs

_CHANGES = ("ADDED", "MODIFIED", "DELETED")
_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, KeyError, TypeError)


class _Event(Struct):
    type: str
    object: Raw


class _Metadata(Struct, rename={"more": "continue"}):
    name: str = ""
    namespace: str = ""
    more: str = ""


class _Object(Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_EVENT, _OBJECT = msgspec.json.Decoder(_Event), msgspec.json.Decoder(_Object)


class JobNotices:
    """What is not understood here counts as news, so that the job is read."""

    def __init__(self, known: KnownJobs) -> None:
        self._known = known

    def is_news(self, line: bytes) -> bool:
        """Whether an event of a watch says something that is not known."""
        try:
            event = _EVENT.decode(line)
        except _ERRORS:
            return True
        return event.type not in _CHANGES or self._notice(bytes(event.object), deleted=event.type == "DELETED")

    def item(self, content: bytes) -> None:
        """An item of a list."""
        self._notice(content, deleted=False)

    def list_begins(self, namespace: str | None) -> None:
        self._known.list_begins(namespace)

    def list_ends(self, namespace: str | None) -> None:
        self._known.list_ends(namespace)

    def _notice(self, content: bytes, *, deleted: bool) -> bool:
        try:
            if len(content) <= SLICE_BYTES:
                return self._known.noticed(parse_json(content), deleted=deleted)
            metadata = _OBJECT.decode(content).metadata  # to parse all of it takes a while
            self._known.doubt((metadata.namespace, metadata.name))
        except _ERRORS:
            return True
        return True


def is_last(page: bytes) -> bool:
    """Whether no page of the list follows this one."""
    try:
        return not _OBJECT.decode(page).metadata.more
    except _ERRORS:
        return False
