"""A table as a change of its columns sees it: columns with everything a dump says, and what is built on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any, TypeVar, cast

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.evolve.relation import Attached, ColumnFacts, Grant, RelationFacts, SequenceFacts

_Value = TypeVar("_Value")


def find_relations(session: Session, schema: str | None, name: str, *, own: str) -> tuple[Row, ...]:
    """Tables, views and foreign tables of that name, those on the search path first; ``own`` is our schema.

    Rows with relid, schema, name, kind, is_system, owner, owned and sizes.
    """
    return tuple(session.rows("change/relation", {"schema": schema, "name": name, "own": own}))


def table_names(session: Session, *, own: str) -> tuple[QualifiedName, ...]:
    """The user's tables, for a hint."""
    return tuple(QualifiedName(r.schema, r.name) for r in session.rows("change/names", {"own": own}))


def read_relation(session: Session, found: Row) -> RelationFacts:
    """The table of a row of ``find_relations``, with columns, indexes, constraints and statistics objects.

    Names in definitions are qualified, so that they mean the same whoever runs them later.
    """
    # pg_get_expr() and its sisters leave the schema out of the names that the search path finds.
    # https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CATALOG
    # In one transaction, so that a pooler sends all of it to one backend.
    with session.transaction():
        path = session.value("SELECT pg_catalog.current_setting('search_path')")
        _set_path(session, "")
        try:
            return _read(session, found)
        finally:
            with suppress(IndexPilotError):  # in a transaction that failed there is nothing left to restore
                _set_path(session, path)


def _set_path(session: Session, path: str) -> None:
    session.value("SELECT pg_catalog.set_config('search_path', %s, true)", (path,))


def _read(session: Session, found: Row) -> RelationFacts:
    indexes, columns = index_rows(session, found.relid), read_columns(session, found.relid)
    # Storage parameters, statistics targets and marks are the index's: the constraint's definition has none of them.
    backing = {row.constraint_name: row for row in indexes if row.constraint_name is not None}
    # O and A fire in ordinary sessions; R does in replicas alone, and D nowhere.
    triggers = (r for r in trigger_rows(session, found.relid) if r.on_update and r.enabled in ("O", "A"))
    return _made(
        RelationFacts,
        found,
        name=QualifiedName(found.schema, found.name),
        version=session.version,
        columns=columns,
        attached=(
            *(_constraint(r, backing.get(r.name), found.schema) for r in constraint_rows(session, found.relid)),
            *(_attached("index", row) for row in indexes if row.constraint_name is None),
            *(_attached("statistics", row) for row in statistics_rows(session, found.relid)),
        ),
        key=_key(indexes, columns),
        triggers=tuple((row.name, row.enabled == "A") for row in triggers),
    )


def _made(made: type[_Value], row: Row, /, **given: object) -> _Value:
    """A value with what the row has under the names of its fields, NULL for their defaults, and what is given."""
    named = {f.name for f in fields(cast(Any, made))} - given.keys()
    found = {
        k: tuple(v) if isinstance(v, list) else v for k, v in row._asdict().items() if k in named and v is not None
    }
    return made(**found, **given)


def reread(session: Session, table: RelationFacts) -> RelationFacts | None:
    """The same table (by its oid) as it is now, without what is below; None when it is gone or was replaced."""
    rows = session.rows("change/relation", {"schema": table.name.schema, "name": table.name.name, "own": ""})
    found = next((r for r in rows if r.relid == table.relid), None)
    return None if found is None else read_relation(session, found)


def read_below(session: Session, relid: int) -> tuple[RelationFacts, ...]:
    """Partitions and children of all levels, nearest first."""
    found: list[RelationFacts] = []
    for name in session.rows("change/below", {"relid": relid}):
        rows = session.rows("change/relation", {"schema": name.schema, "name": name.name, "own": ""})
        found += [read_relation(session, row) for row in rows[:1]]
    return tuple(found)


