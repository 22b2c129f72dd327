"""The change tried on an empty copy of the table, in a transaction that is rolled back: the server's own answers.

The copy's ALTER TYPE refuses what the real one would refuse (casts, defaults, CHECKs, operator classes), and the
server prints every definition as it will be. The changing column is called ``PLACE`` there, so each text is a
template for any name. https://www.postgresql.org/docs/current/sql-createtable.html (LIKE)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import AnsweredError, PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.evolve import relation_facts
from indexpilot_cli.evolve.alter_table import by_rules
from indexpilot_cli.evolve.change.online.texts import PLACE, Both, OnlineRequest, place
from indexpilot_cli.evolve.change.values import Classified, TypeWork
from indexpilot_cli.evolve.relation import TypeChange
from indexpilot_cli.execute.context import RunContext

K = TypeVar("K")

_COPY = "ip_copy_9d41c7"
_TABLE = f"pg_temp.{_COPY}"
_CHECK = "ip_using_9d41c7"
_TRIED = "ip_tried_9d41c7"
_NUMBERED = re.compile(PLACE + r"_(\d+)\b")
_COLLATE = re.compile(r"""\s+COLLATE\s+(?:"(?:[^"]|"")+"|\w+)(?:\.(?:"(?:[^"]|"")+"|\w+))?\s*\Z""", re.IGNORECASE)
_NOT_IMMUTABLE = "42P17"


@dataclass(frozen=True, slots=True)
class Tried:
    """What the server made of it. ``indexes``, ``checks`` and ``statistics`` are by the names on the real table.

    ``expression`` and ``reverse`` are templates over the whole row; ``reads`` the numbers of the columns the
    expression reads. ``immutable``: it depends on no setting. ``rewrites``: ALTER TYPE would write a new heap or index.
    """

    old_type: str
    new_type: str
    old_collation: str | None
    new_collation: str | None
    expression: str
    assigned: bool
    reads: tuple[int, ...]
    immutable: bool
    rewrites: bool
    reverse: str | None
    reverse_assigned: bool
    default: Both | None
    indexes: Mapping[str, Both]
    checks: Mapping[str, Both]
    statistics: Mapping[tuple[str, str], Both]


@dataclass(frozen=True, slots=True)
class _Texts:
    """Definitions as they stand, by the copy's own names."""

    type: str
    collation: str | None
    default: str | None
    indexes: Mapping[str, str]
    checks: Mapping[str, str]
    statistics: Mapping[tuple[str, str], str]
    files: tuple[int, ...]


def try_change(session: Session, wanted: OnlineRequest, relid: int, attnum: int) -> Tried:
    """The change on an empty copy of the table with that oid; nothing stays. The session must be allowed to write.

    Raises UsageError (no such type, an expression that does not work), RefusedError (the server would refuse the
    change, or a volatile expression), PrerequisiteError without the TEMPORARY privilege.
    """
    # The real table is locked in ACCESS SHARE only, while its columns are copied: readers and writers go on.
    with session.transaction(rollback=True):
        return _Copy(session, wanted, relid, attnum).tried()


