"""What to do about a reason, taken from the catalogues that made its message. Pure."""

from __future__ import annotations

from functools import cache

from ..api.conditions import Condition
from ..api.reasons import Reason
from ..aws import messages as of_aws
from ..jobs import messages as of_jobs
from ..reltio import messages as of_reltio
from ..targets import messages as of_targets

_ENDED = " Failing since "  # what follows the remedy in the message of a wait
# Commands where the message of the condition has none.
_COMMANDS = {
    "TargetNotReady": "kubectl reltio-export verify {target} -n {namespace}",
    "TaskVanished": "If it does not run in Reltio's console: kubectl reltio-export cancel {name} -n {namespace}",
}
_CONTINUES = "No action is needed. The operator continues by itself."
_BY_TYPE = {
    "Failed": "Correct the cause that the message names, then create a new ExportJob to export again.",
    "Stalled": "Correct the cause that the message names. The operator then continues by itself.",
    "Suspended": "Set spec.suspend to false to continue.",
    "Reconciling": _CONTINUES,
}


def remedy(condition: Condition, **names: str) -> str | None:
    """What to do while this condition is true; None when the job is complete. `names`: name, namespace, target."""
    if condition.reason in _COMMANDS:
        return _COMMANDS[condition.reason].format(**names)
    message = condition.message.split(_ENDED)[0]
    starts = (message.rfind(words) for words in _openings().get(condition.reason, ()))
    found = max(starts, default=-1)
    return message[found:] if found > 0 else _BY_TYPE.get(condition.type)


@cache
def _openings() -> dict[str, tuple[str, ...]]:
    """The first words of the remedies of each reason, up to the first value."""
    found: dict[str, tuple[str, ...]] = {}
    for module in (of_jobs, of_targets, of_reltio, of_aws):
        for value in vars(module).values():
            if isinstance(value, Reason) and (words := value.action.split("{")[0].strip()):
                found[value.name] = (*found.get(value.name, ()), words)
    return found
