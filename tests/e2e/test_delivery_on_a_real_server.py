"""The stories of deliveries, unchanged, on a real API server."""

from integration.test_delivery import *  # noqa: F403
from integration.test_delivery import pytestmark, shared, world

__all__ = ["pytestmark", "shared", "world"]
