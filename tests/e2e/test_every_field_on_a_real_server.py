"""Every field of an export, unchanged, on a real API server."""

from integration.test_every_field import *  # noqa: F403
from integration.test_every_field import pytestmark, shared

__all__ = ["pytestmark", "shared"]