def index_rows(session: Session, relid: int) -> list[Row]:
    """The table's indexes by name, those of constraints too; definitions as the session's search path prints them."""
    return session.rows("change/indexes", {"relid": relid})


def constraint_rows(session: Session, relid: int) -> list[Row]:
    """The table's constraints; definitions as the session's search path prints them."""
    return session.rows("change/constraints", {"relid": relid})


def statistics_rows(session: Session, relid: int) -> list[Row]:
    """The table's extended statistics objects."""
    return session.rows("change/statistics", {"relid": relid})


def trigger_rows(session: Session, relid: int) -> list[Row]:
    """The table's own triggers that are enabled, in the order they fire."""
    return session.rows("change/triggers", {"relid": relid})


def read_sequences(session: Session, relid: int) -> Mapping[int, Sequence[SequenceFacts]]:
    """The sequences that belong to the table's columns, by the column's number."""
    found = defaultdict(list)
    for row in session.rows("change/sequences", {"relid": relid}):
        sequence = _made(
            SequenceFacts,
            row,
            name=QualifiedName(row.schema, row.name),
            identity=row.is_identity,
            unlogged=row.persistence == "u",
            grants=_grants(row.grants),
        )
        found[row.number].append(sequence)
    return found


def read_columns(session: Session, relid: int) -> tuple[ColumnFacts, ...]:
    """The columns in order; types and expressions as the session's search path prints them."""
    sequences = read_sequences(session, relid)
    return tuple(
        _made(
            ColumnFacts,
            row,
            default=row.default_text,
            grants=_grants(row.grants),
            sequence=next(iter(sequences.get(row.number, ())), None),
            local=row.is_local,
        )
        for row in session.rows("change/columns", {"relid": relid})
    )


def _grants(found: Sequence[Mapping[str, object]] | None) -> tuple[Grant, ...]:
    return tuple(
        Grant(str(g["grantee"]), str(g["grantor"]), str(g["privilege"]), bool(g["grantable"])) for g in found or ()
    )


def _attached(kind: str, row: Row) -> Attached:
    name = QualifiedName(row.schema, row.name)
    if kind == "index":
        return _made(Attached, row, kind=kind, name=name, targets=_targets(row), parent=_parent(row))
    return _made(Attached, row, kind=kind, name=name, targets=() if row.target is None else ((0, row.target),))


def _constraint(row: Row, index: Row | None, schema: str) -> Attached:
    backed = {} if index is None else _of_index(index)
    return _made(
        Attached,
        row,
        kind="constraint",
        name=QualifiedName(schema, row.name),
        columns=tuple(sorted({*(row.columns or ()), *((index.columns or ()) if index is not None else ())})),
        local=row.is_local,
        references=row.references_table,
        **backed,
    )


def _of_index(index: Row) -> dict[str, object]:
    same = ("clustered", "replica_identity", "partitioned", "computed", "bytes")
    return {name: getattr(index, name) for name in same} | {
        "index": index.definition,
        "index_comment": index.comment,
        "targets": _targets(index),
        "parent": _parent(index),
    }


def _parent(row: Row) -> QualifiedName | None:
    return None if row.parent_name is None else QualifiedName(row.parent_schema, row.parent_name)


def _targets(row: Row) -> tuple[tuple[int, int], ...]:
    return tuple((int(number), int(target)) for number, target in row.targets or ())


def _key(indexes: Sequence[Row], columns: Sequence[ColumnFacts]) -> tuple[str, ...]:
    """The columns of the primary key, else of the narrowest unique index over columns that are never NULL."""
    # NULLs are distinct in a unique index: rows that have one could not be told apart by it.
    filled = {c.name for c in columns if c.not_null}
    usable = [r for r in indexes if r.key_columns and filled.issuperset(r.key_columns)]
    best = min(usable, key=lambda r: (not r.is_primary, len(r.key_columns), r.name), default=None)
    return () if best is None else tuple(best.key_columns)
