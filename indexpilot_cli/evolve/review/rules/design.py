"""D: advice of design. Each is said once in a file, at the first place it holds for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.observation import WorkKind
from indexpilot_cli.core.units import count
from indexpilot_cli.evolve.review.fix.parts import columns_sql, made_name, table_sql
from indexpilot_cli.evolve.review.rules.review import Case, Review, name_of
from indexpilot_cli.evolve.review.rules.words import listed
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action

_NAME_BYTES = 63
_TYPED = frozenset({Act.ADD_COLUMN, Act.ALTER_TYPE})
_NARROW = re.compile(r"\A(?:int|integer|int4|smallint|int2|serial|serial4|smallserial|serial2)\Z")
_BIG = 1000.0  # rows from which a missing index of a foreign key is more than a word of advice


def design(review: Review) -> Iterator[Finding]:
    """Advice for the whole file."""
    for case in review.cases:
        for action in case.actions:
            yield from _types(case, action)
            yield from _keys(case, action)
            yield from _names(case, action)
            if action.kind is Act.CREATE_TYPE and action.type == "enum":
                yield case.finding("D08", f"values of the enum {action.object} can never be removed")
    yield from _unqualified(review)
    yield from _many(review)


def _types(case: Case, action: Action) -> Iterator[Finding]:
    if action.kind not in _TYPED or action.type is None or action.column is None:
        return
    kind, where = action.type.lower(), f"{name_of(action)}.{action.column}"
    if kind in ("json", "json[]"):
        yield case.finding("D02", f"{where} is json: no equality, no DISTINCT, no index; jsonb has them")
    if re.match(r"(?:char|character|bpchar)\s*\((?!1\))", kind):
        yield case.finding("D04", f"{where} is {action.type}: values are padded with blanks")
    if re.match(r"timestamp(?:\s*\(\d\))?(?:\s+without time zone)?\Z", kind):
        yield case.finding("D05", f"{where} is timestamp without a zone: it does not say which instant it means")
    key = action.has("primary_key") or action.has("identity") or action.has("serial")
    if key and _NARROW.match(kind):
        yield case.finding("D03", f"{where} is {action.type}: its numbers end at 2 147 483 647 or before")
    if action.has("serial"):
        yield case.finding("D09", f"{where} is {action.type}: identity is the standard's form of it")


def _keys(case: Case, action: Action) -> Iterator[Finding]:
    if action.kind is Act.ADD_CONSTRAINT and action.constraint == "foreign_key" and not _indexed(case, action):
        table = case.review.table(action)
        rows = table.rows if table else 0.0
        many = f" ({count(rows)} rows)" if rows else ""
        text = (
            f"no index of {name_of(action)}{many} begins with {listed(action.columns)}: "
            "each DELETE of a referenced row reads it all"
        )
        made = case.finding("D01", text, severity=None if rows >= _BIG else Severity.INFO)
        yield replace(made, instead=_index(action))
    plain = action.kind is Act.CREATE_TABLE and not action.options & {"temporary", "unlogged"}
    if plain and action.references is None and not _keyed(case, action):
        yield case.finding("D11", f"{action.object} has no primary key")


def _index(action: Action) -> str:
    if action.table is None or not action.columns:
        return ""
    name = quote_identifier(made_name(action.table, *action.columns, "idx"))
    return f"CREATE INDEX CONCURRENTLY {name} ON {table_sql(action)} {columns_sql(action.columns)};"


def _indexed(case: Case, action: Action) -> bool:
    wanted = set(action.columns)
    if case.review.catalog is None and not case.review.is_new(action):
        return True  # nobody can tell
    table = case.review.table(action)
    for index in table.indexes if table else ():
        if {k.column for k in index.definition.keys[: len(wanted)]} == wanted and not index.definition.predicate:
            return True
    return any(_begins(a, wanted) for a in case.review.keys.get(action.table or "", ()))


def _begins(action: Action, wanted: set[str]) -> bool:
    if action.kind is Act.ADD_CONSTRAINT and action.constraint not in ("unique", "primary_key"):
        return False
    if action.kind not in (Act.CREATE_INDEX, Act.ADD_CONSTRAINT) or action.condition:
        return False
    return set(action.columns[: len(wanted)]) == wanted


def _keyed(case: Case, action: Action) -> bool:
    if any(name == "like" for name, _ in action.parameters):
        return True
    return any(a.constraint == "primary_key" for a in case.review.keys.get(action.table or "", ()))


def _names(case: Case, action: Action) -> Iterator[Finding]:
    made = {
        Act.CREATE_TABLE,
        Act.ADD_COLUMN,
        Act.CREATE_INDEX,
        Act.ADD_CONSTRAINT,
        Act.CREATE_VIEW,
        Act.CREATE_FUNCTION,
    }
    renamed = {Act.RENAME_TABLE, Act.RENAME_COLUMN, Act.RENAME_INDEX, Act.RENAME_CONSTRAINT}
    names: tuple[str | None, ...] = ()
    if action.kind in made:
        names = (action.object,) + (action.columns if action.kind is Act.ADD_COLUMN else ())
    elif action.kind in renamed:
        names = (action.new_name,)
    for name in names:
        # The parser has cut the name already: the text still has all of it.
        whole = re.search(rf"{re.escape(name)}[\w$]+", case.written.sql, re.I) if name and _cut(name) else None
        if whole is not None:
            yield case.finding(
                "D06", f"{whole.group()} has {len(whole.group().encode())} bytes: the server keeps {name}"
            )


def _cut(name: str) -> bool:
    """Whether a name is as long as names get, or was cut within a letter of several bytes."""
    return len(name.encode()) > _NAME_BYTES - 4


def _unqualified(review: Review) -> Iterator[Finding]:
    """Only where a file says a schema here and none there, and sets no search_path."""
    plain = {Act.SELECT, Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE}
    places = [(c, a) for c in review.cases for a in c.actions if a.table and a.kind not in plain and not a.nested]
    bare = [(c, a) for c, a in places if a.schema is None and not review.is_new(a)]
    sets = any(a.kind is Act.SET and a.object == "search_path" for c in review.cases for a in c.actions)
    if bare and len(bare) < len(places) and any(a.schema for _, a in places) and not sets:
        case, action = bare[0]
        yield case.finding("D07", f"{action.table} is written without a schema, other tables of the file with one")


def _many(review: Review) -> Iterator[Finding]:
    walks = {WorkKind.REWRITE, WorkKind.VERIFY}
    seen: dict[str, int] = {}
    for case in review.cases:
        if not any(w.kind in walks and w.relation.existed and not w.online for w in case.seen.work):
            continue
        altered = {name_of(a) for a in case.actions if a.sql.lstrip()[:11].upper() == "ALTER TABLE"}
        for table in altered:
            seen[table] = seen.get(table, 0) + 1
            if seen[table] == 2:
                yield case.finding("D10", f"{table} is walked through again: one ALTER TABLE could do both")
