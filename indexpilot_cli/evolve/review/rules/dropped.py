"""What a statement takes away: by name (columns, objects, rows, the name itself, protection), or without naming it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.observation import CatalogChange, ChangeKind, RunState
from indexpilot_cli.core.units import count, listed
from indexpilot_cli.evolve.review.case import Review, StatementCase, name_of
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action

_DROPS = {
    Act.DROP_TABLE: "table",
    Act.DROP_SCHEMA: "schema",
    Act.DROP_CONSTRAINT: "constraint",
    Act.DROP_VIEW: "view",
    Act.DROP_FUNCTION: "function",
    Act.DROP_TRIGGER: "trigger",
    Act.DROP_TYPE: "type",
    Act.DROP_SEQUENCE: "sequence",
    Act.DROP_POLICY: "policy",
    Act.DROP_EXTENSION: "extension",
}
_MAKERS = frozenset(
    {
        Act.CREATE_VIEW,
        Act.CREATE_FUNCTION,
        Act.CREATE_TRIGGER,
        Act.ADD_CONSTRAINT,
        Act.CREATE_POLICY,
        Act.CREATE_MATVIEW,
        Act.CREATE_TYPE,
    }
)


def _columns(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in review.effective:
        found = [a for a in case.actions if a.kind is Act.DROP_COLUMN and not review.is_new(a)]
        if found:
            names = tuple(f"{name_of(a)}.{a.column}" for a in found if a.column)
            text = f"{listed(names)} and every value in it cannot be brought back from the database"
            yield replace(rule.finding(case, text), loses=names, table=review.table_name(found[0]))


def _objects(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.effective_actions:
        word = _DROPS.get(action.kind)
        if word is None or review.is_new(action) or not _really(case):
            continue
        name = action.object if action.kind is not Act.DROP_TABLE else action.table
        if name is None or name in review.new_tables or _comes_back(case, action):
            continue
        table = review.table(action)
        many = f" with its {count(table.rows)} rows" if action.kind is Act.DROP_TABLE and table and table.rows else ""
        text = f"{word} {name} goes{many}" + (", and all that needs it" * action.has("cascade"))
        yield replace(rule.finding(case, text), loses=(f"{word} {name}",), table=review.table_name(action))


def _really(case: StatementCase) -> bool:
    """Whether anything was dropped: IF EXISTS may have found nothing."""
    seen = case.seen
    ran_here = seen.state in (RunState.RAN, RunState.BEHIND) and case.review.observation.method.startswith("clone")
    return not ran_here or any(c.kind is not ChangeKind.CREATED for c in seen.changes)


def _comes_back(case: StatementCase, action: Action) -> bool:
    """Whether a later statement makes an object of that name again (a view, a function, a trigger, a constraint)."""
    return any(a.kind in _MAKERS and a.object == action.object for a in case.review.after(case.written.number))


def _rows(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.effective_actions:
        all_rows = action.kind is Act.DELETE and action.condition is None and not action.has("from")
        if review.is_new(action) or not (action.kind is Act.TRUNCATE or all_rows):
            continue
        table = review.table(action)
        if review.catalog is not None and not (table and table.rows):
            continue
        many = f" ({count(table.rows)} rows)" if table else ""
        more = " and of all tables that refer to it" if action.has("cascade") else ""
        made = rule.finding(case, f"every row of {name_of(action)}{many}{more} goes")
        yield replace(made, table=review.table_name(action))


COLUMN_DROPPED = HazardRule(
    "W01 column-dropped",
    "a column and its data go",
    "DROP COLUMN is brief, but the values cannot be brought back except from a backup; programs that name the "
    "column, or insert without a column list, fail from that moment.",
    "Stop using the column everywhere first. indexpilot schema-evolve drop-column --save keeps its values.",
    "ALTER TABLE orders DROP COLUMN note;",
    "CREATE TABLE orders_note AS SELECT id, note FROM orders;\nALTER TABLE orders DROP COLUMN note;",
    "ddl-alter.html#DDL-ALTER-REMOVING-A-COLUMN",
    find=_columns,
)

DROPPED = HazardRule(
    "W10 dropped",
    "an object and what it holds goes",
    "A dropped table, schema, sequence or database takes its data along; a dropped constraint, trigger, policy or "
    "function takes its protection or behaviour along.",
    "Rename it out of the way first and drop it when nothing has missed it.",
    "DROP TABLE orders;",
    "ALTER TABLE orders RENAME TO orders_unused;",
    "sql-droptable.html",
    find=_objects,
)

ROWS_LOST = HazardRule(
    "W11 rows-lost",
    "rows go",
    "TRUNCATE, or DELETE without WHERE, empties the table; CASCADE empties the tables that refer to it too.",
    "Keep a copy, or delete by a condition.",
    "TRUNCATE orders;",
    "DELETE FROM orders WHERE day < '2020-01-01';",
    "sql-truncate.html",
    find=_rows,
)


def _switched_off(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.effective_actions:
        words = " ".join(action.options)
        if action.kind not in (Act.SET_TRIGGER, Act.SET_ROW_SECURITY) or "disable" not in words:
            continue
        later = review.after(case.written.number)
        back = any(a.kind is action.kind and a.table == action.table and "enable" in " ".join(a.options) for a in later)
        if not back and not review.is_new(action):
            what = "row security" if action.kind is Act.SET_ROW_SECURITY else f"trigger {action.object or 'ALL'}"
            made = rule.finding(case, f"{what} of {name_of(action)} stays switched off")
            yield replace(made, table=review.table_name(action))


PROTECTION_OFF = HazardRule(
    "W14 protection-off",
    "triggers or row security are switched off",
    "Disabled triggers do not fire for anybody, foreign keys included; without row security every row is visible.",
    "Switch them on again in the same transaction, or use session_replication_role in one session.",
    "ALTER TABLE orders DISABLE TRIGGER ALL;",
    "BEGIN;\nALTER TABLE orders DISABLE TRIGGER audit;\nALTER TABLE orders ENABLE TRIGGER audit;\nCOMMIT;",
    "sql-altertable.html",
    find=_switched_off,
)


_RENAMES = {
    Act.RENAME_COLUMN: "column",
    Act.RENAME_TABLE: "table",
    Act.RENAME_SCHEMA: "schema",
    Act.RENAME_ENUM_VALUE: "enum value",
    Act.SET_SCHEMA: "table",
}


def _renamed(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.effective_actions:
        word = _RENAMES.get(action.kind)
        if word is None or review.is_new(action) or any(t.status == "breaks" for t in case.templates):
            continue
        old = action.column or (action.columns[0] if action.columns else None) or action.object or action.table
        if action.kind in (Act.RENAME_TABLE, Act.SET_SCHEMA):
            old = action.table
            if old is None or _view_stands_in(case, old):
                continue
        where = f" of {name_of(action)}" if action.kind is Act.RENAME_COLUMN else ""
        to = f"moves to schema {action.new_name}" if action.kind is Act.SET_SCHEMA else f"is called {action.new_name}"
        text = f"{word} {old}{where} {to} from then on: programs that use the old name fail at once"
        yield replace(rule.finding(case, text), table=review.table_name(action))


def _view_stands_in(case: StatementCase, name: str) -> bool:
    for other in case.review.together[case.seen.transaction]:
        if any(a.kind in (Act.CREATE_VIEW, Act.CREATE_TABLE) and a.object == name for a in other.actions):
            return True
    return False


RENAMED = HazardRule(
    "W09 renamed",
    "what running programs name gets another name",
    "A rename is brief, but programs that use the old name, and PL/pgSQL and text function bodies, fail at once. "
    "Views keep the old output name.",
    "Add the new name beside the old one, move the programs, drop the old one later. For a table: rename it and "
    "put a view with the old name in the same transaction.",
    "ALTER TABLE orders RENAME TO purchases;",
    "BEGIN;\nALTER TABLE orders RENAME TO purchases;\nCREATE VIEW orders AS SELECT * FROM purchases;\nCOMMIT;",
    "sql-altertable.html",
    find=_renamed,
)


_KINDS = {"index": "W02", "constraint": "W03"}


def was_there(review: Review, change: CatalogChange) -> bool:
    """Whether what changes was there before the file."""
    object_ = change.before
    if object_ is None or object_.identity in review.made:
        return False
    return object_.table is None or object_.table.name not in review.new_tables


def _silent(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in review.effective:
        gone = [c for c in case.seen.changes if c.silent and c.kind is ChangeKind.DROPPED and was_there(review, c)]
        gone = [c for c in gone if not _belongs(c, case)]
        mine = [c for c in gone if _KINDS.get(c.object.kind, "W04") == rule.id]
        if rule.id == "W02":
            # The index of a constraint goes with it and is told there.
            keys = {c.object.path[-1] for c in gone if c.object.kind == "constraint"}
            mine = [c for c in mine if c.object.path[-1] not in keys]
        if not mine:
            continue
        names, short = tuple(map(_label, mine)), {c.object.path[-1] for c in mine}
        made = rule.finding(case, f"also drops {listed(names)}, which the statement does not name")
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
    find=_silent,
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
    find=_silent,
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
    find=_silent,
)
