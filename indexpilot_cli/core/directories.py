"""Where IndexPilot keeps what is not in a database: twins in the cache, the latest plans in the state directory."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def cache_directory() -> Path:
    """``$XDG_CACHE_HOME/indexpilot``, made when missing; our own one under the temporary directory when that fails."""
    # Servers that root starts run as another account, which has to get through to their files, and not to read here.
    return _make(_base("XDG_CACHE_HOME", ".cache") / "indexpilot", 0o711 if os.geteuid() == 0 else 0o700)


def state_directory() -> Path:
    """``$XDG_STATE_HOME/indexpilot``, made when missing; our own one under the temporary directory when that fails."""
    return _make(_base("XDG_STATE_HOME", ".local/state") / "indexpilot")


def _base(variable: str, fallback: str) -> Path:
    given = os.environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / fallback


def make(path: Path, mode: int = 0o700) -> None:
    """Make the directory and those above it that are missing; nobody else may write to any, whatever the umask.

    Raises OSError. ``Path.mkdir`` gives the ones above whatever the umask leaves of 0777.
    """
    missing = [above for above in path.parents if not above.exists()]
    for above in reversed(missing):
        above.mkdir(mode=0o755, exist_ok=True)
    path.mkdir(mode=mode, exist_ok=True)


def shared_fallback(name: str, mode: int = 0o700) -> Path:
    """A directory of that name under the temporary one, where it is ours alone to write to; else a new one."""
    path = Path(tempfile.gettempdir()) / name
    with suppress(OSError):
        path.mkdir(mode=mode)
    if _is_ours(path):
        return path
    new = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    new.chmod(mode)
    return new


def _make(path: Path, mode: int = 0o700) -> Path:
    try:
        make(path, mode)
    except OSError:
        return shared_fallback(f"indexpilot-{os.getuid()}")
    return path


def _is_ours(path: Path) -> bool:
    """Whether it is a directory that nobody else can write to: anybody may have made that name in a shared place."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
