"""Every place where text of others comes in goes through `quote` or `explain`.

mypy proves the rest: templates of messages, conditions, events and failures take `Quoted` only, and only `foreign.py`
creates it. What mypy cannot see is checked here: that nobody creates it elsewhere, that `own` is used on known text,
and that the text of a foreign exception is not used directly.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator" / "reltio_export_operator"
# Raised by the operator itself, with text of its own or text that was quoted then.
OWN = {
    *("AwsError", "CallFailedError", "ConfigurationError", "ConflictError", "GateClosedError", "InvalidError"),
    *("ExternalIDUnavailableError", "LeadershipLostError", "ReltioError", "SecretError", "CommandError"),
    *("HostNotAllowed", "UnusableURL", "SecretNotAllowedError"),
    *("ObjectNotFound", "RequestTooLong", "DestinationBusy", "TokenRejected", "CredentialsRejected"),
}
# Take an exception and return what may be shown of it, or nothing of its text.
THROUGH = {
    *(
        "quote",
        "explain",
        "is_outage",
        "is_api_error",
        "isinstance",
        "type",
        "from_botocore",
        "_failed",
        "bucket_region",
        "_last_line",
    ),
    *("error_from_transport", "log_uncaught", "unencodable", "_from_answer", "_cause", "_message_of"),
}
# Programs that a person runs: they write to the terminal of that person, with the rights of that person.
COMMANDS = "cli/"
# The text of a foreign exception is used, and why it may be.
KNOWN_USES = {
    ("api/decoding.py", "_metadata_and_spec"): "a number of the object, which its author wrote",
    ("aws/answers.py", "_content"): "raised again as one of botocore, and goes through from_botocore",
    ("aws/answers.py", "send"): "the limit, in words of the operator",
    ("aws/credentials.py", "resolve"): "its type, and what _REFUSED takes out of it",
    ("aws/sessions.py", "_assume"): "goes through from_botocore",
    ("aws/sessions.py", "_call_assume_role"): "goes through from_botocore",
    ("kube/answers.py", "check_discovery"): "names a limit",
    ("kube/answers.py", "replace_body"): "a sentence of kube/slim.py",
    ("kube/watching.py", "iter_chunked"): "a sentence of kube/slim.py",
    ("runtime/slices.py", "in_turns"): "the value of a generator of the operator",
    ("runtime/slices.py", "json_steps"): "as of parse_json: its callers drop the text",
    ("aws/store.py", "_call_in"): "goes through from_botocore",
    ("aws/store.py", "_step"): "the value of a generator of the operator",
    ("aws/sessions.py", "_renew"): "of the operator, and goes through from_botocore",
    ("aws/store.py", "_try"): "goes through from_botocore",
    ("controllers/jobs/gateway.py", "_call_failures"): "of the operator: a limit of deliveries",
    ("controllers/jobs/reconciler.py", "_reconcile"): "of the schema: where the object does not match it",
    ("controllers/schedules/pointers.py", "_write"): "what is_foreign says and its code decide",
    ("controllers/schedules/reconciler.py", "reconcile"): "of the schema: where the object does not match it",
    ("controllers/targets/reconciler.py", "_reconcile"): "of the schema: where the object does not match it",
    ("schedules/policy.py", "decide"): "of the operator: what is wrong with the schedule, which its author wrote",
    ("schedules/timetable.py", "_checked"): "of cronsim: Bad, and the name of a field",
    ("controllers/unreadable.py", "report"): "through quote, in reason_of",
    ("delivery/integrity.py", "_run"): "the value of a generator of the operator",
    ("delivery/integrity.py", "read_file"): "quoted with the other differences in jobs/results.py",
    ("delivery/integrity.py", "read_zip"): "quoted with the other differences in jobs/results.py",
    ("kube/answers.py", "_read"): "the limit, in words of the operator",
    ("kube/answers.py", "iter_chunked"): "the limit, in words of the operator",
    ("kube/answers.py", "limiting"): "the limit, in words of the operator",
    ("kube/watching.py", "_asked"): "the limit, in words of the operator",
    ("reltio/answers.py", "answer_within_limits"): "the limit, in words of the operator",
    ("reltio/sending.py", "send"): "goes through error_from_transport; of a pause, only the host is shown",
    ("runtime/answers.py", "parse_json"): "raised again; its type decides",
    (
        "reltio/connecting.py",
        "_resolved",
    ): "raised again; error_from_transport shows its type only",
    ("runtime/settings_loader.py", "_contradictions"): "about a network in the settings of the administrator",
    ("runtime/settings_loader.py", "_document"): "of YAML, about the settings file of the administrator",
    ("kube/connection.py", "load_configuration"): "of files of the pod",
    ("kube/connection.py", "_load_kubeconfig"): "of the kubeconfig, which the administrator gives",
    ("kube/connection.py", "_check_tls"): "of the kubeconfig, which the administrator gives",
    ("kube/kubeconfig.py", "_read"): "of the kubeconfig, which the administrator gives",
    ("aws/bodies.py", "read"): "raised again as one of botocore, and goes through from_botocore",
    ("aws/transport.py", "send"): "raised again, and goes through from_botocore",
    ("controllers/jobs/delivery_reader.py", "_read_all"): "raised again",
    ("controllers/jobs/task_search.py", "_list_for_all"): "raised again",
    ("controllers/jobs/task_tracker.py", "_poll_once"): "explained, and in the traceback of the log",
    ("runtime/process.py", "_loop_until_ended"): "raised again",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(OPERATOR.rglob("*.py")):
        yield str(path.relative_to(OPERATOR)), ast.parse(path.read_text())


def uses_of_text(handler: ast.ExceptHandler) -> Iterator[ast.AST]:
    """Where the handler uses its exception other than by handing it over to what quotes it."""
    allowed: set[int] = set()
    for node in ast.walk(handler):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in THROUGH:
            allowed |= {id(inner) for argument in node.args for inner in ast.walk(argument)}
        elif isinstance(node, ast.Raise) and node.cause is not None:
            allowed |= {id(inner) for inner in ast.walk(node.cause)}
        elif (isinstance(node, ast.keyword) and node.arg == "exc_info") or (
            isinstance(node, ast.Attribute) and node.attr in ("status", "response", "errno", "strerror", "os_error")
        ):
            allowed |= {id(inner) for inner in ast.walk(node.value)}
    for node in ast.walk(handler):
        if isinstance(node, ast.Name) and node.id == handler.name and id(node) not in allowed:
            yield node


def entries() -> Iterator[tuple[str, str, str]]:
    """File, function and type of each exception of others whose text is used."""
    for name, tree in trees():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for handler in ast.walk(function):
                if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
                    continue
                caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
                names = {ast.unparse(one).rpartition(".")[2] for one in caught}
                if not names <= OWN and list(uses_of_text(handler)):
                    yield name, function.name, ", ".join(sorted(names))


def test_the_text_of_a_foreign_exception_is_used_through_quote_or_for_a_known_reason() -> None:
    found = {(file, function) for file, function, _ in entries() if not file.startswith(COMMANDS)}
    assert found <= set(KNOWN_USES), found - set(KNOWN_USES)


def test_only_one_module_creates_quoted_text() -> None:
    calls = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("Quoted", "foreign.Quoted", "cast")
        and (ast.unparse(node.func) != "cast" or "Quoted" in ast.unparse(node.args[0]))
    }
    assert calls == {"api/foreign.py"}


# What is called own text: words of the operator, and text that is made of quoted parts.
OWN_TEXT = {
    "api/reasons.py": 3,
    "aws/credentials.py": 6,
    "aws/denials.py": 2,
    "aws/errors.py": 12,
    "aws/roles.py": 1,
    "aws/store.py": 2,
    "controllers/jobs/cleanups.py": 2,
    "controllers/jobs/delivery_checks.py": 1,
    "controllers/jobs/gateway_port.py": 1,
    "controllers/jobs/refused_jobs.py": 1,
    "controllers/schedules/pointers.py": 3,
    "controllers/schedules/reconciler.py": 1,
    "controllers/targets/prober.py": 2,
    "controllers/targets/reconciler.py": 3,
    "jobs/cleanup.py": 7,
    "jobs/endings.py": 0,
    "jobs/events.py": 1,
    "jobs/policies/ending.py": 2,
    "jobs/policies/running.py": 1,
    "jobs/policies/starting.py": 1,
    "jobs/results.py": 4,
    "reltio/auth.py": 2,
    "reltio/client.py": 6,
    "reltio/errors.py": 7,
    "reltio/hosts.py": 2,
    "reltio/sending.py": 1,
    "schedules/policy.py": 1,
    "targets/canary.py": 1,
    "targets/readiness.py": 1,
}


@pytest.mark.parametrize("name", sorted(str(path.relative_to(OPERATOR)) for path in OPERATOR.rglob("*.py")))
def test_text_is_called_own_only_where_it_was_reviewed(name: str) -> None:
    """A new use changes the number: review that no text of others is in it, then change the number."""
    tree = ast.parse((OPERATOR / name).read_text())
    found = sum(isinstance(node, ast.Call) and ast.unparse(node.func) == "own" for node in ast.walk(tree))
    assert found == OWN_TEXT.get(name, 0)


BYPASS = """
from reltio_export_operator.api.conditions import Conditions
from reltio_export_operator.api.foreign import ForeignText
from reltio_export_operator.jobs import messages
from reltio_export_operator.jobs.results import CallFailure
from reltio_export_operator.jobs.observation import Event

def leak(error: Exception, foreign: ForeignText) -> None:
    messages.ANSWER_LOST(error=str(error))
    messages.ANSWER_LOST(error=foreign)
    CallFailure("X", f"It failed: {error}")
    Event("Warning", "X", str(error))
"""


def test_mypy_refuses_text_that_was_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "bypass.py"
    file.write_text(BYPASS)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.count('expected "Quoted"') == 4, done.stdout
