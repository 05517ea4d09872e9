"""`reltio-export-operator`: the operator, and the sandbox that it can be tried on."""

from __future__ import annotations

import asyncio
import signal
import sys

import click

from .. import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Run Reltio exports into your own S3 buckets, declared as Kubernetes custom resources."""


@main.command()
def run() -> None:
    """Run the operator. Settings come from RELTIO_EXPORT_* variables; see docs/settings.md."""
    from ..handlers import operator
    from ..runtime import logs
    from ..runtime.election import LeadershipLostError
    from ..runtime.settings import Settings, SettingsError

    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    logs.configure(settings.log_format, settings.log_level)

    async def until_signal() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await operator.run(settings, stop=stop)

    try:
        asyncio.run(until_signal())
    except LeadershipLostError as error:
        sys.exit(str(error))
