"""What stdin, stdout and stderr are, and whether to colour them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

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
