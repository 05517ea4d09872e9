"""The stories of one export, unchanged, on a real API server."""

from integration.test_one_export import *  # noqa: F403
from integration.test_one_export import pytestmark, shared, world

__all__ = ["pytestmark", "shared", "world"]
