"""Settings of all tests."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings

from docs.markdown import DocumentError, all_commands, summary
from parallel import pytest_xdist_make_scheduler  # noqa: F401 - a hook
from reltio_export_operator.api.foreign import KNOWN

# No test may depend on the speed or the load of the machine.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# Everything that the tests speak with is on this machine, and not all clients that they use know that.
for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
    os.environ.pop(name, None)
    os.environ.pop(name.lower(), None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the commands of the documentation are run, count them, and list those that are not run."""
    if not any("tests/docs" in argument for argument in terminalreporter.config.args):
        return
    with suppress(DocumentError):  # which a test of tests/unit/docs shows
        for line in summary(all_commands()):
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> None:
    """A secret that one test has read would be masked in the messages of the next."""
    KNOWN.forget()
