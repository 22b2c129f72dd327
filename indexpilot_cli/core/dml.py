"""Statements that read and change rows, put together from names that were quoted and expressions that a parser vetted.

Both are texts of a type of their own, so that an f-string is no statement.
"""

from __future__ import annotations


class Select(str):
    """A SELECT. ``clauses`` follow the FROM item; empty ones are left out, and so is an empty list of columns."""

    __slots__ = ()

    def __new__(cls, what: str, source: object, *clauses: str) -> Select:
        return super().__new__(cls, " ".join(filter(None, ("SELECT", what, "FROM", str(source), *clauses))))


class Update(str):
    """An UPDATE. ``clauses`` follow the assignments."""

    __slots__ = ()

    def __new__(cls, table: object, assignments: str, *clauses: str) -> Update:
        return super().__new__(cls, " ".join(("UPDATE", str(table), "SET", assignments, *clauses)))


def any_row(source: object, *clauses: str) -> Select:
    """Whether there is a row at all: the server stops at the first."""
    return Select("1", source, *clauses, "LIMIT 1")
