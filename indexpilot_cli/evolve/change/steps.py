"""The steps of a drop, a rename and a type change, and the pieces every change is written with."""

from __future__ import annotations

from collections.abc import Iterable

from indexpilot_cli.core.ddl import NAME_LIMIT
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve.change.values import Classified, Span, Step, Work
from indexpilot_cli.evolve.relation import ColumnFacts, RelationFacts, TypeChange


def object_name(table: str, column: str, suffix: str, taken: Iterable[str] = ()) -> str:
    """``table_column_suffix`` in 63 bytes, as the server itself would call it, and not among ``taken``."""
    used = set(taken)
    for number in range(len(used) + 1):
        tail = f"_{suffix}{number or ''}"
        first, second = table, column
        while len(f"{first}_{second}{tail}".encode()) > NAME_LIMIT:
            first, second = (first[:-1], second) if len(first.encode()) > len(second.encode()) else (first, second[:-1])
        name = f"{first}_{second}{tail}"
        if name not in used:
            return name
    raise ValueError("every name is taken")


def comment_on(table: QualifiedName, column: str, text: str) -> str:
    """COMMENT ON COLUMN."""
    return f"COMMENT ON COLUMN {table}.{quote_identifier(column)} IS {quote_literal(text)}"


def rename(table: RelationFacts, old: str, new: str) -> tuple[Step, ...]:
    """One statement: the name in the catalog changes, nothing else."""
    text = f"ALTER TABLE {table.name} RENAME COLUMN {quote_identifier(old)} TO {quote_identifier(new)}"
    return (Step(f"rename {old} to {new}", (text,)),)


def drop(
    table: RelationFacts, column: ColumnFacts, saved: QualifiedName | None, *, small: bool = True
) -> tuple[Step, ...]:
    """One transaction: keep the values where that was asked for, then drop the column and all that goes with it.

    While values are kept nobody can write, so that the copy holds the very last of them.
    """
    gone = f"ALTER TABLE {table.name} DROP COLUMN {quote_identifier(column.name)}"
    if saved is None:
        return (Step(f"drop {column.name}", (gone,)),)
    names = ", ".join(quote_identifier(n) for n in (*table.key, column.name))
    keys = ", ".join(map(quote_identifier, table.key))
    statements = (
        f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE",
        f"CREATE TABLE {saved} AS SELECT {names} FROM {table.name}",
        f"ALTER TABLE {saved} ADD PRIMARY KEY ({keys})",
        f"COMMENT ON TABLE {saved} IS {quote_literal(f'values of {table.name}.{column.name}, kept by indexpilot')}",
        gone,
    )
    span = Span.BRIEF if small else Span.WRITES
    return (Step(f"save and drop {column.name}", statements, span=span),)


def alter_type(change: TypeChange, classified: Classified, *, small: bool) -> tuple[Step, ...]:
    """The type change in place, and the ANALYZE that gives the planner back what it knew."""
    table, column = change.table, change.column
    quoted = quote_identifier(column.name)
    using = f" USING {change.using}" if change.using is not None else ""
    parts = [f"ALTER COLUMN {quoted} TYPE {change.new.text}{using}"]
    if column.default is not None and not column.identity and (change.using is not None or change.context == "e"):
        # The server converts a default only by an assignment cast, and never by USING.
        again = f"ALTER COLUMN {quoted} SET DEFAULT ({column.default})::{change.new.text}"
        parts = [f"ALTER COLUMN {quoted} DROP DEFAULT", *parts, again]
    span = Span.BRIEF if classified.work is Work.INSTANT or small else Span.READS
    return (
        Step(
            f"change {column.name} to {change.new.text}", (f"ALTER TABLE {table.name} {', '.join(parts)}",), span=span
        ),
        analyze(table, column.name),
    )


def analyze(table: RelationFacts, column: str) -> Step:
    """New statistics of the column: a type change drops the old ones."""
    text = f"ANALYZE {table.name} ({quote_identifier(column)})"
    return Step(f"analyze {column}", (text,), how="analyze", span=Span.NOBODY, lock="SHARE UPDATE EXCLUSIVE")
