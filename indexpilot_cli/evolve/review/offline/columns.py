"""Locks and work of ALTER TABLE's column subcommands, as the manual says, and what a type change writes.

https://www.postgresql.org/docs/current/sql-altertable.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogChange, CatalogObject, ChangeKind, LockMode, Relation, WorkKind
from indexpilot_cli.evolve.alter_table import StoredType, Written, other_modifiers, other_type, stored_type
from indexpilot_cli.evolve.review.offline.state import OfflineState, OnTable
from indexpilot_cli.sql.ddl.action import Action
from indexpilot_cli.sql.parser import parse_expression

_AEL = LockMode.ACCESS_EXCLUSIVE
FILLED = frozenset({"default", "identity", "serial", "generated_stored"})  # a new column that is not NULL in every row


def add_column(on: OnTable) -> None:
    """ADD COLUMN: brief, unless every row needs a value of its own."""
    action, state, column = on.action, on.state, on.action.column or ""
    found = state.column(action, column)
    if found is not None and not action.has("if_not_exists") and not state.unsure:
        on.effect.fail("42701", f'column "{column}" of relation "{action.table}" already exists')
    state.added.setdefault(on.name, {})[column] = action.type or ""
    if action.has("not_null"):
        state.not_null.add((on.name, column))
    if found is None and rewrites(action, state):
        on.rewrite()


def rewrites(action: Action, state: OfflineState) -> bool:
    """Whether a new column rewrites its table."""
    # A constant or stable default is stored once, in pg_attribute.attmissingval, and rewrites nothing; these give each
    # row a value of its own.
    if action.options & FILLED - {"default"}:
        return True
    # Constraints of a domain are proved for each row, and the server does that by writing the table anew (measured up
    # to 18).
    domain = state.domains.get((action.type or "").rpartition(".")[2].strip('"'))
    if domain:
        return True
    return action.has("default") and action.expression is not None and volatile(action.expression, state.functions)


def alter_type(on: OnTable) -> None:
    """ALTER TYPE: the table, its indexes, or nothing is written anew."""
    action, name, new = on.action, on.action.column or "", on.action.type or ""
    column = on.state.column(action, name)
    what = written(action, on.state)
    if column is not None and what is not Written.TABLE:
        _rebuilt(on, name, other=what is Written.INDEXES or any(key == "collation" for key, _ in action.parameters))
    # ALTER TYPE rebuilds no view, whatever the new type is: the server refuses.
    if on.table is not None and (view := _view_over(on.state, on.table, name)) is not None:
        on.effect.fail("0A000", f"cannot alter type of a column used by a view or rule: {view}")
    if what is Written.TABLE:
        on.rewrite()
    if column is not None and stored_type(column.type) != stored_type(new):
        on.effect.changes.append(_retyped(on.relation.name, name, column.type, new))
    # The foreign key is dropped and made again, even for a type that stays the same: ACCESS EXCLUSIVE on both tables.
    for key in on.keys:
        if name in key.columns:
            on.effect.lock(Relation(key.referenced), _AEL)


def written(action: Action, state: OfflineState) -> Written:
    """What a type change writes anew, by rule."""
    column = state.column(action, action.column or "")
    new = action.type or ""
    # Nobody knows the old type: only text and varchar without a limit are taken for a widening.
    if column is None:
        return Written.NOTHING if new in ("text", "varchar") and action.expression is None else Written.TABLE
    old, base = column.type, column.base_type
    name = new.rpartition(".")[2].strip('"')
    domain = state.domain_types.get(name) if state.domains.get(name) is False else None
    under = None if _BUILTIN.match(old) or "[" in old or base == old.strip('"') else base
    return written_by(
        old, new, action.expression, action.column or "", base=under, timezone=state.timezone, domain=domain
    )


_BUILTIN = re.compile(
    r"\A(?:character|varchar|char|bpchar|text|numeric|integer|bigint|smallint|timestamp|time|interval|bit|real|double|"
    r"boolean|date|uuid|json|inet|cidr|bytea|oid|xml|citext|name)\b"
)


def _rebuilt(on: OnTable, name: str, *, other: bool) -> None:
    """Indexes that must be built again although no value changes. ``other``: values are ordered differently."""
    for index in on.table.indexes if on.table else ():
        definition = index.definition
        plain = any(k.column == name for k in definition.keys)
        computed = any(k.expression and mentions(k.expression, name) for k in definition.keys)
        partial = bool(definition.predicate and mentions(definition.predicate, name))
        if computed or partial or (plain and other):
            on.do(WorkKind.BUILD_INDEX, index.name.name, rebuilt=True)


def mentions(text: str, column: str) -> bool:
    """Whether an expression speaks of a column."""
    return re.search(rf"(?<![\w$]){re.escape(column)}(?![\w$])", text) is not None


def _view_over(state: OfflineState, table: Table, column: str) -> str | None:
    """A view whose text speaks of the column; in a view over several tables only as ``table.column``."""
    for view, text in state.catalog.views.items() if state.catalog and not state.unsure else ():
        single = not re.search(r"\bJOIN\b|,\s*\w+\s*\n|\bFROM\b.*\bFROM\b", text, re.IGNORECASE | re.DOTALL)
        qualified = mentions(text, f"{table.name.name}.{column}")
        if view not in state.dropped and (
            qualified or (single and mentions(text, table.name.name) and mentions(text, column))
        ):
            return view.short
    return None


def _retyped(table: QualifiedName, column: str, old: str, new: str) -> CatalogChange:
    path = (table.schema, table.name, column)
    identity = f"rule:{table}:{column}"
    before = CatalogObject("column", identity, path, old, table, (("type", old),))
    after = CatalogObject("column", identity, path, new, table, (("type", _SPELLED.get(new.lower(), new)),))
    return CatalogChange(ChangeKind.CHANGED, before, after, table)


_SPELLED = {"timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone"}


def set_not_null(on: OnTable) -> None:
    """SET NOT NULL reads the table unless something proves it."""
    name = on.action.column or ""
    # A valid CHECK that implies it spares the scan, one that is NOT VALID does not.
    # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL
    if not on.is_filled(name):
        on.do(WorkKind.VERIFY)
    on.state.not_null.add((on.name, name))


def drop_column(on: OnTable) -> None:
    """DROP COLUMN: brief; indexes that mention the column go along."""
    action, state, effect, table = on.action, on.state, on.effect, on.table
    name = action.column or ""
    if table is None:
        return
    if table.column(name) is None and name not in state.added.get(on.name, {}):
        if not action.has("if_exists") and not state.unsure:
            effect.fail("42703", f'column "{name}" of relation "{action.table}" does not exist')
        return
    # pg_depend decides; bodies of functions kept as text are not in it and fail later, when they are called.
    # https://www.postgresql.org/docs/current/ddl-depend.html
    if not action.has("cascade") and (view := _view_over(state, table, name)) is not None:
        effect.fail("2BP01", f"cannot drop column {name} of table {table.name.name}: view {view} needs it")
    effect.changes.append(_gone("column", (table.name.schema, table.name.name, name), table.name, silent=False))
    for index in table.indexes:
        definition = index.definition
        # Any mention is enough: a key among several, INCLUDE, an expression or the predicate.
        texts = [k.expression for k in definition.keys if k.expression] + [definition.predicate or ""]
        named = name in definition.include or any(k.column == name for k in definition.keys)
        if named or any(mentions(text, name) for text in texts):
            effect.changes.append(_gone("index", (index.name.schema, index.name.name), table.name, silent=True))
    # Its triggers on the referenced table go with the key, which takes ACCESS EXCLUSIVE there too.
    for key in on.keys:
        if name in key.columns:
            effect.lock(Relation(key.referenced), _AEL)
            path = (table.name.schema, table.name.name, key.name)
            effect.changes.append(_gone("constraint", path, table.name, silent=True))


def _gone(kind: str, path: tuple[str, ...], table: QualifiedName, *, silent: bool) -> CatalogChange:
    before = CatalogObject(kind, f"rule:{kind}:{'.'.join(path)}", path, "", table)
    return CatalogChange(ChangeKind.DROPPED, before, None, table, silent)


def dropped_table(table: QualifiedName) -> CatalogChange:
    """A table that goes because the statement says so."""
    return _gone("table", (table.schema, table.name), table, silent=False)


_VOLATILE_TEXT = """
    random gen_random_uuid uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7 clock_timestamp timeofday
    nextval setval currval lastval gen_random_bytes random_normal pg_sleep txid_current_if_assigned gen_salt
    pg_advisory_lock pg_notify setseed array_sample array_shuffle gen_ulid ulid nanoid
