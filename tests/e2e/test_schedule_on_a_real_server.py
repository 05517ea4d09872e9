"""The stories of schedules on a real API server."""

from integration.test_schedule import *  # noqa: F403
