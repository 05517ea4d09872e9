"""Releases that overlap, unchanged, on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.conftest import replicas_beside
from integration.replicas import Replicas
from integration.test_overlap import (
    test_releases_that_overlap_are_reported_and_a_job_is_still_one_export as test_overlap,
)

__all__ = ["test_overlap"]


@pytest.fixture
async def world(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Replicas]:
    async with replicas_beside(kubeconfig, tmp_path, "other") as opened:
        yield opened
