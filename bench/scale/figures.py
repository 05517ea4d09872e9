"""The figures: what each is called, its unit, and what it is to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Subject = Literal["operator", "raw", "baseline", "alone"]
# By server, then size, then subject, then figure. A text stands for what was not reached in time.
Value = float | str
Results = dict[str, dict[str, dict[str, dict[str, Value]]]]


@dataclass(frozen=True)
class Figure:
    key: str
    text: str
    unit: str = ""
    goal: str = ""
    before: str = ""  # as measured on a real API server before this was worked on, at 300 jobs where it matters
    digits: int = 1


FIGURES = [
    Figure("submitted", "created until all submitted", "s", "1.5 x raw", "38.8 (raw 3.2)"),
    Figure("p50", "latency created to submitted, p50", "s", "", "5.3"),
    Figure("p99", "latency created to submitted, p99", "s", "raw's whole run + 1", "37.6"),
    Figure("one of 60", "slowest of 60 jobs on an idle operator", "s", "no wait for a time-out", "30"),
    Figure("writes a second", "writes in a second meanwhile", "1/s"),
    Figure("connections", "requests to the API server at once", ""),
    Figure("job gets", "GETs of jobs until submitted, per job", "", "1 in all", "7.9", 2),
    Figure("target gets", "GETs of targets until submitted, per job", "", "", "4.6", 2),
    Figure("other gets", "other GETs until submitted, per job", "", "", "", 2),
    Figure("submit writes", "writes of jobs until submitted, per job", "", "", "", 2),
    Figure("submit events", "events until submitted, per job", "", "", "", 2),
    Figure("writes", "writes in the life of a job", "", "5", "8.0", 2),
    Figure("events", "events in the life of a job", "", "2", "2.0", 2),
    Figure("target writes", "writes of targets, per job", "", "", "", 2),
    Figure("calls", "calls to Reltio in the life of a job", "", "", "", 2),
    Figure("cpu", "CPU until submitted, per job", "ms", "6", "24"),
    Figure("life cpu", "CPU in the life of a job", "ms"),
    Figure("queue", "operations of the queues in the life of a job", "", "", "", 2),
    Figure("delay", "delay of the event loop, p99", "ms", "50", "not measured"),
    Figure("rest", "RSS at rest with 20 targets", "MiB", "90", "149 (226 without bytecode)"),
    Figure("after", "RSS after all jobs have ended", "MiB"),
    Figure("finished peak", "peak RSS at start with finished jobs", "MiB", "130", "498 at 10,000"),
    Figure("finished rss", "RSS with finished jobs", "MiB"),
    Figure("finished kib", "RSS for each finished job", "KiB", "1", "not measured", 2),
    Figure("finished idle", "idle CPU with finished jobs", "%", "1", "0.07 at 300", 2),
    Figure("finished ready", "start until Ready with finished jobs", "s"),
    Figure("unfinished rss", "RSS with unfinished jobs, a tenth running", "MiB", "150", "not measured"),
    Figure("unfinished peak", "peak RSS with unfinished jobs", "MiB"),
    Figure("waiting kib", "RSS for each waiting job", "KiB", "4", "not measured", 2),
    Figure("waiting blocks", "allocated blocks kept for each waiting job", "", "", "", 1),
    Figure("unfinished idle", "CPU in the steady state", "%", "", "", 2),
    Figure("ticks", "list calls to Reltio per tick, by tenant", "", "pages", "pages", 2),
    Figure("pages", "pages that the running tasks of a tenant have", ""),
    Figure("by id", "calls by id per tick", "", "0", "", 2),
    Figure("lag", "lag of the status, p99", "s", "poll interval (15) + 5", "not measured"),
    Figure("restart", "restart until the first new submission", "s", "15", "3.8 at 300"),
    Figure("neighbour", "a healthy tenant's job beside half of all jobs queued", "s", "one tick (15)", "not measured"),
    Figure("steady delay", "delay of the event loop in the steady state, p99", "ms", "50", "not measured"),
    Figure("json", "gzip JSON read, unpacked", "MB/s", "zcat|wc -l / 1.3", "256 to 594"),
    Figure("csv", "gzip CSV read, unpacked", "MB/s", "zcat|wc -l / 1.3", "256 to 594"),
    Figure("read delay", "delay of the event loop meanwhile, p99", "ms", "50", "not measured"),
    Figure("submits", "simulator: submissions in a second, four at a time", "1/s", "", "870"),
    Figure("lists", "simulator: pages of 100 tasks in a second", "1/s"),
    Figure("patches", "API server: patches of a status in a second, 32 at once", "1/s"),
    Figure("gets", "API server: GETs in a second, 32 at once", "1/s"),
]
BY_KEY = {figure.key: figure for figure in FIGURES}


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the sorted values does not exceed."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0
