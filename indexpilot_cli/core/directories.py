"""Where IndexPilot keeps what is not in a database: twins in the cache, the latest plans in the state directory."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def cache_directory() -> Path:
    """``$XDG_CACHE_HOME/indexpilot``, made when missing; our own one under the temporary directory when that fails."""
    return _make(_base("XDG_CACHE_HOME", ".cache") / "indexpilot")


def state_directory() -> Path:
    """``$XDG_STATE_HOME/indexpilot``, made when missing; our own one under the temporary directory when that fails."""
    return _make(_base("XDG_STATE_HOME", ".local/state") / "indexpilot")


def _base(variable: str, fallback: str) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / fallback


def _make(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        path = Path(tempfile.gettempdir()) / f"indexpilot-{os.getuid()}"
        with suppress(OSError):
            path.mkdir(mode=0o700)
        if not _is_ours(path):
            return Path(tempfile.mkdtemp(prefix=f"indexpilot-{os.getuid()}-"))
    return path


def _is_ours(path: Path) -> bool:
    """Whether it is a directory that nobody else can write to: anybody may have made that name in a shared place."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
