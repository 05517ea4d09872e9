"""The commands `demo` and `sandbox`. The operator's command line finds them by their entry points."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reltio_export_operator.cli.configured import MustFixError, configured

_examples = click.option(
    "--examples",
    type=click.Path(path_type=Path, exists=True),
    default="examples",
    show_default=True,
    help="Folder with the example manifests.",
)


@contextmanager
def _libraries_installed() -> Iterator[None]:
    """Raise a clear error if the libraries of the sandbox are not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MustFixError(
            f"The sandbox is not installed: module {error.name} is missing. In a checkout of the project, run "
            "make demo or make sandbox, which install it, or pip install '.[sandbox]'."
        ) from None


@click.command()
@_examples
def demo(examples: Path) -> None:
    """Run an export on the sandbox, and compare the delivered records with those of the tenant."""
    with _libraries_installed():
        from . import demo as shown

    with configured():  # the sandbox's own clients read the environment too
        code = asyncio.run(shown.demo(examples))
    sys.exit(code)


@click.command("demo-gitops")
@_examples
def demo_gitops(examples: Path) -> None:
    """Keep jobs in a Git repository on the sandbox, and count the exports that each change leads to."""
    with _libraries_installed():
        from . import gitops_demo

    with configured():
        code = asyncio.run(gitops_demo.demo(examples))
    sys.exit(code)


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=".sandbox",
    show_default=True,
    help="Where its kubeconfig, log and examples are written. Each running sandbox needs its own.",
)
@_examples
@click.option("--port", default=0, help="Port of the Kubernetes API. 0: any free port.")
@click.option("--time-scale", default=10.0, show_default=True, help="Seconds of simulated time in a second.")
def sandbox(directory: Path, examples: Path, port: int, time_scale: float) -> None:
    """Start the sandbox, and run it until Ctrl-C."""
    with _libraries_installed():
        from . import session

    with configured():
        asyncio.run(session.run(directory.absolute(), examples, port=port, time_scale=time_scale, echo=click.echo))
