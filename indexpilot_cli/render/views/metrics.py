"""Metrics of a database: Prometheus text for people and collectors alike, the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from indexpilot_cli.core.codec import Count, DocumentShape, From
from indexpilot_cli.lifecycle.metric_families import MetricFamily, MetricKind
from indexpilot_cli.lifecycle.metrics import MetricsResult
from indexpilot_cli.render.document import Code, Document, Lines
from indexpilot_cli.render.prometheus import prometheus_text
from indexpilot_cli.render.units import plural


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
