"""Tasks and the runs they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from .behaviour import Behaviour
from .content import is_json
from .data import Record
from .destinations import Folder
from .submit import Order

STAGES = {
    0: "Not started yet...",
    10: "Getting total...",
    20: "Creating headers for CSV file...",
    30: "Merging headers for CSV file...",
    40: "Wait till parallel tasks create headers for CSV file ...",
    50: "Wait till master task merge all headers for CSV file ...",
    60: "Exporting...",
    70: "Completing upload",
    80: "Writing manifest, preparing urls, sending emails...",
    90: "Completed",
}
EXPORTING, MANIFEST, DONE = 60, 80, 90


@dataclass
class Task:
    """One task. Times are simulated seconds since the epoch; `part` is the share of the siblings that it exports."""

    id: str
    order: Order
    total: int
    part: tuple[int, int]
    created: float
    behaviour: Behaviour = field(default_factory=Behaviour)
    status: str = "SCHEDULED"
    stage: int = 0
    started: float | None = None
    paused: float | None = None
    ended: float | None = None
    error: str | None = None
    restored: bool = False
    had_credits_pause: bool = False

    turn: int = 0  # grows when something else is to happen than what was planned
    writing: bool = False
    exported: int = 0  # rows in files
    part_since: float = 0.0
    part_rows: int = 0
    rows: Sequence[Record] = ()
    folder: Folder | None = None

    @property
    def is_active(self) -> bool:
        return self.ended is None

    @property
    def stages(self) -> list[int]:
        """The stages this task walks through: headers are collected for CSV only."""
        return [stage for stage in STAGES if not (is_json(self.order) and 20 <= stage <= 50)]

    def is_shown(self, now: float, in_lists: bool) -> bool:
        """Whether lists, or a request by id, show it."""
        odd, age = self.behaviour, now - self.created
        if age < odd.appears_after:
            return False
        gone = odd.hidden == "everywhere" or (odd.hidden == "lists" and in_lists)
        return not (gone and age >= odd.hidden_after)


@dataclass
class Run:
    """An accepted order with its tasks and the files they wrote."""

    order: Order
    tasks: list[Task]
    behaviour: Behaviour
    files: list[str] = field(default_factory=list)
    rows: list[Record] = field(default_factory=list)  # kept for files that are combined at the end
    sizes: dict[str, int] = field(default_factory=dict)  # bytes, by name
    next_file: int = 0
    objects: int = 0
    counted: Counter[str] = field(default_factory=Counter)  # what totalObjects may count