class _Copy:
    def __init__(self, session: Session, wanted: OnlineRequest, relid: int, attnum: int):
        self._session, self._wanted, self._original, self._attnum = session, wanted, relid, attnum
        self._names = {row.number: row.name for row in relation_facts.read_columns(session, relid)}
        self._path = str(session.value("SELECT pg_catalog.current_setting('search_path')"))
        self._relid = self._create()

    def tried(self) -> Tried:
        reads: tuple[int, ...]
        # While the column has its own name in both: afterwards their definitions differ.
        wanted, copy = self._original, self._relid
        # Which index and statistics object of the copy stands for which of the real table: the same definition.
        own_indexes = _matched(_index_bodies(self._session, wanted), _index_bodies(self._session, copy))
        own_statistics = _matched(_statistics_heads(self._session, wanted), _statistics_heads(self._session, copy))
        using = self._wanted.using
        expression, reads = place(self._attnum), (self._attnum,)
        if using is not None:
            expression, reads = self._understood(using)
        self._session.execute(f"ALTER TABLE {_TABLE} RENAME COLUMN {quote_identifier(self._wanted.column)} TO {PLACE}")
        before = self._texts()
        self._alter(self._wanted.type, None if using is None else self._named(expression))
        after = self._texts()
        immutable = self._judge(before.type, after.type, expression)
        reverse, assigned = self._backward(before.type)
        indexes, statistics = _naming(before.indexes, after.indexes), _naming(before.statistics, after.statistics)
        return Tried(
            old_type=before.type,
            new_type=after.type,
            old_collation=before.collation,
            new_collation=after.collation,
            expression=expression,
            assigned=using is None,
            reads=reads,
            immutable=immutable,
            rewrites=before.files != after.files,
            reverse=reverse,
            reverse_assigned=assigned,
            # The server converts a default with the type, or refuses the change: either both have one or neither.
            default=Both(before.default, after.default) if before.default and after.default else None,
            indexes={name: indexes[own] for name, own in own_indexes.items() if own in indexes},
            checks=_naming(before.checks, after.checks),
            statistics={name: statistics[own] for name, own in own_statistics.items() if own in statistics},
        )

    # -- the copy

    def _create(self) -> int:
        # LIKE copies no foreign keys and no triggers, so nothing outside the copy is touched. Identity and generated
        # columns come as plain ones: of those the plan decides by itself.
        parts = "DEFAULTS", "CONSTRAINTS", "INDEXES", "STATISTICS", "STORAGE"
        including = " ".join(f"INCLUDING {part}" for part in parts)
        try:
            self._session.execute(f"CREATE TEMPORARY TABLE {_COPY} (LIKE {self._wanted.table} {including})")
        except PrerequisiteError as error:
            raise PrerequisiteError(
                "the change cannot be tried out", detail=error.detail, hint=error.hint, code="no_temporary_tables"
            ) from error
        # With an empty search path the server prints names outside pg_catalog with their schema: the text means the
        # same in any session.
        self._search("")
        return int(self._session.value("SELECT %s::regclass::oid::int8", (_TABLE,)))

    def _understood(self, using: str) -> tuple[str, tuple[int, ...]]:
        """The expression as a template, and the columns it reads; checked as the server checks it in a CHECK."""
        self._search(self._path)
        # A CHECK may hold neither subqueries nor aggregates nor sets: just what a value of one row can be made of.
        self._try(f"ALTER TABLE {_TABLE} ADD CONSTRAINT {_CHECK} CHECK (({using}) IS NULL)", "the expression")
        self._search("")
        for number, name in self._names.items():
            self._session.execute(f"ALTER TABLE {_TABLE} RENAME COLUMN {quote_identifier(name)} TO {place(number)}")
        found = next(row for row in relation_facts.constraint_rows(self._session, self._relid) if row.name == _CHECK)
        text = _inner(found.expression)
        for number, name in self._names.items():
            self._session.execute(f"ALTER TABLE {_TABLE} RENAME COLUMN {place(number)} TO {quote_identifier(name)}")
        self._session.execute(f"ALTER TABLE {_TABLE} DROP CONSTRAINT {_CHECK}")
        return text, tuple(sorted({int(number) for number in _NUMBERED.findall(text)}))

    def _named(self, template: str) -> str:
        """The template over the copy's columns as they are called while the changing one is ``PLACE``."""
        names = {number: quote_identifier(name) for number, name in self._names.items()}
        names[self._attnum] = PLACE
        return _NUMBERED.sub(lambda match: names[int(match[1])], template)

    def _alter(self, type_name: str, using: str | None) -> None:
        self._search(self._path)
        self._try(f"SELECT CAST(NULL AS {_COLLATE.sub('', type_name)})", "the type")  # a type, and nothing after it
        tail = "" if using is None else f" USING {using}"
        # ACCESS EXCLUSIVE on a temporary table without rows, which no other session can see.
        self._try(f"ALTER TABLE {_TABLE} ALTER COLUMN {PLACE} TYPE {type_name}{tail}", "the change of type")
        self._search("")

    def _judge(self, old_type: str, new_type: str, expression: str) -> bool:
        """Whether the expression is immutable. Raises RefusedError for a volatile one: it could never be verified."""
        self._session.execute(f"ALTER TABLE {_TABLE} ADD COLUMN {_TRIED} {old_type}")
        text = self._named(expression).replace(PLACE, _TRIED)
        value = f"({text})::{new_type}"
        # The planner does not pull a subquery up whose list has a volatile function, as it would be evaluated twice:
        # the node stays in the plan.
        plan = self._session.explain(
            "EXPLAIN (FORMAT JSON, COSTS OFF) "
            + Select("", f"({Select(f'{value} AS made', _TABLE)}) AS q", "WHERE q.made IS NULL")
        )
        if "Subquery Scan" in json.dumps(plan):
            raise RefusedError(
                "the expression gives another value each time",
                hint="use one that depends on the row alone",
                code="volatile_expression",
            )
        # The expression of a stored generated column must be immutable: the server itself says whether it is.
        # https://www.postgresql.org/docs/current/sql-createtable.html
        column = f"ALTER TABLE {_TABLE} ADD COLUMN {_TRIED}_2 {new_type} GENERATED ALWAYS AS ({value}) STORED"
        return self._attempt(column) != _NOT_IMMUTABLE

    def _backward(self, old_type: str) -> tuple[str | None, bool]:
        """A template of the way back, and whether it is the assignment's own cast; None when there is no cast."""
        back = f"ALTER TABLE {_TABLE} ALTER COLUMN {PLACE} TYPE {old_type}"
        # Without its default, which ALTER TYPE converts too: one without a cast would make the way back look
        # impossible.
        if self._attempt(f"ALTER TABLE {_TABLE} ALTER COLUMN {PLACE} DROP DEFAULT") is None and not self._attempt(back):
            return place(self._attnum), True
        if not self._attempt(f"{back} USING {PLACE}::{old_type}"):
            return f"{place(self._attnum)}::{old_type}", False
        return None, False

    # -- talking to the server

    def _texts(self) -> _Texts:
        rows = relation_facts.read_columns(self._session, self._relid)
        column = next(row for row in rows if row.name == PLACE)
        indexes = relation_facts.index_rows(self._session, self._relid)
        constraints = relation_facts.constraint_rows(self._session, self._relid)
        # A heap or index that is written anew gets another file; one that is kept has its old file even where ALTER
        # TYPE makes the index again.
        heap = int(self._session.value("SELECT pg_catalog.pg_relation_filenode(%s::oid)::int8", (self._relid,)))
        return _Texts(
            type=column.type,
            collation=column.collation,
            default=column.default,
            indexes=_index_bodies(self._session, self._relid),
            checks={row.name: row.definition for row in constraints if row.type == "c"},
            statistics=_statistics_heads(self._session, self._relid),
            files=(heap, *sorted(row.filenode for row in indexes)),
        )

    def _search(self, path: str) -> None:
        self._session.value("SELECT pg_catalog.set_config('search_path', %s, true)", (path,))

    def _attempt(self, statement: str) -> str | None:
        """The SQLSTATE with which the server refuses the statement, None when it takes it (then it stands)."""
        try:
            with self._session.transaction():
                self._session.execute(statement)
        except AnsweredError as error:
            return sqlstate(error) or "XX000"
        return None

    def _try(self, statement: str, what: str) -> None:
        try:
            self._session.execute(statement)
        except AnsweredError as error:
            # Classes 42 (syntax, names, types) and 0A (not supported) are about what was asked, all others about what
            # is there.
            kind = UsageError if (sqlstate(error) or "").startswith(("42", "0A")) else RefusedError
            raise kind(
                f"{what} does not work: {error.detail or error.message}",
                detail=f"SQLSTATE {sqlstate(error)}",
                hint=error.hint or "give an expression with --using",
                code="bad_change",
            ) from error


