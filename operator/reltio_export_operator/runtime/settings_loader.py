"""Reads the settings: first the settings file, then the environment variables, which win."""

from __future__ import annotations

import contextlib
import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import yaml
from msgspec import inspect

from .settings import PREFIX, ConfigurationError, HostPattern, NamespaceOrAll, RolePattern, Settings, variable_of

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
# Read elsewhere: the settings file's path, and whether the command line shows tracebacks.
_OTHER_VARIABLES = (CONFIG_VARIABLE, f"{PREFIX}TRACEBACK")
_MAX_FILE = 1 << 20  # bytes; a ConfigMap holds no more
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
# What the kubelet sets for a Service in the pod's namespace whose name starts with reltio-export.
_SERVICE_VARIABLE = re.compile(
    r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)", re.DOTALL
)
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://.*")
_LOCALHOST = ("127.0.0.1", "::1")
_SIMILARITY = 0.8  # as difflib measures it: a name this near to a known one is a misspelling
_PREFIX_SIMILARITY = 0.93  # the same, of whole variables whose prefix is not ours
_CUT_SHORT = 5  # letters of a name that is part of a known one

_FIELDS = {field.encode_name: field for field in inspect.type_info(Settings).fields}  # type: ignore[attr-defined]
_HINTS = get_type_hints(Settings, include_extras=True)
_VARIABLES = {variable_of(field.name): field for field in _FIELDS.values()}


@dataclass(frozen=True)
class LoadedSettings:
    """The settings, and what is worth a warning once the log is set up."""

    settings: Settings
    warnings: tuple[str, ...] = ()


def load(environment: Mapping[str, str] = os.environ, path: Path | None = None) -> LoadedSettings:
    """Read all settings.

    `path` is the settings file; without one, RELTIO_EXPORT_CONFIG names it. A variable that is empty counts as not
    set, and so does a null in the file. Raises ConfigurationError with all mistakes found.
    """
    if path is None and (named := environment.get(CONFIG_VARIABLE, "").strip()):
        path = Path(named)
    problems: list[str] = []
    warnings: list[str] = []
    values = _from_file(path, problems) if path is not None else {}
    values |= _from_environment(environment, problems, warnings)
    if not problems:
        problems += _contradictions(values)
    if problems:
        raise ConfigurationError(" ".join(problems))
    return LoadedSettings(Settings(**values), tuple(warnings))


def with_hosts(settings: Settings, hosts: Iterable[str]) -> Settings:
    """The settings with more hosts of Reltio, as a person names them on a command line. Raises ConfigurationError.

    An address, or localhost, may be private then, and one that is loopback may be called over plain http.
    """
    insecure, networks = list(settings.insecure_hosts), list(settings.private_networks)
    added = [host.lower() for host in hosts]
    for host in added:
        if _converted(host, HostPattern) is None or not _is_host(host):
            raise ConfigurationError(f"{host!r} is not {_expected(inspect.type_info(HostPattern))}.")
        addresses = _addresses(_host_of(host))
        networks += [str(ipaddress.ip_network(address)) for address in addresses]
        if any(address.is_loopback for address in addresses):
            insecure.append(host)
    return msgspec.structs.replace(
        settings,
        reltio_hosts=(*settings.reltio_hosts, *added),
        insecure_hosts=tuple(insecure),
        private_networks=tuple(networks),
    )


