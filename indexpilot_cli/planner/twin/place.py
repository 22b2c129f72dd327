"""Where twins live: a directory the server's account can reach, one entry per snapshot, swept and limited in size."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

from indexpilot_cli.core.directories import make, shared_fallback
from indexpilot_cli.db.capabilities import Binaries
from indexpilot_cli.planner.twin.server import LocalServer, give_to_server, server_user

_AS_ROOT = Path("/var/cache/indexpilot/twins")
_SLOTS = 8  # processes that may use the same snapshot at the same time
_PATIENCE = 5
_LOCKS = ".locks"
_DYING = ".dying-"


@dataclass
class CacheEntry:
    """A locked place for one twin. ``home`` is the server's; the lock ends with ``release`` or this process."""

    directory: Path
    _path: Path
    _lock: IO[bytes]

    @property
    def home(self) -> Path:
        """The server's home directory."""
        return self.directory / "home"

    @property
    def marker(self) -> Path:
        """The file that says the twin in here is whole."""
        return self.directory / "complete.json"

    @property
    def kept(self) -> Path:
        """The file that says the first copy in here is as it was made, and how much was tried in it."""
        return self.directory / "kept"

    def clear(self) -> None:
        """Empty the entry and make a new home."""
        self.marker.unlink(missing_ok=True)
        self.kept.unlink(missing_ok=True)
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(mode=0o700)
        give_to_server(self.home)

    def size(self) -> int:
        """Bytes on disk, measured once after each use: a large entry has tens of thousands of files."""
        # Kept in the lock file: writing beside the twin would change the time of its last use.
        try:
            return int(self._path.read_text())
        except ValueError:
            found = disk_usage(self.directory)
            self._path.write_text(str(found))
            return found

    def use(self) -> None:
        """From now on it may change: its size has to be measured again."""
        self.directory.mkdir(mode=0o755, exist_ok=True)
        os.utime(self.directory)
        self._path.write_text("")

    def remove(self) -> None:
        """Delete the entry. It is renamed first: nobody ever meets a half of it."""
        dying = self.directory.with_name(f"{_DYING}{uuid4().hex}")
        with suppress(FileNotFoundError):
            self.directory.rename(dying)
        self._path.unlink(missing_ok=True)
        shutil.rmtree(dying, ignore_errors=True)

    def release(self) -> None:
        """Let others have it."""
        self._lock.close()


@contextmanager
def bare_server(place: Path, binaries: Binaries) -> Iterator[LocalServer]:
    """A stopped server as initdb leaves it, from the cache when it is there; nobody changes it in the block.

    Raises PrerequisiteError when initdb fails.
    """
    entry = take_entry(place, f"bare-{binaries.version}")
    try:
        server = LocalServer(binaries, entry.home, keep=True)
        if not entry.marker.exists():
            entry.clear()
            server.initialise()
            entry.marker.write_text("{}")
        yield server
    finally:
        entry.release()


def copy_cluster(source: Path, target: Path) -> None:
    """Copy a stopped server's data directory, without the database nobody enters, for the server's account."""

    def left_out(directory: str, names: list[str]) -> list[str]:
        # template1 has this number in every version, and databases are made of template0 here.
        # https://www.postgresql.org/docs/current/storage-file-layout.html
        return ["1"] if Path(directory) == source / "base" and "1" in names else []

    shutil.copytree(source, target, symlinks=True, ignore=left_out, copy_function=shutil.copyfile)
    user = server_user()
    target.chmod(0o700)
    if user is None:
        return
    for parent, _, names in os.walk(target):
        os.chown(parent, user.pw_uid, user.pw_gid)
        for name in names:
            os.chown(os.path.join(parent, name), user.pw_uid, user.pw_gid, follow_symlinks=False)  # noqa: PTH118


def reachable_directory(wanted: Path) -> Path:
    """The wanted directory, made when missing; as root and out of the server account's reach, another one."""
    wanted = wanted.absolute()
    make(wanted, 0o755)
    # The server refuses to run as root, and the account it runs as instead may not enter a home directory of mode 0700.
    # https://www.postgresql.org/docs/current/postgres-user.html
    if server_user() is None or reachable(wanted):
        return wanted
    try:
        make(_AS_ROOT, 0o755)
    except OSError:
        # Programs are run from there: it must not be a directory that somebody else has put there.
        return shared_fallback("indexpilot-root", 0o755)
    return _AS_ROOT


