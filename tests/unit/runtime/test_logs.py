"""The log's lines: their fields, and what never gets into them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.client.exceptions import ApiException as SyncApiException

from reltio_export_operator.api.foreign import KNOWN
from reltio_export_operator.runtime import logs
from reltio_export_operator.runtime.failures import explain
from reltio_export_operator.runtime.logs import object_fields

HOOKS = ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"), (warnings, "showwarning"))
OURS = "reltio_export_operator.something"


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    names = ("", "reltio_export_operator", *logs._QUIET)
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    hooks = [getattr(*hook) for hook in HOOKS]
    yield
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, logs._Handler)]
    for logger, level in before:
        logger.setLevel(level)
    for (module, name), hook in zip(HOOKS, hooks, strict=True):
        setattr(module, name, hook)


class Lines:
    """The log as it was written since it was last read."""

    def __init__(self, log_format: str = "json", level: str = "INFO") -> None:
        logs.configure(log_format, level)
        self._stream = io.StringIO()
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logs._Handler)
        assert handler.setStream(self._stream) is sys.stderr

    def text(self) -> str:
        written = self._stream.getvalue()
        self._stream.truncate(0)
        self._stream.seek(0)
        return written

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def only(self) -> dict[str, Any]:
        (line,) = self.all()
        return line


@pytest.fixture
def lines() -> Lines:
    return Lines()


def refused(kind: type[ApiException] | type[SyncApiException] = ApiException) -> ApiException:
    error = kind(status=403, reason="Forbidden")
    error.headers = {"Authorization": "Bearer hunter2", "Set-Cookie": "session=hunter2"}
    error.body = json.dumps({"kind": "Status", "message": "events is forbidden"})
    return error


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_a_line_has_time_level_logger_message_and_the_fields_of_its_object(lines: Lines) -> None:
    extra = object_fields("ExportJob", "sales", "nightly", "u-1", reason="Submitted", taskIds=["t1"], none=None)
    logging.getLogger(OURS).info("Continued: %s.", "well", extra=extra)
    line = lines.only()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": OURS,
        "message": "Continued: well.",
        "kind": "ExportJob",
        "namespace": "sales",
        "name": "nightly",
        "uid": "u-1",
        "reason": "Submitted",
        "taskIds": ["t1"],
    }


def test_text_lines_are_for_people() -> None:
    lines = Lines("text")
    logging.getLogger(OURS).warning("ExportJob sales/nightly: failed.", extra=object_fields("ExportJob", "sales", "n"))
    time, level, message = lines.text().rstrip("\n").split(maxsplit=2)
    assert time.endswith("Z")
    assert (level, message) == ("WARNING", "ExportJob sales/nightly: failed.")


@pytest.mark.parametrize("error", [refused(), refused(SyncApiException)])
def test_a_refused_call_is_explained_without_headers(lines: Lines, error: Exception) -> None:
    log = logging.getLogger(OURS)
    log.warning("Cannot post an event: %s.", error)
    log.warning(error)
    log.error("Failed.", exc_info=raised(error))
    log.error("Failed.", exc_info=raised(ExceptionGroup("several", [error, ValueError("other")])))
    try:
        try:
            raise error
        except Exception as inner:
            raise ValueError("outer") from inner
    except ValueError:
        log.exception("Failed.")
    written = lines.all()
    assert len(written) == 5
    text = json.dumps(written)
    assert "hunter2" not in text
    assert "HTTP response" not in text
    assert written[0]["message"].startswith("Cannot post an event: HTTP 403 Forbidden")
    for line in written[2:]:
        assert "Exception: HTTP 403 Forbidden" in line["exception"]
        assert "test_logs.py" in line["exception"]
    assert "ValueError: outer" in written[4]["exception"]
    assert "ValueError: other" in written[3]["exception"]


def test_an_explanation_is_one_bounded_line() -> None:
    assert explain(refused()) == "HTTP 403 Forbidden: events is forbidden"
    assert explain(TimeoutError()) == "no answer in time"
    assert explain(ValueError("x" * 5000)) == f"ValueError: {'x' * 288}"
    assert explain(ConnectionResetError()) == "ConnectionResetError"
    error = refused()
    error.body = b"\xff<html>"
    assert explain(error) == "HTTP 403 Forbidden"


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 6443)"), "Connection refused"),
        (OSError(101, "Connect call failed ('10.0.0.1', 6443)"), "Network is unreachable"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError(None, "Multiple exceptions: [Errno 111] ..."), "Multiple exceptions: [Errno 111] ..."),
    ],
)
def test_a_failed_connection_is_logged_with_host_port_and_cause(cause: OSError, reason: str) -> None:
    key = ConnectionKey("api.example", 6443, True, True, None, None, None)
    assert explain(ClientConnectorError(key, cause)) == f"cannot connect to api.example:6443 ({reason.rstrip('.')})"


def test_retries_that_kopf_logs_are_left_out(lines: Lines) -> None:
    log = logging.getLogger("kopf._cogs.clients.watching")
    log.error("Request attempt #%s failed; will retry: %s", "1/9", "GET https://10.0.0.1/apis")
    log.error("Something else.")
    assert lines.only()["message"] == "Something else."


def test_a_long_message_is_cut(lines: Lines) -> None:
    logging.getLogger(OURS).info("x" * 100_000)
    assert len(lines.only()["message"]) < 2100


def test_a_message_of_several_lines_stays_one_line_of_json(lines: Lines) -> None:
    logging.getLogger(OURS).info("a\nb \N{SNOWMAN}")
    assert lines.only()["message"] == "a\nb \N{SNOWMAN}"


def test_a_warning_of_a_library_is_a_line_too() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        lines = Lines()
        warnings.warn("This might not work.", UserWarning, stacklevel=1)
    line = lines.only()
    assert line["message"] == "UserWarning: This might not work."
    assert line["level"] == "WARNING"


def test_an_exception_that_nobody_caught_is_a_line_too(lines: Lines) -> None:
    error = raised(KeyError("lost"))
    sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    first, second = lines.all()
    assert first["message"] == "The operator failed: KeyError: 'lost'. Please report this."
    assert "test_logs.py" in first["exception"]
    assert second["message"].startswith("A thread failed: ZeroDivisionError")
    assert {first["level"], second["level"]} == {"CRITICAL"}


async def test_an_exception_that_a_task_dies_of_is_a_line_too(lines: Lines) -> None:
    async def fail() -> None:
        raise refused()

    asyncio.get_running_loop().call_exception_handler({"message": "Task failed", "exception": raised(refused())})
    line = lines.only()
    assert line["logger"] == "asyncio"
    assert "hunter2" not in json.dumps(line)


def test_libraries_stay_quiet_where_their_lines_may_hold_secrets() -> None:
    lines = Lines(level="DEBUG")
    logging.getLogger("kubernetes.aio.client.rest").debug("response body: %s", "hunter2")
    logging.getLogger("httpx").info("HTTP Request: GET https://example.com?token=hunter2")
    logging.getLogger("botocore.parsers").debug("hunter2")
    logging.getLogger(OURS).debug("ours")
    assert lines.only()["message"] == "ours"


def test_the_level_holds_for_libraries_as_well() -> None:
    lines = Lines(level="ERROR")
    logging.getLogger("aiohttp.server").warning("no")
    logging.getLogger("kopf").warning("no")
    logging.getLogger(OURS).warning("no")
    assert lines.all() == []


def test_what_kopf_logs_about_an_object_has_its_fields(lines: Lines) -> None:
    reference = {"apiVersion": "v1", "kind": "ExportJob", "namespace": "sales", "name": "nightly", "uid": "u-1"}
    extra = {"k8s_ref": reference, "k8s_skip": True, "settings": object()}
    logging.getLogger("kopf.objects").warning("Odd.", extra=extra)
    line = lines.only()
    assert {"kind", "namespace", "name", "uid"} < line.keys()
    assert not {"k8s_ref", "k8s_skip", "settings", "apiVersion"} & line.keys()


def test_a_line_that_cannot_be_written_is_reported_as_a_line(lines: Lines) -> None:
    (handler, *_) = logging.getLogger().handlers
    handler.handle(logging.makeLogRecord({"name": OURS, "msg": "%s and %s", "args": ("hunter2",)}))
    line = lines.only()
    assert line["level"] == "ERROR"
    assert line["message"] == f"A log line of {OURS} cannot be written: TypeError."


def test_values_that_json_does_not_know_do_not_break_a_line(lines: Lines) -> None:
    logging.getLogger(OURS).info("Odd.", extra={"a": {1, 2}, "b": ValueError("x"), "c": b"\xff"})
    assert lines.only()["message"] == "Odd."


SECRET = "Ext-9f3a+b:c@1=x_Y"
PERCENT = "Ext%2D9f3a%2Bb%3Ac%401%3Dx%5FY"


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("about", [{}, {"namespace": "sales"}])
def test_no_known_secret_is_in_a_line_its_fields_or_its_traceback(log_format: str, about: dict[str, str]) -> None:
    KNOWN.add("sales", SECRET)
    lines = Lines(log_format)
    extra = object_fields("ExportJob", about["namespace"], "nightly", note=PERCENT) if about else {"note": PERCENT}
    chained = raised(ValueError(f"inner {PERCENT}\nFAKE LINE"))
    error = RuntimeError(f"outer {SECRET}")
    error.__cause__ = chained
    log = logging.getLogger(OURS)
    log.warning("Failed: %s and %s", PERCENT, error, exc_info=raised(error), extra=extra)
    log.warning("Failed: %(why)s", {"why": SECRET}, extra=extra)
    log.error(error, extra=extra)
    logging.getLogger("some.library").warning(f"It got {PERCENT}", extra=extra)
    text = lines.text()
    assert text.count("***") >= 6
    assert "9f3a" not in text
    assert not any(line.startswith("FAKE") for line in text.splitlines())


def test_a_secret_of_another_namespace_does_not_change_the_line_of_an_object(lines: Lines) -> None:
    KNOWN.add("care", "nightly", "Continued")
    logging.getLogger(OURS).info(
        "Continued: %s/%s.", "sales", "nightly", extra=object_fields("ExportJob", "sales", "n")
    )
    assert lines.only()["message"] == "Continued: sales/nightly."


def test_an_exception_about_an_object_with_a_short_secret_is_summarised(lines: Lines) -> None:
    KNOWN.add("sales", "ab")
    error = raised(RuntimeError("denied!: ab is wrong"))
    logging.getLogger(OURS).warning("Failed: %s", error, exc_info=error, extra=object_fields("ExportJob", "sales", "n"))
    line = lines.only()
    assert "denied!" not in line["message"] + line["exception"]
    assert "a text of 20 characters, not quoted" in line["message"]
