"""Somebody else's SQL after it was read by its parse tree: only what is harmless to run on production."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Tables = Callable[[str | None, str, str | None], str | None]
Types = Callable[[str | None, str], bool]


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean. ``table(schema, name, alias)`` gives a FROM item with its alias, or None for a table that
    must not be read; ``type`` says whether a type that is not built in may be cast to.
    """

    table: Tables
    type: Types


@dataclass(frozen=True, slots=True)
class SafeText:
    """An expression that may run. ``names`` are all column names in it, wherever they stand.

    ``growth`` bounds how many times longer than its longest column a value may become. ``subquery`` says that it
    reads other tables.
    """

    sql: str
    names: frozenset[str] = frozenset()
    growth: float = 1.0
    subquery: bool = False


@dataclass(frozen=True, slots=True)
class SafeChange:
    """An INSERT, UPDATE or DELETE whose parts may all be read.

    ``prefix`` is ``WITH … `` or empty, ``sources`` the FROM or USING list. ``query`` is what an INSERT inserts;
    ``values`` says that it is a VALUES list. ``conflict`` are the columns of ON CONFLICT … DO NOTHING: None without
    that clause, empty when it names none; ``width`` is how many columns the query gives, 0 when that is not known.
    """

    kind: str
    schema: str | None
    table: str
    alias: str
    prefix: str = ""
    assignments: tuple[tuple[str, str], ...] = ()
    sources: str = ""
    condition: str = ""
    columns: tuple[str, ...] = ()
    query: str = ""
    conflict: tuple[str, ...] | None = None
    names: frozenset[str] = frozenset()
    growth: float = 1.0
    subquery: bool = False
    values: bool = False
    width: int = 0


@dataclass(frozen=True, slots=True)
class Key:
    """What must be unique (or exclude each other): SQL texts, columns quoted. ``operators`` only for exclusion.

    ``columns`` are the plain columns among them, unquoted.
    """

    keys: tuple[str, ...]
    columns: tuple[str, ...] = ()
    predicate: str | None = None
    nulls_not_distinct: bool = False
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A constraint as its definition says. ``kind`` is check, foreign_key, unique, primary_key, exclude or not_null."""

    kind: str
    columns: tuple[str, ...] = ()
    expression: str = ""
    references: tuple[str | None, str] | None = None
    referenced_columns: tuple[str, ...] = ()
    match_full: bool = False
    on_delete: str = "a"
    deferrable: bool = False
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class PartitionBound:
    """The bound of a partition. ``values`` (list), ``lower`` and ``upper`` (range) are SQL constants.

    None among them is MINVALUE or MAXVALUE; ``modulus`` and ``remainder`` are those of a hash partition.
    """

    parent: tuple[str | None, str]
    child: tuple[str | None, str]
    values: tuple[str, ...] = ()
    lower: tuple[str | None, ...] = ()
    upper: tuple[str | None, ...] = ()
    modulus: int = 0
    remainder: int = 0
    default: bool = False
    null: bool = False
