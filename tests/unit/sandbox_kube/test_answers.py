"""The sandbox's API answers as a real kube-apiserver did when it was asked the same."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from answers.cases import CASES
from answers.record import RECORDED, answers
from reltio_export_sandbox.apiserver import KubeServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXPECTED = json.loads(RECORDED.read_text())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def answered() -> AsyncIterator[list[dict[str, Any]]]:
    server = KubeServer()
    await server.start()
    yield await answers(server.url, {})
    await server.stop()


async def test_each_request_has_a_recorded_answer() -> None:
    assert len(CASES) == len(EXPECTED)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{at} {case}"[:100] for at, case in enumerate(CASES)])
async def test_the_answer_is_that_of_a_real_server(answered: list[dict[str, Any]], number: int) -> None:
    assert answered[number] == EXPECTED[number], str(CASES[number])
