"""Which kubeconfig files and which context are used, as kubectl decides it. Mistakes end in one sentence.

Messages never quote what stands in a kubeconfig except the names in it: it holds credentials.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from ..runtime.settings import ConfigurationError

VARIABLE = "KUBECONFIG"

Raw = dict[str, Any]


def kubeconfig_files(environment: Mapping[str, str]) -> list[Path]:
    """The kubeconfig files to merge; none when the pod's ServiceAccount is to be used."""
    named = [Path(part).expanduser() for part in environment.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    if named:
        found = [path for path in named if path.exists()]
        if not found:
            raise ConfigurationError(
                f"{VARIABLE} names {os.pathsep.join(map(str, named))}, which does not exist. Correct it, or unset it "
                "to use ~/.kube/config or the pod's ServiceAccount."
            )
        return found
    default = Path(environment.get("HOME") or "~").expanduser() / ".kube" / "config"
    return [default] if default.exists() else []


def checked_context(files: Sequence[Path], chosen: str | None = None) -> tuple[str, Raw]:
    """The chosen or current context and its user, once it and its cluster and user are known to exist.

    The current context is that of the first file that names one. Raises ConfigurationError.
    """
    where = f"The kubeconfig {os.pathsep.join(map(str, files))}"
    merged: dict[str, dict[str, Raw]] = {"contexts": {}, "clusters": {}, "users": {}}
    current = ""
    for path in files:
        document = _read(path)
        current = current or _text(document.get("current-context"))
        for kind, known in merged.items():
            entries = document.get(kind)
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                    inner = entry.get(kind.removesuffix("s"))
                    known.setdefault(entry["name"], inner if isinstance(inner, dict) else {})
    if chosen and chosen not in merged["contexts"]:
        raise ConfigurationError(f"{where} has no context {chosen}. List them with kubectl config get-contexts.")
    current = chosen or current
    if not current:
        raise ConfigurationError(f"{where} has no current-context. Set it with kubectl config use-context.")
    if current not in merged["contexts"]:
        raise ConfigurationError(
            f"{where} has no context {current}, its current-context. Set it with kubectl config use-context."
        )
    context = merged["contexts"][current]
    cluster, user = _text(context.get("cluster")), _text(context.get("user"))
    if cluster not in merged["clusters"]:
        raise ConfigurationError(f"{where} has no cluster {cluster!r}, which context {current} names. Add it.")
    if user and user not in merged["users"]:
        raise ConfigurationError(f"{where} has no user {user!r}, which context {current} names. Add it.")
    if not _is_url(_text(merged["clusters"][cluster].get("server"))):
        raise ConfigurationError(
            f"{where} has no URL in the field server of cluster {cluster}. Write one such as https://10.0.0.1:6443."
        )
    return current, merged["users"].get(user, {})


def _text(value: object) -> str:
    """A name. Lists and mappings are none: aliases of YAML may let their text grow without bound."""
    return "" if value is None or isinstance(value, list | tuple | set | dict) else str(value)


def _is_url(server: str) -> bool:
    try:
        return urlsplit(server).scheme in ("http", "https")
    except ValueError:  # such as brackets without an address
        return False


def _read(path: Path) -> Raw:
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"Cannot read the kubeconfig {path}: {error.strerror}. Correct {VARIABLE} or the file's mode."
        ) from None
    except yaml.MarkedYAMLError as error:
        at = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(f"The kubeconfig {path} is not valid YAML{at}. Correct it.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigurationError(f"The kubeconfig {path} is not valid YAML. Correct it.") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"The kubeconfig {path} is empty or no mapping. Correct {VARIABLE} or the file.")
    return document
