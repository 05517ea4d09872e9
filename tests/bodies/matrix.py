"""Cuts and damages the bodies of S3 objects on their way, in every way and at every place.

    python -m bodies.matrix [--every N]

Each row is played without the fault, with the fault once, and with the fault always.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from certificates import Authority

from .cases import bench, is_right, rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="bodies.matrix")
    parser.add_argument("--every", type=int, default=1, help="play each N-th row only")
    chosen, began, tally = parser.parse_args(), time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        for tls in (False, True):
            with bench((authority.context("127.0.0.1"), authority.pem) if tls else None) as player:
                for row in list(rows())[:: chosen.every]:
                    if row.tls is not tls:
                        continue
                    clean, once, always = player.outcomes(row)
                    tally["rows"] += 1
                    tally["false proofs"] += once.startswith(("delivered", "proved")) and once != clean
                    tally["false proofs"] += always.startswith(("delivered", "proved"))
                    tally["failed permanently"] += once.startswith("f") + always.startswith("f")
                    if not is_right(clean, once, always):
                        tally["wrong"] += 1
                        print(f"{row}\n  without: {clean}\n  once:    {once}\n  always:  {always}")
    for name in ("rows", "false proofs", "failed permanently", "wrong"):
        print(f"{name:<20} {tally[name]}")
    print(f"{'time':<20} {time.monotonic() - began:.0f} s")
    return 1 if tally["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
