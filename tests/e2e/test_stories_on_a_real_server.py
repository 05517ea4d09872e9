"""The stories of tests/integration, unchanged, on a real API server."""

from integration.test_stories import *  # noqa: F403
