"""The results of kstatus over whole lives, on a real API server."""

from integration.test_kstatus import test_whole_lives

__all__ = ["test_whole_lives"]
