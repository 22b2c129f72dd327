"""The way back of each change, from what the table was like before (and, for a type change, after)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, groupby

from indexpilot_cli.core.ddl import Select, Update, index_marks
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve.alter_table import NOT_NULL_NOT_VALID
from indexpilot_cli.evolve.change.steps import rename_column
from indexpilot_cli.evolve.change.values import Undo
from indexpilot_cli.evolve.relation import Attached, ColumnFacts, Grant, RelationFacts, SequenceFacts


def of_add(table: RelationFacts, column: str) -> Undo:
    """The column goes again, and with it what was built on it."""
    return Undo(
        (f"ALTER TABLE {table.name} DROP COLUMN {quote_identifier(column)}",),
        loss=f"values written to {column} since then",
    )


def of_rename(table: RelationFacts, names: Iterable[tuple[str, str]]) -> Undo:
    """The old name comes back."""
    return Undo(tuple(rename_column(table.name, new, old) for old, new in names))


def of_drop(before: RelationFacts, column: ColumnFacts, saved: QualifiedName | None) -> Undo:
    """The column is made again, at the end of the table, and everything that went with it."""
    gone = in_order(before.mentioning(column.name))
    # NOT NULL, keys and constraints after the values: each reads the rows as they are when it is added.
    statements = [*add_column(before, column, saved)]
    if column.not_null and not any(a.type == "n" for a in gone):
        statements.append(f"ALTER TABLE {before.name} ALTER COLUMN {quote_identifier(column.name)} SET NOT NULL")
    for child in before.below:
        statements += _child(column, child)
    statements += _made(before, column.name)
    return Undo(
        tuple(statements),
        (f"ANALYZE {before.name} ({quote_identifier(column.name)})",) if saved is not None else (),
        loss="" if saved is not None or column.generation is not None else _loss(column),
        notes=tuple(_drop_notes(before, column, gone)),
        saved=saved,
    )


def of_type(
    before: RelationFacts,
    column: ColumnFacts,
    after: RelationFacts,
    *,
    back_casts: bool = True,
    settings: tuple[str, ...] = (),
) -> Undo:
    """The old type comes back, and every index and constraint that now reads differently is made as it was.

    ``settings`` are what the change itself ran with: in another TimeZone the values would come back as others.
    """
    quoted = quote_identifier(column.name)
    now = {(a.kind, a.name): a for a in after.mentioning(column.name)}
    changed = in_order(a for a in before.mentioning(column.name) if not _same(now.get((a.kind, a.name)), a))
    # Before the type: a predicate or CHECK that the server rewrote for the new type may not be valid for the old one.
    drops = [drop(before, a) for a in reversed(changed) if (a.kind, a.name) in now]
    collate = f" COLLATE {column.collation}" if column.collation else ""
    parts = [f"ALTER COLUMN {quoted} TYPE {column.type}{collate} USING {quoted}::{column.type}"]
    # USING converts values, never the default, which the server casts by assignment or refuses (42804).
    if column.default is not None and not column.identity:
        parts = [f"ALTER COLUMN {quoted} DROP DEFAULT", *parts, f"ALTER COLUMN {quoted} SET DEFAULT {column.default}"]
    made = chain.from_iterable(create(before, a) for a in changed)
    loss = "" if back_casts else f"there is no cast back to {column.type}"
    return Undo(
        (*settings, *drops, f"ALTER TABLE {before.name} {', '.join(parts)}", *made, *storage(before.name, column)),
        (f"ANALYZE {before.name} ({quoted})",),
        loss=loss or "what the change itself cut off or rounded; values the old type cannot hold make it fail",
    )


def _child(column: ColumnFacts, child: RelationFacts) -> Iterator[str]:
    """What a partition or child says of the column differently from its parent."""
    own = child.column(column.name)
    if own is None:
        return
    # A partition may have a default and NOT NULL of its own; ONLY leaves those below it as they are.
    alter = f"ALTER TABLE ONLY {child.name} ALTER COLUMN {quote_identifier(own.name)}"
    if own.default != column.default and not own.generated:
        yield f"{alter} DROP DEFAULT" if own.default is None else f"{alter} SET DEFAULT {own.default}"
    if own.not_null and not column.not_null and child.version < NOT_NULL_NOT_VALID:
        yield f"{alter} SET NOT NULL"
    yield from attributes(child.name, own)


def _made(before: RelationFacts, column: str) -> list[str]:
    """Everything built on the column, keys first, partitioned before the partitions that are attached to it."""
    families = [(before, item) for item in before.mentioning(column)]
    for child in before.below:
        inherited = [i for i in child.mentioning(column) if not i.local and i.index is None and i.kind == "constraint"]
        families += [(child, item) for item in child.mentioning(column) if item not in inherited]
    # An index of a partition is attached to its parent's, which is valid once all of them are.
    # https://www.postgresql.org/docs/current/sql-alterindex.html
    ranked = sorted(families, key=lambda pair: rank(pair[1])[0])
    return list(chain.from_iterable(create(table, item) for table, item in ranked))


def _same(now: Attached | None, before: Attached) -> bool:
    return now is not None and replace(now, bytes=0, columns=()) == replace(before, bytes=0, columns=())


def _loss(column: ColumnFacts) -> str:
    filled = "its default" if column.default is not None and column.sequence is None else "NULL"
    if column.sequence is not None:
        filled = "new numbers"
    return f"DATA LOSS: the values of {column.name} are gone; rows get {filled} back (--save keeps them)"


def _drop_notes(before: RelationFacts, column: ColumnFacts, gone: tuple[Attached, ...]) -> Iterator[str]:
    last = max((c.number for c in before.columns), default=0)
    if column.number != last:
        yield f"{column.name} comes back as the last column: SELECT * and INSERT without a list see another order"
    invalid = [a.name.name for a in gone if a.kind == "index" and not a.valid]
    if invalid:
        yield f"invalid indexes do not come back: {', '.join(invalid)}"


_ORDER = {"index": 2, "statistics": 5}
# NOT NULL before the primary key, which would scan for it; keys before the foreign keys that refer to them.
_CONSTRAINT_ORDER = {"n": 0, "p": 1, "u": 1, "x": 3, "c": 3, "f": 4}


def in_order(found: Iterable[Attached]) -> tuple[Attached, ...]:
    """Keys before what refers to them, and nothing before what it needs."""
    return tuple(sorted(found, key=rank))


def rank(attached: Attached) -> tuple[int, str]:
    """Where it stands in the order of making things."""
    rank = _CONSTRAINT_ORDER.get(attached.type, 3) if attached.kind == "constraint" else _ORDER[attached.kind]
    return rank, attached.name.name


def create(table: RelationFacts, attached: Attached) -> Iterator[str]:
    """The statements that make it again, comment, statistics targets and flags included."""
    match attached.kind:
        case "index":
            yield from _index(table, attached)
        case "statistics":
            yield from _statistics(attached)
        case _:
            yield from _constraint(table, attached)


def drop(table: RelationFacts, attached: Attached) -> str:
    """The statement that drops it."""
    match attached.kind:
        case "index":
            return f"DROP INDEX {attached.name}"
        case "statistics":
            return f"DROP STATISTICS {attached.name}"
    return f"ALTER TABLE {table.name} DROP CONSTRAINT {quote_identifier(attached.name.name)}"


def _index(table: RelationFacts, index: Attached) -> Iterator[str]:
    # Mostly what a failed build left: made again it would be valid, or fail as it did then.
    if not index.valid:
        return
    yield from _placed(index, index.definition)
    yield from _flags(table, index, index.name, index.comment)
    if index.parent is not None:
        yield f"ALTER INDEX {index.parent} ATTACH PARTITION {index.name}"


def _constraint(table: RelationFacts, constraint: Attached) -> Iterator[str]:
    quoted = quote_identifier(constraint.name.name)
    only = "ONLY " if constraint.partitioned else ""  # its partitions have theirs made and attached one by one
    head = f"ALTER TABLE {only}{table.name} ADD CONSTRAINT {quoted}"
    index = QualifiedName(table.name.schema, constraint.name.name)
    if _by_index(table, constraint):
        yield from _placed(constraint, str(constraint.index))
        word = "PRIMARY KEY" if constraint.type == "p" else "UNIQUE"
        late = deferral(deferrable=constraint.deferrable, deferred=constraint.deferred)
        yield f"{head} {word} USING INDEX {quoted}{late}"
    else:
        yield from _placed(constraint, f"{head} {constraint.definition}")
        if constraint.options and constraint.index is not None:
            yield f"ALTER INDEX {index} SET ({', '.join(constraint.options)})"
    if constraint.index is not None:
        yield from _flags(table, constraint, index, constraint.index_comment)
    if constraint.parent is not None:
        yield f"ALTER INDEX {constraint.parent} ATTACH PARTITION {index}"
    if constraint.comment is not None:
        yield f"COMMENT ON CONSTRAINT {quoted} ON {table.name} IS {quote_literal(constraint.comment)}"


def _by_index(table: RelationFacts, constraint: Attached) -> bool:
    """Building the index first keeps storage parameters and INCLUDE; partitioned tables do not allow it."""
    if constraint.type not in ("p", "u") or constraint.index is None or table.kind == "p":
        return False
    return "WITHOUT OVERLAPS" not in constraint.definition


def _statistics(found: Attached) -> Iterator[str]:
    yield found.definition
    if found.owner:
        yield f"ALTER STATISTICS {found.name} OWNER TO {quote_identifier(found.owner)}"
    for _, target in found.targets:
        yield f"ALTER STATISTICS {found.name} SET STATISTICS {target}"
    if found.comment is not None:
        yield f"COMMENT ON STATISTICS {found.name} IS {quote_literal(found.comment)}"


def _placed(attached: Attached, statement: str) -> Iterator[str]:
    """The statement, with its index in the tablespace it was in."""
    if attached.tablespace is None:
        yield statement
        return
    # pg_get_indexdef() and pg_get_constraintdef() leave the tablespace out of their text.
    # https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-DEFAULT-TABLESPACE
    yield f"SET LOCAL default_tablespace = {quote_literal(attached.tablespace)}"
    yield statement
    yield "RESET default_tablespace"


def _flags(table: RelationFacts, attached: Attached, index: QualifiedName, comment: str | None) -> Iterator[str]:
    yield from index_marks(
        index,
        table.name,
        targets=attached.targets,
        comment=comment,
        clustered=attached.clustered,
        replica_identity=attached.replica_identity,
    )


def deferral(*, deferrable: bool, deferred: bool) -> str:
    """What stands behind a constraint that may be checked late."""
    if not deferrable:
        return ""
    return " DEFERRABLE INITIALLY DEFERRED" if deferred else " DEFERRABLE"


def add_column(table: RelationFacts, column: ColumnFacts, saved: QualifiedName | None) -> Iterator[str]:
    """ADD COLUMN and, in order, everything that belongs to the column alone; constraints come later.

    Values come from ``saved`` (a table of the key's columns and the column) where it has them.
    """
    name, quoted = table.name, quote_identifier(column.name)
    words = [f"ALTER TABLE {name} ADD COLUMN {quoted} {column.type}"]
    words += [f"COLLATE {column.collation}"] if column.collation else []
    serial = column.sequence is not None and not column.identity
    if column.generation is not None:
        words.append(f"GENERATED ALWAYS AS ({column.generation}) {'VIRTUAL' if column.generated == 'v' else 'STORED'}")
    elif column.identity and column.sequence is not None:
        # Not ALWAYS yet: an UPDATE may set such a column to DEFAULT only (428C9), and saved values are put back by one.
        # https://www.postgresql.org/docs/current/sql-createtable.html
        options = f"SEQUENCE NAME {column.sequence.name} {sequence_options(column.sequence)}"
        words.append(f"GENERATED BY DEFAULT AS IDENTITY ({options})")
    elif column.default is not None and not serial:
        words.append(f"DEFAULT {column.default}")
    yield " ".join(words)
    if serial and column.sequence is not None:
        yield from _serial(table, column, column.sequence)
    if saved is not None and column.generation is None:
        yield from quietly(table, _fill_from(table, column, saved))
    if column.identity == "a":
        yield f"ALTER TABLE {name} ALTER COLUMN {quoted} SET GENERATED ALWAYS"
    if column.sequence is not None:
        yield from _sequence_rest(table, column, column.sequence)
    yield from attributes(table.name, column)


def attributes(table: QualifiedName, column: ColumnFacts) -> Iterator[str]:
    """Storage, compression, statistics, comment and privileges, as far as they are not the type's own."""
    alter = f"ALTER TABLE {table} ALTER COLUMN {quote_identifier(column.name)}"
    yield from storage(table, column)
    if column.target is not None:
        yield f"{alter} SET STATISTICS {column.target}"
    if column.options:
        yield f"{alter} SET ({', '.join(column.options)})"
    if column.comment is not None:
        yield f"COMMENT ON COLUMN {table}.{quote_identifier(column.name)} IS {quote_literal(column.comment)}"
    yield from grants(f"({quote_identifier(column.name)})", f"TABLE {table}", column.grants)


def storage(table: QualifiedName, column: ColumnFacts) -> Iterator[str]:
    """What a type change resets: storage and compression."""
    alter = f"ALTER TABLE {table} ALTER COLUMN {quote_identifier(column.name)}"
    # ACCESS EXCLUSIVE, brief: both concern values to come, those that are stored stay as they are.
    if column.storage is not None:
        yield f"{alter} SET STORAGE {column.storage}"
    if column.compression is not None:
        yield f"{alter} SET COMPRESSION {column.compression}"


def grants(columns: str, target: str, given: Iterable[Grant]) -> Iterator[str]:
    """GRANT statements that make the access list again, in its order; each as the role that granted."""
    # A plain REVOKE takes back only what the same role gave: whose grant it was is part of it.
    # https://www.postgresql.org/docs/current/sql-revoke.html
    for (grantor, grantee, grantable), group in groupby(given, key=lambda g: (g.grantor, g.grantee, g.grantable)):
        words = ", ".join(f"{g.privilege}{' ' + columns if columns else ''}" for g in group)
        whom = quote_identifier(grantee) if grantee else "PUBLIC"
        yield f"SET LOCAL ROLE {quote_identifier(grantor)}"
        yield f"GRANT {words} ON {target} TO {whom}" + (" WITH GRANT OPTION" if grantable else "")
        yield "RESET ROLE"


def quietly(table: RelationFacts, statement: str) -> Iterator[str]:
    """The UPDATE without the triggers of users, which would make other values of those that come back."""
    # The owner may do this, while session_replication_role is for superusers. SHARE ROW EXCLUSIVE; the transaction
    # holds ACCESS EXCLUSIVE already, so no row of others is written while the triggers rest.
    alter = f"ALTER TABLE {table.name}"
    for name, _ in table.triggers:
        yield f"{alter} DISABLE TRIGGER {quote_identifier(name)}"
    yield statement
    yield "SET CONSTRAINTS ALL IMMEDIATE"  # pending checks would keep the table from being altered further
    for name, always in table.triggers:
        yield f"{alter} ENABLE {'ALWAYS ' if always else ''}TRIGGER {quote_identifier(name)}"


def _fill_from(table: RelationFacts, column: ColumnFacts, saved: QualifiedName) -> str:
    keys = " AND ".join(f"t.{quote_identifier(k)} = s.{quote_identifier(k)}" for k in table.key)
    quoted = quote_identifier(column.name)
    return Update(f"{table.name} AS t", f"{quoted} = s.{quoted}", f"FROM {saved} AS s WHERE {keys}")


def _serial(table: RelationFacts, column: ColumnFacts, sequence: SequenceFacts) -> Iterator[str]:
    """A sequence of its own with the default that draws from it; rows get numbers where they must have one."""
    unlogged = "UNLOGGED " if sequence.unlogged else ""
    quoted = quote_identifier(column.name)
    yield f"CREATE {unlogged}SEQUENCE {sequence.name} AS {sequence.type} {sequence_options(sequence)}"
    if sequence.owner:
        yield f"ALTER SEQUENCE {sequence.name} OWNER TO {quote_identifier(sequence.owner)}"
    # Owner before ownership: a sequence and the table that owns it must belong to the same role.
    # https://www.postgresql.org/docs/current/sql-altersequence.html
    yield f"ALTER SEQUENCE {sequence.name} OWNED BY {table.name}.{quoted}"
    if column.default is not None:
        yield f"ALTER TABLE {table.name} ALTER COLUMN {quoted} SET DEFAULT {column.default}"
    if column.not_null and column.default is not None:
        yield from quietly(table, Update(table.name, f"{quoted} = DEFAULT"))


def _sequence_rest(table: RelationFacts, column: ColumnFacts, sequence: SequenceFacts) -> Iterator[str]:
    """The sequence goes on after the highest number that was given or came back."""
    # setval() is never rolled back, but this sequence was made in the same transaction and goes with it.
    # https://www.postgresql.org/docs/current/functions-sequence.html
    literal = quote_literal(str(sequence.name))
    furthest = "max" if sequence.increment >= 0 else "min"
    highest = Select(f"{furthest}({quote_identifier(column.name)})::bigint", table.name)
    bound = "greatest" if sequence.increment > 0 else "least"
    if sequence.last_value is not None:
        yield f"SELECT pg_catalog.setval({literal}, {bound}({sequence.last_value}, ({highest})))"
    else:
        yield f"SELECT pg_catalog.setval({literal}, coalesce(({highest}), {sequence.start}), ({highest}) IS NOT NULL)"
    if sequence.comment is not None:
        yield f"COMMENT ON SEQUENCE {sequence.name} IS {quote_literal(sequence.comment)}"
    yield from grants("", f"SEQUENCE {sequence.name}", sequence.grants)


def sequence_options(sequence: SequenceFacts) -> str:
    """The options as CREATE SEQUENCE takes them, its type and name left out."""
    words = (
        f"START WITH {sequence.start} INCREMENT BY {sequence.increment} MINVALUE {sequence.minimum}"
        f" MAXVALUE {sequence.maximum} CACHE {sequence.cache}"
    )
    return words + (" CYCLE" if sequence.cycles else "")
