"""Whatever the truth is where the documentation is silent, a job ends well and is one export."""

from __future__ import annotations

import pytest

from crash.world import quiet

from .cases import TRUTHS
from .truth import Truth, play


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.id)
def test_a_possible_truth_ends_well(truth: Truth) -> None:
    with quiet():
        seen = play(truth)
    assert seen.problems(truth) == []
