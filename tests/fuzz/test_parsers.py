"""No input crashes a parser: it returns, or raises what its caller expects. FUZZ_CASES is the number of cases of each.

Without FUZZ_CASES the cases are few and always the same. `make fuzz` runs them within a limit of memory.
"""

from __future__ import annotations

import contextlib
import os
import resource

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.parsers import PARSERS

CASES = int(os.environ.get("FUZZ_CASES", "25"))
IS_SAMPLE = "FUZZ_CASES" not in os.environ
LONGEST_MS = 2000  # of one case, on a machine that does other things too


@pytest.fixture(autouse=True, scope="module")
def memory_is_bounded() -> None:
    """Beyond it, allocations fail, and with them the test. For a process of its own only."""
    if not IS_SAMPLE:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))


@pytest.mark.parametrize("name", PARSERS)
def test_any_input_is_parsed_or_refused(name: str) -> None:
    parser = PARSERS[name]

    @settings(
        max_examples=CASES,
        deadline=None if IS_SAMPLE else LONGEST_MS,
        derandomize=IS_SAMPLE,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        value = data.draw(parser.given)
        with contextlib.suppress(*parser.raises):
            parser.parse(value)

    check()
