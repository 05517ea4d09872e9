"""Where the tests find stock helm and kubectl."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """Path of `helm` or `kubectl`.

    The variable HELM or KUBECTL comes first, then the copy that the Makefile pins beside this Python, then PATH.
    A test never skips because a tool is missing: it fails with what to do.
    """
    variable = name.upper()
    chosen = os.environ.get(variable)
    for candidate in (chosen,) if chosen else (str(Path(sys.executable).with_name(name)), name):
        if found := shutil.which(candidate):
            return found
    if chosen:
        pytest.fail(f"{variable}={chosen} is not an executable file.")
    pytest.fail(f"{name} was not found: run `make .venv/.dev`, put it on PATH, or set {variable}.")
