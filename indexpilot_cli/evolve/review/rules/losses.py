"""W: what vanishes, and what works today and will not tomorrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogChange, ChangeKind, RunState
from indexpilot_cli.core.units import count
from indexpilot_cli.evolve.review.rules.review import Case, Review, name_of
from indexpilot_cli.evolve.review.rules.words import listed
from indexpilot_cli.evolve.review.values import Finding, Impact, TemplateImpact
from indexpilot_cli.sql.ddl.action import Act, Action

_SILENT = {"index": "W02", "constraint": "W03"}
_RENAMES = {
    Act.RENAME_COLUMN: "column",
    Act.RENAME_TABLE: "table",
    Act.RENAME_SCHEMA: "schema",
    Act.RENAME_ENUM_VALUE: "enum value",
    Act.SET_SCHEMA: "table",
}
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
_STATUS = {"breaks": "W05", "columns_change": "W06", "slower": "W07"}
_ZONES = (
    {"timestamp without time zone", "timestamp with time zone"},
    {"time without time zone", "time with time zone"},
)
_SAID = re.compile(r"\bat\s+time\s+zone\b|\btimezone\s*\(", re.IGNORECASE)


def losses(case: Case) -> Iterator[Finding]:
    """What one statement takes away; a statement that never ran takes nothing."""
    if case.seen.state in (RunState.FAILED, RunState.SKIPPED) or case.verdict.impact is Impact.FAILS:
        return
    yield from _silent(case)
    yield from _columns(case)
    yield from _dropped(case)
    yield from _rows(case)
    if not any(t.status == "breaks" for t in _templates_of(case)):
        yield from _renamed(case)
    yield from _types(case)
    yield from _invalid(case)
    yield from _protection(case)


def _old(review: Review, change: CatalogChange) -> bool:
    """Whether what changes was there before the file."""
    object_ = change.before
    if object_ is None or object_.identity in review.made:
        return False
    return object_.table is None or object_.table.name not in review.new_tables


def _silent(case: Case) -> Iterator[Finding]:
    gone = [c for c in case.seen.changes if c.silent and c.kind is ChangeKind.DROPPED and _old(case.review, c)]
    gone = [c for c in gone if not _belongs(c, case)]
    keys = {c.object.path[-1] for c in gone if c.object.kind == "constraint"}
    for hazard in ("W02", "W03", "W04"):
        mine = [c for c in gone if _SILENT.get(c.object.kind, "W04") == hazard]
        mine = [c for c in mine if hazard != "W02" or c.object.path[-1] not in keys]
        if not mine:
            continue
        names = tuple(_label(c) for c in mine)
        made = case.finding(hazard, f"also drops {listed(names)}, which the statement does not name")
        queries = tuple(
            t.template for t in _templates_of(case) if set(t.indexes_lost) & {c.object.path[-1] for c in mine}
        )
        yield replace(made, loses=names, table=mine[0].table or mine[0].object.table, templates=queries)


def _belongs(change: CatalogChange, case: Case) -> bool:
    """What is part of a table or column that the statement names: its own sequence, row type, columns, defaults."""
    object_ = change.object
    if object_.kind in ("column", "type", "sequence"):
        return True
    tables = {a.table for a in case.actions if a.kind is Act.DROP_TABLE}
    tables |= {a.object for a in case.actions if a.kind in (Act.DROP_VIEW, Act.DROP_SCHEMA)}
    return object_.table is not None and object_.table.name in tables and object_.kind in ("index", "constraint")


def _label(change: CatalogChange) -> str:
    object_ = change.object
    if object_.kind == "index":
        return object_.path[-1]
    return f"{object_.kind.replace('_', ' ')} {object_.path[-1]}"


def _columns(case: Case) -> Iterator[Finding]:
    found = [a for a in case.actions if a.kind is Act.DROP_COLUMN and not case.review.is_new(a)]
    if found:
        names = tuple(f"{name_of(a)}.{a.column}" for a in found if a.column)
        made = case.finding("W01", f"{listed(names)} and every value in it cannot be brought back from the database")
        yield replace(made, loses=names, table=_table(case, found[0]))


def _dropped(case: Case) -> Iterator[Finding]:
    for action in case.actions:
        word = _DROPS.get(action.kind)
        if word is None or case.review.is_new(action) or not _really(case):
            continue
        name = action.object if action.kind is not Act.DROP_TABLE else action.table
        if name is None or name in case.review.new_tables or _comes_back(case, action):
            continue
        table = case.review.table(action)
        many = f" with its {count(table.rows)} rows" if action.kind is Act.DROP_TABLE and table and table.rows else ""
        made = case.finding("W10", f"{word} {name} goes{many}" + (", and all that needs it" * action.has("cascade")))
        yield replace(made, loses=(f"{word} {name}",), table=_table(case, action))


def _really(case: Case) -> bool:
    """Whether anything was dropped: IF EXISTS may have found nothing."""
    seen = case.seen
    ran_here = seen.state is RunState.RAN and case.review.observation.method.startswith("clone")
    return not ran_here or any(c.kind is not ChangeKind.CREATED for c in seen.changes)


def _comes_back(case: Case, action: Action) -> bool:
    """Whether a later statement makes an object of that name again (a view, a function, a trigger, a constraint)."""
    return any(a.kind in _MAKERS and a.object == action.object for a in case.review.after(case.written.number))


def _rows(case: Case) -> Iterator[Finding]:
    for action in case.actions:
        empties = action.kind is Act.TRUNCATE or (
            action.kind is Act.DELETE and action.condition is None and not action.has("from")
        )
        table = case.review.table(action)
        if (
            not empties
            or case.review.is_new(action)
            or (case.review.catalog is not None and not (table and table.rows))
        ):
            continue
        many = f" ({count(table.rows)} rows)" if table else ""
        more = " and of all tables that refer to it" if action.has("cascade") else ""
        yield replace(
            case.finding("W11", f"every row of {name_of(action)}{many}{more} goes"), table=_table(case, action)
        )


def _renamed(case: Case) -> Iterator[Finding]:
    for action in case.actions:
        word = _RENAMES.get(action.kind)
        if word is None or case.review.is_new(action):
            continue
        old = action.column or (action.columns[0] if action.columns else None) or action.object or action.table
        if action.kind in (Act.RENAME_TABLE, Act.SET_SCHEMA):
            old = action.table
            if old is None or _view_stands_in(case, old):
                continue
        where = f" of {name_of(action)}" if action.kind is Act.RENAME_COLUMN else ""
        to = f"moves to schema {action.new_name}" if action.kind is Act.SET_SCHEMA else f"is called {action.new_name}"
        text = f"{word} {old}{where} {to} from then on: programs that use the old name fail at once"
        yield replace(case.finding("W09", text), table=_table(case, action))


def _view_stands_in(case: Case, name: str) -> bool:
    later = case.review.together[case.seen.transaction]
    return any(a.kind in (Act.CREATE_VIEW, Act.CREATE_TABLE) and a.object == name for c in later for a in c.actions)


def _types(case: Case) -> Iterator[Finding]:
    changed = [c for c in case.seen.changes if _retyped(c) and _old(case.review, c)]
    using = " ".join(a.expression or "" for a in case.actions if a.kind is Act.ALTER_TYPE)
    shifted = [c for c in changed if _zone_change(c) and not _SAID.search(using)]
    if shifted:
        names = listed([c.object.path[-1] for c in shifted])
        yield case.finding("W12", f"{names}: the session's TimeZone decides what the values mean from then on")
    stale = stale_columns(case)
    if stale:
        table = stale[0].table or stale[0].object.table
        names = listed([c.object.path[-1] for c in stale])
        short = table.short if table else "the table"
        text = f"the statistics of {names} are gone: plans over {short} change until ANALYZE"
        yield replace(case.finding("W08", text), table=table, instead=f"{case.written.sql};\nANALYZE {table};")


def stale_columns(case: Case) -> list[CatalogChange]:
    """Columns of big tables whose type changes and that nothing in the file analyzes afterwards."""
    changed = [c for c in case.seen.changes if _retyped(c) and _old(case.review, c)]
    return [c for c in changed if _big(case, c) and not _analyzed(case, c)]


def _retyped(change: CatalogChange) -> bool:
    if change.object.kind != "column" or change.before is None or change.after is None:
        return False
    return change.before.fact("type") != change.after.fact("type") and bool(change.after.fact("type"))


def _zone_change(change: CatalogChange) -> bool:
    assert change.before is not None and change.after is not None
    kinds = {re.sub(r"\(\d+\)", "", o.fact("type")) for o in (change.before, change.after)}
    return kinds in _ZONES


def _big(case: Case, change: CatalogChange) -> bool:
    catalog, table = case.review.catalog, change.table or change.object.table
    found = catalog.table(table) if catalog is not None and table is not None else None
    return found is not None and found.rows >= _WORTH


_WORTH = 1000.0  # rows from which missing statistics change a plan that matters


def _analyzed(case: Case, change: CatalogChange) -> bool:
    table = change.object.table
    return any(
        a.kind is Act.ANALYZE or (a.kind is Act.VACUUM and a.has("analyze"))
        for a in case.review.after(case.written.number)
        if a.table is None or (table is not None and a.table == table.name)
    )


def _invalid(case: Case) -> Iterator[Finding]:
    for action in case.actions:
        if action.kind is not Act.CREATE_INDEX or not action.has("if_not_exists") or case.review.catalog is None:
            continue
        indexes = (i for t in case.review.catalog.tables for i in t.indexes)
        bad = next((i for i in indexes if i.name.name == action.object and not i.valid), None)
        if bad is not None:
            instead = f"DROP INDEX CONCURRENTLY {bad.name};\n{action.sql};"
            made = case.finding("W13", f"{bad.name.short} exists and is invalid: IF NOT EXISTS leaves it so")
            yield replace(made, table=_table(case, action), instead=instead)


def _protection(case: Case) -> Iterator[Finding]:
    for action in case.actions:
        words = " ".join(action.options)
        if action.kind not in (Act.SET_TRIGGER, Act.SET_ROW_SECURITY) or "disable" not in words:
            continue
        later = case.review.after(case.written.number)
        back = any(a.kind is action.kind and a.table == action.table and "enable" in " ".join(a.options) for a in later)
        if not back and not case.review.is_new(action):
            what = "row security" if action.kind is Act.SET_ROW_SECURITY else f"trigger {action.object or 'ALL'}"
            yield replace(
                case.finding("W14", f"{what} of {name_of(action)} stays switched off"), table=_table(case, action)
            )


def _table(case: Case, action: Action) -> QualifiedName | None:
    table = case.review.table(action)
    if table is not None:
        return table.name
    return QualifiedName(action.schema, action.table) if action.schema and action.table else None


def _templates_of(case: Case) -> list[TemplateImpact]:
    last = case.review.cases[-1].written.number if case.review.cases else 0
    return [t for t in case.review.templates if (t.statement or last) == case.written.number]


def queries(case: Case) -> Iterator[Finding]:
    """What recorded queries suffer by this statement: one finding for each kind of harm."""
    for status, hazard in _STATUS.items():
        found = sorted((t for t in _templates_of(case) if t.status == status), key=lambda t: -t.share)
        if found:
            made = case.finding(hazard, _harm(status, found))
            lost = tuple(dict.fromkeys(i for t in found for i in t.indexes_lost))
            yield replace(made, templates=tuple(t.template for t in found), loses=lost)


def _harm(status: str, found: list[TemplateImpact]) -> str:
    first = found[0]
    share = sum(t.share for t in found)
    who = f"{len(found)} recorded queries" if len(found) > 1 else f"recorded query {first.template}"
    of = f" ({share:.0%} of the workload)" if share >= 0.005 else ""
    if status == "breaks":
        why = f": {first.error.message}" if first.error else ""
        return f"{who}{of} {'fail' if len(found) > 1 else 'fails'} afterwards{why}"
    if status == "columns_change":
        return f"{who}{of} {'give' if len(found) > 1 else 'gives'} other columns afterwards"
    times = f" (cost {first.before:,.0f} to {first.after:,.0f})" if first.before and first.after else ""
    return f"{who}{of} {'get' if len(found) > 1 else 'gets'} slower{times}"
