"""Settings of the operator, read from environment variables that start with RELTIO_EXPORT_."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

_PREFIX = "RELTIO_EXPORT_"


class SettingsError(ValueError):
    """A setting cannot be read. The text names the variable and what it takes."""


@dataclass(frozen=True)
class Settings:
    """All times in seconds. A field's variable is its name in capitals, as RELTIO_EXPORT_POLL_INTERVAL_SECONDS."""

    namespaces: str = ""  # comma separated; empty for all
    poll_interval_seconds: float = 15.0
    progress_interval_seconds: float = 30.0
    retry_base_seconds: float = 10.0
    retry_cap_seconds: float = 360.0
    submit_settle_seconds: float = 75.0
    cleanup_timeout_seconds: float = 120.0
    target_retry_interval_seconds: float = 30.0  # how often a target that is not Ready is verified again, at first
    probe_timeout_seconds: float = 60.0
    workers: int = 32
    aws_threads: int = 8
    bulk_threads: int = 8  # read delivered files
    leader_elect: bool = True
    lease_name: str = "reltio-export-operator"
    lease_namespace: str = ""
    lease_duration_seconds: int = 15
    metrics_port: int = 8080  # health and metrics; 0 for none
    log_format: str = "json"
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        values: dict[str, object] = {}
        for field in fields(cls):
            text = environment.get(_PREFIX + field.name.upper())
            if text is not None:
                values[field.name] = _parse(_PREFIX + field.name.upper(), text, type(field.default))
        return cls(**values)  # type: ignore[arg-type]

    @property
    def watched(self) -> tuple[str, ...]:
        """The namespaces to watch; empty for all."""
        return tuple(part.strip() for part in self.namespaces.split(",") if part.strip())


def _parse(variable: str, text: str, kind: type) -> object:
    if kind is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise SettingsError(f"{variable} must be true or false, not {text!r}.")
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number of seconds"
        raise SettingsError(f"{variable} must be {noun}, not {text!r}.") from None
