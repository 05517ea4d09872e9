"""Leaves out parts of libraries that the operator never uses, and that their packages import anyway: 25 MiB.

The package `kubernetes` imports its synchronous client with all that depends on it, and httpx its command line. Call
this before anything of them is imported; it has no effect on what is there already.
"""

from __future__ import annotations

import importlib.util
import sys

# Packages of which only modules that are imported by name are loaded; importing these runs nothing.
_NAMESPACES = ("kubernetes", "kubernetes.aio")
# To import these fails, as if they were not installed, which those who import them provide for.
_ABSENT = ("httpx._main", "kubernetes.client")  # the latter is imported by kopf, to know its classes


def leave_out_unused() -> None:
    for name in _NAMESPACES:
        if name in sys.modules:
            return
        spec = importlib.util.find_spec(name)
        if spec is not None:
            sys.modules[name] = importlib.util.module_from_spec(spec)
            parent, _, own = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], own, sys.modules[name])
    for name in _ABSENT:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # the documented way
