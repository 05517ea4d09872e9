"""The stories of GitOps tools, unchanged, on a real API server."""

from integration.test_gitops import *  # noqa: F403
from integration.test_gitops import pytestmark, shared, world

__all__ = ["pytestmark", "shared", "world"]
