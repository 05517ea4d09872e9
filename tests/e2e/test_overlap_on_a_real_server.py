"""Releases that overlap, unchanged, on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.conftest import _prepare
from integration.conftest import options
from integration.replicas import Replicas, open_replicas
from integration.test_overlap import (
    test_releases_that_overlap_are_reported_and_a_job_is_still_one_export as test_overlap,
)
from reltio_export_sandbox.environment import Sandbox

__all__ = ["test_overlap"]


@pytest.fixture
async def world(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Replicas]:
    chosen = replace(options(tmp_path), kubeconfig=kubeconfig, operator=False)
    async with Sandbox(chosen) as sandbox, open_replicas(sandbox) as opened:
        await _prepare(opened.objects.api_client, f"{opened.namespace}-other")
        yield opened