def reachable(path: Path) -> bool:
    """Whether the server's account may enter every directory down to the path."""
    user = server_user()
    if user is None:
        return True
    real = path.resolve()
    return all(_may_enter(p.stat(), user.pw_uid, user.pw_gid) for p in (real, *real.parents) if p.is_dir())


def runnable(binaries: Binaries, place: Path) -> Binaries:
    """The binaries, or a copy in ``place`` where the server's account cannot reach the installation."""
    if reachable(binaries.directory):
        return binaries
    root = binaries.directory.parent
    inside = Path(root.parent.name, root.name)
    target = place / f"postgresql-{binaries.version}"
    if not target.exists():
        beside = Path(tempfile.mkdtemp(dir=place, prefix=".binaries-"))
        beside.chmod(0o755)
        _copy_installation(root, beside / "install" / inside)
        try:
            (beside / "install").rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(beside / "install", ignore_errors=True)
        beside.rmdir()
    return Binaries(target / inside / binaries.directory.name, binaries.version, binaries.origin)


def _copy_installation(root: Path, target: Path) -> None:
    """Copy an installation and, from beside its package, the libraries a wheel's programs look for there."""
    shutil.copytree(root, target, symlinks=True)
    libraries = root.parent.with_name(f"{root.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target.parent.with_name(libraries.name), symlinks=True)
    for path in target.parents[1].rglob("*"):
        if not path.is_symlink():
            # A wheel installed by root under a strict umask is closed to the server's account.
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & stat.S_IXUSR else 0o444))


def take_entry(place: Path, key: str) -> CacheEntry:
    """A locked entry for the key: the cached one, or a further slot while other processes hold that."""
    for slot in (*[0] * _PATIENCE, *range(1, _SLOTS)):
        entry = _try_entry(place, f"{key}-{slot}" if slot else key)
        if entry is not None:
            break
        # A sweep holds an entry for a moment only; another slot would have to be made first.
        time.sleep(0.02 if slot == 0 else 0)
    else:
        entry = _try_entry(place, key, wait=True)
        assert entry is not None
    entry.use()
    return entry


def free_entries(place: Path, names: Iterable[str] | None = None) -> Iterator[CacheEntry]:
    """Every entry (of these names) that nobody uses, one after the other, each locked until the next is asked for."""
    if names is None:
        locks = place / _LOCKS
        known = {path.name for path in place.iterdir() if path.is_dir() and _is_entry(path)}
        known |= {path.name for path in locks.iterdir()} if locks.is_dir() else set()
        # What another process deletes just now still looks like an entry, and is gone at any moment.
        names = sorted(name for name in known if not name.startswith(_DYING))
    for name in names:
        entry = _try_entry(place, name)
        if entry is not None:
            try:
                yield entry
            finally:
                entry.release()


def remove_leftovers(place: Path) -> None:
    """Finish what sweeps that were killed have begun to delete."""
    for path in place.glob(f"{_DYING}*"):
        shutil.rmtree(path, ignore_errors=True)


def disk_usage(directory: Path) -> int:
    """Bytes the directory's files really occupy (holes of sparse files do not count)."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512  # noqa: PTH118 - thousands of files
            except FileNotFoundError:
                continue
    return total


def _is_entry(path: Path) -> bool:
    # A lock inside is of a version that kept it there.
    return any((path / name).exists() for name in ("home", "lock", "complete.json"))


def _try_entry(place: Path, name: str, *, wait: bool = False) -> CacheEntry | None:
    """The entry, locked; None when another process has it and we shall not ``wait``."""
    # Beside the entries: a lock file that is deleted together with what it locks is soon two files of one name.
    path = place / _LOCKS / name
    path.parent.mkdir(mode=0o755, exist_ok=True)
    while True:
        lock = path.open("ab")
        try:
            # The kernel drops the lock with the process, also when that is killed.
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return CacheEntry(place / name, path, lock)
        lock.close()  # the file that we locked was removed meanwhile, with its entry


def _may_enter(status: os.stat_result, user: int, group: int) -> bool:
    if status.st_uid == user:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == group:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
