"""Which adapters there are, checked when they are configured, and who is told from then on."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, TypeVar

from indexpilot_cli.core import telemetry
from indexpilot_cli.core.telemetry import AuditAdapter, ErrorTracker, Listeners, MonitoringAdapter
from indexpilot_cli.db.host_pool import HostPool, host_pool
from indexpilot_cli.db.pool import host_pool_in_use
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host import place
from indexpilot_cli.host.adapters.guarded import (
    AdapterStats,
    GuardedAdapter,
    GuardedAudit,
    GuardedErrorTracker,
    GuardedMonitoring,
)
from indexpilot_cli.log.redact import scrub_text

G = TypeVar("G", bound=GuardedAdapter)


class _Unchanged(Enum):
    """What no argument means: the adapter stays as it is."""

    KEEP = "keep"


_KEEP: Final = _Unchanged.KEEP
_Keep = Literal[_Unchanged.KEEP]
_METHODS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "monitoring": {
        "count": ("name", "value", "tags"),
        "gauge": ("name", "value", "tags"),
        "timing": ("name", "seconds", "tags"),
        "alert": ("level", "name", "text", "value"),
    },
    "error_tracker": {"capture_exception": ("error", "context")},
    "audit": {"record": ("event",)},
}


@dataclass
class _Adapters:
    """The configured adapters."""

    monitoring: GuardedMonitoring | None = None
    errors: GuardedErrorTracker | None = None
    audit: GuardedAudit | None = None


_adapters = _Adapters()


def configure_adapters(
    *,
    monitoring: MonitoringAdapter | _Keep | None = _KEEP,
    database: object | _Keep = _KEEP,
    error_tracker: ErrorTracker | _Keep | None = _KEEP,
    audit: AuditAdapter | _Keep | None = _KEEP,
) -> None:
    """Use the host's own monitoring, pool, error tracker and audit trail; None takes one away, the others stay.

    ``database`` is a pool of the host's that is used from now on instead of one of ours: of psycopg_pool or psycopg2,
    an SQLAlchemy engine with one of those drivers, or an object with ``getconn`` and ``putconn``. What works outside a
    transaction (changes of columns and indexes, lifecycle jobs) opens sessions for its time to where the pool's
    connections go, under their application name.

    Each object is checked before anything is changed. Raises UsageError that names the method which is missing or takes
    something else. Afterwards nothing that an adapter does reaches the host: ``get_adapter_stats`` counts it.
    """
    watched = {"monitoring": monitoring, "error_tracker": error_tracker, "audit": audit}
    for role, adapter in watched.items():
        if adapter is not None and adapter is not _KEEP:
            _check(role, adapter)
    lender = host_pool(database) if database is not None and database is not _KEEP else None
    if monitoring is not _KEEP:
        _adapters.monitoring = _replaced(_adapters.monitoring, GuardedMonitoring, monitoring)
    if error_tracker is not _KEEP:
        _adapters.errors = _replaced(_adapters.errors, GuardedErrorTracker, error_tracker)
    if audit is not _KEEP:
        _adapters.audit = _replaced(_adapters.audit, GuardedAudit, audit)
    if database is not _KEEP:
        place.use_host_pool(lender)
    telemetry.listen(Listeners(_adapters.monitoring, _adapters.errors, _adapters.audit))


def get_monitoring_adapter() -> GuardedMonitoring | None:
    """The guarded adapter, which never raises and never waits; None when none is configured."""
    return _adapters.monitoring


def get_error_tracker() -> GuardedErrorTracker | None:
    """The guarded error tracker; None when none is configured."""
    return _adapters.errors


def get_audit_adapter() -> GuardedAudit | None:
    """The guarded audit adapter; None when none is configured."""
    return _adapters.audit


def get_host_database_adapter() -> HostPool | None:
    """The host's pool as we use it, with ``failures``; None when we open a pool of our own."""
    return host_pool_in_use()


def get_adapter_stats() -> dict[str, AdapterStats]:
    """What came of the calls of each configured adapter: monitoring, error_tracker, audit, database.

    Of the database ``delivered`` counts the connections it lent, ``failures`` those it did not.
    """
    guarded = {"monitoring": _adapters.monitoring, "error_tracker": _adapters.errors, "audit": _adapters.audit}
    found = {role: adapter.stats() for role, adapter in guarded.items() if adapter is not None}
    lender = host_pool_in_use()
    if lender is not None:
        error = None if lender.last_error is None else scrub_text(lender.last_error)
        found["database"] = AdapterStats(lender.lent, lender.failures, last_error=error)
    return found


def _check(role: str, adapter: object) -> None:
    wanted = _METHODS[role]
    kind = type(adapter).__name__
    missing = [name for name in wanted if not callable(getattr(adapter, name, None))]
    if missing:
        raise UsageError(
            f"the {role} adapter has no method {', '.join(missing)}: {kind}",
            hint=f"it needs {', '.join(_signature(name, wanted[name]) for name in wanted)}",
            code="bad_adapter",
        )
    for name, arguments in wanted.items():
        method = getattr(adapter, name)
        # A coroutine function would give back something that nobody awaits, and lose every call without a word.
        if inspect.iscoroutinefunction(method) or not _takes(method, len(arguments)):
            raise UsageError(
                f"the {role} adapter's method {name} must be {_signature(name, arguments)}: {kind}", code="bad_adapter"
            )


def _takes(method: Any, number: int) -> bool:
    try:
        # By position, as they are called: the host may name its arguments as it likes.
        inspect.signature(method).bind(*range(number))
    except TypeError:
        return False
    except ValueError:  # one of a C extension, which does not say what it takes
        return True
    return True


def _signature(name: str, arguments: tuple[str, ...]) -> str:
    return f"{name}({', '.join(arguments)})"


def _replaced(before: GuardedAdapter | None, kind: type[G], adapter: object | None) -> G | None:
    if before is not None:
        before.close()  # what waits for it is still delivered
    return None if adapter is None else kind(adapter)
