"""How tests are shared out when several processes run them (pytest-xdist)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class BySandbox(LoadScopeScheduling):  # type: ignore[misc]
    """Splits a parallel run into modules whose tests share a sandbox, and single tests of other modules.

    Modules of unit tests stay together too, because they are short, and so do all tests on the one real API server.
    """

    def _split_scope(self, nodeid: str) -> str:
        module, _, _ = nodeid.partition("::")
        if module.startswith("tests/e2e/"):
            return "tests/e2e"
        return module if module.startswith("tests/unit/") or shares_a_sandbox(module) else nodeid


@functools.cache
def shares_a_sandbox(module: str) -> bool:
    """Whether the module has a fixture for all its tests, such as a sandbox."""
    return 'scope="module"' in (Path(__file__).parents[1] / module).read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySandbox:
    config.option.loadscopereorder = False  # the order of the paths: long tests first, short ones fill the end
    return BySandbox(config, log)
