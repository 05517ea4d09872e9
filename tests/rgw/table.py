"""Installs Ceph, runs the product's own code against RGW, and prints what it did and where RGW differs from AWS.

    python -m rgw.table [--only WORDS] [--no-install]

Installing needs root on Debian. Takes some minutes, most of them for the two deliveries of 2,500 parts.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .cluster import CephError, ceph, install
from .deviations import DEVIATIONS
from .rows import ROWS
from .stage import Stage, stage


def main() -> int:
    parser = argparse.ArgumentParser(prog="rgw.table")
    parser.add_argument("--only", default="", help="play the rows with these words in their names")
    parser.add_argument("--no-install", action="store_true", help="fail if Ceph is missing")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    began = time.monotonic()
    try:
        if not chosen.no_install:
            install()
        with tempfile.TemporaryDirectory(prefix="rgw-") as directory, ceph(Path(directory)) as cluster:
            started = time.monotonic() - began
            with stage(cluster) as played:
                failed = _play(played, chosen.only)
            print(f"{cluster.version()}, started in {started:.0f} s, {cluster.memory_mib()} MiB in 3 processes")
    except CephError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{time.monotonic() - began:.0f} s, {failed} rows failed")
    return 1 if failed else 0


def _play(played: Stage, only: str) -> int:
    console = Console(width=None if sys.stdout.isatty() else 160)
    table, failed = Table("Row", "Seconds", "Result", "Seen", title="The operator on RGW"), 0
    for name, row in ROWS.items():
        if only not in name:
            continue
        began = time.monotonic()
        try:
            seen, result = asyncio.run(row(played)), "passed"
        except Exception as error:
            seen, result, failed = f"{type(error).__name__}: {error}"[:500], "FAILED", failed + 1
        table.add_row(name, f"{time.monotonic() - began:.1f}", result, seen)
    console.print(table)
    if not only:
        found = Table("Deviation", "Seen", title="Where RGW differs from AWS")
        for deviation in DEVIATIONS:
            found.add_row(deviation.name, deviation.probe(played) or "as AWS: remove it from docs/rgw.md")
        console.print(found)
    return failed


if __name__ == "__main__":
    sys.exit(main())
