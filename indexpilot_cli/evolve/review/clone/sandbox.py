"""A server to run strangers' statements on: a throw-away server, without rights, network or much memory."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from indexpilot_cli.core import units
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.db.observe_session import Gone, Overrun, SessionAnswer, Watch, WatchedSession
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError, IndexPilotError, PrerequisiteError
from indexpilot_cli.planner.twin.cluster import THROW_AWAY, bare_cluster, our_session
from indexpilot_cli.planner.twin.hydrate import PLANNER, Hydrated, hydrate
from indexpilot_cli.planner.twin.place import copy_cluster, disk_usage
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.snapshot.values import Snapshot

PORT = 5432
OWNER = PLANNER  # the role that owns the schema, and the only one that runs what strangers wrote
_CATALOG_FIRST = "options='-c search_path=pg_catalog,pg_temp'"
_SETTINGS = THROW_AWAY | {
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
    "max_connections": "20",
    # A prepared transaction would outlive its file and keep its locks.
    "max_prepared_transactions": "0",
    # No worker beside the session that is watched: its locks and scans would not be seen.
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "huge_pages": "off",
    # The server says what it rewrites, verifies and builds in words, and they are read in English.
    "lc_messages": "C",
    # Counted scans show reads of which no message speaks.
    "track_counts": "on",
    # After the end of a backend by force our own restart finds the server down, not half up.
    "restart_after_crash": "off",
    "allow_system_table_mods": "off",
}
_PATIENCE = 2.0  # seconds a session has to obey
_LOOK_EVERY = 0.5  # seconds between two measurements of the data directory
_LOOKING = 20  # … and times as long as one takes
_GRANT = "indexpilot_grant"
_OUR_SECONDS = 60.0  # for questions of ours
# On empty tables everything is cheap: here a sequential scan shall mean that no index serves.
_STARTS_WITH = {
    "enable_seqscan": "off",
    "enable_indexonlyscan": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in _STARTS_WITH.items())


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What an untrusted migration may use. Seconds by the wall clock; bytes. ``major`` None: the snapshot's version."""

    statement_seconds: float = 20.0
    run_seconds: float = 120.0
    memory: int = 1536 * 1024**2
    disk: int = 512 * 1024**2
    temporary: int = 256 * 1024**2
    major: int | None = None