def _from_file(path: Path, problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in _document(path).items():
        field = _FIELDS.get(key)
        if field is None:
            near = _nearest(str(key), _FIELDS)
            hint = f"Did you mean {near}?" if near else "See docs/settings.md for all settings."
            problems.append(f"{path}: {key} is not a setting. {hint}")
        elif value is not None:
            _take(values, field, value, f"{path}: {key}", problems)
    return values


def _document(path: Path) -> dict[str, Any]:
    remedy = f"Check --config or {CONFIG_VARIABLE}."
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"Cannot read the settings file {path}: {error.strerror}. {remedy}") from None
    if len(content) > _MAX_FILE:
        raise ConfigurationError(f"The settings file {path} is larger than 1 MiB. {remedy}")
    try:
        document = yaml.load(content, _StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(f"The settings file {path} is not valid YAML{where}: {error.problem}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        text = str(error).splitlines()[0]
        raise ConfigurationError(f"The settings file {path} is not valid YAML: {text}.") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigurationError(f"The settings file {path} must hold settings as `name: value`, one a line.")
    return document


class _StrictLoader(yaml.SafeLoader):
    """A loader that refuses a key that occurs twice; YAML's own would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text", key_node.start_mark)
            if key_node.value in seen:
                text = f"{key_node.value} occurs more than once"
                raise yaml.constructor.ConstructorError(None, None, text, key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _from_environment(environment: Mapping[str, str], problems: list[str], warnings: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, raw in sorted(environment.items()):
        text = raw.strip()
        if name in _OTHER_VARIABLES or _is_of_a_service(name, text):
            continue
        field = _VARIABLES.get(name)
        if field is not None:
            if text:
                _take(values, field, _parse(text, _plain(field.type)), name, problems)
        elif near := _nearest_variable(name):
            problems.append(f"{name} is not a setting. Did you mean {near}?")
        elif name.upper().startswith(PREFIX):
            warnings.append(f"{name} is not a setting and is ignored. See docs/settings.md for all settings.")
    return values


def _is_of_a_service(name: str, text: str) -> bool:
    """Whether Kubernetes has set this variable for a Service: its value shows that where its name may be a setting."""
    if not name.startswith(PREFIX):
        return False
    return bool(_SERVICE_VARIABLE.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_URL.fullmatch(text)))


def _parse(text: str, type_: inspect.Type) -> object:
    """The value that the text of a variable stands for; the text itself where it stands for none of the type."""
    if isinstance(type_, inspect.VarTupleType):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(type_, inspect.DictType):
        with contextlib.suppress(yaml.YAMLError, ValueError, RecursionError):
            return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader
        return text
    if isinstance(type_, inspect.BoolType) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if isinstance(type_, inspect.IntType | inspect.FloatType) and _NUMBER.fullmatch(text):
        number = float(text)
        return int(number) if isinstance(type_, inspect.IntType) and number.is_integer() else number
    return text


def _take(values: dict[str, Any], field: inspect.Field, value: object, where: str, problems: list[str]) -> None:
    """Check a value, and put it where the constructor of Settings finds it."""
    taken, type_ = _converted(value, _HINTS[field.name]), _plain(field.type)
    if isinstance(taken, tuple) and (twice := [item for number, item in enumerate(taken) if item in taken[:number]]):
        problems.append(f"{where} names {twice[0]} more than once. Name it once.")
    elif taken is not None:
        values[field.name] = taken
    elif isinstance(value, dict) and isinstance(type_, inspect.DictType):
        problems += _wrong_entries(value, where)
    elif isinstance(value, list) and isinstance(type_, inspect.VarTupleType):
        (hint, _) = get_args(get_args(_HINTS[field.name])[0])
        number, item = next((number, item) for number, item in enumerate(value) if _converted(item, hint) is None)
        problems.append(f"{where}[{number}] must be {_expected(type_.item_type)}, not {_shown(item)}.")
    else:
        problems.append(f"{where} must be {_expected(type_)}, not {_shown(value)}.")


def _wrong_entries(value: Mapping[object, object], where: str) -> Iterable[str]:
    """What is wrong with the patterns of each namespace."""
    for name, patterns in value.items():
        if _converted(name, NamespaceOrAll) is None:
            yield f"{where} has the key {_shown(name)}, which must be the name of a namespace, or * for all."
        elif not isinstance(patterns, list):
            yield f"{where}.{name} must be a list of patterns of role ARNs, not {_shown(patterns)}."
        else:
            for number, pattern in enumerate(patterns):
                if _converted(pattern, RolePattern) is None:
                    example = "arn:aws:iam::111122223333:role/exports-*"
                    wrong = f"{where}.{name}[{number}]"
                    yield f"{wrong} must be a pattern of role ARNs such as {example}, not {_shown(pattern)}."


def _converted(value: object, hint: object) -> object:
    """The value as the field's type has it, or None when it does not fit."""
    if isinstance(value, str) and value != value.strip():
        return None  # in a pattern, $ would overlook a newline at the end
    if isinstance(value, list) and any(isinstance(item, str) and item != item.strip() for item in value):
        return None
    if isinstance(value, dict) and any(_converted(item, Any) is None for item in [*value, *value.values()]):
        return None
    try:
        return msgspec.convert(value, hint)
    except (msgspec.ValidationError, UnicodeError):  # a byte that is not text is half of a character here
        return None


def _contradictions(values: Mapping[str, Any]) -> Iterable[str]:
    settings = Settings(**values)
    if settings.retry_cap_seconds < settings.retry_base_seconds:
        yield (
            f"retryCapSeconds must be at least retryBaseSeconds ({settings.retry_base_seconds:g}), "
            f"not {settings.retry_cap_seconds:g}."
        )
    for name, patterns in (("reltioHosts", settings.reltio_hosts), ("insecureHosts", settings.insecure_hosts)):
        for pattern in patterns:
            if not _is_host(pattern):
                yield f"{name} has {pattern!r}, which is neither a host name nor an address, or has no such port."
    for network in settings.private_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"privateNetworks has {network!r}, which is not a network: {error}."


def _is_host(pattern: str) -> bool:
    """Whether a pattern that has the right shape can match anything, and does not look like an address that is none."""
    host = _host_of(pattern)
    port = pattern[len(host) + 1 :]
    if port.isdecimal() and not 0 < int(port) < 65_536:
        return False
    if _addresses(host):
        return True
    return not host.startswith("[") and not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2])


