"""The session that changes indexes, what it runs, and what the catalog says afterwards."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from indexpilot_cli.core.command import Connection
from indexpilot_cli.core.ddl import index_marks
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import Event, IndexFacts, OperationKind, OperationState
from indexpilot_cli.core.names import QualifiedName, quote_literal
from indexpilot_cli.db.catalog import definition_of, read_keys
from indexpilot_cli.db.queries import filled
from indexpilot_cli.db.session import Row, Session, session_to
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.methods.existing import same_structure

TABLE_SKIPPED = "01000"
# Up to 16 "skipping "t" --- only table or database owner can vacuum it", from 17 on "permission denied to vacuum "t",
# skipping it"; also of single partitions.
_SKIPPED = re.compile("skipping|permission denied")


def open_builder(connection: Connection, application: str) -> Session:
    """A session for one operation: no timeouts of its own, and the server notices when we die (from 14 on).

    https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
    """
    session = session_to(
        connection, read_only=False, statement_timeout_ms=None, lock_timeout_ms=None, application_name=application
    )
    session.rows("execute/session", {"application_name": application})
    with suppress(IndexPilotError):  # a platform where the server cannot tell
        session.rows("execute/connection_check")
    return session


def set_lock_timeout(session: Session, seconds: float) -> None:
    """From now on the session waits at most so long for a lock; 0 means for ever."""
    session.value("SELECT set_config('lock_timeout', %s, false)", (f"{round(seconds * 1000)}ms",))


def set_tablespace(session: Session, name: str) -> None:
    """Indexes that the session makes from now on go to that tablespace."""
    session.value("SELECT set_config('default_tablespace', %s, false)", (name,))


def backend(session: Session) -> tuple[int, datetime]:
    """Process id and start of the server's process behind the session."""
    row = session.one("execute/backend")
    assert row is not None
    return int(row.pid), row.backend_start


def tree_bytes(session: Session, oid: int) -> int:
    """The size of an index with those attached to it, at any depth."""
    return int(session.value("execute/tree_bytes", {"oid": oid}))


def find_index(session: Session, name: QualifiedName) -> IndexFacts | None:
    """The index of that name, with its structure, or None."""
    return next(iter(_found(session, schema=name.schema, name=name.name)), None)


def find_whole_index(session: Session, name: QualifiedName) -> IndexFacts | None:
    """The index of that name, of a partitioned table with the bytes of all its parts, or None."""
    found = find_index(session, name)
    return replace(found, bytes=tree_bytes(session, found.oid)) if found is not None and found.partitioned else found


def find_index_by_oid(session: Session, oid: int) -> IndexFacts | None:
    """The index of that oid, or None."""
    return next(iter(_found(session, oids=[oid])), None)


def indexes_of(session: Session, relid: int) -> tuple[IndexFacts, ...]:
    """All indexes of a table, with their structures."""
    return _found(session, relid=relid)


def parts_of_index(session: Session, oid: int) -> tuple[IndexFacts, ...]:
    """The indexes attached to a partitioned index, directly or below, from the top down."""
    oids = [int(row.oid) for row in session.rows("execute/index_parts", {"oid": oid})]
    found = {facts.oid: facts for facts in _found(session, oids=oids)} if oids else {}
    return tuple(found[part] for part in oids if part in found)


def relation_kind(session: Session, name: QualifiedName) -> tuple[int, str] | None:
    """Oid and ``relkind`` of whatever has that name now, or None."""
    row = session.one("execute/relation", {"schema": name.schema, "name": name.name})
    return None if row is None else (int(row.relid), str(row.kind))


def columns_fingerprint(session: Session, relid: int) -> str:
    """Sixteen hex digits of numbers, names, types and collations of the table's columns; empty without a table."""
    rows = session.rows("execute/columns", {"relid": relid})
    facts = [[r.number, r.name, r.type, r.collation] for r in rows]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16] if facts else ""


def comment_on(session: Session, index: QualifiedName, text: str | None) -> None:
    """Set the index's comment, or remove it."""
    session.execute(f"COMMENT ON INDEX {index} IS {'NULL' if text is None else quote_literal(text)}")


def restore(session: Session, index: QualifiedName, table: QualifiedName, kept: Mapping[str, object]) -> None:
    """Give an index back what its definition does not say: comment, statistics targets, replica identity, cluster.

    ``kept`` is what ``keepsake`` gave. Each needs a short lock; the session's lock timeout decides how long.
    """
    comment, targets = kept.get("comment"), kept.get("targets")
    if not isinstance(comment, str):
        comment_on(session, index, None)  # the build left ours
    marks = index_marks(
        index,
        table,
        targets=targets if isinstance(targets, list | tuple) else (),
        comment=comment if isinstance(comment, str) else None,
        clustered=bool(kept.get("clustered")),
        replica_identity=bool(kept.get("replica_identity")),
    )
    for mark in marks:
        session.execute(mark)


def keepsake(found: IndexFacts) -> dict[str, object]:
    """All of an index that its definition does not say, as JSON."""
    return {
        "comment": found.comment,
        "tablespace": found.tablespace,
        "targets": [list(pair) for pair in found.targets],
        "clustered": found.clustered,
        "replica_identity": found.replica_identity,
    }


