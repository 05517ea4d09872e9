"""Logs, as JSON lines for machines or as plain lines for people."""

from __future__ import annotations

import logging
import os
import sys

from pythonjsonlogger.json import JsonFormatter

_QUIET = ("httpx", "httpcore", "botocore", "boto3", "urllib3", "aiohttp.access")


def configure(log_format: str, level: str) -> None:
    """Set up the root logger. Loggers of HTTP clients stay quiet: their lines may carry headers."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(
            JsonFormatter(
                "{asctime}{levelname}{name}{message}",
                style="{",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("kopf").setLevel(max(logging.WARNING, root.level))


def configure_early() -> None:
    """Set the log up before the settings are read, so that a mistake in them is reported in the format wished for."""
    text = os.environ.get("RELTIO_EXPORT_LOG_FORMAT", "").strip() == "text"
    configure("text" if text else "json", "INFO")
