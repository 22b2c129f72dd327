"""The first sign of life: a line on the terminal before anything is imported, gone when something better comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_SLOW = (
    *("init", "discover", "analyze", "recommend", "explain", "apply", "rollback"),
    *("snapshot", "doctor", "history", "demo", "schema-evolve"),
)
_SILENT = ("-q", "--quiet", "--help")
_CLEAR = "\r\x1b[2K"
_shown = False


def show(arguments: Sequence[str]) -> None:
    """Write the line when a slow command is about to run and somebody looks at stderr."""
    global _shown
    if not arguments or arguments[0] not in _SLOW or any(a in _SILENT for a in arguments):
        return
    if os.environ.get("TERM", "dumb") != "dumb" and sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"\rindexpilot {arguments[0]} …")
        sys.stderr.flush()
        _shown = True


def clear() -> None:
    """Take the line away, if it is there."""
    global _shown
    if _shown:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
        _shown = False
