"""Restores from a backup, unchanged, on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.conftest import _prepare
from integration.conftest import options
from integration.replicas import Replicas, open_replicas
from integration.test_restore import (
    test_with_their_status_restored_jobs_continue,
    test_without_their_status_restored_jobs_wait_for_a_choice_and_export_once,
)
from reltio_export_sandbox.environment import Sandbox

__all__ = [
    "test_with_their_status_restored_jobs_continue",
    "test_without_their_status_restored_jobs_wait_for_a_choice_and_export_once",
]


@pytest.fixture
async def world(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Replicas]:
    chosen = replace(options(tmp_path), kubeconfig=kubeconfig, operator=False)
    async with Sandbox(chosen) as sandbox, open_replicas(sandbox) as opened:
        await _prepare(opened.objects.api_client, f"{opened.namespace}-other")
        yield opened
