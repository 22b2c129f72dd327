"""The steps of a drop, a rename and a type change, and the pieces every change is written with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from indexpilot_cli.core.ddl import Select, Update
from indexpilot_cli.core.names import QualifiedName, object_name, quote_identifier, quote_literal
from indexpilot_cli.evolve import alter_table
from indexpilot_cli.evolve.change.values import Classified, Span, Step, TypeWork
from indexpilot_cli.evolve.relation import ColumnFacts, RelationFacts, TypeChange


def comment_on(table: QualifiedName, column: str, text: str) -> str:
    """COMMENT ON COLUMN."""
    return f"COMMENT ON COLUMN {table}.{quote_identifier(column)} IS {quote_literal(text)}"


def rename(table: RelationFacts, names: Iterable[tuple[str, str]]) -> tuple[Step, ...]:
    """The name in the catalog changes, nothing else; ``names`` are old and new, the column's own first."""
    # ACCESS EXCLUSIVE for a moment. Views, indexes and constraints know the column by number and follow; texts of
    # functions do not.
    (old, new), *_ = pairs = tuple(names)
    return (Step(f"rename {old} to {new}", tuple(rename_column(table.name, *pair) for pair in pairs)),)


def rename_column(table: QualifiedName, old: str, new: str) -> str:
    """ALTER TABLE … RENAME COLUMN."""
    return f"ALTER TABLE {table} RENAME COLUMN {quote_identifier(old)} TO {quote_identifier(new)}"


def drop(
    table: RelationFacts, column: ColumnFacts, saved: QualifiedName | None, *, small: bool = True
) -> tuple[Step, ...]:
    """One transaction: keep the values where that was asked for, then drop the column and all that goes with it.

    While values are kept nobody can write, so that the copy holds the very last of them.
    """
    # ACCESS EXCLUSIVE, and no row is written: the space comes back as rows are written again, or by VACUUM FULL.
    # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    gone = f"ALTER TABLE {table.name} DROP COLUMN {quote_identifier(column.name)}"
    if saved is None:
        return (Step(f"drop {column.name}", (gone,)),)
    names = ", ".join(quote_identifier(n) for n in (*table.key, column.name))
    keys = ", ".join(map(quote_identifier, table.key))
    statements = (
        f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE",
        f"CREATE TABLE {saved} AS {Select(names, table.name)}",
        # The values are put back by an UPDATE that joins on the key.
        f"ALTER TABLE {saved} ADD PRIMARY KEY ({keys})",
        f"COMMENT ON TABLE {saved} IS {quote_literal(f'values of {table.name}.{column.name}, kept by indexpilot')}",
        gone,
    )
    # Readers wait only for the DROP at the end; what is long is the copying, beside which they go on.
    span = Span.BRIEF if small else Span.WRITES
    return (Step(f"save and drop {column.name}", statements, span=span),)


def alter_type(change: TypeChange, classified: Classified, *, small: bool) -> tuple[Step, ...]:
    """The type change in place, and the ANALYZE that gives the planner back what it knew."""
    table, column = change.table, change.column
    quoted = quote_identifier(column.name)
    using = f" USING {change.using}" if change.using is not None else ""
    # All in one ALTER TABLE: however many parts it has, the rows are written once and the lock is taken once.
    parts = [f"ALTER COLUMN {quoted} TYPE {change.new.text}{using}"]
    if column.default is not None and not column.identity and (change.using is not None or change.context == "e"):
        # The server converts a default only by an assignment cast, and never by USING.
        again = f"ALTER COLUMN {quoted} SET DEFAULT ({column.default})::{change.new.text}"
        parts = [f"ALTER COLUMN {quoted} DROP DEFAULT", *parts, again]
    span = Span.BRIEF if classified.work is TypeWork.INSTANT or small else Span.READS
    return (
        Step(
            f"change {column.name} to {change.new.text}",
            (*alter_table.in_zone(change), f"ALTER TABLE {table.name} {', '.join(parts)}"),
            span=span,
        ),
        analyze(table, column.name),
    )


def analyze(table: RelationFacts, column: str) -> Step:
    """New statistics of the column: a type change drops the old ones."""
    # In a transaction of its own: in that of the change it would hold ACCESS EXCLUSIVE while it samples.
    text = f"ANALYZE {table.name} ({quote_identifier(column)})"
    return Step(f"analyze {column}", (text,), how="analyze", span=Span.NOBODY, lock="SHARE UPDATE EXCLUSIVE")


_SUE = "SHARE UPDATE EXCLUSIVE"
_SRE = "SHARE ROW EXCLUSIVE"


@dataclass(frozen=True, slots=True)
class NewColumn:
    """A column to add. ``type``, ``default`` are SQL text; ``references`` is ``schema.table (column)``.

    ``each_row``: every row gets a value of its own (a volatile default, or a domain that checks). ``small``: what
    must read or write the whole table does so in no time. ``leaves`` are the tables that hold the rows.
    """

    table: RelationFacts
    name: str
    type: str
    default: str | None = None
    not_null: bool = False
    comment: str | None = None
    unique: bool = False
    references: str | None = None
    each_row: bool = False
    small: bool = True
    leaves: tuple[QualifiedName, ...] = ()

    @property
    def column(self) -> str:
        """The name as SQL text."""
        return quote_identifier(self.name)

    @property
    def taken(self) -> tuple[str, ...]:
        """Names of what is built on the table."""
        return tuple(a.name.name for a in self.table.attached)

    def constraint(self, suffix: str) -> str:
        """A free name for a constraint of the column, not quoted."""
        return object_name(self.table.name.name, self.name, suffix, self.taken)


