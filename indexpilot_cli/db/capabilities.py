"""What a server is and what our role may do there: asked, not guessed."""

from __future__ import annotations

from indexpilot_cli.core.catalog import Capabilities, Server
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.compose import Identifier, composed
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.db.statements import locate
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, UnreachableError

GENERIC_FROM = 160000  # EXPLAIN (GENERIC_PLAN) exists from 16 on


def look(session: Session, *, metadata_schema: str = "indexpilot") -> Capabilities:
    """The facts every command decides by, in four questions.

    ``pooler_suspected``: the backend answering is not the one we connected to, so a pooler in transaction mode
    stands between (https://www.pgbouncer.org/features.html). Raises UnreachableError only.
    """
    scope = {"metadata_schema": metadata_schema}
    facts = session.one("server/capabilities", scope)
    assert facts is not None
    metadata = _metadata_version(session, metadata_schema) if facts.has_metadata else None
    hidden = session.rows("server/unreadable", scope)
    return Capabilities(
        server=_server(session, facts),
        superuser=facts.superuser,
        reads_all_stats=facts.reads_all_stats,
        can_create_schema=facts.can_create_schema,
        generic_plan=facts.version >= GENERIC_FROM,
        statements_version=facts.statements_version,
        statements_readable=_statements_readable(session),
        statements_preloaded=facts.statements_preloaded,
        hypopg_version=facts.hypopg_version,
        hypopg_available=facts.hypopg_available,
        pooler_suspected=session.pooled or facts.backend_pid != session.backend_pid,
        metadata_version=metadata,
        metadata_hidden=facts.has_metadata and metadata is None,
        unreadable_tables=tuple(str(QualifiedName(row.schema, row.name)) for row in hidden),
    )


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


def _statements_readable(session: Session) -> bool:
    try:
        locate(session)
    except PrerequisiteError:
        return False
    return True


def _metadata_version(session: Session, schema: str) -> int | None:
    """None also when the role may not read it: to this role there is no metadata."""
    query = composed("server/metadata", session.version, schema=Identifier(schema))
    try:
        version: int | None = session.value(query)
    except UnreachableError:
        raise
    except IndexPilotError:
        return None
    return version
