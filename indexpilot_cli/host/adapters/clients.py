"""Adapters that are ready: metrics, error trackers over their own client libraries, second audit trails."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from indexpilot_cli.core.codec import to_json
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


class SentryErrors:
    """Events of sentry_sdk, with the client that the host has set up by ``sentry_sdk.init``."""

    def __init__(self) -> None:
        import sentry_sdk

        self._sdk = sentry_sdk

    def capture_exception(self, error: BaseException, context: Mapping[str, Any]) -> None:
        """An event tagged ``indexpilot``, with the command and what else is known as a context of that name."""
        # A scope of its own: tags set on the host's would stand on the host's events, too.
        with self._sdk.new_scope() as scope:
            scope.set_tag("indexpilot", str(context.get("command", "")))
            scope.set_context("indexpilot", dict(context))
            scope.capture_exception(error)


class RollbarErrors:
    """Items of rollbar, with the settings of the host's ``rollbar.init``; or of a module that is called in its way."""

    def __init__(self, client: Any = None):
        if client is None:
            import rollbar

            client = rollbar
        self._client = client

    def capture_exception(self, error: BaseException, context: Mapping[str, Any]) -> None:
        """An item of the error, with the command and what else is known as extra data."""
        found = (type(error), error, error.__traceback__)
        self._client.report_exc_info(found, extra_data={"indexpilot": dict(context)})


class CallbackAudit:
    """Calls the host's function with each event."""

    def __init__(self, callback: Callable[[Mapping[str, Any]], object]):
        self._callback = callback

    def record(self, event: Mapping[str, Any]) -> None:
        """A row of the log."""
        self._callback(event)


class LoggingAudit:
    """A line of Python's logging for each event: INFO, WARNING for what failed. The event is ``record.indexpilot``."""

    def __init__(self, logger: logging.Logger | str = "indexpilot.audit"):
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger

    def record(self, event: Mapping[str, Any]) -> None:
        """A row of the log."""
        level = logging.WARNING if str(event["state"]).startswith("FAILED") else logging.INFO
        where = ".".join(str(event[name]) for name in ("schema_name", "table_name", "field_name") if event.get(name))
        said = (event["mutation_type"], event["state"] or "-", event["id"], where or "-", event["actor"] or "unknown")
        self._logger.log(level, "%s %s M-%s on %s by %s", *said, extra={"indexpilot": event})


class JsonLinesAudit:
    """A file that each event is appended to as one line of JSON; a line is written whole, also beside other processes.

    The file is made with rights for its owner alone, and opened for each event: it may be rotated away.
    """

    def __init__(self, path: str | Path):
        self._path = Path(path)

    def record(self, event: Mapping[str, Any]) -> None:
        """A row of the log."""
        line = json.dumps(to_json(dict(event)), ensure_ascii=False, default=str).encode() + b"\n"
        # One write under O_APPEND: the kernel puts it behind all others, whoever else writes.
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
