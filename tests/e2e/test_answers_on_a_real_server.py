"""A real kube-apiserver still answers as it did when the answers were recorded that the sandbox's API is held to."""

from __future__ import annotations

import json
from pathlib import Path

from answers.cases import CASES
from answers.record import RECORDED, answers, connection


async def test_the_recorded_answers_are_those_of_this_server(kubeconfig: Path) -> None:
    found = await answers(*connection(kubeconfig))
    expected = json.loads(RECORDED.read_text())
    differing = [
        (str(case), one, other) for case, one, other in zip(CASES, found, expected, strict=True) if one != other
    ]
    assert not differing