def _host_of(pattern: str) -> str:
    """A pattern without its port."""
    bracketed, bracket, _ = pattern.partition("]")
    return bracketed + bracket if bracket else pattern.partition(":")[0]


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses that a host stands for without being resolved."""
    if host == "localhost":
        return [ipaddress.ip_address(text) for text in _LOCALHOST]
    try:
        return [ipaddress.ip_address(host.strip("[]"))]
    except ValueError:
        return []


def _expected(type_: inspect.Type) -> str:
    if isinstance(type_, inspect.Metadata):
        if "expected" in (type_.extra or {}):
            return str((type_.extra or {})["expected"])
        type_ = type_.type
    match type_:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number from {low:g} to {high:g}"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case inspect.DictType():
            return "a mapping, such as {sales: ['arn:aws:iam::111122223333:role/exports-*']}"
        case inspect.VarTupleType():
            return "a list, such as [sales, care]"
        case _:
            return "a name of a Kubernetes object (lower-case letters, digits and hyphens, quoted if only digits)"


def _shown(value: object) -> str:
    """The value as it may stand in a message: text in quotes, other values as in YAML, and neither for long."""
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'mapping'}"
    text = {True: "true", False: "false", None: "null"}.get(value) if isinstance(value, bool | None) else None
    text = text or (repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= 80 else f"{text[:80]}..."


def _plain(type_: inspect.Type) -> inspect.Type:
    return type_.type if isinstance(type_, inspect.Metadata) else type_


def _bare(name: str) -> str:
    """A name without what people leave out or spell otherwise: case, separators, the unit."""
    bare = re.sub(r"[^a-z0-9]", "", name.lower())
    return bare.removesuffix("seconds") or bare


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that this one is nearly, whether misspelt or cut short."""
    by_bare = {_bare(one): one for one in known}
    bare = _bare(name)
    near = difflib.get_close_matches(bare, by_bare, n=1, cutoff=_SIMILARITY)
    longer = [one for one in by_bare if len(bare) >= _CUT_SHORT and bare in one]
    found = near or longer
    return by_bare[found[0]] if found else None


def _nearest_variable(name: str) -> str | None:
    """The variable that this one is nearly; also where the prefix itself is misspelt."""
    known = [*_VARIABLES, *_OTHER_VARIABLES]
    if name.upper().startswith(PREFIX):
        found = _nearest(name[len(PREFIX) :], [one.removeprefix(PREFIX) for one in known])
        return PREFIX + found if found else None
    if name.upper().startswith("RELTIO"):
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=_PREFIX_SIMILARITY)
        return near[0] if near else None
    return None
