"""The comparisons of GitOps tools, unchanged, on a real API server."""

from integration.test_drift import *  # noqa: F403
from integration.test_drift import pytestmark, shared, world

__all__ = ["pytestmark", "shared", "world"]
