"""Statements of changes that keep nobody waiting, as text: promised, proved beside readers and writers, taken over.

``alter`` is ``ALTER TABLE t``; names and columns come as SQL text, quoted where that is needed.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from __future__ import annotations

NOT_NULL_NOT_VALID = 180000  # from this server_version_num on NOT NULL itself can be NOT VALID


def add_column(alter: str, column: str, type_: str, default: str | None = None, *, not_null: bool = False) -> str:
    """ADD COLUMN: brief, unless the default is volatile."""
    # ACCESS EXCLUSIVE in any case; a domain that checks has the rows written anew as a volatile default has.
    words = [f"{alter} ADD COLUMN {column} {type_}"]
    words += [f"DEFAULT {default}"] if default is not None else []
    words += ["NOT NULL"] if not_null else []
    return " ".join(words)


def set_default(alter: str, column: str, default: str) -> str:
    """The default of rows to come: no row that exists is touched."""
    return f"{alter} ALTER COLUMN {column} SET DEFAULT {default}"


def promise_not_null(alter: str, column: str, name: str, version: int) -> str:
    """NOT NULL that holds for new rows: under ACCESS EXCLUSIVE, but without a scan. Before 18 a CHECK stands for it."""
    promise = f"NOT NULL {column}" if version >= NOT_NULL_NOT_VALID else f"CHECK ({column} IS NOT NULL)"
    return f"{alter} ADD CONSTRAINT {name} {promise} NOT VALID"


def prove(alter: str, name: str) -> str:
    """VALIDATE CONSTRAINT reads every row under SHARE UPDATE EXCLUSIVE: readers and writers go on."""
    return f"{alter} VALIDATE CONSTRAINT {name}"


def take_over_not_null(alter: str, column: str, name: str, version: int) -> tuple[str, ...]:
    """What is left after the proof: SET NOT NULL believes the valid CHECK, which then goes. Nothing from 18 on."""
    # From 18 on the constraint that was validated is NOT NULL itself: no CHECK has to be removed.
    if version >= NOT_NULL_NOT_VALID:
        return ()
    return (f"{alter} ALTER COLUMN {column} SET NOT NULL", f"{alter} DROP CONSTRAINT {name}")


def build_unique(name: str, table: str, columns: str) -> str:
    """The index of a unique constraint, built beside the writers; it must run outside a transaction."""
    return f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns})"


def attach_unique(alter: str, name: str, kind: str = "UNIQUE") -> str:
    """A constraint that takes an index of its own name: ACCESS EXCLUSIVE for a moment."""
    return f"{alter} ADD CONSTRAINT {name} {kind} USING INDEX {name}"
