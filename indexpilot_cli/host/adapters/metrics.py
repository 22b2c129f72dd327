"""Monitoring systems: Prometheus, StatsD and Datadog, over their own client libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from indexpilot_cli.core.telemetry import Tags

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_PREFIX = "indexpilot"
# A registry refuses a second metric of one name: an application that configures twice goes on with those of the first.
_made: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


class PrometheusMetrics:
    """Counters, gauges and summaries in a registry of prometheus_client, made when they are first needed.

    ``query_stats.written`` is ``indexpilot_query_stats_written_total`` there, a timing of ``runs`` is
    ``indexpilot_runs_seconds_count`` and ``_sum``, an alert counts in ``indexpilot_alerts_total``.
    """

    def __init__(self, registry: CollectorRegistry | None = None):
        import prometheus_client

        self._client = prometheus_client
        self._registry = prometheus_client.REGISTRY if registry is None else registry
        self._metrics = _made.setdefault(self._registry, {})

    def count(self, name: str, value: float, tags: Tags) -> None:
        """So many more."""
        self._metric(self._client.Counter, name, tags).inc(value)

    def gauge(self, name: str, value: float, tags: Tags) -> None:
        """So many now."""
        self._metric(self._client.Gauge, name, tags).set(value)

    def timing(self, name: str, seconds: float, tags: Tags) -> None:
        """How long it took."""
        self._metric(self._client.Summary, f"{name}.seconds", tags).observe(seconds)

    def alert(self, level: str, name: str, text: str, value: float) -> None:  # noqa: ARG002 - a metric holds no text
        """A threshold was passed."""
        self.count("alerts", 1, {"level": level, "name": name})

    def _metric(self, kind: Any, name: str, tags: Tags) -> Any:
        full = f"{_PREFIX}_{name.replace('.', '_')}"
        if full not in self._metrics:
            text = f"IndexPilot: {name.replace('.', ' ').replace('_', ' ')}."
            self._metrics[full] = kind(full, text, sorted(tags), registry=self._registry)
        metric = self._metrics[full]
        return metric.labels(**tags) if tags else metric


class StatsdMetrics:
    """A ``statsd.StatsClient``, whose protocol has no tags: their values stand behind the name."""

    def __init__(self, client: Any = None, **options: Any):
        """``options`` (host, port, …) make a client when none is given."""
        if client is None:
            import statsd

            client = statsd.StatsClient(**options)
        self._client = client

    def count(self, name: str, value: float, tags: Tags) -> None:
        """So many more."""
        self._client.incr(_dotted(name, tags), value)

    def gauge(self, name: str, value: float, tags: Tags) -> None:
        """So many now."""
        self._client.gauge(_dotted(name, tags), value)

    def timing(self, name: str, seconds: float, tags: Tags) -> None:
        """How long it took; StatsD counts in milliseconds."""
        self._client.timing(_dotted(name, tags), seconds * 1000)

    def alert(self, level: str, name: str, text: str, value: float) -> None:  # noqa: ARG002 - a counter holds no text
        """A threshold was passed."""
        self.count("alerts", 1, {"level": level, "name": name})


class DatadogMetrics:
    """A ``DogStatsd`` client of datadog, with tags; alerts are events there, and counters."""

    def __init__(self, client: Any = None, **options: Any):
        """``options`` (host, port, …) make a client when none is given."""
        if client is None:
            from datadog.dogstatsd import DogStatsd

            client = DogStatsd(**options)
        self._client = client

    def count(self, name: str, value: float, tags: Tags) -> None:
        """So many more."""
        self._client.increment(f"{_PREFIX}.{name}", value, tags=_pairs(tags))

    def gauge(self, name: str, value: float, tags: Tags) -> None:
        """So many now."""
        self._client.gauge(f"{_PREFIX}.{name}", value, tags=_pairs(tags))

    def timing(self, name: str, seconds: float, tags: Tags) -> None:
        """How long it took, as a distribution over all hosts."""
        self._client.distribution(f"{_PREFIX}.{name}.seconds", seconds, tags=_pairs(tags))

    def alert(self, level: str, name: str, text: str, value: float) -> None:  # noqa: ARG002 - it stands in the text
        """A threshold was passed."""
        # An event knows info, success, warning and error, and nothing graver.
        kind = "error" if level in ("error", "critical") else level
        tags = {"level": level, "name": name}
        self._client.event(f"IndexPilot: {name}", text, alert_type=kind, tags=_pairs(tags))
        self.count("alerts", 1, tags)


def _dotted(name: str, tags: Tags) -> str:
    # Dots, colons and bars separate in the protocol, and a Graphite behind it splits at spaces and slashes.
    values = ("".join(c if c.isalnum() or c in "_-" else "_" for c in tags[tag]) or "none" for tag in sorted(tags))
    return ".".join((_PREFIX, name, *values))


def _pairs(tags: Tags) -> list[str]:
    return [f"{name}:{value}" for name, value in sorted(tags.items())]
