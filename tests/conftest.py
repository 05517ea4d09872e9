"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# No test may depend on the speed or the load of the machine.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
