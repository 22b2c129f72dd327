"""A table as a change of its columns sees it: columns with everything a dump says, and what is built on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.evolve.relation import Attached, ColumnFacts, Grant, RelationFacts, SequenceFacts


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
    path = session.value("SELECT pg_catalog.current_setting('search_path')")
    _set_path(session, "")
    try:
        return _read(session, found)
    finally:
        with suppress(IndexPilotError):  # in a transaction that failed there is nothing left to restore
            _set_path(session, path)


def _set_path(session: Session, path: str) -> None:
    session.value("SELECT pg_catalog.set_config('search_path', %s, false)", (path,))


def _read(session: Session, found: Row) -> RelationFacts:
    indexes, columns = index_rows(session, found.relid), read_columns(session, found.relid)
    return RelationFacts(
        name=QualifiedName(found.schema, found.name),
        relid=found.relid,
        kind=found.kind,
        version=session.version,
        bytes=found.bytes,
        rows=found.rows,
        owner=found.owner,
        owned=found.owned,
        is_partition=found.is_partition,
        typed=found.typed,
        persistence=found.persistence,
        parents=tuple(found.parents or ()),
        children=tuple(found.children or ()),
        columns=columns,
        attached=(
            *_constraints(constraint_rows(session, found.relid), indexes, found),
            *(_index(row) for row in indexes if row.constraint_name is None),
            *(_statistics(row) for row in statistics_rows(session, found.relid)),
        ),
        key=_key(indexes, columns),
        # O and A fire in ordinary sessions; R does in replicas alone, and D nowhere.
        triggers=tuple(
            (row.name, row.enabled == "A")
            for row in trigger_rows(session, found.relid)
            if row.on_update and row.enabled in ("O", "A")
        ),
    )


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
        found[row.number].append(_sequence(row))
    return found


def read_columns(session: Session, relid: int) -> tuple[ColumnFacts, ...]:
    """The columns in order; types and expressions as the session's search path prints them."""
    sequences = read_sequences(session, relid)
    return tuple(
        ColumnFacts(
            name=row.name,
            number=row.number,
            type=row.type,
            collation=row.collation,
            not_null=row.not_null,
            default=row.default_text,
            generation=row.generation,
            identity=row.identity,
            generated=row.generated,
            storage=row.storage,
            compression=row.compression,
            target=row.target,
            options=tuple(row.options or ()),
            comment=row.comment,
            grants=_grants(row.grants),
            sequence=next(iter(sequences.get(row.number, ())), None),
            local=row.is_local,
            inherited=row.inherited,
        )
        for row in session.rows("change/columns", {"relid": relid})
    )


def _sequence(row: Row) -> SequenceFacts:
    return SequenceFacts(
        name=QualifiedName(row.schema, row.name),
        identity=row.is_identity,
        type=row.type,
        start=row.start,
        increment=row.increment,
        minimum=row.minimum,
        maximum=row.maximum,
        cache=row.cache,
        cycles=row.cycles,
        last_value=row.last_value,
        unlogged=row.persistence == "u",
        owner=row.owner,
        comment=row.comment,
        grants=_grants(row.grants),
    )


def _grants(found: Sequence[Mapping[str, object]] | None) -> tuple[Grant, ...]:
    return tuple(
        Grant(str(g["grantee"]), str(g["grantor"]), str(g["privilege"]), bool(g["grantable"])) for g in found or ()
    )


def _index(row: Row) -> Attached:
    return Attached(
        kind="index",
        name=QualifiedName(row.schema, row.name),
        definition=row.definition,
        columns=tuple(row.columns or ()),
        valid=row.valid,
        comment=row.comment,
        tablespace=row.tablespace,
        targets=_targets(row),
        clustered=row.clustered,
        replica_identity=row.replica_identity,
        partitioned=row.partitioned,
        parent=_parent(row),
        computed=row.computed,
        bytes=row.bytes,
    )


def _constraints(rows: Sequence[Row], indexes: Sequence[Row], found: Row) -> list[Attached]:
    # Storage parameters, statistics targets and marks are the index's: the constraint's definition has none of them.
    backing = {row.constraint_name: row for row in indexes if row.constraint_name is not None}
    return [_constraint(row, backing.get(row.name), found.schema) for row in rows]


def _constraint(row: Row, index: Row | None, schema: str) -> Attached:
    columns = {*(row.columns or ()), *((index.columns or ()) if index is not None else ())}
    return Attached(
        kind="constraint",
        name=QualifiedName(schema, row.name),
        definition=row.definition,
        columns=tuple(sorted(columns)),
        type=row.type,
        valid=row.valid,
        index=None if index is None else index.definition,
        deferrable=row.deferrable,
        deferred=row.deferred,
        comment=row.comment,
        index_comment=None if index is None else index.comment,
        tablespace=row.tablespace,
        options=tuple(row.options or ()),
        targets=() if index is None else _targets(index),
        clustered=index is not None and index.clustered,
        replica_identity=index is not None and index.replica_identity,
        partitioned=index is not None and index.partitioned,
        parent=None if index is None else _parent(index),
        local=row.is_local,
        computed=index is not None and index.computed,
        references=row.references_table,
        bytes=0 if index is None else index.bytes,
    )


def _statistics(row: Row) -> Attached:
    return Attached(
        kind="statistics",
        name=QualifiedName(row.schema, row.name),
        definition=row.definition,
        columns=tuple(row.columns or ()),
        comment=row.comment,
        targets=() if row.target is None else ((0, row.target),),
        owner=row.owner,
    )


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
