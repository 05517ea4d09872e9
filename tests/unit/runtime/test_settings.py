"""Settings from the file and the environment: what is taken, and in which words a mistake is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from reltio_export_operator.runtime.settings import ConfigurationError, Settings, json_schema, variable_of
from reltio_export_operator.runtime.settings_loader import load, with_hosts

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def refused(environment: dict[str, str] | None = None, path: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as raised:
        load(environment or {}, path)
    return str(raised.value)


def test_without_file_and_variables_everything_has_its_default() -> None:
    assert load({}).settings == Settings()
    assert load({}).settings.non_default() == {}


def test_the_file_holds_settings_in_camel_case(config: Path) -> None:
    config.write_text("namespaces: [sales, care]\npollIntervalSeconds: 2.5\nleaderElect: false\nworkers: 4\n")
    settings = load({"RELTIO_EXPORT_CONFIG": str(config)}).settings
    assert settings.namespaces == ("sales", "care")
    assert (settings.poll_interval_seconds, settings.leader_elect, settings.workers) == (2.5, False, 4)
    assert settings.non_default() == {
        "namespaces": ["sales", "care"],
        "pollIntervalSeconds": 2.5,
        "leaderElect": False,
        "workers": 4,
    }


def test_a_variable_takes_precedence_over_the_file_and_an_empty_one_does_not(config: Path) -> None:
    config.write_text("workers: 4\nawsThreads: 2\nlogLevel: DEBUG\n")
    environment = {"RELTIO_EXPORT_WORKERS": " 7\n", "RELTIO_EXPORT_AWS_THREADS": "", "RELTIO_EXPORT_LOG_LEVEL": " "}
    settings = load(environment, config).settings
    assert (settings.workers, settings.aws_threads, settings.log_level) == (7, 2, "DEBUG")


def test_the_option_takes_precedence_over_the_variable_that_names_the_file(config: Path, tmp_path: Path) -> None:
    config.write_text("workers: 4\n")
    environment = {"RELTIO_EXPORT_CONFIG": str(tmp_path / "absent.yaml")}
    assert load(environment, config).settings.workers == 4
    assert load({"RELTIO_EXPORT_CONFIG": ""}).settings == Settings()


def test_a_mapping_is_given_to_a_variable_as_json() -> None:
    roles = {"sales": ["arn:aws:iam::111122223333:role/a", "arn:*:iam::*:role/b-*"], "*": []}
    settings = load({"RELTIO_EXPORT_ALLOWED_ROLES": json.dumps(roles)}).settings
    assert {name: list(patterns) for name, patterns in settings.allowed_roles.items()} == roles
    assert "must be a mapping" in refused({"RELTIO_EXPORT_ALLOWED_ROLES": "arn:aws:iam::1:role/a"})
    assert "must be a mapping" in refused({"RELTIO_EXPORT_ALLOWED_ROLES": "{a: ["})


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "workers:\nlogLevel: null\n", "---\n"])
def test_a_file_that_sets_nothing_leaves_the_defaults(config: Path, text: str) -> None:
    config.write_text(text)
    assert load({}, config).settings == Settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("workers: 0", "workers must be a whole number from 1 to 1000, not 0."),
        ("workers: 2.5", "workers must be a whole number from 1 to 1000, not 2.5."),
        ("workers: true", "workers must be a whole number from 1 to 1000, not true."),
        ("workers: '8'", "workers must be a whole number from 1 to 1000, not '8'."),
        ("workers: [8]", "workers must be a whole number from 1 to 1000, not a list."),
        ("pollIntervalSeconds: -1", "pollIntervalSeconds must be a number from 0.1 to 3600, not -1."),
        ("pollIntervalSeconds: 15s", "pollIntervalSeconds must be a number from 0.1 to 3600, not '15s'."),
        ("pollIntervalSeconds: .inf", "pollIntervalSeconds must be a number from 0.1 to 3600, not inf."),
        ("pollIntervalSeconds: .nan", "pollIntervalSeconds must be a number from 0.1 to 3600, not nan."),
        ("metricsPort: 70000", "metricsPort must be a whole number from 0 to 65535, not 70000."),
        ("leaderElect: 1", "leaderElect must be true or false, not 1."),
        ("leaderElect: 'yes'", "leaderElect must be true or false, not 'yes'."),
        ("logLevel: LOUD", "logLevel must be one of DEBUG, ERROR, INFO, WARNING, not 'LOUD'."),
        ("logFormat: xml", "logFormat must be one of json, text, not 'xml'."),
        ("logFormat: {a: 1}", "logFormat must be one of json, text, not a mapping."),
        ("namespaces: sales,care", "namespaces must be a list, such as [sales, care], not 'sales,care'."),
        ("namespaces: [sales, Care]", "namespaces[1] must be a name of a Kubernetes object"),
        ("namespaces: [sales, 12]", "namespaces[1] must be a name of a Kubernetes object"),
        ("namespaces: [sales, care, sales]", "namespaces names sales more than once."),
        ("namespaces: ['sales\\n']", "namespaces[0] must be a name of a Kubernetes object"),
        ('namespaces: ["sales\\n"]', "namespaces[0] must be a name of a Kubernetes object"),
        (
            "allowedRoles: [x]",
            "allowedRoles must be a mapping, such as {sales: ['arn:aws:iam::111122223333:role/exports-*",
        ),
        ("allowedRoles: {Sales: []}", "allowedRoles has the key 'Sales', which must be the name of a namespace, or *"),
        ("allowedRoles: {sales: x}", "allowedRoles.sales must be a list of patterns of role ARNs, not 'x'."),
        (
            "allowedRoles: {sales: [x]}",
            "allowedRoles.sales[0] must be a pattern of role ARNs such as arn:aws:iam::1111",
        ),
        ('allowedRoles: {"sales\\n": []}', "allowedRoles has the key 'sales\\n', which must be"),
        ('allowedRoles: {sales: ["arn:aws:iam::1:role/x\\n"]}', "allowedRoles.sales[0] must be a pattern of role ARNs"),
        ('allowedRoles: {sales: ["arn:aws:iam::1:role/\'"]}', "allowedRoles.sales[0] must be a pattern of role ARNs"),
        ("leaseName: Exports", "leaseName must be a name of a Kubernetes object"),
        (
            "retryBaseSeconds: 60\nretryCapSeconds: 10",
            "retryCapSeconds must be at least retryBaseSeconds (60), not 10.",
        ),
        ("pollInterval: 5", "pollInterval is not a setting. Did you mean pollIntervalSeconds?"),
        ("poll_interval_seconds: 5", "poll_interval_seconds is not a setting. Did you mean pollIntervalSeconds?"),
        ("settle: 5", "settle is not a setting. Did you mean submitSettleSeconds?"),
        ("namespace: sales", "namespace is not a setting. Did you mean namespaces?"),
        ("colour: red", "colour is not a setting. See docs/settings.md for all settings."),
        ("1: red", "1 is not a setting. See docs/settings.md for all settings."),
        ("workers: 4\nworkers: 5", "is not valid YAML in line 2: workers occurs more than once."),
        ("workers: {a: 1, a: 2}", "is not valid YAML in line 1: a occurs more than once."),
        ("workers: [", "is not valid YAML in line 1:"),
        ("workers: 4\n---\nworkers: 5", "is not valid YAML in line 2:"),
        ("- workers", "must hold settings as `name: value`, one a line."),
        ("just text", "must hold settings as `name: value`, one a line."),
        ("? [a, b]\n: 1", "is not valid YAML in line 1: a key must be text."),
        ("workers: !!python/object/apply:os.getpid []", "is not valid YAML in line 1:"),
        ("workers: 2024-13-45", "is not valid YAML"),
        ("workers: 4\x00", "is not valid YAML"),
    ],
)
def test_a_mistake_in_the_file_is_refused_with_file_field_and_remedy(config: Path, text: str, sentence: str) -> None:
    config.write_text(text)
    message = refused(path=config)
    assert sentence in message
    assert message.endswith((".", "?"))
    assert "\n" not in message
    if "retryCap" not in text:
        assert str(config) in message


def test_a_file_that_is_not_text_is_refused(config: Path) -> None:
    config.write_bytes(b"workers: \xc3\x28")
    assert f"The settings file {config} is not valid YAML" in refused(path=config)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    absent = tmp_path / "absent.yaml"
    assert refused(path=absent) == (
        f"Cannot read the settings file {absent}: No such file or directory. Check --config or RELTIO_EXPORT_CONFIG."
    )
    assert f"Cannot read the settings file {tmp_path}: Is a directory." in refused(path=tmp_path)


def test_a_file_that_is_too_large_is_refused_without_reading_it_all(config: Path) -> None:
    config.write_text("#" * (2 << 20))
    assert "is larger than 1 MiB" in refused(path=config)


def test_all_mistakes_are_reported_at_once(config: Path) -> None:
    config.write_text("workers: 0\nmetricPort: 8081\n")
    message = refused({"RELTIO_EXPORT_LOG_LEVEL": "verbose"}, config)
    assert "workers must be" in message
    assert "Did you mean metricsPort?" in message
    assert "RELTIO_EXPORT_LOG_LEVEL must be one of" in message


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("WORKERS", "0", "must be a whole number from 1 to 1000, not 0."),
        ("WORKERS", "1_0", "must be a whole number from 1 to 1000, not '1_0'."),
        ("WORKERS", "2.5", "must be a whole number from 1 to 1000, not 2.5."),
        ("WORKERS", "many", "must be a whole number from 1 to 1000, not 'many'."),
        ("POLL_INTERVAL_SECONDS", "nan", "must be a number from 0.1 to 3600, not 'nan'."),
        ("POLL_INTERVAL_SECONDS", "1e400", "must be a number from 0.1 to 3600, not inf."),
        ("POLL_INTERVAL_SECONDS", "-5", "must be a number from 0.1 to 3600, not -5.0."),
        ("LEADER_ELECT", "yes", "must be true or false, not 'yes'."),
        ("LOG_LEVEL", "debug", "must be one of DEBUG, ERROR, INFO, WARNING, not 'debug'."),
        ("NAMESPACES", "sales, Care", "[1] must be a name of a Kubernetes object"),
        ("NAMESPACES", "sales,sales", "names sales more than once."),
        ("METRICS_PORT", "70000", "must be a whole number from 0 to 65535, not 70000."),
    ],
)
def test_a_variable_with_a_bad_value_is_refused_with_its_name(name: str, text: str, sentence: str) -> None:
    message = refused({f"RELTIO_EXPORT_{name}": text})
    assert message.startswith(f"RELTIO_EXPORT_{name}")
    assert sentence in message


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("WORKERS", "8.0", "workers", 8),
        ("WORKERS", "1e2", "workers", 100),
        ("LEADER_ELECT", "False", "leader_elect", False),
        ("NAMESPACES", " sales ,care,", "namespaces", ("sales", "care")),
        ("CLEANUP_TIMEOUT_SECONDS", "8.64e+04", "cleanup_timeout_seconds", 86400),
    ],
)
def test_variables_are_read_as_charts_and_people_write_them(name: str, text: str, field: str, value: object) -> None:
    assert getattr(load({f"RELTIO_EXPORT_{name}": text}).settings, field) == value


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RELTIO_EXPORT_POLINTERVAL", "RELTIO_EXPORT_POLL_INTERVAL_SECONDS"),
        ("RELTIO_EXPORT_POLL_INTERVAL", "RELTIO_EXPORT_POLL_INTERVAL_SECONDS"),
        ("RELTIO_EXPORT_SETTLE", "RELTIO_EXPORT_SUBMIT_SETTLE_SECONDS"),
        ("RELTIO_EXPORT_CLEANUP", "RELTIO_EXPORT_CLEANUP_TIMEOUT_SECONDS"),
        ("RELTIO_EXPORT_LEASE_DURATION", "RELTIO_EXPORT_LEASE_DURATION_SECONDS"),
        ("RELTIO_EXPORT_WORKER", "RELTIO_EXPORT_WORKERS"),
        ("RELTIO_EXPORT_NAMESPACE", "RELTIO_EXPORT_NAMESPACES"),
        ("RELTIO_EXPORT_LOGLEVEL", "RELTIO_EXPORT_LOG_LEVEL"),
        ("RELTIO_EXPORT_log_level", "RELTIO_EXPORT_LOG_LEVEL"),
        ("reltio_export_workers", "RELTIO_EXPORT_WORKERS"),
        ("RELTIO_EXPORT_METRIC_PORT", "RELTIO_EXPORT_METRICS_PORT"),
        ("RELTIO_EXPORT_CONFIGS", "RELTIO_EXPORT_CONFIG"),
        ("RELTIO_EXPROT_LOG_LEVEL", "RELTIO_EXPORT_LOG_LEVEL"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_refused_with_that_name(name: str, meant: str) -> None:
    assert refused({name: "1"}) == f"{name} is not a setting. Did you mean {meant}?"


@pytest.mark.parametrize("name", ["RELTIO_EXPORT_OWNER", "RELTIO_EXPORT_IMAGE", "RELTIO_EXPORT_", "reltio_export_x"])
def test_another_unknown_variable_gets_a_warning_without_its_value(name: str) -> None:
    loaded = load({name: "hunter2"})
    assert loaded.settings == Settings()
    (warning,) = loaded.warnings
    assert name in warning
    assert "hunter2" not in warning


@pytest.mark.parametrize("name", ["RELTIO_CLIENT_ID", "RELTIO_TENANT", "PATH", "AWS_REGION", "EXPORT_WORKERS"])
def test_variables_of_others_are_nobodys_mistake(name: str) -> None:
    assert load({name: "x"}).warnings == ()


def test_what_kubernetes_injects_for_services_is_ignored() -> None:
    injected: dict[str, str] = {}
    for service in ("RELTIO_EXPORT", "RELTIO_EXPORT_OPERATOR", "RELTIO_EXPORT_METRICS", "RELTIO_EXPORT_WORKERS"):
        injected |= {
            f"{service}_SERVICE_HOST": "10.96.0.17",
            f"{service}_SERVICE_PORT": "8080",
            f"{service}_SERVICE_PORT_METRICS": "8080",
            f"{service}_SERVICE_PORT_HTTP_METRICS": "8080",
            f"{service}_PORT": "tcp://10.96.0.17:8080",
            f"{service}_PORT_8080_TCP": "tcp://10.96.0.17:8080",
            f"{service}_PORT_8080_TCP_ADDR": "10.96.0.17",
            f"{service}_PORT_8080_TCP_PORT": "8080",
            f"{service}_PORT_8080_TCP_PROTO": "tcp",
            f"{service}_PORT_53_UDP": "udp://10.96.0.17:53",
            f"{service}_PORT_53_UDP_ADDR": "10.96.0.17",
        }
    loaded = load(injected)
    assert loaded.settings == Settings()
    assert loaded.warnings == ()


def test_a_port_that_no_service_has_is_still_refused() -> None:
    assert "RELTIO_EXPORT_METRICS_PORT must be a whole number" in refused({"RELTIO_EXPORT_METRICS_PORT": "http"})
    assert "Did you mean" in refused({"RELTIO_EXPORT_METRIC_PORT": "9090"})


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_settings", ROOT / "hack" / "generate_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def test_chart_schema_and_docs_hold_the_settings_as_they_are(generator: ModuleType) -> None:
    for path, generate in ((generator.SCHEMA, generator.chart_schema), (generator.DOCS, generator.docs_table)):
        assert generate(path.read_text()) == path.read_text(), f"Run `make generate`: {path} is out of date."


def test_every_setting_is_described_with_bounds_a_default_and_a_variable() -> None:
    schemas = json_schema()
    assert len(schemas) == len(Settings.__struct_fields__)
    for field, (name, schema) in zip(Settings.__struct_fields__, schemas.items(), strict=True):
        assert schema["description"].endswith("."), name
        assert "default" in schema, name
        if schema.get("type") in ("number", "integer"):
            assert {"minimum", "maximum"} <= schema.keys(), name
        assert variable_of(field) == f"RELTIO_EXPORT_{field.upper()}"


def test_durations_name_their_unit() -> None:
    for name in json_schema():
        if any(word in name.lower() for word in ("interval", "timeout", "duration", "retry", "settle")):
            assert name.endswith("Seconds")


def test_the_defaults_pass_their_own_bounds(config: Path) -> None:
    config.write_text(json.dumps({name: schema["default"] for name, schema in json_schema().items()}))
    assert load({}, config).settings == Settings()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("reltioHosts: ['*']", "reltioHosts[0] must be a host such as"),
        ("reltioHosts: ['https://auth.reltio.com']", "reltioHosts[0] must be a host such as"),
        ("reltioHosts: ['*.Reltio.com']", "reltioHosts[0] must be a host such as"),
        ("reltioHosts: ['a.*.com']", "reltioHosts[0] must be a host such as"),
        ("reltioHosts: ['127.1']", "reltioHosts has '127.1'"),
        ("reltioHosts: ['300.0.0.1']", "reltioHosts has '300.0.0.1'"),
        ("insecureHosts: ['a.example.com:70000']", "insecureHosts has 'a.example.com:70000'"),
        ("reltioHosts: ['[::1::]']", "reltioHosts has '[::1::]'"),
        ("privateNetworks: [10.0.0.1/8]", "privateNetworks has '10.0.0.1/8'"),
        ("privateNetworks: [10.0.0.0/33]", "privateNetworks has '10.0.0.0/33'"),
        ("privateNetworks: [internal]", "privateNetworks[0] must be a network such as"),
    ],
)
def test_hosts_and_networks_that_can_match_nothing_are_reported(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load({}, path)
    assert part in str(refused.value)


def test_a_host_of_the_command_line_is_added_with_what_it_needs() -> None:
    found = with_hosts(Settings(), ["127.0.0.1:8080", "10.0.0.1", "Gateway.example.com:8443", "[::1]:1"])
    assert found.reltio_hosts == ("*.reltio.com", "127.0.0.1:8080", "10.0.0.1", "gateway.example.com:8443", "[::1]:1")
    assert found.insecure_hosts == ("127.0.0.1:8080", "[::1]:1")
    assert found.private_networks == ("127.0.0.1/32", "10.0.0.1/32", "::1/128")
    with pytest.raises(ConfigurationError, match="is not a host such as"):
        with_hosts(Settings(), ["http://gateway.example.com"])