def add_column(new: NewColumn) -> tuple[Step, ...]:
    """What to run, in order. A single step is atomic."""
    if new.small:
        return (Step(f"add {new.name}", tuple(_whole(new))),)
    return tuple(_gradual(new))


def _whole(new: NewColumn) -> Iterator[str]:
    # On a small table everything may be read under ACCESS EXCLUSIVE, so one transaction is enough: all of it or
    # nothing.
    yield _add(new, not_null=new.not_null)
    yield from _comment(new)
    if new.unique:
        yield f"{_alter(new)} ADD CONSTRAINT {quote_identifier(new.constraint('key'))} UNIQUE ({new.column})"
    if new.references:
        yield _foreign_key(new)


def _gradual(new: NewColumn) -> Iterator[Step]:
    # A default that is the same for all rows is kept once in pg_attribute (attmissingval): no row is written, and NOT
    # NULL needs no scan. One that each row evaluates would rewrite the table, so it is set apart and rows are filled in
    # batches.
    # https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-ADDING-A-COLUMN
    instant = not new.each_row or new.default is None
    first = [_add(new, not_null=new.not_null and instant, default=instant)]
    if new.default is not None and not instant:
        # In the same transaction as the column: rows inserted from then on have their value, and the batches find the
        # others.
        first.append(alter_table.set_default(_alter(new), new.column, new.default))
    yield Step(f"add {new.name}", (*first, *_comment(new)))
    if not instant:
        yield from _backfill(new)
        if new.not_null:
            yield from not_null_steps(new.table, new.name, new.constraint("not_null"))
    if new.unique:
        yield from _unique(new)
    if new.references:
        yield from _reference(new)


def _add(new: NewColumn, *, not_null: bool = False, default: bool = True) -> str:
    return alter_table.add_column(
        _alter(new), new.column, new.type, new.default if default else None, not_null=not_null
    )


def _alter(new: NewColumn) -> str:
    return f"ALTER TABLE {new.table.name}"


def _comment(new: NewColumn) -> tuple[str, ...]:
    return () if new.comment is None else (comment_on(new.table.name, new.name, new.comment),)


def _backfill(new: NewColumn) -> Iterator[Step]:
    # Row addresses count within one table: through the parent the same range would mean pages of every partition.
    for leaf in new.leaves:
        pages = "ctid >= '({low},0)'::tid AND ctid < '({high},0)'::tid"
        text = Update(leaf, f"{new.column} = DEFAULT", f"WHERE {new.column} IS NULL AND {pages}")
        where = f" of {leaf.name}" if len(new.leaves) > 1 else ""
        yield Step(
            f"fill {new.name}{where} in batches",
            (text,),
            how="fill",
            span=Span.ONLINE,
            lock="ROW EXCLUSIVE",
            makes=f"column:{new.name}",
            table=leaf,
        )


def not_null_steps(table: RelationFacts, column: str, name: str) -> Iterator[Step]:
    """NOT NULL without a scan under an exclusive lock: promised first, proved next to the readers, then taken over.

    From 18 on a NOT NULL constraint itself can be promised; before, a CHECK stands in for it.
    """
    alter, quoted, key = f"ALTER TABLE {table.name}", quote_identifier(column), quote_identifier(name)
    yield Step(
        f"promise that {column} is never NULL", (alter_table.promise_not_null(alter, quoted, key, table.version),)
    )
    yield _proof(f"prove that {column} is never NULL", alter_table.prove(alter, key))
    taken = alter_table.take_over_not_null(alter, quoted, key, table.version)
    if taken:
        yield Step(f"set {column} NOT NULL", taken)


def _proof(title: str, text: str) -> Step:
    return Step(title, (text,), span=Span.ONLINE, lock=_SUE)


def _unique(new: NewColumn) -> Iterator[Step]:
    name = new.constraint("key")
    quoted = quote_identifier(name)
    yield Step(
        f"build {name} beside the writers",
        # ADD UNIQUE by itself would build its index under ACCESS EXCLUSIVE.
        # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
        (alter_table.build_unique(quoted, str(new.table.name), new.column),),
        how="alone",
        span=Span.ONLINE,
        lock=_SUE,
        makes=f"index:{name}",
        table=new.table.name,
    )
    yield Step(f"make {name} a constraint", (alter_table.attach_unique(_alter(new), quoted),))


def _reference(new: NewColumn) -> Iterator[Step]:
    # Before 18 a partitioned table takes no foreign key that is NOT VALID: rows are read under SHARE ROW EXCLUSIVE,
    # beside readers but not beside writers.
    if new.table.kind == "p":
        yield Step("add the foreign key", (_foreign_key(new),), span=Span.WRITES, lock=_SRE)
        return
    name = new.constraint("fkey")
    yield Step("promise the foreign key", (f"{_foreign_key(new)} NOT VALID",), lock=_SRE)
    yield _proof("prove the foreign key", alter_table.prove(_alter(new), quote_identifier(name)))


def _foreign_key(new: NewColumn) -> str:
    name = quote_identifier(new.constraint("fkey"))
    return f"{_alter(new)} ADD CONSTRAINT {name} FOREIGN KEY ({new.column}) REFERENCES {new.references}"
