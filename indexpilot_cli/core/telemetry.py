"""What happens, told to whoever has asked for it: an application that hosts us, through its adapters.

Commands have nobody who listens; then telling costs a comparison. Names are words with dots and without our own in
front, tags are few and of few values: monitoring systems keep a series for each combination.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Tags: TypeAlias = Mapping[str, str]


class MonitoringAdapter(Protocol):
    """What a monitoring system is told.

    ``name`` is words with dots, such as ``query_stats.written``; tags have few values; ``level`` is info, warning,
    error or critical.
    """

    def count(self, name: str, value: float, tags: Tags) -> object:
        """So many more."""

    def gauge(self, name: str, value: float, tags: Tags) -> object:
        """So many now."""

    def timing(self, name: str, seconds: float, tags: Tags) -> object:
        """How long it took."""

    def alert(self, level: str, name: str, text: str, value: float) -> object:
        """A threshold was passed."""


class ErrorTracker(Protocol):
    """What an error tracker is told: errors that are ours or the server's, with the command and the table if known."""

    def capture_exception(self, error: BaseException, context: Mapping[str, Any]) -> object:
        """An error, with its traceback."""


class AuditAdapter(Protocol):
    """What a second audit trail is told: each row of ``mutation_log`` once it is committed, secrets masked."""

    def record(self, event: Mapping[str, Any]) -> object:
        """A row, by the log's column names."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told. None of them may raise or wait: they are called between the statements of a change."""

    monitoring: MonitoringAdapter | None = None
    errors: ErrorTracker | None = None
    audit: AuditAdapter | None = None


_NOBODY = Listeners()
_listeners = _NOBODY


def listen(listeners: Listeners) -> None:
    """From now on tell these, in place of those before."""
    global _listeners
    _listeners = listeners


def listening() -> bool:
    """Whether somebody is told."""
    return _listeners != _NOBODY


def count(name: str, value: float = 1, **tags: str) -> None:
    """So many more of something; nothing is told of none."""
    if _listeners.monitoring is not None and value:
        _listeners.monitoring.count(name, value, tags)


def gauge(name: str, value: float, **tags: str) -> None:
    """As much of something as there is now."""
    if _listeners.monitoring is not None:
        _listeners.monitoring.gauge(name, value, tags)


def timing(name: str, seconds: float, **tags: str) -> None:
    """How long something took."""
    if _listeners.monitoring is not None:
        _listeners.monitoring.timing(name, seconds, tags)


def alert(level: str, name: str, text: str, value: float) -> None:
    """A threshold was passed."""
    if _listeners.monitoring is not None:
        _listeners.monitoring.alert(level, name, text, value)


def mutation(row: Mapping[str, Any]) -> None:
    """A row of the mutation log that is committed."""
    count("mutations", type=str(row["mutation_type"]), state=str(row["state"] or "").lower())
    if _listeners.audit is not None:
        _listeners.audit.record(row)


def failure(error: BaseException, **context: Any) -> None:
    """An error that is ours or the server's."""
    count("errors", error=type(error).__name__)
    if _listeners.errors is not None:
        _listeners.errors.capture_exception(error, context)
