"""What stdin, stdout and stderr are, whether to colour them, where results go, and progress on stderr.

Results go to stdout, a pager, or a file that appears whole or not at all.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from indexpilot_cli.core import files
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


_STDOUT = 1
_ESCAPED = "escaped"
_STDOUT_NAMES = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
_CODES = {"error": "1;31", "warning": "33", "hint": "36", "detail": "2", "next": "1"}


@dataclass(frozen=True, slots=True)
class Terminal:
    """The streams of this process."""

    stdin_tty: bool
    stdout_tty: bool
    stderr_tty: bool
    stdout_color: bool
    stderr_color: bool
    width: int
    height: int

    def label(self, word: str) -> str:
        """The word, coloured for stderr where that is wanted."""
        return f"\x1b[{_CODES[word]}m{word}\x1b[0m" if self.stderr_color else word


def look(color: str = "auto", environment: Mapping[str, str] = os.environ) -> Terminal:
    """The terminal as it is now. ``color`` is auto, always or never."""
    size = shutil.get_terminal_size((100, 40))
    return Terminal(
        is_tty(sys.stdin),
        is_tty(sys.stdout),
        is_tty(sys.stderr),
        wants_color(color, is_tty(sys.stdout), environment),
        wants_color(color, is_tty(sys.stderr), environment),
        size.columns,
        size.lines,
    )


def wants_color(color: str, tty: bool, environment: Mapping[str, str]) -> bool:
    """``--color`` first, then NO_COLOR, TERM=dumb, FORCE_COLOR, and what the stream is."""
    if color != "auto":
        return color == "always"
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    if environment.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return tty


def is_tty(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal; a closed or missing stream is not."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def keep_for_documents(*, show_stray: bool = False) -> None:
    """Give stdout a descriptor of its own; whatever else goes to descriptor 1 until the process ends is no output.

    Native code writes there past Python's ``sys.stdout``: HiGHS prints a line of its own while it solves, which would
    stand before the document. ``show_stray`` lets it go to stderr. Nothing happens where stdout is another descriptor.
    """
    stdout = sys.stdout
    null = os.open(os.devnull, os.O_WRONLY)
    if stdout is None:
        return  # closed: the null device may have taken its number, which no connection shall get
    if stdout is sys.__stdout__ and isinstance(stdout, io.TextIOWrapper) and _descriptor(stdout) == _STDOUT:
        stdout.flush()
        # Closed in the programs we start; the pager gets it by name.
        binary = os.fdopen(os.dup(_STDOUT), "wb")
        sys.stdout = io.TextIOWrapper(
            binary,
            encoding=stdout.encoding,
            errors=_ESCAPED if stdout.errors == "strict" else stdout.errors,
            line_buffering=stdout.line_buffering,
            write_through=stdout.write_through,
        )
        sys.__stdout__ = sys.stdout  # type: ignore[misc] # the width of the terminal is asked of this one
        # Never turned back: C's own buffers are written when the process ends.
        os.dup2(2 if show_stray and sys.stderr is not None else null, _STDOUT)
    os.close(null)


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Letters that the encoding of stdout (PYTHONIOENCODING, the locale) has not, as JSON would escape them."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_ESCAPED, _escape)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def write_stdout(text: str) -> None:
    """Write and flush, so that a closed pipe shows here and not at exit. Raises BrokenPipeError."""
    if sys.stdout is None:
        raise BrokenPipeError
    sys.stdout.write(text)
    sys.stdout.flush()


def write_file(name: str, text: str) -> None:
    """Write beside the file and rename: a reader sees the old or the new content. A new one is private.

    Raises UsageError.
    """
    if name in _STDOUT_NAMES:
        write_stdout(text)
        return
    path = Path(name)
    try:
        target = path.resolve() if path.is_symlink() else path
        if target.exists() and not target.is_file():
            _write_special(target, text, name)
            return
        files.write(target, text, keep_mode=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot write {name}".replace("\0", "\\0"), detail=why, code="output") from error


def _write_special(path: Path, text: str, name: str) -> None:
    """Devices and pipes, such as /dev/stdout, are written to directly."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {name}", detail=error.strerror, code="output") from error


def page(text: str, environment: Mapping[str, str]) -> bool:
    """Show the text in the user's pager; False when there is none."""
    command = environment.get("INDEXPILOT_PAGER", environment.get("PAGER", "less"))
    words = shlex.split(command)
    if not words or words == ["cat"] or shutil.which(words[0]) is None:
        return False
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=sys.stdout,
        text=True,
        encoding="utf-8",
        env={"LESS": "FRX", **environment},
    )
    try:
        process.communicate(text)
    except BrokenPipeError:
        process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise
    return True


def close_quietly() -> None:
    """After a closed pipe: nothing more to stdout, so that the interpreter's own flush at exit stays silent."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
