"""The operator's settings: names, defaults, bounds and descriptions.

This is the one source. The settings file, the environment variables, the schema of the chart's values and the table
in the docs are all derived from it. `settings_loader` reads them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

PREFIX = "RELTIO_EXPORT_"

_DAY = 86_400.0
_RETRY_CAP = 3600.0  # jobs take a longer wait in their status for a sign of a clock that was set back

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"  # RFC 1123, as of a namespace
_SUBDOMAIN = rf"^{_LABEL}(\.{_LABEL})*$"  # as of most other objects

Namespace = Annotated[str, Meta(pattern=rf"^{_LABEL}$")]
NamespaceOrAll = Annotated[str, Meta(pattern=rf"^({_LABEL}|\*)$")]
# The ARN of a role with `*` anywhere after `arn:`. Only characters that may stand in one, and no quotation marks.
RolePattern = Annotated[str, Meta(pattern=r"^arn:[-a-z*]+:iam::[0-9*]+:role/[A-Za-z0-9_+=,.@/*-]+$", max_length=2048)]
_PORT = r"(:([0-9]{1,5}|\*))?"
HostPattern = Annotated[
    str,
    Meta(
        pattern=rf"^((\*\.)?{_LABEL}(\.{_LABEL})*|\[[0-9a-f:.]+\]){_PORT}$",
        max_length=260,
        extra={"expected": "a host such as gateway.example.com, *.example.com, 10.0.0.1:8443 or [fd00::1]"},
    ),
]
NetworkPattern = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f.:]+/[0-9]{1,3}$",
        max_length=64,
        extra={"expected": "a network such as 10.20.0.0/16 or fd00:20::/64"},
    ),
]


class ConfigurationError(ValueError):
    """Something that the person who starts the operator must fix: the process ends with exit code 2.

    The text is a sentence that names what is wrong, where, and what to write instead.
    """


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """All settings. Fields that end in `_seconds` are durations in seconds.

    In the settings file a field has its name in camelCase (`pollIntervalSeconds`), as an environment variable in
    capitals after the prefix (`RELTIO_EXPORT_POLL_INTERVAL_SECONDS`). The constructor does not check bounds.
    """

    namespaces: Annotated[
        tuple[Namespace, ...],
        Meta(description="Namespaces to watch. Empty: all namespaces.", extra_json_schema={"uniqueItems": True}),
    ] = ()
    poll_interval_seconds: Annotated[
        float, Meta(ge=0.1, le=3600, description="How often the active tasks of a Reltio tenant are listed.")
    ] = 15.0
    progress_interval_seconds: Annotated[
        float, Meta(ge=0.1, le=3600, description="Minimum time between two status writes that only update progress.")
    ] = 30.0
    retry_base_seconds: Annotated[
        float,
        Meta(ge=0.1, le=_RETRY_CAP, description="Backoff after a first failed call. It doubles with each failure."),
    ] = 10.0
    retry_cap_seconds: Annotated[float, Meta(ge=0.1, le=_RETRY_CAP, description="Maximum backoff.")] = 360.0
    submit_settle_seconds: Annotated[
        float,
        Meta(
            ge=1,
            le=3600,
            description="How long a submission whose response was lost may take to appear among the tenant's tasks. "
            "The operator submits it again only after this time.",
        ),
    ] = 75.0
    cleanup_timeout_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=_DAY,
            description="How long a deleted job waits for its export to stop before its finalizer is removed.",
        ),
    ] = 120.0
    target_retry_interval_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            le=3600,
            description="How soon a target that is not Ready is verified again. The interval grows with repeated "
            "failures.",
        ),
    ] = 30.0
    probe_timeout_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="Maximum duration of one verification of a target.")
    ] = 60.0
    workers: Annotated[
        int, Meta(ge=1, le=1000, description="Number of objects of a kind that are reconciled at the same time.")
    ] = 32
    calls_per_tenant: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Number of calls to one tenant that submit, search, control or verify at the same time. A "
            "tenant that did not answer the last call gets one.",
        ),
    ] = 4
    unproven_calls: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Number of such calls, for each kind of object, to tenants that did not answer the last call "
            "or are called for the first time. Each needs a connection.",
        ),
    ] = 32
    circuit_failures: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="Calls in a row without a connection to a host, or without an answer from a tenant, after "
            "which calls to it are paused.",
        ),
    ] = 3
    circuit_retry_cap_seconds: Annotated[
        float,
        Meta(ge=5, le=3600, description="Maximum time between tries while calls to a host or tenant are paused."),
    ] = 60.0
    aws_threads: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Number of concurrent calls to AWS in one region. Other regions have a quarter more, and those "
            "that do not answer have threads of their own, at most twice this number.",
        ),
    ] = 8
    bulk_threads: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Number of delivered files of one region that are read at once. For other regions and those "
            "that do not answer, see awsThreads.",
        ),
    ] = 8
    allowed_roles: Annotated[
        dict[NamespaceOrAll, tuple[RolePattern, ...]],
        Meta(
            description="Roles that targets may use, as patterns of ARNs by namespace; * stands for any characters, "
            "and namespace * for all namespaces. A target with another role is refused. Empty: all roles are allowed."
        ),
    ] = {}
    reltio_hosts: Annotated[
        tuple[HostPattern, ...],
        Meta(
            description="Hosts that targets may name as Reltio: names, *.domain for all names below it, or addresses. "
            "Without a port, only that of https (443) or http (80) is allowed; host:8443 allows another, host:* all. "
            "A list replaces the default. See docs/hosts-and-secrets.md.",
            extra_json_schema={"uniqueItems": True},
        ),
    ] = ("*.reltio.com",)
    insecure_hosts: Annotated[
        tuple[HostPattern, ...],
        Meta(
            description="Those of reltioHosts that may be called over plain http, as in the sandbox. Credentials are "
            "sent to them unencrypted.",
            extra_json_schema={"uniqueItems": True},
        ),
    ] = ()
    private_networks: Annotated[
        tuple[NetworkPattern, ...],
        Meta(
            description="Networks, such as 10.20.0.0/16, in which hosts of Reltio may have addresses that are not "
            "public: loopback, link-local, private and the like. Empty: such addresses are not connected to.",
            extra_json_schema={"uniqueItems": True},
        ),
    ] = ()
    session_tags: Annotated[
        bool,
        Meta(
            description="Tag the sessions of roles with namespace and target. The roles and the policy of the operator "
            "must allow sts:TagSession."
        ),
    ] = False
    leader_elect: Annotated[
        bool,
        Meta(description="Elect the active replica with a Lease. Set it to false only with a single replica."),
    ] = True
    lease_name: Annotated[str, Meta(pattern=_SUBDOMAIN, max_length=253, description="Name of the Lease.")] = (
        "reltio-export-operator"
    )
    lease_namespace: Annotated[
        str, Meta(pattern=rf"^({_LABEL})?$", description="Namespace of the Lease. Empty: the namespace of the pod.")
    ] = ""
    lease_duration_seconds: Annotated[
        int,
        Meta(
            ge=5,
            le=300,
            description="How long a Lease that is not renewed stays valid. A standby replica takes over after this "
            "time at the latest.",
        ),
    ] = 15
    ca_bundle: Annotated[
        str,
        Meta(
            description="File with certificates in PEM form. They are trusted besides the public certificate "
            "authorities, by all clients; see docs/proxies.md."
        ),
    ] = ""
    metrics_port: Annotated[
        int, Meta(ge=0, le=65535, description="Port of /metrics, /healthz and /readyz. 0 turns them off.")
    ] = 8080
    log_format: Annotated[
        Literal["json", "text"], Meta(description="Format of the log: json for machines, text for people.")
    ] = "json"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="The least severe level that is logged.")
    ] = "INFO"

    def non_default(self) -> dict[str, Any]:
        """The settings that differ from the defaults, by their names in the settings file."""
        defaults = msgspec.json.decode(msgspec.json.encode(Settings()))
        values = msgspec.json.decode(msgspec.json.encode(self))
        return {name: value for name, value in values.items() if value != defaults[name]}


def variable_of(field: str) -> str:
    """The environment variable of a field, which is given as in Python."""
    return PREFIX + field.upper()


def json_schema() -> dict[str, dict[str, Any]]:
    """A JSON schema of each setting, by its name in the settings file."""
    _, components = msgspec.json.schema_components([Settings])
    # Encoded and decoded, so that defaults are as in JSON: lists, and not tuples.
    properties: dict[str, dict[str, Any]] = msgspec.json.decode(
        msgspec.json.encode(components["Settings"]["properties"])
    )
    return properties
