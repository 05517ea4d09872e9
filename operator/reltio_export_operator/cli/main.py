"""`reltio-export-operator`: the operator and its command line."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from .configured import MustFixError

if TYPE_CHECKING:
    from ..runtime.network import Network
    from ..runtime.settings import Settings

_log = logging.getLogger(__name__)
_USER_COMMANDS = {
    "cancel": "jobs:cancel",
    "external-id": "external_id:external_id",
    "list": "jobs:list_jobs",
    "plan": "plan:plan",
    "policy": "targets:policy",
    "receipt": "receipt:receipt",
    "rerun": "rerun:rerun",
    "run": "jobs:run",
    "schedule": "schedules:schedule",
    "status": "jobs:why",
    "trigger": "schedules:trigger",
    "verify": "targets:verify",
    "why": "jobs:why",
}
_HOOKS = {"pre-delete": "predelete:pre_delete"}  # of the Helm chart
_SANDBOX = ("demo", "demo-gitops", "sandbox")  # commands of the sandbox, a package of its own that the image leaves out
_ENTRY_POINTS = "reltio_export_operator.commands"


class _Lazy(click.Group):
    """Commands that are imported when they are called, so that the operator does not load their libraries."""

    def __init__(self, *args: Any, lazy: dict[str, str], plugins: tuple[str, ...] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._lazy = lazy
        self._plugins = plugins

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._lazy, *self._plugins})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is None and cmd_name in self._plugins:
            return _plugin_command(cmd_name)
        if own is not None or cmd_name not in self._lazy:
            return own
        module, _, name = self._lazy[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(f".{module}", __package__), name)
        return found


def _plugin_command(name: str) -> click.Command:
    """A command of another package, found by its entry point."""
    for found in importlib.metadata.entry_points(group=_ENTRY_POINTS, name=name):
        command: click.Command = found.load()
        return command

    @click.command(name, context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def missing(arguments: tuple[str, ...]) -> None:
        """Needs the sandbox, which is not installed."""
        raise MustFixError(
            "The sandbox is not installed. In a checkout of the project, run make demo or make sandbox, which install "
            "it, or pip install '.[sandbox]'."
        )

    return missing


@click.group(
    cls=_Lazy,
    lazy=_USER_COMMANDS | _HOOKS,
    plugins=_SANDBOX,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__)
def main() -> None:
    """Run Reltio exports into your own S3 buckets, declared as Kubernetes custom resources."""


@click.group(cls=_Lazy, lazy=_USER_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def plugin() -> None:
    """Work with exports from Reltio to S3: verify targets, run jobs, explain their state."""


@main.command()
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (YAML). Default: RELTIO_EXPORT_CONFIG.")
def run(config: Path | None) -> None:
    """Run the operator; `kubectl reltio-export run` runs a job.

    Settings come from the settings file and from RELTIO_EXPORT_* variables, which take precedence; see
    docs/settings.md. The exit code is 2 if the settings or the environment must be corrected first.
    """
    from ..runtime.imports import leave_out_unused

    leave_out_unused()  # before all others
    from ..handlers import operator
    from ..kube.election import LeadershipLostError, own_identity
    from ..runtime import logs, process, settings_loader
    from ..runtime.network import Network
    from ..runtime.settings import ConfigurationError

    logs.configure_early()
    try:
        loaded = settings_loader.load(path=config)
        settings = loaded.settings
        logs.configure(settings.log_format, settings.log_level)
        for warning in loaded.warnings:
            _log.warning("%s", warning)
        identity = own_identity()
        network = Network.from_environment(os.environ, ca_bundle=settings.ca_bundle)
        _log_start(settings, network, identity)

        process.run(
            lambda stop: operator.run(settings, network, identity=identity, stop=stop),
            prepare=lambda: operator.prepare(network),
        )
    except ConfigurationError as error:
        _log.critical("%s", error)
        process.leave(2)
    except LeadershipLostError as error:
        _log.error("%s", error)
        process.leave(1)
    except Exception as error:
        logs.log_uncaught(error)
        process.leave(1)
    process.leave(0)


def _log_start(settings: Settings, network: Network, identity: str) -> None:
    """Log version, identity, namespaces, settings and proxies: the first line of each process."""
    fields = {
        "version": __version__,
        "python": platform.python_version(),
        "identity": identity,
        "namespaces": list(settings.namespaces),
        "settings": settings.non_default(),
        "network": network.describe(),
    }
    _log.info(
        "Starting reltio-export-operator %(version)s on Python %(python)s as %(identity)s. Namespaces: %(where)s. "
        "Settings that differ from the defaults: %(differing)s. Network: %(network)s.",
        {
            **fields,
            "where": ", ".join(settings.namespaces) or "all",
            "differing": _listed(settings.non_default()) or "none",
            "network": _listed(network.describe()) or "no proxy",
        },
        extra={"fields": fields},
    )


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
