"""Filling the genome catalog and keeping it in step with the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.command import ANYBODY, Connection, Record
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import ColumnIdentity, Discovered, FieldKey, GenomeField, discover
from indexpilot_cli.log import metadata, mutations
from indexpilot_cli.log.bookkeeping import writer
from indexpilot_cli.log.metadata import SCHEMA


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """What went into the genome catalog: tables and fields offered, and how many fields were new."""

    tables_count: int
    fields_count: int
    new_fields: int


@dataclass(frozen=True, slots=True)
class Synced:
    """Differences between genome catalog and database; ``applied`` says whether the catalog follows them now."""

    changes: tuple[GenomeChange, ...]
    applied: bool


def bootstrap(session: Session, fields: Sequence[GenomeField], *, schema: str = SCHEMA) -> Bootstrapped:
    """Add what is not there yet; running it again adds nothing."""
    with session.transaction():
        new = genome.add(session, fields, schema=schema)
    return Bootstrapped(len({f.table for f in fields}), len(fields), new)


def discover_and_bootstrap(
    session: Session,
    *,
    schemas: Collection[str] | None = None,
    exclude: Collection[str] = (),
    schema: str = SCHEMA,
) -> Bootstrapped:
    """Record every table the database has: new fields are added, changed types and nullability follow."""
    found = discover(session, schemas=schemas, exclude=exclude, schema=schema)
    with session.transaction():
        return _record(session, found, schema)


def save_fields(connection: Connection, tables: Sequence[Table]) -> int:
    """Record the columns of these tables in a session of its own; gives how many columns that are.

    Raises PrerequisiteError when the metadata tables are not there.
    """
    wanted = {table.name for table in tables}
    schema = connection.metadata_schema
    # The command's own session is read-only.
    with writer(connection) as session:
        metadata.require(session, schema)
        found = discover(session, schemas={name.schema for name in wanted}, schema=schema)
        with session.transaction():
            return _record(session, tuple(d for d in found if d.field.table in wanted), schema).fields_count


def sync(
    session: Session,
    *,
    schemas: Collection[str] | None = None,
    apply: bool = True,
    schema: str = SCHEMA,
    by: Record = ANYBODY,
) -> Synced:
    """Compare the database with the genome catalog and, with ``apply``, make the catalog follow.

    Renames keep profiles, index vetoes and groups; what is gone takes its profiles with it. A run that changes
    something leaves one SCHEMA_SYNC row in the mutation log, and one for each table unless all are new to it.
    """
    found = discover(session, schemas=schemas, schema=schema)
    known = [f for f in genome.fields(session, schema=schema) if schemas is None or f.table.schema in schemas]
    # A rename changes neither the oid of a table nor the number of a column.
    places = {d.field.key: d.identity for d in found}
    changes = compare(known, [d.field for d in found], genome.identities(session, schema=schema), places)
    if not apply:
        return Synced(changes, False)
    with session.transaction():
        # Renames first: a renamed field that was recorded as new would leave its profiles behind.
        _follow(session, changes, known, schema)
        _record(session, found, schema)
        # In the same transaction: the log says so exactly when the catalog followed.
        if changes:
            mutations.record_change(session, _synced(changes), by, schema=schema)
            for row in _tables_changed(changes) if known else ():
                mutations.record_change(session, row, by, schema=schema)
    return Synced(changes, bool(changes))


def _record(session: Session, found: Sequence[Discovered], schema: str) -> Bootstrapped:
    """Add new fields and bring types and nullability of known ones up to date; vetoes and groups stay."""
    known = {f.key: f for f in genome.fields(session, schema=schema)}
    for now in (d.field for d in found):
        was = known.get(now.key)
        if was is not None and (was.type, was.required) != (now.type, now.required):
            # A veto is never lifted here; a type that cannot be indexed adds one.
            genome.update(
                session,
                now.key,
                type=now.type,
                required=now.required,
                indexable=was.indexable and now.indexable,
                schema=schema,
            )
    new = genome.add(session, [d.field for d in found if d.field.key not in known], schema=schema)
    genome.save_identities(session, found, schema=schema)
    return Bootstrapped(len({d.field.table for d in found}), len(found), new)


def _follow(session: Session, changes: Iterable[GenomeChange], known: Sequence[GenomeField], schema: str) -> None:
    """Renames and removals; additions and changes inside follow by recording."""
    for change in changes:
        if change.kind is GenomeChangeKind.TABLE_RENAMED:
            was = next(f.table for f in known if str(f.table) == change.before)
            for field in [f for f in known if f.table == was]:
                genome.rename(session, field.key, FieldKey(change.table, field.name), schema=schema)
        elif change.kind is GenomeChangeKind.COLUMN_RENAMED and change.before is not None and change.field is not None:
            old = FieldKey(change.table, change.before)
            genome.rename(session, old, FieldKey(change.table, change.field), schema=schema)
        # A table made later under that name is another one and must not inherit these profiles.
        elif change.kind is GenomeChangeKind.TABLE_REMOVED:
            genome.remove(session, [f.key for f in known if f.table == change.table], schema=schema)
        elif change.kind is GenomeChangeKind.COLUMN_REMOVED and change.field is not None:
            genome.remove(session, [FieldKey(change.table, change.field)], schema=schema)


def _synced(changes: Sequence[GenomeChange]) -> Mutation:
    tables: set[QualifiedName] = {change.table for change in changes}
    only = next(iter(tables)) if len(tables) == 1 else None
    return Mutation(
        MutationType.SCHEMA_SYNC,
        {"changes": [_plain(change) for change in changes]},
        table_name=only.name if only else None,
        schema_name=only.schema if only else None,
        state="DONE",
    )


def _tables_changed(changes: Sequence[GenomeChange]) -> Iterator[Mutation]:
    """One row for each table that came, went or is another now; whoever did that did not go through us."""
    for table in dict.fromkeys(change.table for change in changes):
        mine = [change for change in changes if change.table == table]
        kind = next((_OF_TABLES[c.kind] for c in mine if c.kind in _OF_TABLES), MutationType.ALTER_TABLE)
        details = {"seen_by": "schema sync", "changes": [_plain(change) for change in mine]}
        yield Mutation(kind, details, table_name=table.name, schema_name=table.schema, state="DONE")


def _plain(change: GenomeChange) -> dict[str, str]:
    facts = {
        "kind": change.kind.value,
        "table": str(change.table),
        "field": change.field,
        "before": change.before,
        "after": change.after,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


class GenomeChangeKind(StrEnum):
    """How a schema can have changed."""

    TABLE_ADDED = "table_added"
    TABLE_REMOVED = "table_removed"
    TABLE_RENAMED = "table_renamed"
    COLUMN_ADDED = "column_added"
    COLUMN_REMOVED = "column_removed"
    COLUMN_RENAMED = "column_renamed"
    TYPE_CHANGED = "type_changed"
    NULLABILITY_CHANGED = "nullability_changed"


_OF_TABLES = {
    GenomeChangeKind.TABLE_ADDED: MutationType.CREATE_TABLE,
    GenomeChangeKind.TABLE_REMOVED: MutationType.DROP_TABLE,
}


@dataclass(frozen=True, slots=True)
class GenomeChange:
    """One difference. ``table`` is the table's present name (its last one when it is gone).

    ``before`` and ``after`` are what changed: names, types, or ``null`` / ``not null``.
    """

    kind: GenomeChangeKind
    table: QualifiedName
    field: str | None = None
    before: str | None = None
    after: str | None = None


Fields = dict[str, GenomeField]
Places = Mapping[FieldKey, ColumnIdentity]


def compare(
    old: Iterable[GenomeField], new: Iterable[GenomeField], old_places: Places, new_places: Places
) -> tuple[GenomeChange, ...]:
    """Every difference, tables first renamed, then removed, then added, then changed inside.

    A rename is believed only where the physical places of the remaining columns agree, because after a restore
    from a dump the same numbers can mean other things; otherwise it is a removal and an addition.
    """
    before, after = _by_table(old), _by_table(new)
    renamed = dict(_renamed_tables(before, after, old_places, new_places))
    pairs = [(name, name) for name in before if name in after] + list(renamed.items())
    changes = [GenomeChange(GenomeChangeKind.TABLE_RENAMED, b, None, str(a), str(b)) for a, b in renamed.items()]
    changes += [GenomeChange(GenomeChangeKind.TABLE_REMOVED, n) for n in before if n not in after and n not in renamed]
    added = [n for n in after if n not in before and n not in renamed.values()]
    changes += [GenomeChange(GenomeChangeKind.TABLE_ADDED, n) for n in added]
    for was, now in pairs:
        changes += _inside(now, before[was], after[now], old_places, new_places)
    return tuple(changes)


def _by_table(fields: Iterable[GenomeField]) -> dict[QualifiedName, Fields]:
    tables: dict[QualifiedName, Fields] = {}
    for field in fields:
        tables.setdefault(field.table, {})[field.name] = field
    return tables


def _renamed_tables(
    before: Mapping[QualifiedName, Fields], after: Mapping[QualifiedName, Fields], old: Places, new: Places
) -> Iterator[tuple[QualifiedName, QualifiedName]]:
    appeared = {_relid(fields, new): name for name, fields in after.items() if name not in before}
    for name, fields in before.items():
        relid = _relid(fields, old)
        if name in after or relid is None or relid not in appeared:
            continue
        # The oid alone proves nothing: a restored dump numbers anew, and an old number can come again.
        target = appeared[relid]
        same = [f for f in fields if f in after[target] and _same_place(fields[f], after[target][f], old, new)]
        if 2 * len(same) >= len(fields):
            yield name, target


def _relid(fields: Fields, places: Places) -> int | None:
    return next((places[f.key].relid for f in fields.values() if f.key in places), None)


def _same_place(was: GenomeField, now: GenomeField, old: Places, new: Places) -> bool:
    return was.key in old and old[was.key] == new.get(now.key)


def _inside(table: QualifiedName, before: Fields, after: Fields, old: Places, new: Places) -> Iterator[GenomeChange]:
    renamed = dict(_renamed_columns(before, after, old, new))
    for was, now in renamed.items():
        yield GenomeChange(GenomeChangeKind.COLUMN_RENAMED, table, now, was, now)
    for name in before:
        if name not in after and name not in renamed:
            yield GenomeChange(GenomeChangeKind.COLUMN_REMOVED, table, name, before[name].type)
    for name, field in after.items():
        if name not in before and name not in renamed.values():
            yield GenomeChange(GenomeChangeKind.COLUMN_ADDED, table, name, None, field.type)
    kept = [(name, name) for name in before if name in after] + list(renamed.items())
    for was, now in kept:
        yield from _differences(table, before[was], after[now])


def _renamed_columns(before: Fields, after: Fields, old: Places, new: Places) -> Iterator[tuple[str, str]]:
    stayed = [name for name in before if name in after]
    # A column that kept its name and changed its number: the table was made anew,
    # so numbers say nothing about its other columns.
    if any(before[n].key in old and not _same_place(before[n], after[n], old, new) for n in stayed):
        return
    appeared = {new[f.key]: name for name, f in after.items() if name not in before and f.key in new}
    for name, field in before.items():
        place = old.get(field.key)
        if name not in after and place in appeared:
            yield name, appeared[place]


def _differences(table: QualifiedName, was: GenomeField, now: GenomeField) -> Iterator[GenomeChange]:
    if was.type != now.type:
        yield GenomeChange(GenomeChangeKind.TYPE_CHANGED, table, now.name, was.type, now.type)
    if was.required != now.required:
        yield GenomeChange(GenomeChangeKind.NULLABILITY_CHANGED, table, now.name, _null(was), _null(now))


def _null(field: GenomeField) -> str:
    return "not null" if field.required else "null"
