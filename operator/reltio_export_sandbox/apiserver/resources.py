"""What one kind of object is: its names, its schema, and how it behaves where kinds differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .errors import Cause
from .structural import Schema

Object = dict[str, Any]
Key = tuple[str, str]  # namespace (empty for cluster scope) and name
ALL_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


def _nothing(*objects: Object | None) -> None:
    return None


def _no_causes(new: Object, old: Object | None) -> Iterator[Cause]:
    return iter(())


@dataclass(frozen=True)
class Native:
    """How a built-in kind behaves. Custom resources have none of these."""

    columns: tuple[dict[str, Any], ...] = ()
    cells: Callable[[Object], list[Any]] | None = None
    fields: tuple[str, ...] = ("metadata.name", "metadata.namespace")  # that a field selector may name
    defaults: Callable[[Object], None] = _nothing  # what a decoder fills in
    prepare: Callable[[Object, Object | None], None] = _nothing  # what nobody but the server may set
    check: Callable[[Object, Object | None], Iterator[Cause]] = _no_causes
    skeleton: Object = field(default_factory=dict)  # parts that are there in an empty object, and belong to nobody
    decoded: bool = True  # whether `kinds.MESSAGES` has it
    unconditional_update: bool = True  # PUT without a resourceVersion
    create_on_update: bool = False  # PUT of an object that is not there
    returns_deleted: bool = False  # DELETE answers with the object


@dataclass
class Resource:
    """One kind of object and everything of it."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str = ""
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    schema: Schema | None = None
    has_status: bool = False
    columns: tuple[dict[str, Any], ...] = ()
    selectable: tuple[str, ...] = ()  # paths beside name and namespace that a field selector may name
    native: Native | None = None
    verbs: tuple[str, ...] = ALL_VERBS
    objects: dict[Key, Object] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def counts_generations(self) -> bool:
        """Whether the server keeps metadata.generation."""
        return self.native is None or not self.native.decoded
