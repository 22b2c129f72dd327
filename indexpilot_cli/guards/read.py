"""What the server tells the guards: each question is cheap enough to ask before every index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from indexpilot_cli.core.facts import (
    Build,
    LockFacts,
    ServerFacts,
    StandbyFacts,
    TableFacts,
    TransactionFacts,
    VacuumFacts,
)
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.locks import SPACE
from indexpilot_cli.db.session import Session
from indexpilot_cli.log.room import SCHEMA, question


def server_facts(session: Session) -> ServerFacts:
    """The server about itself and this session; ``now`` is its clock."""
    row = session.one("guards/server")
    assert row is not None
    values: dict[str, Any] = row._asdict()
    values["pooled"] = session.pooled or row.backend_pid != session.backend_pid
    values["now"] = row.now.astimezone(UTC)
    return ServerFacts(host=session.host, **values)


def table_facts(session: Session, relids: Collection[int]) -> tuple[TableFacts, ...]:
    """The tables that are there, by name, each with the VACUUM that works on it."""
    scope = {"relids": sorted(relids)}
    vacuums = {row.relid: VacuumFacts(*row[1:]) for row in session.rows("guards/vacuums", scope) if row.relid}
    return tuple(
        TableFacts(
            QualifiedName(row.schema, row.name),
            row.relid,
            row.kind,
            row.bytes,
            row.indexes,
            row.owner,
            row.owned,
            row.may_create,
            row.xid_age,
            vacuums.get(row.relid),
        )
        for row in session.rows("guards/tables", scope)
    )


def transactions(
    session: Session, relids: Collection[int], own_pids: Collection[int] = ()
) -> tuple[TransactionFacts, ...]:
    """Whom a concurrent build on the tables would wait for: snapshots in this database, writers of the tables.

    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    rows = session.rows("guards/transactions", _scope(relids, own_pids))
    return tuple(
        TransactionFacts(r.pid, r.seconds, r.role or "", r.application or "", r.state or "", r.relid, r.prepared or "")
        for r in rows
    )


def locks(session: Session, relids: Collection[int], own_pids: Collection[int] = ()) -> tuple[LockFacts, ...]:
    """Other sessions that build on, alter or reserve the tables, or wait to; VACUUM has a guard of its own."""
    rows = session.rows("guards/locks", _scope(relids, own_pids) | {"space": SPACE})
    return tuple(
        LockFacts(r.relid, r.pid, r.mode, r.role or "", r.application or "", r.ours, r.building, r.idle_seconds)
        for r in rows
    )


def standbys(session: Session) -> tuple[StandbyFacts, ...]:
    """Connected standbys and how far behind each is."""
    return tuple(StandbyFacts(*row) for row in session.rows("guards/standbys"))


def builds(
    session: Session, since: datetime, *, except_ops: Sequence[str] = (), schema: str = SCHEMA
) -> tuple[Build, ...]:
    """Builds begun since then, oldest first, each once; failed ones count, those of ``except_ops`` do not."""
    parameters = {"since": since, "except_ops": list(except_ops)}
    rows = session.rows(question(session, "guards/builds", schema), parameters)
    return tuple(Build(_name(row.schema_name, row.table_name), row.at.astimezone(UTC)) for row in rows)


def _name(schema: str | None, table: str | None) -> QualifiedName | None:
    return None if table is None else QualifiedName(schema or "public", table)


def _scope(relids: Collection[int], own_pids: Collection[int]) -> dict[str, Any]:
    return {"relids": sorted(relids), "own_pids": sorted(own_pids)}