class Sandbox:
    """The server of one clone. Close it to stop the server and delete everything."""

    def __init__(self, server: LocalServer, limits: SandboxLimits):
        self.server = server
        self.hydrated = Hydrated((), (), ())
        self.limits = limits
        self.roles: list[str] = []
        self._full = 0
        self._killed = False
        self._admin: Session | None = None

    def start(self) -> None:
        """Start the server with its limits."""
        self.server.start()
        self.forgive()
        self._admin = self.superuser()

    @property
    def admin(self) -> Session:
        """A superuser's session to a database that no stranger enters."""
        assert self._admin is not None
        return self._admin

    def make_role(self, name: str) -> bool:
        """A role that a migration names, which can do nothing and which the schema's owner may act as; False: no."""
        try:
            # ROLE makes the owner a member: OWNER TO and SET ROLE want that membership.
            self.admin.execute(f"CREATE ROLE {quote_identifier(name)} NOLOGIN ROLE {OWNER}")
        except (AnsweredError, ValueError):
            return False
        self.roles.append(name)
        return True

    def kill(self, backend: int) -> None:
        """End a server process that does not listen; the whole server goes down with it."""
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            # A backend that dies by a signal may have left shared memory broken: the postmaster ends all of them.
            os.kill(backend, signal.SIGKILL)

    def revive(self) -> None:
        """Start the server again where an end by force took it down; what was committed is still there."""
        if not self._killed:
            try:
                self.admin.value("SELECT 1")
            except IndexPilotError:
                self._killed = True
        if self._killed:
            self.restart()

    def restart(self) -> None:
        """Stop whatever runs, at once, and start again."""
        self._end_admin()
        # A fast shutdown waits for every backend, also for one that does not listen.
        self.server.stop("immediate")
        self._killed = False
        self.start()

    def forgive(self) -> None:
        """What is on the disk by now does not count."""
        self._full = disk_usage(self.server.data) + self.limits.disk

    def allow(self, directory: Path) -> None:
        """What is in there does not count: we have made it, and nobody has been in it yet."""
        self._full += disk_usage(directory)

    def too_large(self) -> bool:
        """Whether the data directory has grown beyond the limit."""
        return disk_usage(self.server.data) > self._full

    def superuser(self, database: str | None = None) -> Session:
        """A superuser's session; never to a database in which untrusted statements ran, for its settings act at once.

        A copy made by ``CREATE DATABASE … TEMPLATE`` has none of them. Unqualified names mean pg_catalog's from the
        first statement on, whatever functions and operators the copy holds.
        """
        return our_session(f"{self.server.dsn(database or 'postgres')} {_CATALOG_FIRST}", read_only=False)

    def dsn(self, database: str) -> str:
        """A connection string of the role that owns the schema and has no other rights."""
        return self.server.dsn(database, OWNER)

    def owner(self, database: str, *, timeout_ms: int = 0) -> Session:
        """A session of the role that owns the schema and has no other rights."""
        return our_session(self.dsn(database), read_only=False, timeout_ms=timeout_ms)

    def close(self) -> None:
        """Stop the server and delete everything."""
        self._end_admin()
        self.server.remove()

    def _end_admin(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None


def open_sandbox(snapshot: Snapshot, cache_dir: Path, limits: SandboxLimits, progress: Progress) -> Sandbox:
    """A running server of its own with the snapshot's schema in the database ``TEMPLATE``.

    Where nobody names a version the nearest to the source's serves. Raises PrerequisiteError when no binaries of the
    one that is named, or none at all, are on this machine.
    """
    if limits.major is not None:
        _require(limits.major)
    home = new_home()
    try:
        # Making the objects takes less than copying the files of a twin that has them: three or more for each table.
        with bare_cluster(snapshot, cache_dir, limits.major) as bare:
            copy_cluster(bare.data, home / "data")
            settings = _settings(bare.binaries.major, limits)
            sandbox = Sandbox(LocalServer(bare.binaries, home, settings, prefix=_limiter(limits)), limits)
        sandbox.start()
        sandbox.hydrated = hydrate(sandbox, snapshot, progress)
        sandbox.forgive()
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    return sandbox


def _settings(major: int, limits: SandboxLimits) -> dict[str, str]:
    # temp_file_limit counts for each process, in KiB.
    # https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-TEMP-FILE-LIMIT
    settings = _SETTINGS | {"temp_file_limit": str(limits.temporary // 1024)}
    if major >= 17:
        # NOTIFY that nobody reads stays in a queue on the disk.
        settings["max_notify_queue_pages"] = "4096"
        settings["event_triggers"] = "off"
    return settings


def _require(major: int) -> None:
    have = sorted({b.major for b in installed()})
    if major in have:
        return
    raise PrerequisiteError(
        f"no PostgreSQL {major} server binaries to run the migration on",
        detail=f"this machine has {', '.join(map(str, have)) or 'none'}",
        hint=f"install PostgreSQL {major}, or name its bin directory in INDEXPILOT_PG_BINARIES",
        code="no_binaries",
    )


def _limiter(limits: SandboxLimits) -> tuple[str, ...]:
    """A command whose child, with all that it starts, gets no more memory and no longer files, where the host can.

    ``ulimit`` counts files in blocks of 512 bytes and memory in KiB.
    """
    # Every backend inherits the limits of the postmaster; -v counts the shared buffers of each as well.
    script = '''for limit in "-c 0" "-f $1" "-v $2"; do ulimit $limit 2>/dev/null; done; shift 2; exec "$@"'''
    return ("/bin/sh", "-c", script, "sh", str(limits.disk // 512), str(limits.memory // 1024))


class UntrustedSession:
    """A session of the schema's owner to one database of the sandbox. Close it, or use it in a ``with`` block."""

    def __init__(self, sandbox: Sandbox, database: str):
        self._sandbox = sandbox
        self._wire = WatchedSession(sandbox.server.socket, PORT, OWNER, database, options=_OPTIONS)
        self.dead = False

    def __enter__(self) -> UntrustedSession:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        self.dead = True
        self._wire.close()

    @property
    def backend_pid(self) -> int:
        """The server's process for the session."""
        return self._wire.pid

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open and not failed."""
        return not self.dead and self._wire.status == "T"

    @property
    def idle(self) -> bool:
        """Whether no transaction block is open."""
        return not self.dead and self._wire.status == "I"

    def run(self, text: str, seconds: float | None = None) -> SessionAnswer:
        """One statement of theirs. ``overrun`` and ``error`` of the answer say what went wrong; it never raises."""
        return self._watched(
            self._wire.run, text, self._sandbox.limits.statement_seconds if seconds is None else seconds
        )

    def tell(self, text: str, seconds: float = _OUR_SECONDS) -> SessionAnswer:
        """Statements of ours in one message, with their rows; it never raises."""
        return self._watched(self._wire.ask, text, seconds)

    # -- inside

    def _watched(self, send: Callable[[str, Watch], SessionAnswer], text: str, seconds: float) -> SessionAnswer:
        if self.dead:
            return SessionAnswer(overrun="the server ended the session")
        try:
            return send(text, _Watch(self._sandbox, seconds))
        except Gone as gone:
            return self._lost(gone, None)
        except Overrun as overrun:
            return self._interrupt(overrun.reason)

    def _interrupt(self, reason: str) -> SessionAnswer:
        """Cancel, then terminate, then kill."""
        # Code in C that never looks for interrupts hears neither of the two; then the process is killed.
        for function in ("pg_cancel_backend", "pg_terminate_backend"):
            try:
                self._sandbox.admin.value(f"SELECT pg_catalog.{function}(%s)", [self._wire.pid])
                answer = self._wire.settle(_Watch(self._sandbox, _PATIENCE, disk=False))
            except Overrun:
                continue
            except IndexPilotError:
                break
            except Gone as gone:
                return self._lost(gone, reason)
            answer.overrun = reason
            return answer
        self._sandbox.kill(self._wire.pid)
        return self._lost(Gone(None), reason)

    def _lost(self, gone: Gone, reason: str | None) -> SessionAnswer:
        self.dead = True
        self._wire.close()
        return SessionAnswer(error=gone.error, overrun=reason or "the server ended the session")


class _Watch:
    """Raises Overrun when the time is over or the data directory is too large."""

    def __init__(self, sandbox: Sandbox, seconds: float, *, disk: bool = True):
        self._sandbox = sandbox
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._next = time.monotonic() + _LOOK_EVERY if disk else float("inf")

    def __call__(self) -> None:
        now = time.monotonic()
        if now > self._end:
            raise Overrun(f"it ran longer than {self._seconds:.0f} s on empty tables")
        if now > self._next:
            large = self._sandbox.too_large()
            # A schema of thousands of tables has tens of thousands of files to measure.
            done = time.monotonic()
            self._next = done + max(_LOOK_EVERY, _LOOKING * (done - now))
            if large:
                raise Overrun(f"it wrote more than {units.size(self._sandbox.limits.disk)} on empty tables")


def let_in(session: UntrustedSession, schemas: Sequence[str], roles: Sequence[str]) -> None:
    """Let the roles own things in the schemas; within a transaction one that fails leaves it usable."""
    places, names = ", ".join(map(quote_identifier, schemas)), ", ".join(map(quote_identifier, roles))
    grant = f"GRANT USAGE, CREATE ON SCHEMA {places} TO {names}"
    # Within a transaction a session learns of new roles when it next locks a relation.
    grant = f"SELECT FROM pg_catalog.pg_auth_members LIMIT 0; {grant}"
    if session.idle:
        session.tell(grant)
    elif session.tell(f"SAVEPOINT {_GRANT}; {grant}; RELEASE SAVEPOINT {_GRANT}").error:
        session.tell(f"ROLLBACK TO SAVEPOINT {_GRANT}; RELEASE SAVEPOINT {_GRANT}")
