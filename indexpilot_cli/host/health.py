"""How the database is, for an application: metrics, alerts, and the state of its pool."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli import __version__
from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.db.pool import PoolStats, get_pool_stats, pool_conninfo
from indexpilot_cli.errors import UnreachableError
from indexpilot_cli.host import place
from indexpilot_cli.lifecycle.alerts import Alert, AlertBook
from indexpilot_cli.lifecycle.metric_families import MetricFamily
from indexpilot_cli.lifecycle.metrics import MetricsRequest, measured, unreached


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
    connection = Connection(conninfo, password, metadata_schema=place.metadata_schema())
    request, failure = MetricsRequest(connection, most, Record(version=__version__)), None
    try:
        with place.session() as session:
            _, found = measured(session, request)
    except UnreachableError as error:
        failure, found = error.message, unreached(request)
    judged.look(found.families)
    latency = found.figures.latency if found.figures is not None else None
    return HealthStatus(failure is None, latency, failure, get_pool_stats(), found.families, judged.active)
