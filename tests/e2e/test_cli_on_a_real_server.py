"""The command line, unchanged, on a real API server."""

from integration.test_cli import *  # noqa: F403
from integration.test_cli import pytestmark, world

__all__ = ["pytestmark", "world"]
