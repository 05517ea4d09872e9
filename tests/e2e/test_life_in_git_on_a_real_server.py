"""Jobs in a real Git repository, unchanged, on a real API server."""

from integration.test_life_in_git import test_every_step_leads_to_the_exports_that_were_meant

__all__ = ["test_every_step_leads_to_the_exports_that_were_meant"]
