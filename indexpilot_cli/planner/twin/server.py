"""A private PostgreSQL server: no TCP port, a Unix socket in a 0700 directory, never as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import IO

from indexpilot_cli.db.capabilities import Binaries
from indexpilot_cli.errors import PrerequisiteError

SUPERUSER = "indexpilot"
_PREFIX = "indexpilot-pg-"
_COMPLAINTS = ("FATAL", "PANIC", "ERROR", "error:", "could not", "No space")
_FULL = "No space left on device"
_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_PATIENCE = 60  # seconds for a start or stop
_STATUS = 8  # the line of postmaster.pid that says how far the server is: LOCK_FILE_LINE_PM_STATUS of pidfile.h
# PostgreSQL refuses to run as root; these accounts are on nearly every system.
_UNPRIVILEGED = ("postgres", "nobody")
_PORT = 5432  # only names the socket file; the environment's PGPORT must not
_SOCKET_PATH_LIMIT = 107 - len(f"/.s.PGSQL.{_PORT}")
# A backend frees its memory after each statement. From 128 kB on glibc gives that back to the kernel, and gets it anew
# page by page for the next one: a tenth of the time that planning a question of the catalog takes. See mallopt(3).
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "16777216", "MALLOC_TRIM_THRESHOLD_": "16777216"}
# Waits for its standard input to close, which happens however its starter ends, then stops the server.
_GUARD = """
read -r _
kill -QUIT "$1" 2>/dev/null
n=0; while kill -0 "$1" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
shift
[ $# -gt 0 ] && rm -rf -- "$@"
"""


@dataclass
class LocalServer:
    """A server of our own in ``home`` (data, socket and log inside). Use as a context manager or start/stop.

    It ends with this process, whichever way that ends; ``keep`` says that its files stay then.
    ``prefix`` is a command that starts the server's programs, such as one that limits them.
    """

    binaries: Binaries
    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    locale: str = "C.UTF-8"
    keep: bool = False
    prefix: tuple[str, ...] = ()
    _guard: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _leader: subprocess.Popen[str] | None = field(default=None, init=False, repr=False)
    _socket: Path | None = field(default=None, init=False, repr=False)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.home / "server.log"

    @property
    def socket(self) -> Path:
        """The directory of the socket: the home, or a shorter path where the home's is too long for a socket."""
        if self._socket is None:
            short = len(os.fsencode(self.home)) <= _SOCKET_PATH_LIMIT
            self._socket = self.home if short else new_home()
        return self._socket

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """A libpq connection string, for the superuser unless another user is named."""
        parts = {"host": str(self.socket), "port": str(_PORT), "user": user, "dbname": database, "options": ""}
        return " ".join(f"{key}={_quote_conninfo(value)}" for key, value in parts.items())

    def start(self) -> LocalServer:
        """Initialise the data directory when it is new and start; returns self when it accepts connections.

        Raises PrerequisiteError with the end of the server's log when it does not start.
        """
        if not (self.data / "PG_VERSION").exists():
            self.initialise()
        self._write_settings()
        with self.log.open("ab") as log:
            give_to_server(self.log)
            self._leader = self._begin("postgres", "-D", str(self.data), stdout=log)
        try:
            self._await(self._leader)
            self._guard = self._start_guard()
        except BaseException:  # after an interrupt nobody else would stop it
            self._leader.send_signal(_SIGNALS["immediate"])
            raise
        return self

    def stop(self, mode: str = "fast") -> None:
        """Stop the server if it runs."""
        if self._leader is not None and self._leader.poll() is None:
            self._leader.send_signal(_SIGNALS[mode])
            with suppress(subprocess.TimeoutExpired):
                self._leader.wait(_PATIENCE)
        elif (self.data / "postmaster.pid").exists():  # another process started it
            self._run("pg_ctl", "-w", "-D", str(self.data), "-m", mode, "stop", check=False)
        self.outlive()
        if self._socket is not None and self._socket != self.home:
            shutil.rmtree(self._socket, ignore_errors=True)
            self._socket = None

    def outlive(self) -> None:
        """Let the server, if it runs, run on after this process ends."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def remove(self) -> None:
        """Stop at once and delete everything."""
        self.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.keep:
            self.stop()
        else:
            self.remove()

    def _write_settings(self) -> None:
        wanted = {
            "listen_addresses": "",
            "port": str(_PORT),
            "unix_socket_directories": f'"{self.socket}"',
            "unix_socket_permissions": "0700",
            **self.settings,
        }
        lines = [f"{name} = {_quote_setting(value)}\n" for name, value in wanted.items()]
        path = self.data / "indexpilot.conf"
        path.write_text("".join(lines))
        give_to_server(path)

    def initialise(self) -> None:
        """Make the data directory."""
        # Planted pages carry no checksum, and from 18 on initdb turns checksums on by itself.
        checksums = ["--no-data-checksums"] if self.binaries.major >= 18 else []
        self._run(
            "initdb",
            *("-D", str(self.data), "-U", SUPERUSER, "--auth=trust", "-E", "UTF8", f"--locale={self.locale}"),
            *("--no-sync", *checksums),
        )
        with (self.data / "postgresql.conf").open("a") as handle:
            handle.write("\ninclude_if_exists = 'indexpilot.conf'\n")

    def _start_guard(self) -> subprocess.Popen[bytes]:
        leader = (self.data / "postmaster.pid").read_text().split("\n", 1)[0]
        doomed = [] if self.keep else [str(self.home)]
        if self.socket != self.home:
            doomed.append(str(self.socket))
        return subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", leader, *doomed],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def _await(self, leader: subprocess.Popen[str]) -> None:
        # Not by pg_ctl, which looks ten times a second: nearly all of the time that a start or stop takes.
        end = monotonic() + _PATIENCE
        while not self._is_ready(leader.pid):
            if leader.poll() is not None or monotonic() > end:
                raise _not_started("postgres", self.binaries.version, self._logged(), self.home)
            sleep(0.005)

    def _is_ready(self, leader: int) -> bool:
        """Whether its first process takes connections, as it writes into its file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= _STATUS and lines[0] == str(leader) and lines[_STATUS - 1].strip() in ("ready", "standby")

    def _logged(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        to = subprocess.PIPE if program == "initdb" else subprocess.DEVNULL
        process = self._begin(program, *arguments, stdout=to)
        try:
            said = process.communicate()[0]
        except BaseException:  # after an interrupt nobody else would end it, nor the servers that initdb begins
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if check and process.returncode != 0:
            raise _not_started(program, self.binaries.version, said or self._logged(), self.home)

    def _begin(self, program: str, *arguments: str, stdout: IO[bytes] | int) -> subprocess.Popen[str]:
        user = server_user()
        return subprocess.Popen(
            [*self.prefix, self.binaries.program(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.home,
            env=_environment(),
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            # Without this the groups of root would stay.
            extra_groups=[] if user else None,
            start_new_session=True,
        )


def _not_started(program: str, version: str, said: str, home: Path) -> PrerequisiteError:
    """What the program complained of, and what to do when the disk is full."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    complaints = [line for line in lines if any(word in line for word in _COMPLAINTS)] or lines
    full = any(_FULL in line for line in lines)
    hint = f"free some space at {home.parent}, or point XDG_CACHE_HOME and TMPDIR elsewhere" if full else None
    code = "disk_full" if full else None
    return PrerequisiteError(
        f"{program} of PostgreSQL {version} failed", detail=" | ".join(complaints[-3:]), hint=hint, code=code
    )


def new_home(parent: Path | None = None) -> Path:
    """A new private directory that the server's user owns."""
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    give_to_server(home)
    return home


def give_to_server(path: Path) -> None:
    """Make the server's account the owner, where that is not us."""
    user = server_user()
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def server_user() -> pwd.struct_passwd | None:
    """The account the server runs as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PrerequisiteError("no unprivileged account to run PostgreSQL as", hint="run indexpilot as an ordinary user")


def _environment() -> dict[str, str]:
    # PGDATA, PGPORT and the like are the caller's, for other servers.
    return _MEMORY | {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _quote_setting(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _quote_conninfo(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
