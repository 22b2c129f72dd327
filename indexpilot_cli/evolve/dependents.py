"""What else hangs on a column, and what the server makes of types and expressions; read-only questions."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.locks import blocker
from indexpilot_cli.db.queries import filled
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError
from indexpilot_cli.evolve.relation import ColumnFacts, RelationFacts, TypeFacts

_MODIFIERS = re.compile(r"\(([\d\s,]+)\)")


@dataclass(frozen=True, slots=True)
class View:
    """A view or materialized view (``kind`` v or m) that reads the column; ``steps`` 2 and more: through another.

    ``rule``: it is a rule of the table itself.
    """

    name: QualifiedName
    kind: str
    steps: int
    rule: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """A function whose text names the column. PostgreSQL does not look inside such texts."""

    name: QualifiedName
    arguments: str
    language: str
    text: str
    trigger: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of another table that points at the column."""

    name: str
    table: QualifiedName
    definition: str


def views(session: Session, table: RelationFacts, column: ColumnFacts) -> tuple[View, ...]:
    """Views and rules that read the column, nearest first."""
    rows = session.rows("change/views", {"relid": table.relid, "number": column.number})
    return tuple(View(QualifiedName(r.schema, r.name), r.kind, r.steps, r.is_rule) for r in rows)


def dependents(session: Session, table: RelationFacts, column: ColumnFacts) -> tuple[tuple[str, str], ...]:
    """Kind and name of triggers, policies, SQL-standard function bodies, publications, generated columns."""
    rows = session.rows("change/dependents", {"relid": table.relid, "number": column.number})
    return tuple((r.kind, r.name) for r in rows)


def references(session: Session, table: RelationFacts, column: str) -> tuple[Reference, ...]:
    """Foreign keys of any table that point at the column."""
    rows = session.rows("change/references", {"relid": table.relid, "column": column})
    return tuple(Reference(r.name, QualifiedName(r.schema, r.table_name), r.definition) for r in rows)


def bodies(session: Session, table: RelationFacts, column: str, *, own: str) -> tuple[Body, ...]:
    """Functions whose text has the column's name as a word, and the table's, or that are the table's triggers."""
    names = {"relid": table.relid, "column": column, "table": table.name.name, "own": own}
    return tuple(
        Body(QualifiedName(r.schema, r.name), r.arguments, r.language, r.body or "", r.is_trigger)
        for r in session.rows("change/functions", names)
    )


def publications(session: Session, table: RelationFacts) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Publications of the table by name, each with its column list (empty: all columns)."""
    rows = session.rows("change/publications", {"relid": table.relid})
    return tuple((r.name, tuple(r.columns or ())) for r in rows)


def type_facts(session: Session, text: str) -> TypeFacts:
    """The type that ``text`` (one type, read by the parser) names. Raises StatementError when there is none."""
    # The oid says whether two spellings are one type; lengths are no part of it and are read from the text.
    # By name: a cast of NULL is refused by a domain that is NOT NULL.
    oid = session.value("SELECT CAST(%s AS pg_catalog.regtype)::oid::int8", (text,))
    row = session.one("change/type", {"oid": oid})
    assert row is not None
    return filled(
        TypeFacts,
        row,
        text=text,
        modifiers=_modifiers(text),
        constrained=row.is_constrained,
        base=row.base_name,
        base_modifiers=_modifiers(row.base_text or ""),
    )


def _modifiers(text: str) -> tuple[int, ...]:
    found = _MODIFIERS.search(text)
    return tuple(int(n) for n in found[1].split(",")) if found else ()


def castable(session: Session, source: TypeFacts, target: TypeFacts) -> tuple[str | None, str | None]:
    """``castmethod`` and ``castcontext`` of the cast between two types; both None when there is none.

    Of arrays the context is that of their elements, each of which is converted.
    """
    # A domain is cast as its base type is: casts of its own are ignored.
    # https://www.postgresql.org/docs/current/sql-createcast.html
    types = {"source": source.stored_oid, "target": target.stored_oid}
    row = session.one("change/cast", types)
    if row is not None:
        return row.method, row.context
    elements = session.one("change/elements", types)
    if elements is None:
        return None, None
    old, new = type_facts(session, elements.source), type_facts(session, elements.target)
    if old.stored_oid == new.stored_oid:
        return None, "i"
    # Whatever is no string becomes one by its output form, in an assignment.
    return None, castable(session, old, new)[1] or ("a" if new.category == "S" else None)


def is_volatile(session: Session, expression: str, type_text: str) -> bool:
    """Whether the expression gives another value for every row, as the planner sees it after inlining.

    A condition without columns is tested once, unless it is volatile: then the plan has it as a filter.
    Raises StatementError for an expression that no default can be.
    """
    # Marks alone do not tell: an SQL function that is inlined counts by what stands in it, as it does for ADD COLUMN.
    plan = session.explain(
        "EXPLAIN (FORMAT JSON, COSTS OFF) "
        + Select(
            "1",
            "(VALUES (1), (2)) AS indexpilot_rows (indexpilot_row)",
            f"WHERE (CAST(({expression}) AS {type_text})) IS NOT NULL",
        )
    )
    return "Filter" in plan


def time_zone(session: Session) -> str:
    """The session's TimeZone."""
    return str(session.value("SELECT pg_catalog.current_setting('TimeZone')"))


def waits(session: Session, relid: int, own_pids: Collection[int]) -> tuple[tuple[Blocker, bool], ...]:
    """Open transactions of other clients, those that hold a lock on the table (second: True) first, then by age."""
    rows = session.rows("change/waits", {"relid": relid, "own_pids": sorted(own_pids)})
    return tuple((blocker(row), bool(row.holds)) for row in rows)


def answers(session: Session, statement: str) -> AnsweredError | None:
    """Why the server would refuse to plan the statement, None when it would not."""
    try:
        # Without ANALYZE nothing runs: names, types and privileges on what is named are all that is looked at.
        session.rows(f"EXPLAIN (COSTS OFF) {statement}")
    except AnsweredError as error:
        return error
    return None
