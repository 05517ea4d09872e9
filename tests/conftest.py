"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# No test may depend on the speed or the load of the machine.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# Everything that the tests speak with is on this machine, and not all clients that they use know that.
for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
    os.environ.pop(name, None)
    os.environ.pop(name.lower(), None)
