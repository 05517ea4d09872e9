"""Leaves out parts of libraries that the operator never uses, and that their packages import anyway: 20 MiB.

The package `kubernetes` imports its synchronous client with all that depends on it, and pydantic for a class of answers
that `kube/rest.py` does not ask for; httpx imports its command line. Call this before anything of them is imported; it
has no effect on what is there already.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Generic, TypeVar

T = TypeVar("T")
# Packages of which only modules that are imported by name are loaded; importing these runs nothing.
_NAMESPACES = ("kubernetes", "kubernetes.aio")
# To import these fails, as if they were not installed, which those who import them provide for.
_ABSENT = ("httpx._main", "kubernetes.client")  # the latter is imported by kopf, to know its classes


class _Unused:
    """No object is of this class."""


class _UnusedOf(Generic[T]):
    """As above."""


# Modules of which only a class is named, and never used.
_STAND_INS: dict[str, dict[str, object]] = {
    "pydantic": {"SecretStr": _Unused},
    "kubernetes.aio.client.api_response": {"ApiResponse": _UnusedOf, "T": T},
}


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
    for name, names in _STAND_INS.items():
        if name not in sys.modules:
            stand_in = types.ModuleType(name)
            for attribute, value in names.items():
                setattr(stand_in, attribute, value)
            sys.modules[name] = stand_in