"""
_VOLATILE = frozenset(_VOLATILE_TEXT.split())
# Immutable or stable in pg_proc.
_STEADY_TEXT = """
    now transaction_timestamp statement_timestamp current_setting current_schema current_database version upper lower
    initcap length concat concat_ws format md5 sha256 encode decode replace substr substring left right btrim ltrim
    rtrim lpad rpad repeat reverse split_part to_char to_date to_timestamp to_number date_trunc date_part age make_date
    make_time make_timestamp make_timestamptz make_interval timezone string_to_array array_to_string array_fill
    jsonb_build_object jsonb_build_array json_build_object json_build_array to_json to_jsonb jsonb json abs ceil ceiling
    floor round trunc sqrt power mod sign int4range int8range numrange tsrange tstzrange daterange point box timestamptz
    text inet_client_addr inet_server_addr pg_backend_pid hashtext txid_current pg_current_xact_id bool_or unnest
    to_tsvector to_tsquery plainto_tsquery st_makepoint st_setsrid
"""
_STEADY = frozenset(_STEADY_TEXT.split())


def volatile(expression: str, functions: Mapping[str, str]) -> bool:
    """Whether the expression, or the SELECT of a function in SQL, may give another value for each row.

    ``functions`` maps names to i, s or v as the catalog and the file itself know them; a function that nobody knows
    counts as volatile, as the server takes an unmarked one, and so does a body that it could not inline.
    """
    try:
        nodes = parse_expression(f"({expression.strip().removesuffix(';')})").walk()
    except ValueError:
        return True
    calls = (node.names("funcname") for node in nodes if node.kind == "FuncCall")
    return any(_is_volatile(called, functions) for called in calls)


def _is_volatile(called: Sequence[str], functions: Mapping[str, str]) -> bool:
    name = called[-1]
    if name in _VOLATILE:
        return True
    known = functions.get(".".join(called)) or functions.get(name)
    if known is not None:
        return known == "v"
    return name not in _STEADY and called[0] != "pg_catalog"


# Binary coercible (castmethod b in pg_cast), for where no server can be asked: the stored bytes stay.
# https://www.postgresql.org/docs/current/sql-createcast.html
_ALIKE = frozenset(
    {
        ("varchar", "text"),
        ("text", "varchar"),
        ("cidr", "inet"),
        ("int4", "oid"),
        ("oid", "int4"),
        ("xml", "text"),
        ("oid", "regclass"),
        ("regclass", "oid"),
        ("text", "citext"),
        ("varchar", "citext"),
        ("citext", "text"),
        ("citext", "varchar"),
    }
)


def written_by(
    old: str,
    new: str,
    using: str | None,
    column: str,
    *,
    base: str | None = None,
    timezone: str = "",
    domain: str | None = None,
) -> Written:
    """What a change from ``old`` to ``new`` writes anew.

    ``base`` is the type under the old one when that is a domain, ``domain`` the type under ``new`` when that is a
    domain without constraints.
    """
    before, after = stored_type(old), stored_type(new)
    if using is not None:
        given = _cast(using, column)
        if given is None:
            return Written.TABLE
        if given and stored_type(given) != after:
            first = written_by(old, given, None, column, base=base, timezone=timezone)
            second = written_by(given, new, None, column, timezone=timezone, domain=domain)
            return max(first, second, key=list(Written).index)
    if before.name != after.name:
        before = stored_type(base) if base is not None else before
        after = stored_type(domain) if domain is not None else after
    return _written(before, after, timezone)


def _written(before: StoredType, after: StoredType, timezone: str) -> Written:
    # Elements are converted one by one: varchar(10)[] to varchar(50)[] rewrites, measured on 13 to 18.
    if before.array != after.array or (before.array and before.name != after.name):
        return Written.TABLE
    if before.name == after.name:
        return other_modifiers(before, after)[0]
    alike = (before.name, after.name) in _ALIKE
    return other_type(before, after, alike=alike, timezone=timezone)[0]


def _cast(using: str, column: str) -> str | None:
    """The type that USING casts the column to: empty for the bare column, None when it says anything else."""
    text = re.sub(r"\s+", " ", using).strip().lower().replace('"', "")
    name = re.escape(column.lower())
    if re.fullmatch(rf"\(*{name}\)*", text):
        return ""
    cast = re.fullmatch(rf"\(*{name}\)*\s*::\s*(?P<type>[^()]+(?:\([\d, ]+\))?[^()]*)", text)
    cast = cast or re.fullmatch(rf"cast\s*\(\s*{name} as (?P<type>.+)\)", text)
    return cast["type"].strip() if cast else None
