"""One account serves all tests of a module; each has roles of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from integration.sandbox_cloud.helpers import FAR, LAKE
from reltio_export_sandbox.cloud import Cloud


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    found = Cloud()
    await found.start()
    try:
        found.create_bucket(LAKE)
        found.create_bucket(FAR, region="eu-west-1")
        yield found
    finally:
        await found.stop()