def _naming(before: Mapping[K, str], after: Mapping[K, str]) -> dict[K, Both]:
    """What the column is in: texts that name it."""
    return {name: Both(text, after[name]) for name, text in before.items() if PLACE in text}


def _matched(real: Mapping[K, str], copies: Mapping[K, str]) -> dict[K, K]:
    left = dict(copies)
    found: dict[K, K] = {}
    for name, text in real.items():
        own = next((n for n, t in left.items() if t == text), None)
        if own is not None:
            found[name] = own
            del left[own]
    return found


def _index_bodies(session: Session, relid: int) -> dict[str, str]:
    return {row.name: index_body(row) for row in relation_facts.index_rows(session, relid)}


def index_body(row: Row) -> str:
    """What follows the table's name in the index's definition."""
    head = f"CREATE {'UNIQUE ' if row.is_unique else ''}INDEX {quote_identifier(row.name)} ON "
    table = QualifiedName(row.table_schema, row.table_name)
    name = quote_identifier(table.name)
    return _without(row.definition, head, (str(table), f"pg_temp.{name}", name))


def _without(text: str, head: str, tables: Sequence[str]) -> str:
    for name in tables:
        if text.startswith(f"{head}{name} "):
            return text[len(f"{head}{name} ") :]
    return text


def _statistics_heads(session: Session, relid: int) -> dict[tuple[str, str], str]:
    return {(row.schema, row.name): _head(row) for row in relation_facts.statistics_rows(session, relid)}


