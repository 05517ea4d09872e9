"""The stories of an edited status, unchanged, on a real API server."""

from integration.test_uncertain_status import *  # noqa: F403
