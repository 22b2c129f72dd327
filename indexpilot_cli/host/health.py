"""How the database is, for an application: metrics, alerts, and the state of its pool."""

from __future__ import annotations

from dataclasses import dataclass, replace

from indexpilot_cli import __version__
from indexpilot_cli.core.command import Connection
from indexpilot_cli.db.pool import PoolStats, get_pool_stats, pool_conninfo
from indexpilot_cli.errors import UnreachableError
from indexpilot_cli.host import place
from indexpilot_cli.lifecycle.alerts import Alert, AlertBook
from indexpilot_cli.lifecycle.metric_families import MetricFamily, down, families
from indexpilot_cli.lifecycle.metrics import MetricsRequest, measured, place_of


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


alert_book = AlertBook()


def get_health(book: AlertBook | None = None, *, most: int = 2000) -> HealthStatus:
    """Measure through the host's pool; new alerts go to the book's listeners (``alert_book`` unless another is given).

    A database that does not answer is a state and no error. Raises PrerequisiteError when no pool is open.
    """
    judged = alert_book if book is None else book
    conninfo, password = pool_conninfo()
    request = MetricsRequest(Connection(conninfo, password, metadata_schema=place.metadata_schema()), most)
    where, latency, failure = place_of(request.connection), None, None
    try:
        with place.session() as session:
            server, figures = measured(session, request)
        there = replace(where, database=server.database)
        latency, found = figures.latency, families(figures, there, __version__, most)
    except UnreachableError as error:
        failure, found = error.message, down(where, __version__)
    judged.look(found)
    return HealthStatus(failure is None, latency, failure, get_pool_stats(), found, judged.active)
