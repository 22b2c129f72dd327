"""Indexes, constraints and other objects that disappear although the statement does not name them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from indexpilot_cli.core.observation import CatalogChange, ChangeKind
from indexpilot_cli.evolve.review.case import Review, StatementCase, listed
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act

_KINDS = {"index": "W02", "constraint": "W03"}


def was_there(review: Review, change: CatalogChange) -> bool:
    """Whether what changes was there before the file."""
    object_ = change.before
    if object_ is None or object_.identity in review.made:
        return False
    return object_.table is None or object_.table.name not in review.new_tables


def _silent(rule_id: str, review: Review) -> Iterator[Finding]:
    for case in review.effective:
        gone = [c for c in case.seen.changes if c.silent and c.kind is ChangeKind.DROPPED and was_there(review, c)]
        gone = [c for c in gone if not _belongs(c, case)]
        mine = [c for c in gone if _KINDS.get(c.object.kind, "W04") == rule_id]
        if rule_id == "W02":
            # The index of a constraint goes with it and is told there.
            keys = {c.object.path[-1] for c in gone if c.object.kind == "constraint"}
            mine = [c for c in mine if c.object.path[-1] not in keys]
        if not mine:
            continue
        names, short = tuple(map(_label, mine)), {c.object.path[-1] for c in mine}
        made = _RULES[rule_id].finding(case, f"also drops {listed(names)}, which the statement does not name")
        queries = tuple(t.template for t in case.templates if short & set(t.indexes_lost))
        yield replace(made, loses=names, table=mine[0].table or mine[0].object.table, templates=queries)


def _belongs(change: CatalogChange, case: StatementCase) -> bool:
    """What is part of a table or column that the statement names: its own sequence, row type, columns, defaults."""
    object_ = change.object
    if object_.kind in ("column", "type", "sequence"):
        return True
    tables = {a.table for a in case.actions if a.kind is Act.DROP_TABLE}
    tables |= {a.object for a in case.actions if a.kind in (Act.DROP_VIEW, Act.DROP_SCHEMA)}
    return object_.table is not None and object_.table.name in tables and object_.kind in ("index", "constraint")


def _label(change: CatalogChange) -> str:
    object_ = change.object
    kind = "" if object_.kind == "index" else f"{object_.kind.replace('_', ' ')} "
    return f"{kind}{object_.path[-1]}"


INDEX_LOST = HazardRule(
    "W02 index-lost",
    "an index disappears without being named",
    "DROP COLUMN drops every index that mentions the column: multi-column ones, INCLUDE, predicates and "
    "expressions too. Queries that used them read whole tables.",
    "Build the indexes that are still wanted without the column first, CONCURRENTLY.",
    "ALTER TABLE orders DROP COLUMN region;",
    "CREATE INDEX CONCURRENTLY orders_day_idx ON orders (day);\nALTER TABLE orders DROP COLUMN region;",
    "sql-altertable.html#SQL-ALTERTABLE-DESC-DROP-COLUMN",
    find=partial(_silent, "W02"),
)

CONSTRAINT_LOST = HazardRule(
    "W03 constraint-lost",
    "a constraint disappears without being named",
    "CHECKs over several columns, UNIQUE constraints and the primary key go with any of their columns.",
    "Add the constraint that shall remain first.",
    "ALTER TABLE orders DROP COLUMN region;",
    "ALTER TABLE orders ADD CONSTRAINT day_known CHECK (day IS NOT NULL) NOT VALID;\n"
    "ALTER TABLE orders DROP COLUMN region;",
    "sql-altertable.html#SQL-ALTERTABLE-DESC-DROP-COLUMN",
    find=partial(_silent, "W03"),
)

OBJECT_LOST = HazardRule(
    "W04 object-lost",
    "something disappears without being named",
    "Extended statistics, triggers, sequences, views (by CASCADE), or a generated column (before PostgreSQL 15) go "
    "along.",
    "Name what you drop: without CASCADE, one object after the other.",
    "DROP TABLE orders CASCADE;",
    "DROP VIEW order_refs;\nDROP TABLE orders;",
    "ddl-depend.html",
    find=partial(_silent, "W04"),
)

_RULES = {rule.id: rule for rule in (INDEX_LOST, CONSTRAINT_LOST, OBJECT_LOST)}
