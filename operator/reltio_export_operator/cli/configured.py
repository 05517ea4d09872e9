"""Reports mistakes in the settings and in the environment as the operator does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click


class MustFixError(click.ClickException):
    """Something that the user must fix first."""

    exit_code = 2


@contextmanager
def configured() -> Iterator[None]:
    """Raise MustFixError for what is wrong in the environment, and for a ConfigurationError in the block."""
    from ..runtime.network import Network
    from ..runtime.settings import ConfigurationError

    try:
        Network.from_environment(os.environ)
        yield
    except ConfigurationError as error:
        raise MustFixError(str(error)) from None
