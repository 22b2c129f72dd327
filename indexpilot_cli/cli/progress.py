"""Progress on stderr: a line before anything is imported, then a spinner with the stage and how far it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_SLOW = (
    *("init", "discover", "analyze", "recommend", "explain", "apply", "rollback"),
    *("snapshot", "doctor", "history", "demo", "schema-evolve"),
)
_SILENT = ("-q", "--quiet", "--help")
_shown = False


def show_first_line(arguments: Sequence[str]) -> None:
    """Write the line when a slow command is about to run and somebody looks at stderr."""
    global _shown
    if not arguments or arguments[0] not in _SLOW or any(a in _SILENT for a in arguments):
        return
    if os.environ.get("TERM", "dumb") != "dumb" and sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"\rindexpilot {arguments[0]} …")
        sys.stderr.flush()
        _shown = True


def clear_first_line() -> None:
    """Take the line away, if it is there."""
    global _shown
    if _shown:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
        _shown = False


_CLEAR = "\r\x1b[2K"


class Spinner:
    """Progress for a terminal. A plain line appears at once; rich takes over at the first stage."""

    def __init__(self, *, color: bool, first: str) -> None:
        self._color = color
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None
        sys.stderr.write(f"\r{first} …")
        sys.stderr.flush()

    def __enter__(self) -> Spinner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the line empty for what follows."""
        if self._rich is not None:
            self._rich.stop()
            self._rich = self._task = None
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()

    def stage(self, title: str, total: float | None = None) -> None:
        """Begin a stage."""
        if self._rich is None:
            sys.stderr.write(_CLEAR)
            self._rich = _make(self._color)
            self._rich.start()
        if self._task is not None:
            self._rich.remove_task(self._task)
        self._task = self._rich.add_task(title, total=total)

    def advance(self, amount: float = 1) -> None:
        """Some units are done."""
        if self._rich is not None and self._task is not None:
            self._rich.advance(self._task, amount)

    def say(self, text: str) -> None:
        """A line that stays, above the spinner."""
        if self._rich is not None:
            self._rich.console.print(text, soft_wrap=True)
        else:
            sys.stderr.write(f"{_CLEAR}{text}\n")


def _make(color: bool) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class Count(ProgressColumn):
        """``12/34``, nothing while the whole is unknown."""

        def render(self, task: Task) -> Text:
            return Text("" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}")

    console = Console(stderr=True, no_color=not color, highlight=False, markup=False, emoji=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(24),
        Count(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True)


class Spoken:
    """Progress without a terminal: only the lines worth keeping, where somebody asked for them."""

    def __init__(self, *, speak: bool) -> None:
        self._speak = speak

    def stage(self, title: str, total: float | None = None) -> None:  # noqa: ARG002 - part of the protocol
        """One line per stage."""
        self.say(title)

    def advance(self, amount: float = 1) -> None:
        """Nothing to show."""

    def say(self, text: str) -> None:
        """One line."""
        if self._speak:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
