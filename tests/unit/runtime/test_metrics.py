"""Metrics follow the naming rules of Prometheus (https://prometheus.io/docs/practices/naming/)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric

from reltio_export_operator.runtime.metrics import Metrics

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"
METRICS = [metric for metric in Metrics().registry.collect() if not metric.name.endswith("_created")]
# Parts of a name that promtool refuses: abbreviated units, and units that are not base units.
NOT_BASE_UNITS = {
    *("ms", "milliseconds", "us", "microseconds", "ns", "nanoseconds", "minutes", "hours", "days", "sec", "secs"),
    *("kb", "mb", "gb", "kib", "mib", "gib", "kilobytes", "megabytes", "gigabytes", "percent", "percentage"),
}
METRIC_TYPES = {"counter", "gauge", "histogram", "summary"}
named = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def exposed(metric: Metric) -> str:
    """The name as Prometheus stores it; the client library adds the suffix of counters."""
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


@named
def test_a_name_has_the_prefix_of_the_operator_and_snake_case(metric: Metric) -> None:
    assert re.fullmatch(r"reltio_export(_[a-z]+)+", exposed(metric))


@named
def test_only_counters_end_with_total(metric: Metric) -> None:
    assert exposed(metric).endswith("_total") is (metric.type == "counter")
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_info"))


@named
def test_a_name_has_base_units_and_no_type(metric: Metric) -> None:
    parts = set(metric.name.split("_"))
    assert not parts & (NOT_BASE_UNITS | METRIC_TYPES)


@named
def test_a_histogram_of_time_is_in_seconds(metric: Metric) -> None:
    assert metric.type != "histogram" or metric.name.endswith("_seconds")


@named
def test_the_help_is_a_sentence(metric: Metric) -> None:
    assert re.fullmatch(r"[A-Z0-9].*[^.]\.", metric.documentation)


def test_every_metric_is_in_the_docs() -> None:
    documented = re.findall(r"^\| `(\w+)(?:\{\w+\})?` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted(exposed(metric) for metric in METRICS)
