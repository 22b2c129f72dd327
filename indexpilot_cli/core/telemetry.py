"""What happens, told to whoever has asked for it: an application that hosts us, through its adapters.

Commands have nobody who listens; then telling costs a comparison. Names are words with dots and without our own in
front, tags are few and of few values: monitoring systems keep a series for each combination.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

Tags: TypeAlias = Mapping[str, str]


class TelemetrySink(Protocol):
    """Takes what happens. It must neither raise nor wait: it is called between the statements of a change."""

    def count(self, name: str, value: float, tags: Tags) -> None:
        """So many more of something."""

    def gauge(self, name: str, value: float, tags: Tags) -> None:
        """As much of something as there is now."""

    def timing(self, name: str, seconds: float, tags: Tags) -> None:
        """How long something took."""

    def alert(self, level: str, name: str, text: str, value: float) -> None:
        """A threshold was passed; ``level`` is info, warning, error or critical."""

    def mutation(self, row: Mapping[str, Any]) -> None:
        """A row of the mutation log that is committed, by the log's column names and without secrets."""

    def failure(self, error: BaseException, context: Mapping[str, Any]) -> None:
        """An error that is ours or the server's, not one of who asked."""


_sink: TelemetrySink | None = None


def listen(sink: TelemetrySink | None) -> None:
    """From now on tell the sink, in place of the one before; None: nobody."""
    global _sink
    _sink = sink


def listening() -> bool:
    """Whether somebody is told."""
    return _sink is not None


def count(name: str, value: float = 1, **tags: str) -> None:
    """So many more of something; nothing is told of none."""
    if _sink is not None and value:
        _sink.count(name, value, tags)


def gauge(name: str, value: float, **tags: str) -> None:
    """As much of something as there is now."""
    if _sink is not None:
        _sink.gauge(name, value, tags)


def timing(name: str, seconds: float, **tags: str) -> None:
    """How long something took."""
    if _sink is not None:
        _sink.timing(name, seconds, tags)


def alert(level: str, name: str, text: str, value: float) -> None:
    """A threshold was passed."""
    if _sink is not None:
        _sink.alert(level, name, text, value)


def mutation(row: Mapping[str, Any]) -> None:
    """A row of the mutation log that is committed."""
    if _sink is not None:
        _sink.mutation(row)


def failure(error: BaseException, **context: Any) -> None:
    """An error that is ours or the server's."""
    if _sink is not None:
        _sink.failure(error, context)