def skipped_table(session: Session, *, vacuum: bool = False) -> str | None:
    """The warning by which ANALYZE or VACUUM says that it skipped a table although it succeeded, or None.

    VACUUM also warns of what it did all the same, such as pages it put right: there the words decide.
    """
    notices = session.drain_notices()
    found = (n.message for n in notices if n.severity == "WARNING" and n.sqlstate == TABLE_SKIPPED)
    return next((message for message in found if not vacuum or _SKIPPED.search(message)), None)


def _found(session: Session, **wanted: object) -> tuple[IndexFacts, ...]:
    rows = session.rows("execute/index", {"schema": None, "name": None, "oids": None, "relid": None} | wanted)
    oids = [row.oid for row in rows]
    keys = read_keys(session, {row.relid for row in rows}, oids) if oids else {}
    return tuple(_facts(row, keys.get(row.oid)) for row in rows)


def _facts(row: Row, keys: Sequence[Row] | None) -> IndexFacts:
    table = QualifiedName(row.table_schema, row.table_name)
    return filled(
        IndexFacts,
        row,
        name=QualifiedName(row.schema, row.name),
        table=table,
        definition=definition_of(row, keys, table) if keys else None,  # None: it was dropped meanwhile
        attached=QualifiedName(row.parent_schema, row.parent_name) if row.parent_name else None,
        targets=tuple((int(number), int(target)) for number, target in row.targets or ()),
        dependents=tuple(row.dependents or ()),
    )


OPEN = frozenset(
    {OperationState.INTENT, OperationState.STARTED, OperationState.UNKNOWN, OperationState.FAILED_LEFTOVER}
)
STANDING = frozenset({OperationState.VALID, OperationState.VERIFIED, OperationState.KEPT})
TAG = "indexpilot:"


class CatalogVerdict(StrEnum):
    """What to do about an open operation."""

    LEAVE = "still_running"
    VALID = "done"
    CLEAN = "leftover"
    ABSENT = "failed"
    CONFLICT = "conflict"
    FINISH = "finish_drop"
    UNFINISHED = "unfinished"


def is_usable(found: IndexFacts) -> bool:
    """Whether queries can use the index and writes maintain it."""
    # Stopped half-way, CREATE and DROP CONCURRENTLY mostly leave the same: not valid, but ready and live, so that every
    # write maintains it. https://www.postgresql.org/docs/current/catalog-pg-index.html
    return found.valid and found.ready and found.live


def has_structure(found: IndexFacts | None, relid: int, structure: IndexDefinition | None) -> bool:
    """Whether the index is on that table and has that structure, whatever the table's name is by now."""
    if found is None or found.relid != relid or found.definition is None or structure is None:
        return False
    return same_structure(found.definition, replace(structure, table=found.definition.table))


def after_build(found: IndexFacts | None, relid: int, *, same: bool, only: bool = False) -> OperationState:
    """The state of a CREATE from the catalog alone; ``same``: the structure is the one that was asked for.

    An ``only`` index is as far as it can be when it is there: its partitions make it valid.
    """
    if found is None:
        return OperationState.FAILED_CLEAN
    if found.relid != relid or not same:
        return OperationState.CONFLICT
    if is_usable(found) or (only and found.partitioned):
        return OperationState.VALID
    return OperationState.FAILED_LEFTOVER


def open_operation(event: Event, found: IndexFacts | None, *, same: bool, busy: bool) -> CatalogVerdict:
    """What to do about an operation whose newest event is open.

    ``busy``: somebody holds the table's lock, so the operation may still be running. ``found`` is what has the
    index's name now, ``same`` whether its table and structure are those of the operation.
    """
    if busy or (found is not None and found.builder is not None):
        return CatalogVerdict.LEAVE
    if event.kind is OperationKind.DROP:
        return _open_drop(event, found, same=same)
    if event.kind is OperationKind.REINDEX:
        return _open_reindex(event, found, same=same)
    if found is None:
        return CatalogVerdict.ABSENT
    if found.relid != event.relid or not same:
        return CatalogVerdict.CONFLICT
    if event.kind is OperationKind.ATTACH:
        return CatalogVerdict.VALID if found.attached is not None else CatalogVerdict.ABSENT
    if is_usable(found):
        return CatalogVerdict.VALID
    return CatalogVerdict.UNFINISHED if found.partitioned else CatalogVerdict.CLEAN


def _open_drop(event: Event, found: IndexFacts | None, *, same: bool) -> CatalogVerdict:
    """A drop goes forward only: an index that is no longer valid will not be again."""
    if found is None:
        return CatalogVerdict.VALID
    if found.oid != event.details.get("oid") or not same:
        return CatalogVerdict.CONFLICT
    return CatalogVerdict.ABSENT if is_usable(found) or found.partitioned else CatalogVerdict.FINISH


def _open_reindex(event: Event, found: IndexFacts | None, *, same: bool) -> CatalogVerdict:
    """What is left of it has another name; where nothing is, the oid tells whether the swap took place."""
    if found is None:
        return CatalogVerdict.ABSENT
    if not same:
        return CatalogVerdict.CONFLICT
    if found.name != event.index:
        return CatalogVerdict.CLEAN
    swapped = found.oid != event.details.get("oid")
    return CatalogVerdict.VALID if swapped and is_usable(found) else CatalogVerdict.ABSENT


def tag(op_id: str) -> str:
    """The comment that says whose the index is; it survives REINDEX CONCURRENTLY."""
    return f"{TAG}{op_id}"


def tagged(comment: str | None) -> str | None:
    """The operation an index's comment names, or None."""
    return comment.removeprefix(TAG).split()[0] if comment and comment.startswith(TAG) and comment != TAG else None
