"""How single exports misbehave, on demand."""

from __future__ import annotations

from typing import Literal

import msgspec


class Behaviour(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What is odd about one export. Times are simulated seconds.

    The life of its tasks, its visibility, and what it delivers; all of it the truth when left out.
    """

    name: str = ""  # regular expression: the next export whose name it is found in; all when empty

    tasks: int = 1  # siblings, at least
    answered: int | None = None  # the answer to the submission names the first so many tasks only
    answered_by_others: bool = False  # the answer has ids that no task has
    early_end_time: bool = False  # its tasks show an endTime as soon as they run
    stuck: bool = False  # never leaves SCHEDULED, as merge-tree exports were reported to
    status: str = ""  # always has this status once it was picked up
    ends_as: str = "COMPLETED"  # or COMPLETED_WITH_ERRORS, or another status
    fail: str = ""  # the last sibling fails with this text, the others complete
    paused_after: float | None = None  # somebody else pauses it
    canceled_after: float | None = None  # somebody else stops it
    out_of_credits: bool = False  # WAITING_FOR_RESOURCE, then SCHEDULED_POLL, then continues
    throttled: float = 0.0  # seconds of THROTTLING after the pick-up

    hidden: Literal["", "lists", "everywhere"] = ""  # gone from there
    hidden_after: float = 0.0
    lost_after: float | None = None  # the service forgets its tasks, and they do nothing more
    appears_after: float = 0.0  # the submission is answered, the task shows up later

    rows: int | None = None  # delivers the first so many only
    rows_per_file: int | None = None
    no_manifest: bool = False
    manifest_after: float = 0.0  # the manifest follows so long after the end of the tasks
    unsuccessful: bool = False  # the manifest says success: false
    missing_file: bool = False  # the manifest lists a file that is not there
    truncated_file: bool = False  # the last file ends in the middle
    extra_file: bool = False  # a file that the manifest does not list
    total_off_by: int = 0  # added to totalObjects of the manifest
    outside_file: str = ""  # listed in the manifest as it stands, as in "../other/part-00000.gz"
