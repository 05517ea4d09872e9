"""Measures the operator at several numbers of jobs, on the embedded and on a real API server; see docs/performance.md.

    make bench [SIZES=100,1000,10000] [BENCH_ARGS="--servers sandbox --stages live"]

A real API server needs KUBEBUILDER_ASSETS. Each stage has a bound, after which the next one begins. Results go to
build/bench/results.json after each stage; those of stages that are not run are kept from the run before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from . import alone, cluster, live, paths, preloaded
from .figures import Results
from .report import tables

MOST_LIVED = 1000  # more jobs than these are not lived through
STAGES = {"alone": 300.0, "live": 1800.0, "finished": 600.0, "unfinished": 1200.0}  # seconds, for each size
FILE = paths.RESULTS / "results.json"
Found = AsyncIterator[tuple[str, live.Found]]


async def measure(server: str, stage: str, size: int, *, first: bool) -> Found:
    """Subjects and figures of one stage at one size."""
    async with cluster.opened(server) as opened:
        if stage == "alone":
            yield "alone", await alone.api_server(opened)
            yield "alone", await alone.simulator(opened)
            ours, theirs = await alone.delivery(opened.directory)
            yield "operator", ours
            yield "raw", theirs
        elif stage == "live":
            async for subject, found in live.stage(opened, size, first=first):
                yield subject, found
        else:
            templates = await preloaded.Templates.lived(opened)
            if stage == "finished":
                yield "operator", await preloaded.finished(opened, size, templates)
            else:
                async for found in preloaded.unfinished(opened, size, templates):
                    yield "operator", found


def wanted(stages: list[str], sizes: list[int]) -> list[tuple[str, int]]:
    """Stages and sizes in their order; size 0 is that of what does not depend on the number of jobs."""
    every = [("alone", 0)] if "alone" in stages else []
    for size in sizes:
        every += [(stage, size) for stage in stages if stage != "alone" and (stage != "live" or size <= MOST_LIVED)]
    return every


async def run(servers: list[str], stages: list[str], sizes: list[int]) -> Results:
    results: Results = {}
    with suppress(OSError, ValueError):
        results = json.loads(FILE.read_text())
    for server in servers:
        for stage, size in wanted(stages, sizes):
            began = time.monotonic()
            print(f"{server}, {stage}, {size:,} jobs. Load: {os.getloadavg()[0]:.1f}.", flush=True)
            try:
                async with asyncio.timeout(STAGES[stage]):
                    async for subject, found in measure(server, stage, size, first=size == sizes[0]):
                        results.setdefault(server, {}).setdefault(str(size), {}).setdefault(subject, {}).update(found)
                        print(f"  {subject}: {found}", flush=True)
            except Exception as error:  # whatever it is: the other stages do not depend on it
                print(f"  NOT MEASURED to its end: {type(error).__name__}: {error}", flush=True)
            print(f"  {time.monotonic() - began:.0f} s", flush=True)
            paths.RESULTS.mkdir(parents=True, exist_ok=True)
            FILE.write_text(json.dumps(results, indent=1))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="100,1000,10000")
    parser.add_argument("--servers", nargs="+", choices=["sandbox", "real"])
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=list(STAGES))
    chosen = parser.parse_args()
    has_real = bool(os.environ.get("KUBEBUILDER_ASSETS"))
    servers = chosen.servers or ["sandbox", *(["real"] if has_real else [])]
    if not has_real:
        print("NOT RUN: the real API server. Set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver.")
    sizes = sorted(int(size) for size in chosen.sizes.split(","))
    results = asyncio.run(run(servers, chosen.stages, sizes))
    print()
    print(tables({server: results[server] for server in servers if server in results}))


if __name__ == "__main__":
    main()
