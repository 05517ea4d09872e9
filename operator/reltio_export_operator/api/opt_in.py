"""Which Secrets the operator may use.

Who may create a target, but not read Secrets, must not get a Secret sent to a service by naming it. So a Secret is used
only after somebody who may write it has said so, with its type or a label.
"""

from __future__ import annotations

from collections.abc import Mapping

from .meta import GROUP

SECRET_TYPE = f"{GROUP}/credentials"
ALLOW_LABEL = f"{GROUP}/allow"


def has_opted_in(type_: str | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a Secret of this type with these labels may be used."""
    return type_ == SECRET_TYPE or (labels or {}).get(ALLOW_LABEL) == "true"


def label_command(namespace: str, name: str, labels: Mapping[str, str] | None) -> str:
    """The command after which the Secret may be used. kubectl changes a label that exists only with `--overwrite`."""
    overwrite = " --overwrite" if ALLOW_LABEL in (labels or {}) else ""
    return f"kubectl label secret -n {namespace} {name} {ALLOW_LABEL}=true{overwrite}"
