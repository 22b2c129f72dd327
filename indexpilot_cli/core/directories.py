"""Where IndexPilot keeps what is not in a database: twins in the cache, the latest plans in the state directory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_directory() -> Path:
    """``$XDG_CACHE_HOME/indexpilot``, made when missing; a directory under the temporary one when that fails."""
    return _make(_base("XDG_CACHE_HOME", ".cache") / "indexpilot")


def state_directory() -> Path:
    """``$XDG_STATE_HOME/indexpilot``, made when missing; a directory under the temporary one when that fails."""
    return _make(_base("XDG_STATE_HOME", ".local/state") / "indexpilot")


def _base(variable: str, fallback: str) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / fallback


def _make(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        path = Path(tempfile.gettempdir()) / f"indexpilot-{os.getuid()}"
        path.mkdir(mode=0o700, exist_ok=True)
    return path
