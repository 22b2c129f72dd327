"""What no question to the data decides: said instead of passed over, and where new numbers begin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeKind, Question, title
from indexpilot_cli.evolve.review.probes.shape import row_where
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.evolve.review.probes.virtual import VirtualTable, targets
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.safe.values import SafeChange

NOT_RUN = "what runs for each row was not run on rows"
_MOVES = re.compile(r"\b(?:setval|nextval|restart)\b", re.IGNORECASE)
_OVERRULED = re.compile(r"\boverriding\s+user\s+value\b", re.IGNORECASE)
_NEXT = re.compile(r"nextval\(\s*'(?:[^']*\.)?\"?(\w+)\"?'", re.IGNORECASE)
# An entry of a B-tree has at most a third of a page.
# https://www.postgresql.org/docs/current/btree.html
_MOST_BYTES = 2704
_WIDE = ("text", "character varying", "varchar", "bytea", "jsonb", "citext", "numeric")
_METHOD = re.compile(r"\busing\s+(\w+)", re.IGNORECASE)
# They want a table that nothing of this session is still to be done with (55006).
_NUMBERED = ("int2", "int4", "int8", "numeric")  # types of columns that a sequence fills
_ALONE = frozenset(
    {Act.ADD_COLUMN, Act.DROP_COLUMN, Act.ALTER_TYPE, Act.RENAME_COLUMN, Act.SET_NOT_NULL, Act.DROP_NOT_NULL}
    | {Act.ADD_CONSTRAINT, Act.DROP_CONSTRAINT, Act.DROP_TABLE, Act.TRUNCATE, Act.CREATE_INDEX, Act.RENAME_TABLE}
    | {Act.SET_DEFAULT, Act.DROP_DEFAULT, Act.ATTACH_PARTITION, Act.DETACH_PARTITION, Act.VALIDATE_CONSTRAINT}
)


def of_rows(action: Action, before: VirtualTable | None, change: SafeChange | None, tables: Tables) -> Iterator[Probe]:
    """What an INSERT, UPDATE, DELETE, MERGE or COPY may still stumble over, behind the questions that were put."""
    if before is None:
        name = QualifiedName(action.schema or "", action.table or "")
        yield tables.unasked(name, f"the rows of {action.table} take it", "it is no table whose rules are known")
        return
    if _harmless(action, before, tables):
        return
    event = "insert" if action.kind is Act.COPY else action.kind.value
    if (before.name, event) in tables.fires or (before.origin, event) in tables.facts.fires:
        yield tables.unasked(before.name, f"triggers of {before.name.short} refuse rows", NOT_RUN)
    if change is None:
        words = f"{action.kind.value.upper()} fails on rows of {before.name.short}"
        yield tables.unasked(before.name, words, "nobody can foresee which values it makes, or whether it is reached")
        return
    if not set(change.conflict or ()) <= set(targets(change, before)):
        words = f"rows that come twice, or other rules of {before.name.short}, stop it"
        yield tables.unasked(before.name, words, "which rows ON CONFLICT leaves out cannot be foreseen")
    if change.kind != "delete":
        yield from _of_values(change, before, tables)
    if change.kind == "insert":
        overruled = bool(_OVERRULED.search(action.sql))
        yield from _of_numbers(() if overruled else targets(change, before), before, tables)


def _harmless(action: Action, before: VirtualTable, tables: Tables) -> bool:
    """Whether no row of production has a part in it: the clone has shown the rest."""
    reads = action.has("from") or action.kind in (Act.MERGE, Act.COPY)
    reads = reads or (action.kind is Act.INSERT and not action.has("values"))
    if reads:
        tables.filled.add(before.name)
    return not reads and (before.empty or before.origin is None) and before.name not in tables.filled


def _of_values(change: SafeChange, before: VirtualTable, tables: Tables) -> Iterator[Probe]:
    """Rules of the table that are not put as questions."""
    given = set(targets(change, before)) if change.kind == "insert" else {name for name, _ in change.assignments}
    if before.kind == "p":
        yield tables.unasked(
            before.name, f"a row finds no partition of {before.name.short}", "bounds are not looked at"
        )
    real = tables.catalog.table(before.origin) if before.origin else None
    parent = tables.catalog.table(real.parent) if real and real.is_partition and real.parent else None
    # The clone has shown what becomes of constants.
    key = parent.partition_key or "" if parent is not None and not change.values else ""
    if any(re.search(rf"\b{re.escape(name)}\b", key) for name in given):
        words = f"new rows of {before.name.short} are outside its bound"
        yield tables.unasked(before.name, words, "bounds are not looked at", "23514")
    for index in real.indexes if real else ():
        shape = index.definition
        plain = not shape.predicate and len(shape.columns) == len(shape.keys)
        if shape.unique and not plain and tables.has(before, index.name.name):
            words = f"rows of {before.name.short} are twice in {index.name.name}"
            yield tables.unasked(before.name, words, "it is an index of a part or of an expression", "23505")
    for column in before.columns:
        domain = column.type.rsplit(".", 1)[-1].strip('"')
        if column.name in given and domain in tables.domains and tables.domains[domain].checks != ():
            words = f"new values of {column.name} fit {column.type}"
            yield tables.unasked(before.name, words, "rules of a domain are not asked of new values", "23514")


def _of_numbers(given: Sequence[str], before: VirtualTable, tables: Tables) -> Iterator[Probe]:
    """Numbers of a sequence that begins anew, or stayed behind, beside rows that have some."""
    real = tables.catalog.table(before.origin) if before.origin else None
    keys = [i.definition.columns for i in real.indexes if i.definition.unique] if real else []
    for column in [key[0] for key in keys if len(key) == 1 and key[0] not in given]:
        known = real.column(column) if real is not None else None
        start = tables.fresh.get((before.name, column))
        words = f"{title(before.name, (column,))} has the number already with which its sequence begins"
        if start is not None:
            body = row_where(f"ip_t.{quote_identifier(column)} = {start}")
            yield tables.probe(before, Question(ProbeKind.EXISTS, "23505", words, body, (column,), only=True))
        elif tables.restarted:
            yield tables.unasked(before.name, words, tables.restarted, "23505")
        elif real is not None and known is not None and known.base_type in _NUMBERED and not tables.caught_up:
            body = row_where(f"ip_t.{quote_identifier(column)} = {_following(real.name, column)}")
            words = f"{title(before.name, (column,))} has the number already that its sequence gives next"
            yield tables.probe(before, Question(ProbeKind.EXISTS, "23505", words, body, (column,), only=True))


def _following(table: QualifiedName, column: str) -> str:
    """The number that the column's own sequence gives next; NULL where it has none, or none that our role may read.

    Rows that were loaded with their numbers leave the sequence behind. One that another session inserts meanwhile is no
    match: the sequence is read after the rows, and has moved on by then.
    """
    serial = f"pg_catalog.pg_get_serial_sequence({quote_literal(str(table))}, {quote_literal(column)})"
    following = Select(
        "coalesce(s.last_value + s.increment_by, s.start_value)",
        "pg_catalog.pg_sequences s",
        f"WHERE pg_catalog.format('%I.%I', s.schemaname, s.sequencename) = {serial} "
        f"AND pg_catalog.has_sequence_privilege({serial}, 'SELECT')",
    )
    return f"({following})"


def remember_sequences(action: Action, tables: Tables) -> None:
    """Where the numbers of sequences begin that the file makes, attaches or sets back."""
    place = tables.place(action.schema, action.table or "")
    if action.kind is Act.CREATE_SEQUENCE and action.object:
        tables.sequences[action.object] = _first(dict(action.parameters))
    elif action.kind is Act.ADD_IDENTITY and action.column:
        tables.fresh[place, action.column] = _first(dict(action.parameters))
    elif action.kind is Act.SET_DEFAULT and action.column:
        named = _NEXT.search(action.expression or "")
        first = tables.sequences.get(named[1]) if named else None
        if first is not None:
            tables.fresh[place, action.column] = first
    elif action.kind is Act.SELECT and "setval" in action.sql.lower() and "max(" in action.sql.lower():
        tables.fresh.clear()
        tables.restarted, tables.caught_up = "", True
    elif _moves(action) or (tables.fresh and action.has("call")):
        tables.fresh.clear()
        tables.sequences.clear()
        tables.restarted = f"statement {tables.number} may set a sequence"


def _first(given: Mapping[str, str]) -> int:
    """The first number of a sequence made with these options.

    https://www.postgresql.org/docs/current/sql-createsequence.html
    """
    down = given.get("increment", "").startswith("-")
    return int(given.get("start") or given.get("maxvalue" if down else "minvalue") or (-1 if down else 1))


def _moves(action: Action) -> bool:
    """Whether it may set or use up numbers of a sequence that is there: of which one is not looked at."""
    if action.kind in (Act.DO, Act.CALL, Act.DYNAMIC, Act.SELECT):
        return bool(_MOVES.search(action.sql))
    named = {name for name, _ in action.parameters}
    return action.kind in (Act.ALTER_SEQUENCE, Act.OTHER) and bool(named & {"restart", "increment"})


def too_wide(action: Action, tables: Tables) -> Iterator[Probe]:
    """Values that no entry of a B-tree can hold. Only a table with values stored apart can have some."""
    name = tables.resolve(action.schema, action.table or "")
    table = tables.get(name) if name and action.kind is Act.CREATE_INDEX else None
    method = _METHOD.search(action.sql)
    if table is None or table.empty or (method and method[1].lower() != "btree"):
        return
    for column in (table.column(c) for c in action.columns):
        apart = column is not None and (table.origin in tables.facts.toasted or bool(column.unknown))
        if column is not None and apart and column.type.split("(")[0] in _WIDE:
            body = row_where(f"pg_catalog.pg_column_size(ip_t.{quote_identifier(column.name)}) > {_MOST_BYTES}")
            words = f"a value in {column.name} of {table.name.short} is too long for an entry of the index"
            yield tables.probe(table, Question(ProbeKind.TOO_LONG, "54000", words, body, (column.name,)))


def still_pending(action: Action, transaction: int, tables: Tables) -> Iterator[Probe]:
    """Rows changed before in the transaction whose keys are looked after at its end only."""
    name = tables.resolve(action.schema, action.table or "") or QualifiedName("", "")
    if action.kind in (Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE, Act.COPY):
        owners = {tables.now(owner) for owner, _ in tables.deferrable}
        owners |= {tables.now(k.referenced) for k in tables.foreign_keys if (k.table, k.name) in tables.deferrable}
        if name in owners:
            tables.waiting[name] = (transaction, tables.number)
    elif action.kind in _ALONE and name in tables.waiting and tables.waiting[name][0] == transaction:
        words = f"rows that statement {tables.waiting[name][1]} changes wait for their keys to be checked"
        yield tables.unasked(name, words, "that hangs on rows, and on whether the keys are deferred then", "55006")
