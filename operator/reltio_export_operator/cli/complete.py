"""Shell completion for kubectl plugins: one candidate a line, then a directive."""

from __future__ import annotations

import sys

import click
from click.shell_completion import CompletionItem, ShellComplete

from ..api.meta import GROUP, JOBS, SCHEDULES, TARGETS, VERSION
from .cluster import connect

_NO_FILES = ":4"  # cobra's ShellCompDirectiveNoFileComp


def main() -> None:
    """Entry point of `kubectl_complete-reltio_export`. Arguments: the words typed so far; the last may be partial."""
    from .main import plugin

    *words, incomplete = sys.argv[1:] or [""]
    for item in ShellComplete(plugin, {}, "kubectl reltio-export", "").get_completions(words, incomplete):
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(_NO_FILES)


def jobs(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _names(context, JOBS, incomplete)


def targets(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _names(context, TARGETS, incomplete)


def schedules(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _names(context, SCHEDULES, incomplete)


def _names(context: click.Context, plural: str, incomplete: str) -> list[CompletionItem]:
    """Names of objects in the cluster; none on any error, because completion cannot show one."""
    try:
        cluster = connect(context.params.get("context"), context.params.get("namespace"))
        listed = cluster.objects.list_namespaced_custom_object(
            GROUP, VERSION, cluster.namespace, plural, _request_timeout=3
        )
    except Exception:
        return []
    names = [item["metadata"]["name"] for item in listed["items"]]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
