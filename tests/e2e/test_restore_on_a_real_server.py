"""Restores from a backup, unchanged, on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.conftest import replicas_beside
from integration.replicas import Replicas
from integration.test_restore import (
    test_with_their_status_restored_jobs_continue,
    test_without_their_status_restored_jobs_wait_for_a_choice_and_export_once,
)

__all__ = [
    "test_with_their_status_restored_jobs_continue",
    "test_without_their_status_restored_jobs_wait_for_a_choice_and_export_once",
]


@pytest.fixture
async def world(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Replicas]:
    async with replicas_beside(kubeconfig, tmp_path, "other") as opened:
        yield opened
