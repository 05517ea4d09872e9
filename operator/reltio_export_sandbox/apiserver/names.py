"""Names of objects: how they are checked, and how they are made up. As in k8s.io/apimachinery/pkg/util/validation."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from . import errors
from .errors import Cause

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LONGEST_SUBDOMAIN, _LONGEST_LABEL = 253, 63
_RANDOM = 5  # characters that are added to metadata.generateName
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)


def generated(base: str) -> str:
    """A name that begins with as much of the base as leaves room for what is added."""
    return base[: _LONGEST_LABEL - _RANDOM] + "".join(random.choices(_ALPHABET, k=_RANDOM))


def subdomain(name: str) -> Iterator[str]:
    """What is wrong with a DNS subdomain."""
    if len(name) > _LONGEST_SUBDOMAIN:
        yield f"must be no more than {_LONGEST_SUBDOMAIN} characters"
    if not re.fullmatch(_SUBDOMAIN, name):
        yield _SUBDOMAIN_RULE


def _label(name: str) -> Iterator[str]:
    if "." in name:
        yield "must not contain dots"
        return
    if len(name) > _LONGEST_LABEL:
        yield f"must be no more than {_LONGEST_LABEL} characters"
    if not re.fullmatch(_LABEL, name):
        yield _LABEL_RULE


def problems(name: str | None, *, plural: str) -> Iterator[Cause]:
    """What is wrong with a name: of a namespace it is one DNS label, of all else a subdomain."""
    if not name:
        yield errors.required("metadata.name", "name or generateName is required")
        return
    for problem in _label(name) if plural == "namespaces" else subdomain(name):
        yield errors.invalid_value("metadata.name", name, problem)
