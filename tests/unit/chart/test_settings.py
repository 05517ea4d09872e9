"""The settings file that the chart renders, as the operator reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from charts import SCHEMA, Manifest, Refused, container_of, environment, only, pod_of, render
from reltio_export_operator.runtime.settings import Settings, json_schema
from reltio_export_operator.runtime.settings_loader import load

# The chart sets these itself, from other values.
NOT_IN_VALUES = {"caBundle", "metricsPort", "namespaces", "leaseName", "leaseNamespace"}


def settings_of(values: Manifest, directory: Path) -> Settings:
    """What the operator reads in a pod of the release."""
    manifests = render(values)
    variables = {name: text for name, text in environment(manifests).items() if isinstance(text, str)}
    mounted = Path(variables["RELTIO_EXPORT_CONFIG"])
    (mount,) = [one for one in container_of(manifests)["volumeMounts"] if one["name"] == "config"]
    (volume,) = [one for one in pod_of(manifests)["volumes"] if one["name"] == "config"]
    config = only(manifests, "ConfigMap")
    assert volume["projected"]["sources"] == [{"configMap": {"name": config["metadata"]["name"]}}]
    assert str(mounted.parent) == mount["mountPath"]
    file = directory / "config.yaml"
    file.write_text(config["data"][mounted.name])
    loaded = load({**variables, "RELTIO_EXPORT_CONFIG": str(file)})
    assert loaded.warnings == ()
    return loaded.settings


def test_without_settings_the_operator_has_its_defaults_apart_from_those_of_the_release(tmp_path: Path) -> None:
    assert set(settings_of({}, tmp_path).non_default()) <= {"leaseName", "leaseNamespace"}


def test_settings_arrive_as_they_were_given(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "awsThreads": 4,
        "pollIntervalSeconds": 2.5,
        "leaderElect": False,
        "retryCapSeconds": 3600,
        "cleanupTimeoutSeconds": 86400,
        "logFormat": "text",
    }
    settings = settings_of({"replicas": 1, "settings": given}, tmp_path)
    assert settings.non_default().items() >= given.items()


def test_what_follows_from_the_release_arrives_too(tmp_path: Path) -> None:
    values = {"watch": {"namespaces": ["sales", "care"]}, "metrics": {"port": 9100}, "fullnameOverride": "exporter"}
    settings = settings_of(values, tmp_path)
    assert settings.namespaces == ("sales", "care")
    assert settings.metrics_port == 9100
    assert settings.lease_name == "exporter"


def test_a_changed_setting_restarts_the_pods_and_nothing_else_does() -> None:
    def checksum(values: Manifest) -> str:
        annotations = only(render(values), "Deployment")["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["checksum/config"])

    assert checksum({}) != checksum({"settings": {"workers": 2}})
    assert checksum({}) == checksum({"replicas": 3})


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Refused, match="pollIntervalSecond'"):
        render({"settings": {"pollIntervalSecond": 5}})


def test_the_schema_of_the_settings_is_that_of_the_operator() -> None:
    offered = SCHEMA["properties"]["settings"]["properties"]
    expected = {name: setting for name, setting in json_schema().items() if name not in NOT_IN_VALUES}
    assert offered == expected, "Run `make generate`."


def test_a_refused_start_is_shown_by_kubectl_describe() -> None:
    assert container_of(render())["terminationMessagePolicy"] == "FallbackToLogsOnError"
