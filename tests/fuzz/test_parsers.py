"""No input crashes a parser: it returns, or raises what its caller expects. A sample; `make fuzz` plays many more."""

from __future__ import annotations

import math

import pytest

from fuzz.parser import Parser
from fuzz.parsers import PARSERS
from fuzz.run import Trial, play

CASES = 120


@pytest.mark.parametrize("name", PARSERS)
def test_any_input_is_parsed_or_refused(name: str) -> None:
    outcome = play(name, CASES, seed=0, longest=math.inf)
    assert outcome.cases >= CASES * 9 // 10  # Hypothesis may run out of different inputs
    assert outcome.faults == []


@pytest.mark.parametrize("name", PARSERS)
def test_seeds_are_what_the_parser_reads_mostly(name: str) -> None:
    """Inputs that are made of something invalid would not get far into a parser."""
    parser, accepted = PARSERS[name], 0
    for seed in parser.seeds:
        try:
            parser.parse(seed)
        except parser.raises:
            continue
        accepted += 1
    assert accepted


def test_an_error_that_is_not_expected_is_a_fault_once_for_each_place() -> None:
    def parse(value: str) -> None:
        if value:
            raise KeyError(value)
        raise ValueError

    trial = Trial("x", Parser(parse, ["x"], raises=(ValueError,)))
    for value in ("", "first", "second", ""):
        trial.play(value)
    assert (trial.outcome.cases, trial.outcome.refused) == (4, 2)
    (fault,) = trial.outcome.faults
    assert "KeyError" in fault
    assert "first" in fault


def test_a_slow_case_is_a_fault() -> None:
    trial = Trial("x", Parser(len, ["x"]), longest=-1.0)
    trial.play("x")
    assert "of CPU" in trial.outcome.faults[0]


def test_the_same_seed_gives_the_same_cases() -> None:
    assert play("JSON", 50, seed=3).refused == play("JSON", 50, seed=3).refused
