"""What is wrong with a change before the server is asked to make it; every mistake, not only the first."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from indexpilot_cli.core.ddl import NAME_LIMIT
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.change.values import Affected, ChangeKind, Problem
from indexpilot_cli.evolve.relation import ColumnFacts, RelationFacts

SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
MOST_COLUMNS = 1600  # MaxHeapAttributeNumber
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "c": "a composite type"}


def name_problems(name: str, reserved: Collection[str] = (), *, force: bool = False) -> tuple[Problem, ...]:
    """Why no new column should be called so. ``reserved`` are words that would need quotes in every query."""
    if not name.strip():
        return (Problem("bad_name", "a column needs a name", "give the name of the column"),)
    if "\0" in name or not name.isprintable():
        return (Problem("bad_name", "the name holds characters that cannot be printed", "choose another name"),)
    found: list[Problem] = []
    size = len(name.encode(errors="surrogatepass"))
    if size > NAME_LIMIT:
        text = f"the name has {size} bytes, PostgreSQL keeps {NAME_LIMIT}"
        found.append(
            Problem("name_too_long", text, f"shorten it: {name.encode()[:NAME_LIMIT].decode(errors='ignore')}")
        )
    if name in SYSTEM_COLUMNS:
        found.append(Problem("system_column", f"{name} is a system column of every table", "choose another name"))
    if name.lower() in reserved and not force:
        text = f"{name} is a reserved word: every query would have to write {quote_identifier(name.lower())} in quotes"
        found.append(Problem("reserved_word", text, "choose another name, or --force"))
    return tuple(found)


def table_problems(table: RelationFacts, kind: ChangeKind) -> tuple[Problem, ...]:
    """Why the relation's columns cannot be changed here."""
    name = table.name.short
    if table.kind not in ("r", "p"):
        what = _KINDS.get(table.kind, "not a table")
        return (Problem("not_a_table", f"{name} is {what}, not a table", "change the table it reads from"),)
    found: list[Problem] = []
    if not table.owned:
        text = f"{name} belongs to {table.owner}: only its owner may change its columns"
        found.append(Problem("not_owner", text, f"connect as a member of {quote_identifier(table.owner)}", 5))
    if table.typed:
        found.append(Problem("typed_table", f"{name} is of a composite type, which decides about its columns", None))
    if table.is_partition and kind is not ChangeKind.TYPE:
        parent = table.parents[0] if table.parents else "its parent"
        found.append(
            Problem("partition", f"{name} is a partition of {parent}", f"change {parent}: its partitions follow")
        )
    return tuple(found)


def missing_table(typed: str, known: Iterable[str]) -> Problem:
    """There is no such table; the nearest name as a hint."""
    near = get_close_matches(typed.rpartition(".")[2], [k.rpartition(".")[2] for k in known], n=1)
    hint = f"did you mean {near[0]}?" if near else "indexpilot discover lists the tables"
    return Problem("table_missing", f"there is no table {typed}", hint)


def missing_column(table: RelationFacts, column: str) -> Problem:
    """There is no such column; the nearest name as a hint."""
    near = get_close_matches(column, [c.name for c in table.columns], n=1)
    hint = f"did you mean {near[0]}?" if near else f"its columns are {', '.join(c.name for c in table.columns)}"
    if column in SYSTEM_COLUMNS:
        return Problem("system_column", f"{column} is a system column: it cannot be changed", None)
    return Problem("column_missing", f"{table.name.short} has no column {column}", hint)


def column_exists(table: RelationFacts, column: str) -> Problem:
    """The name is taken."""
    there = table.column(column)
    text = f"{table.name.short} has a column {column} already" + (f" ({there.type})" if there else "")
    return Problem("column_exists", text, "choose another name, or rename that one first")


def column_problems(table: RelationFacts, column: ColumnFacts, kind: ChangeKind) -> tuple[Problem, ...]:
    """Why this column cannot be changed like that."""
    if column.inherited and kind is not ChangeKind.ADD:
        parent = table.parents[0] if table.parents else "a parent"
        text = f"{column.name} is inherited from {parent}"
        return (Problem("inherited_column", text, f"change it in {parent}: {table.name.short} follows"),)
    if column.generated and kind is ChangeKind.TYPE:
        text = f"{column.name} is generated: its values come from {column.generation}"
        return (Problem("generated_column", text, "drop it and add it again with the other type"),)
    if kind is ChangeKind.DROP and len(table.columns) == 1:
        text = f"{column.name} is the only column of {table.name.short}"
        return (Problem("last_column", text, f"DROP TABLE {table.name} if nobody needs it", 6),)
    return ()


def blocked(kind: ChangeKind, objects: Iterable[Affected]) -> tuple[Problem, ...]:
    """PostgreSQL refuses the change while these exist; they are named, never dropped along."""
    names = [f"{o.kind} {o.name}" for o in objects if o.effect == "blocks"]
    if not names:
        return ()
    verb = "dropped" if kind is ChangeKind.DROP else "given another type"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    text = (
        f"the column cannot be {verb}: {', '.join(names[:5])}{more} " + ("needs" if len(names) == 1 else "need") + " it"
    )
    hint = "drop or change what needs it first, in your own migration: it is not dropped along"
    return (Problem("dependents", text, hint, 6),)


def vanishing(objects: Iterable[Affected], *, force: bool) -> tuple[Problem, ...]:
    """Indexes and constraints that a drop takes along want a yes of their own."""
    names = [f"{o.kind} {o.name}" for o in objects if o.effect == "disappears"]
    if not names or force:
        return ()
    text = f"dropping the column drops {', '.join(names[:6])}" + (f" and {len(names) - 6} more" if names[6:] else "")
    return (Problem("takes_along", text, "--force if that is meant; rollback brings them back", 6),)


def too_many_columns(table: RelationFacts) -> tuple[Problem, ...]:
    """A table has room for 1600 columns, dropped ones included."""
    highest = max((c.number for c in table.columns), default=0)
    if highest < MOST_COLUMNS:
        return ()
    return (Problem("too_many_columns", f"{table.name.short} has used all {MOST_COLUMNS} column numbers", None, 6),)
