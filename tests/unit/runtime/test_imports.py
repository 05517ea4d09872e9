"""The operator starts without parts of libraries that it never uses."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
from reltio_export_operator.runtime.imports import leave_out_unused
leave_out_unused()
from reltio_export_operator.handlers import operator
import kopf, httpx
print(*sorted(sys.modules))
"""
_UNUSED = (
    "kubernetes.config",
    "kubernetes.dynamic",
    "oauthlib",
    "requests",
    "rich",
    "websocket",
    "jsonschema",
    "pydantic.main",
)


def _modules(program: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_operator_imports_no_part_of_a_library_that_it_never_uses() -> None:
    modules = _modules(_PROGRAM)
    assert "kubernetes.aio.client.api_client" in modules
    assert not modules & set(_UNUSED)


def test_the_parts_are_imported_otherwise() -> None:
    assert set(_UNUSED[:2]) <= _modules(_PROGRAM.replace("\nleave_out_unused()", ""))


def test_the_rest_of_the_client_can_still_be_imported_by_its_name() -> None:
    program = _PROGRAM.replace("import kopf, httpx", "from kubernetes.aio import client, config, watch")
    assert {"kubernetes.aio.config", "kubernetes.aio.watch"} <= _modules(program)
