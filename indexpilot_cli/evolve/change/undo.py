"""The way back of each change, from what the table was like before (and, for a type change, after)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.evolve.change.undo_objects import add_column, attributes, create, drop, in_order, rank, storage
from indexpilot_cli.evolve.change.values import Undo
from indexpilot_cli.evolve.relation import Attached, ColumnFacts, RelationFacts

NOT_NULL_NAMED = 180000  # from then on NOT NULL is a constraint with a name


def of_add(table: RelationFacts, column: str) -> Undo:
    """The column goes again, and with it what was built on it."""
    return Undo(
        (f"ALTER TABLE {table.name} DROP COLUMN {quote_identifier(column)}",),
        loss=f"values written to {column} since then",
    )


def of_rename(table: RelationFacts, old: str, new: str) -> Undo:
    """The old name comes back."""
    name = f"{quote_identifier(new)} TO {quote_identifier(old)}"
    return Undo((f"ALTER TABLE {table.name} RENAME COLUMN {name}",))


def of_drop(before: RelationFacts, column: ColumnFacts, saved: QualifiedName | None) -> Undo:
    """The column is made again, at the end of the table, and everything that went with it."""
    gone = in_order(before.mentioning(column.name))
    statements = [*add_column(before, column, saved)]
    if column.not_null and not any(a.type == "n" for a in gone):
        statements.append(f"ALTER TABLE {before.name} ALTER COLUMN {quote_identifier(column.name)} SET NOT NULL")
    statements += [text for child in before.below for text in _child(column, child)]
    statements += _made(before, column.name)
    return Undo(
        tuple(statements),
        (f"ANALYZE {before.name} ({quote_identifier(column.name)})",) if saved is not None else (),
        loss="" if saved is not None or column.generation is not None else _loss(column),
        notes=tuple(_drop_notes(before, column, gone)),
        saved=saved,
    )


def of_type(before: RelationFacts, column: ColumnFacts, after: RelationFacts, *, back_casts: bool = True) -> Undo:
    """The old type comes back, and every index and constraint that now reads differently is made as it was."""
    quoted = quote_identifier(column.name)
    now = {(a.kind, a.name): a for a in after.mentioning(column.name)}
    changed = in_order(a for a in before.mentioning(column.name) if not _same(now.get((a.kind, a.name)), a))
    drops = [drop(before, a) for a in reversed(changed) if (a.kind, a.name) in now]
    collate = f" COLLATE {column.collation}" if column.collation else ""
    parts = [f"ALTER COLUMN {quoted} TYPE {column.type}{collate} USING {quoted}::{column.type}"]
    if column.default is not None and not column.identity:
        parts = [f"ALTER COLUMN {quoted} DROP DEFAULT", *parts, f"ALTER COLUMN {quoted} SET DEFAULT {column.default}"]
    made = [text for a in changed for text in create(before, a)]
    loss = "" if back_casts else f"there is no cast back to {column.type}"
    return Undo(
        (*drops, f"ALTER TABLE {before.name} {', '.join(parts)}", *made, *storage(before.name, column)),
        (f"ANALYZE {before.name} ({quoted})",),
        loss=loss or "what the change itself cut off or rounded; values the old type cannot hold make it fail",
    )


def _child(column: ColumnFacts, child: RelationFacts) -> Iterator[str]:
    """What a partition or child says of the column differently from its parent."""
    own = child.column(column.name)
    if own is None:
        return
    alter = f"ALTER TABLE ONLY {child.name} ALTER COLUMN {quote_identifier(own.name)}"
    if own.default != column.default and not own.generated:
        yield f"{alter} DROP DEFAULT" if own.default is None else f"{alter} SET DEFAULT {own.default}"
    if own.not_null and not column.not_null and child.version < NOT_NULL_NAMED:
        yield f"{alter} SET NOT NULL"
    yield from attributes(child.name, own)


def _made(before: RelationFacts, column: str) -> list[str]:
    """Everything built on the column, keys first, partitioned before the partitions that are attached to it."""
    families = [(before, item) for item in before.mentioning(column)]
    for child in before.below:
        inherited = [i for i in child.mentioning(column) if not i.local and i.index is None and i.kind == "constraint"]
        families += [(child, item) for item in child.mentioning(column) if item not in inherited]
    ranked = sorted(families, key=lambda pair: rank(pair[1])[0])
    return [text for table, item in ranked for text in create(table, item)]


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
