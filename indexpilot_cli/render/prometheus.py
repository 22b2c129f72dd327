"""Metrics as Prometheus text. https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.metric_families import MetricFamily, MetricKind


class _Measured(Collector):
    """Hands over what was measured; the library's global registry with its process metrics is not ours."""

    def __init__(self, families: Sequence[MetricFamily]):
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Each family with its series."""
        return map(_metric, self._families)


def _metric(family: MetricFamily) -> Metric:
    kind = CounterMetricFamily if family.kind is MetricKind.COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for values, number in family.series:
        metric.add_metric(values, number)
    return metric


def _registry(families: Sequence[MetricFamily]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Measured(families))
    return registry


def prometheus_text(families: Sequence[MetricFamily]) -> str:
    """The metrics in the text format that every Prometheus reads."""
    return generate_latest(_registry(families)).decode()


def write_textfile(families: Sequence[MetricFamily], path: str) -> None:
    """Write beside the file and rename, so that a collector reads the old or the new one. Raises UsageError."""
    try:
        write_to_textfile(path, _registry(families))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot write {path}".replace("\0", "\\0"), detail=why, code="output") from error
