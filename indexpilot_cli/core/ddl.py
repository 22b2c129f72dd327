"""Index DDL from structure: the one place where an index becomes SQL text.

Identifiers pass through ``quote_identifier``; expressions and predicates are text that the SQL parser
deparsed or the server printed, never pieces of user input.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey
from indexpilot_cli.core.names import NAME_LIMIT, QualifiedName, cut_name, quote_identifier, quote_literal

_SUFFIX = "_ip_idx"
_NAMED = re.compile(r'(CREATE (?:UNIQUE )?INDEX )(?:"(?:[^"]|"")*"|[^\s"]+) ON ')
_CREATE = re.compile(r"CREATE (UNIQUE )?INDEX ")


def create_index(definition: IndexDefinition, name: str | None = None, *, concurrently: bool = True) -> str:
    """``CREATE INDEX`` under the name, else the one that the structure gives; one statement without the semicolon."""
    words = ["CREATE", *(["UNIQUE"] if definition.unique else []), "INDEX"]
    if concurrently:
        words.append("CONCURRENTLY")
    words += [quote_identifier(name or index_name(definition)), "ON", index_body(definition)]
    return " ".join(words)


def drop_index(name: QualifiedName, *, concurrently: bool = True) -> str:
    """``DROP INDEX`` of the named index, one statement without the semicolon."""
    return f"DROP INDEX {'CONCURRENTLY ' if concurrently else ''}{name}"


def rebuilt(ddl: str) -> str:
    """The text of ``pg_get_indexdef`` as a statement that builds the index while the table is written."""
    return _CREATE.sub(r"CREATE \1INDEX CONCURRENTLY ", ddl, count=1)


def renamed(ddl: str, name: str) -> str:
    """The text of ``pg_get_indexdef`` as that of an index of another name."""
    return _NAMED.sub(lambda found: f"{found[1]}{quote_identifier(name)} ON ", ddl, count=1)


def unnamed(ddl: str) -> str:
    """What the text of ``pg_get_indexdef`` says beside the index's name: its table and everything behind it."""
    return _NAMED.sub(lambda found: "UNIQUE " if "UNIQUE" in found[1] else "", ddl, count=1)


def index_marks(
    index: QualifiedName,
    table: QualifiedName,
    *,
    targets: Iterable[Sequence[int]] = (),
    comment: str | None = None,
    clustered: bool = False,
    replica_identity: bool = False,
) -> Iterator[str]:
    """The statements that give an index what neither its definition nor a tablespace says."""
    # Comment, statistics target and CLUSTER ON need SHARE UPDATE EXCLUSIVE; REPLICA IDENTITY needs ACCESS EXCLUSIVE on
    # the table and is the one that may fail for it, so it comes last.
    for number, target in targets:
        yield f"ALTER INDEX {index} ALTER COLUMN {int(number)} SET STATISTICS {int(target)}"
    if comment is not None:
        yield f"COMMENT ON INDEX {index} IS {quote_literal(comment)}"
    if clustered:
        yield f"ALTER TABLE {table} CLUSTER ON {quote_identifier(index.name)}"
    # Without it a published table refuses UPDATE and DELETE (55000), although the index is there again.
    if replica_identity:
        yield f"ALTER TABLE {table} REPLICA IDENTITY USING INDEX {quote_identifier(index.name)}"


def index_body(definition: IndexDefinition, *, table: str | None = None) -> str:
    """Everything after ``ON``: table, method, keys, INCLUDE, storage parameters, predicate."""
    parts = [table if table is not None else str(definition.table)]
    if definition.method != BTREE:
        parts.append(f"USING {quote_identifier(definition.method)}")
    parts.append("(" + ", ".join(key_text(key) for key in definition.keys) + ")")
    if definition.include:
        parts.append("INCLUDE (" + ", ".join(quote_identifier(c) for c in definition.include) + ")")
    if definition.nulls_not_distinct:
        parts.append("NULLS NOT DISTINCT")
    if definition.options:
        parts.append("WITH (" + ", ".join(f"{quote_identifier(k)} = {v}" for k, v in definition.options) + ")")
    if definition.predicate:
        parts.append(f"WHERE {definition.predicate}")
    return " ".join(parts)


def key_text(key: IndexKey) -> str:
    """One key as SQL text: column or parenthesised expression, collation, operator class, direction."""
    words = [quote_identifier(key.column) if key.column is not None else f"({key.expression})"]
    if key.collation:
        words.append(f"COLLATE {_dotted(key.collation)}")
    if key.operator_class:
        words.append(_dotted(key.operator_class))
    if key.descending:
        words.append("DESC")
    if key.nulls_first is not None:
        words.append("NULLS FIRST" if key.nulls_first else "NULLS LAST")
    return " ".join(words)


def summary(definition: IndexDefinition) -> str:
    """The index as a person reads it in a table: ``orders (customer_id, created_at DESC)``."""
    return index_body(definition, table=definition.table.short)


def index_name(definition: IndexDefinition, taken: Collection[str] = ()) -> str:
    """A deterministic name of at most 63 bytes, not among ``taken``.

    Structure decides the name, so a retry meets its own remnant instead of adding another.
    """
    words = [definition.table.name, *(_word(key) for key in definition.keys)]
    if definition.include:
        words.append("incl")
    if definition.predicate:
        words.append("part")
    stem = "_".join(words)
    plain = len(stem.encode()) <= NAME_LIMIT - len(_SUFFIX)
    marks = itertools.chain([""] if plain else [], [f"_{definition.id[2:]}"], map("_{}".format, itertools.count(2)))
    names = (cut_name(stem, NAME_LIMIT - len(_SUFFIX) - len(mark)).rstrip("_") + mark + _SUFFIX for mark in marks)
    return next(name for name in names if name not in taken)


def _word(key: IndexKey) -> str:
    if key.column is not None:
        return key.column
    return re.sub(r"[^a-z0-9]+", "_", (key.expression or "").lower()).strip("_") or "expr"


def _dotted(text: str) -> str:
    """A name that may be schema-qualified: quoted part by part, unless it came quoted already."""
    if '"' in text:
        return text
    return ".".join(quote_identifier(part) for part in text.split("."))


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
