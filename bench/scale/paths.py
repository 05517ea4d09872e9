"""Where things are, and what makes the packages of the project and of its tests importable."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
BASELINE = ROOT / "bench" / "baseline" / "operator.py"
RESULTS = ROOT / "build" / "bench"
IMAGES = ROOT / "docs" / "img"

sys.path[:0] = [str(ROOT / "operator"), str(ROOT / "tests")]

# Everything is on loopback, and bytecode is kept: without it every start compiles all modules.
for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "PYTHONDONTWRITEBYTECODE"):
    os.environ.pop(name, None)
    os.environ.pop(name.lower(), None)
