"""The log, as JSON lines for machines or as plain lines for people.

Whatever the process prints goes through it, so that each line has the same form: also warnings, uncaught
exceptions and the lines of libraries.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from ..api.foreign import KNOWN, PROCESS, Secrets, one_line, quote
from .failures import explain, is_api_error, traceback_of

_PACKAGE = __name__.partition(".")[0]
_MESSAGE_LIMIT = 2048  # characters
_TRACEBACK_LIMIT = 16_384
_TEXT_LIMIT = 4096  # of one part of a message
_secrets: ContextVar[Secrets | None] = ContextVar("secrets", default=None)  # of the line that is formatted
# Loggers of HTTP clients: their lines may hold headers. kopf logs each event that it handles.
_QUIET = ("httpx", "httpcore", "botocore", "boto3", "urllib3", "aiohttp.access", "kopf")
# What a LogRecord has by itself, and what kopf adds for its own handlers.
_NOT_FIELDS = {*RESERVED_ATTRS, "taskName", "fields", "k8s_skip", "k8s_ref", "settings"}

_NAMES = ("kind", "namespace", "name", "uid", "reason")  # fields that no text of others enters

_log = logging.getLogger(__name__)


def configure(log_format: str, level: str) -> None:
    """Set up the log.

    The level applies to the operator's own lines. Libraries log INFO at the least severe: what they write at DEBUG may
    hold Secrets.
    """
    handler = _Handler(sys.stderr)
    handler.addFilter(_filter_kopf_retries)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.INFO, logging.getLevelName(level)))
    logging.getLogger(_PACKAGE).setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    warnings.showwarning = _warned
    sys.excepthook = lambda _type, error, _trace: log_uncaught(error)
    threading.excepthook = lambda raised: log_uncaught(raised.exc_value, "A thread failed")
    sys.unraisablehook = lambda raised: log_uncaught(raised.exc_value, "An exception was ignored")


def configure_early() -> None:
    """Set the log up before the settings are read, so that a mistake in them is reported in the configured format."""
    text = os.environ.get("RELTIO_EXPORT_LOG_FORMAT", "").strip() == "text"
    configure("text" if text else "json", "INFO")


def object_fields(kind: str, namespace: str, name: str, uid: str = "", **more: object) -> dict[str, Any]:
    """The `extra` of a line about an object. In JSON each is a field of its own; those without a value are left out.

    They travel under one key, as `extra` may not hold a `name`.
    """
    fields = {"kind": kind, "namespace": namespace, "name": name, "uid": uid, **more}
    return {"fields": {key: value for key, value in fields.items() if value not in (None, "", (), [])}}


class _Handler(logging.StreamHandler[TextIO]):
    """Reports a line that cannot be written in the form of all others, and without its values."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[0]
        if error is None or record.name == __name__:
            return  # the report could not be written either
        message = f"A log line of {record.name} cannot be written: {error.__name__}."
        self.emit(logging.makeLogRecord({"name": __name__, "levelno": 40, "levelname": "ERROR", "msg": message}))


class _Text(logging.Formatter):
    """Time, level and message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        _prepare(record)
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return _time_of(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return traceback_of(ei[1], _secrets.get())[:_TRACEBACK_LIMIT]


class _Json(JsonFormatter):
    """One object a line: time, level, logger, message, the fields of the object that it is about, and others."""

    def __init__(self) -> None:
        super().__init__(json_ensure_ascii=False)

    def format(self, record: logging.LogRecord) -> str:
        _prepare(record)
        return super().format(record)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["time"] = _time_of(record)
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["message"] = record.getMessage()
        reference = getattr(record, "k8s_ref", None) or {}
        log_data |= {key: reference[key] for key in ("kind", "namespace", "name", "uid") if reference.get(key)}
        secrets = _secrets.get() or KNOWN.all()
        more = {key: value for key, value in record.__dict__.items() if key not in _NOT_FIELDS}
        more |= getattr(record, "fields", {})
        log_data |= {key: value if key in _NAMES else _shown(value, secrets) for key, value in more.items()}
        if "exc_info" in message_dict:
            log_data["exception"] = message_dict["exc_info"]

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return traceback_of(ei[1], _secrets.get())[:_TRACEBACK_LIMIT]


def _filter_kopf_retries(record: logging.LogRecord) -> bool:
    """False for retries of kopf: `kube.watching` logs such a failure once instead of each attempt."""
    return not (record.name.startswith("kopf.") and str(record.msg).startswith("Request attempt"))


def _prepare(record: logging.LogRecord) -> None:
    """Put the message in place of its parts: bounded, and with responses of the API server explained."""
    secrets = _secrets_of(record)
    _secrets.set(secrets)
    if isinstance(record.msg, BaseException) or not (record.args or record.name.startswith(_PACKAGE)):
        record.msg, record.args = "%s", (record.msg,)
    if isinstance(record.args, tuple):
        record.args = tuple(_shown(one, secrets) for one in record.args)
    elif record.args:
        record.args = {name: _shown(one, secrets) for name, one in record.args.items()}
    message = record.getMessage()
    if len(message) > _MESSAGE_LIMIT:
        message = f"{message[:_MESSAGE_LIMIT]}..."
    record.msg, record.args = message, ()
    record.exc_text = None  # not what another formatter made of it


def _secrets_of(record: logging.LogRecord) -> Secrets:
    """What text in this line may repeat: secrets of the namespace that it is about, or all that are known."""
    about = getattr(record, "fields", None) or getattr(record, "k8s_ref", None) or {}
    namespace = about.get("namespace")
    return KNOWN.of([PROCESS, namespace]) if namespace else KNOWN.all()


def _shown(value: object, secrets: Secrets) -> object:
    """A part of a line: an exception explained, and text without secrets and control characters."""
    if isinstance(value, BaseException):
        return explain(value, secrets) if is_api_error(value) else quote(value, secrets, limit=_MESSAGE_LIMIT)
    return one_line(secrets.needles.mask(value[:_TEXT_LIMIT])) if type(value) is str else value


def _time_of(record: logging.LogRecord) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _warned(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
    _log.warning("%s: %s", category.__name__, message, extra={"source": f"{filename}:{lineno}"})


def log_uncaught(error: BaseException | None, what: str = "The operator failed") -> None:
    """Log an exception that ends what it went through."""
    if error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
        _log.critical(
            "%s: %s. Please report this.", what, explain(error), exc_info=error, extra={"reason": "OperatorError"}
        )
