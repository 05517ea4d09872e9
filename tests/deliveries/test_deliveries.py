"""No delivery that arrived is called failed, and none that did not is called verified, whatever wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reltio_export_operator.delivery import findings
from reltio_export_operator.delivery.findings import RULES, Finding
from reltio_export_operator.delivery.manifest import Delivery

from .cases import Case, all_cases, bad, good
from .stage import Stage, stage
from .writers import written_before

WRITTEN = written_before()
ALL = all_cases(WRITTEN)
OF_WRITERS = len(list(good(WRITTEN))) + len(list(bad(list(good(WRITTEN)))))
SAMPLE = [*ALL[:-OF_WRITERS], *ALL[-OF_WRITERS::11]]


@pytest.fixture
def player() -> Iterator[Stage]:
    with stage() as opened:
        yield opened


def test_there_are_no_false_alarms_and_no_false_proofs(player: Stage) -> None:
    outcomes = [(case, player.play(case)) for case in SAMPLE]
    assert {case.name: outcome for case, outcome in outcomes if outcome.is_wrong(case)} == {}
    met = frozenset[str]().union(*(outcome.rules for _, outcome in outcomes))
    assert {rule.name for rule in RULES} - met == {"PartlyRead", "Ignored"}


def test_the_matrix_has_each_writer_and_each_ending() -> None:
    assert len(ALL) >= 100
    assert len({one.writer for one in WRITTEN}) == len(WRITTEN) >= 40
    assert {ending for case in SAMPLE for ending in case.endings} == {"proved", "open", "failed", "waits"}
    assert {case.arrived for case in SAMPLE} == {True, False}
    assert len({case.name for case in ALL}) == len(ALL)


def struck(cases: list[Case]) -> list[Case]:
    """Some deliveries of each kind, for the controls."""
    return [*ALL[:30], *(case for case in cases if case.name.startswith(("csv unix, plain", "json lines, plain")))]


def test_the_matrix_finds_false_proofs_where_the_content_is_not_compared(
    monkeypatch: pytest.MonkeyPatch, player: Stage
) -> None:
    def trusting(delivery: Delivery) -> Iterator[Finding]:
        yield from ()

    monkeypatch.setattr(findings, "_about_records", trusting)
    monkeypatch.setattr(findings, "_about_contents", trusting)
    outcomes = [(case, player.play(case)) for case in struck(ALL)]
    assert sum(outcome.is_false_proof(case) for case, outcome in outcomes) >= 4
    assert not any(outcome.is_false_alarm(case) for case, outcome in outcomes)


def test_the_matrix_finds_false_alarms_where_what_is_odd_fails_a_job(
    monkeypatch: pytest.MonkeyPatch, player: Stage
) -> None:
    found_of = findings.findings_of

    def strict(delivery: Delivery) -> list[Finding]:
        odd = ("Uncertain", "Waits")
        return [
            Finding(replace(one.rule, effect="Fails"), one.text) if one.rule.effect in odd else one
            for one in found_of(delivery)
        ]

    monkeypatch.setattr(findings, "findings_of", strict)
    outcomes = [(case, player.play(case)) for case in struck(ALL)]
    assert sum(outcome.is_false_alarm(case) for case, outcome in outcomes) >= 4
    assert not any(outcome.is_false_proof(case) for case, outcome in outcomes)
