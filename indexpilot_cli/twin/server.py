"""A private PostgreSQL server: no TCP port, a Unix socket in a 0700 directory, never as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.twin.binaries import Binaries

SUPERUSER = "indexpilot"
_PREFIX = "indexpilot-pg-"
_UNPRIVILEGED = ("postgres", "nobody")


@dataclass
class LocalServer:
    """A server of our own in ``home`` (data, socket and log inside). Use as a context manager or start/stop."""

    binaries: Binaries
    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    locale: str = "C.UTF-8"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.home / "server.log"

    def dsn(self, database: str = "postgres") -> str:
        """A libpq connection string for the superuser."""
        return f"host={self.home} user={SUPERUSER} dbname={database}"

    def start(self) -> LocalServer:
        """Initialise the data directory when it is new and start; returns self when it accepts connections.

        Raises PrerequisiteError with the end of the server's log when it does not start.
        """
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        options = " ".join(f"-c {name}={value}" for name, value in self._all_settings().items())
        self._run("pg_ctl", "-w", "-t", "60", "-D", str(self.data), "-l", str(self.log), "-o", options, "start")
        return self

    def stop(self, mode: str = "fast") -> None:
        """Stop the server if it runs."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-w", "-D", str(self.data), "-m", mode, "stop", check=False)

    def remove(self) -> None:
        """Stop at once and delete everything."""
        self.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.remove()

    def _all_settings(self) -> dict[str, str]:
        return {"listen_addresses": "''", "unix_socket_directories": str(self.home), **self.settings}

    def _initialise(self) -> None:
        self._run(
            "initdb",
            *("-D", str(self.data), "-U", SUPERUSER, "--auth=trust", "-E", "UTF8", f"--locale={self.locale}"),
            "--no-sync",
        )

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        user = server_user()
        result = subprocess.run(
            [self.binaries.program(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if program == "initdb" else subprocess.DEVNULL,
            text=True,
            check=False,
            cwd=self.home,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            start_new_session=True,
        )
        if check and result.returncode != 0:
            tail = (result.stdout or (self.log.read_text(errors="replace") if self.log.exists() else "")).splitlines()
            raise PrerequisiteError(
                f"{program} of PostgreSQL {self.binaries.version} failed", detail=" | ".join(tail[-3:])
            )


def new_home(parent: Path | None = None) -> Path:
    """A new private directory that the server's user owns."""
    home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    user = server_user()
    if user:
        os.chown(home, user.pw_uid, user.pw_gid)
    return home


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
