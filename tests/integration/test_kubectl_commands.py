"""Stock kubectl does with the sandbox's API what it does with a real kube-apiserver, command by command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from answers import commands
from reltio_export_sandbox.apiserver import KubeServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXPECTED = json.loads(commands.RECORDED.read_text())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def answered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("kubectl")
    server = KubeServer()
    await server.start()
    server.write_kubeconfig(folder / "original")
    environment = await asyncio.to_thread(commands.prepare, folder, Path(folder / "original"))
    yield [await asyncio.to_thread(commands.run, command, folder, environment) for command in commands.COMMANDS]
    await server.stop()


async def test_each_command_has_a_recorded_output() -> None:
    assert len(commands.COMMANDS) == len(EXPECTED)


@pytest.mark.parametrize(
    "number", range(len(commands.COMMANDS)), ids=[f"{at} {text}"[:90] for at, text in enumerate(commands.COMMANDS)]
)
async def test_the_output_is_that_with_a_real_server(answered: list[dict[str, Any]], number: int) -> None:
    assert answered[number] == EXPECTED[number], commands.COMMANDS[number]
