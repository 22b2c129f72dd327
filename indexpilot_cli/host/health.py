"""How the database is, for an application: metrics, alerts, and the state of its pool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from indexpilot_cli import __version__
from indexpilot_cli.core import telemetry
from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.db.pool import PoolStats, get_pool_stats
from indexpilot_cli.errors import UnreachableError
from indexpilot_cli.host import place
from indexpilot_cli.host.adapters.configure import get_adapter_stats
from indexpilot_cli.lifecycle.alerts import Alert, AlertBook, rules_of
from indexpilot_cli.lifecycle.metric_families import MetricFamily, MetricKind
from indexpilot_cli.settings.sections import HealthCheckSettings, Settings


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """``is_up``: the database answered, within ``latency`` seconds; else ``error`` says why not.

    ``alerts`` are active, gravest first.
    """

    is_up: bool
    latency: float | None
    error: str | None
    pool: PoolStats
    metrics: tuple[MetricFamily, ...]
    alerts: tuple[Alert, ...] = ()


@dataclass
class _Limits:
    most: int = HealthCheckSettings().max_series


alert_book = AlertBook()
_limits = _Limits()


def _follow(settings: Settings) -> None:
    health = settings.operational.health_checks
    alert_book.follow(rules_of(health), health.kept_alerts)
    _limits.most = health.max_series


place.on_configured(_follow)


def get_health(book: AlertBook | None = None, *, most: int | None = None) -> HealthStatus:
    """Measure through the host's pool; new alerts go to the book's listeners (``alert_book`` unless another is given).

    The thresholds of ``alert_book`` are ``operational.health_checks`` when the pool is opened; ``most`` series are
    measured, unless given as many as ``max_series`` there. The monitoring adapter is told of new alerts too, and of
    every gauge but those of single indexes. A database that does not answer is a state and no error. Raises
    PrerequisiteError when no pool is open.
    """
    # Here, because it brings the SQL parser along, half a second that an application pays when it asks.
    from indexpilot_cli.lifecycle.metrics import MetricsRequest, measured, unreached

    judged = alert_book if book is None else book
    request, failure = MetricsRequest(Connection(), most or _limits.most, record=Record(version=__version__)), None
    try:
        request = replace(request, connection=place.connection())
        with place.session() as session:
            _, found = measured(session, request)
    except UnreachableError as error:
        failure, found = error.message, unreached(request)
    pool = get_pool_stats()
    families = (*found.families, *_of_host(pool))
    judged.look(families)
    _tell(families)
    latency = found.figures.latency if found.figures is not None else None
    return HealthStatus(failure is None, latency, failure, pool, families, judged.active)


def _of_host(pool: PoolStats) -> Iterator[MetricFamily]:
    """What is to be measured in the host's own process."""
    states = {"used": pool.used, "free": pool.free, "waiting": pool.waiting}
    yield _by("pool_connections", MetricKind.GAUGE, "The pool's connections, and who waits for one.", "state", states)
    stats = get_adapter_stats()
    failures = {role: of.failures for role, of in stats.items()}
    yield _by("adapter_failures_total", MetricKind.COUNTER, "Calls that an adapter failed.", "role", failures)
    dropped = {role: of.dropped for role, of in stats.items()}
    yield _by("adapter_dropped_total", MetricKind.COUNTER, "Calls that found an adapter's queue full.", "role", dropped)


def _by(name: str, kind: MetricKind, text: str, label: str, counts: Mapping[str, int]) -> MetricFamily:
    series = tuple(((key,), float(number)) for key, number in counts.items())
    return MetricFamily(f"indexpilot_{name}", kind, text, (label,), series)


def _tell(families: Iterable[MetricFamily]) -> None:
    for family in families:
        # A series for each index would be thousands in a system that is paid by the series; Prometheus has them from
        # ``lifecycle metrics``.
        if family.kind is MetricKind.GAUGE and not family.name.startswith("indexpilot_index_size"):
            for values, number in family.series:
                tags = dict(zip(family.labels, values, strict=True))
                telemetry.gauge(family.name.removeprefix("indexpilot_"), number, **tags)
