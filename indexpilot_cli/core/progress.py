"""How long work tells that it is alive, without knowing whether anybody looks."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A place to report to. Stages follow one another; a new stage ends the one before."""

    def stage(self, title: str, total: float | None = None) -> None:
        """Begin a stage of ``total`` units (None: unknown)."""
        ...

    def advance(self, amount: float = 1) -> None:
        """Some units of the stage are done."""
        ...

    def say(self, text: str) -> None:
        """One line of status worth keeping."""
        ...


class Silent:
    """Progress that nobody sees."""

    def stage(self, title: str, total: float | None = None) -> None:
        """Ignore."""

    def advance(self, amount: float = 1) -> None:
        """Ignore."""

    def say(self, text: str) -> None:
        """Ignore."""
