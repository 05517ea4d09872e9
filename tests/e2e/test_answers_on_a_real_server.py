"""A real kube-apiserver still answers as it did when the answers were recorded that the sandbox's API is held to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from answers import commands
from answers.cases import CASES
from answers.record import RECORDED, answers, connection
from e2e.conftest import has_controllers


async def test_the_recorded_answers_are_those_of_this_server(kubeconfig: Path) -> None:
    found = await answers(*connection(kubeconfig))
    expected = json.loads(RECORDED.read_text())
    differing = [
        (str(case), one, other) for case, one, other in zip(CASES, found, expected, strict=True) if one != other
    ]
    assert not differing


@pytest.mark.skipif(not has_controllers(), reason="no kube-controller-manager in KUBEBUILDER_ASSETS")
async def test_kubectl_still_prints_with_this_server_what_was_recorded(kubeconfig: Path, tmp_path: Path) -> None:
    environment = await asyncio.to_thread(commands.prepare, tmp_path, kubeconfig)
    found = [await asyncio.to_thread(commands.run, command, tmp_path, environment) for command in commands.COMMANDS]
    expected = json.loads(commands.RECORDED.read_text())
    rows = zip(commands.COMMANDS, found, expected, strict=True)
    assert [row for row in rows if row[1] != row[2]] == []
