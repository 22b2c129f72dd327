"""Metrics as Prometheus text. https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from indexpilot_cli.core.codec import Count, DocumentShape, From
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.metric_families import MetricFamily, MetricKind
from indexpilot_cli.lifecycle.metrics import MetricsResult
from indexpilot_cli.render.document import Code, Document, Lines
from indexpilot_cli.render.units import plural


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


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """One number and what it is of."""

    labels: Mapping[str, str]
    value: float


def _series(family: MetricFamily) -> tuple[MetricSeries, ...]:
    return tuple(MetricSeries(dict(zip(family.labels, values, strict=True)), n) for values, n in family.series)


class MetricDocument(DocumentShape):
    """A metric with its series."""

    name: str
    type: Annotated[MetricKind, From("kind")]
    help: str
    series: Annotated[tuple[MetricSeries, ...], From(_series)]


class MetricsDocument(DocumentShape):
    """Metrics of a database; with the database down only that it is."""

    up: Annotated[bool, From(lambda result: result.figures is not None)]
    series: Annotated[Count, "how many in all"]
    metrics: Annotated[tuple[MetricDocument, ...], From("families")]


def metrics_view(result: MetricsResult, textfile: str | None = None) -> Document:
    """The text, or where it was written."""
    if textfile is not None:
        told = Lines((f"{plural(result.series, 'series', 'series')} written to {textfile}",))
        return Document((told,), result, MetricsDocument)
    text = prometheus_text(result.families)
    return Document((Code(text, ""),), result, MetricsDocument, forms={"table": lambda: text})