def _head(row: Row) -> str:
    """What stands between the name and FROM."""
    text: str = row.definition
    for schema in (row.schema, "pg_temp"):
        text = text.removeprefix(f"CREATE STATISTICS {QualifiedName(schema, row.name)}")
    return text.rpartition(" FROM ")[0]


def _inner(expression: str) -> str:
    """The X of ``(X IS NULL)``, as the server prints it."""
    if not (expression.startswith("(") and expression.endswith(" IS NULL)")):
        raise RefusedError("the expression cannot be used", detail=expression, code="bad_change")
    return expression[1 : -len(" IS NULL)")]


Classify = Callable[[TypeChange], Classified | None]
"""Says what a type change would make the server do. None: this one cannot tell."""


def by_trial(ctx: RunContext) -> Classify:
    """A classifier that needs a server that takes writes; None from it where the server would not try.

    Whether files change is the server's answer; that rows are read for a CHECK shows on no empty table and stays
    a matter of rules.
    """

    def classify(change: TypeChange) -> Classified | None:
        column, table = change.column, change.table
        wanted = OnlineRequest(table.name, column.name, change.new.text, change.using)
        try:
            # A session of its own: the reading one is read-only, where no temporary table can be made.
            with closing(ctx.builder("trial")) as session:
                session.value("SELECT pg_catalog.set_config('TimeZone', %s, false)", (change.timezone,))
                tried = try_change(session, wanted, table.relid, column.number)
        except AnsweredError:
            return None
        by = f"server {table.version // 10000}"
        guess = by_rules(change)
        if tried.rewrites:
            same = guess.work in (TypeWork.REBUILD, TypeWork.REWRITE)
            return Classified(
                guess.work if same else TypeWork.REWRITE, guess.reason if same else "the server writes it", by
            )
        if guess.work is TypeWork.VERIFY:
            return Classified(guess.work, guess.reason, by)
        same = guess.work is TypeWork.INSTANT
        return Classified(TypeWork.INSTANT, guess.reason if same else "the server writes nothing anew", by)

    return classify
