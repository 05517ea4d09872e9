"""Lets atheris search for inputs that reach new code, in the parsers that take bytes. Needs the package atheris.

    python -m fuzz.coverage [--seconds N] [--only TEXT]

Each parser runs in a process of its own, as atheris ends its process. Exits with 1 when a case raises what it must not.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed: run make fuzz-coverage, which installs it for CPython 3.11 on Linux.")

with atheris.instrument_imports(include=["reltio_export_operator"]):
    from .parser import Parser
    from .parsers import PARSERS


def _input(parser: Parser, data: bytes) -> Any:
    """The bytes as this parser's input: a number first, where its inputs are a number and bytes."""
    if isinstance(parser.seeds[0], bytes):
        return data
    return int.from_bytes(data[:2], "little"), data[2:]


def _takes_bytes(parser: Parser) -> bool:
    seed = parser.seeds[0]
    is_numbered = isinstance(seed, tuple) and len(seed) == 2 and isinstance(seed[0], int) and isinstance(seed[1], bytes)
    return isinstance(seed, bytes) or is_numbered


def _bytes(seed: Any) -> bytes:
    return seed if isinstance(seed, bytes) else (seed[0] % 65536).to_bytes(2, "little") + seed[1]


def _search(name: str, seconds: int) -> None:
    parser = PARSERS[name]

    def once(data: bytes) -> None:
        with contextlib.suppress(*parser.raises):
            parser.parse(_input(parser, data))

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(parser.seeds):
            (Path(corpus) / str(number)).write_bytes(_bytes(seed))
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=20", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={tempfile.gettempdir()}/", corpus], once)
        atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz.coverage")
    parser.add_argument("--seconds", type=int, default=20, help="for each parser")
    parser.add_argument("--only", default="", help="only parsers whose names hold this text")
    chosen = parser.parse_args()
    names = [name for name in PARSERS if chosen.only in name and _takes_bytes(PARSERS[name])]
    bad, fork, began = 0, multiprocessing.get_context("fork"), time.monotonic()
    for name in names:
        print(f"--- {name}", flush=True)
        process = fork.Process(target=_search, args=(name, chosen.seconds))
        process.start()
        process.join()
        bad += process.exitcode != 0
    print(f"\nparsers               {len(names)}\nbad                   {bad}")
    print(f"time                  {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
