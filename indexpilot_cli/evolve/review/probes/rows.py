"""INSERT, UPDATE and DELETE in a migration: will the keys of production refuse them?"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from indexpilot_cli.core.catalog import ForeignKey
from indexpilot_cli.core.ddl import Select, any_row
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.probes import needs as probes_needs
from indexpilot_cli.evolve.review.probes.delta import Delta, Need, Shape
from indexpilot_cli.evolve.review.probes.question import Body, KnownCheck, Probe, ProbeKind, Question, title
from indexpilot_cli.evolve.review.probes.shape import MAY_FAIL, evaluated, row_where, sized, too_long
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.evolve.review.probes.virtual import Layer, VirtualTable, selected, targets, unbounded, updated
from indexpilot_cli.sql.safe.values import Key, Rule, SafeChange

# confdeltype: NO ACTION and RESTRICT. The others change the referring rows instead.
_REFUSES = ("a", "r")
_CONSTANT = re.compile(r"(?:'([^'\\]*)'|-?\d+)(?:::[a-z ]+)?")


def row_questions(change: SafeChange, before: VirtualTable, tables: Tables) -> Iterator[Probe]:
    """What a change of rows asks; ``before`` is the table as it was, ``tables`` hold it as it is afterwards."""
    why = f"triggers of {before.name.short} may change the rows first"
    for found in _row_questions(change, before, tables):
        # Nobody knows what arrives behind a trigger that comes before the row is written.
        altered = (before.name, change.kind) in tables.altering
        yield replace(found, sql=None, sample_sql=None, statistics=None, why_not=why) if altered else found


def _row_questions(change: SafeChange, before: VirtualTable, tables: Tables) -> Iterator[Probe]:
    after = tables.get(before.name)
    if after is None:
        return
    if change.kind == "insert":
        yield from _inserted(change, before, tables)
    elif change.kind == "update":
        yield from _updated(change, before, after, tables)
    elif change.kind == "delete":
        yield from _deleted(after, tables)


def _inserted(change: SafeChange, before: VirtualTable, tables: Tables) -> Iterator[Probe]:
    given = targets(change, before)
    names = ", ".join(map(quote_identifier, given))
    rows = f"({Select('*', f'({change.query}) AS ip_q({names})')})"
    if set(change.conflict or ()) <= set(given):
        yield from _meeting(change, rows, before, tables)
    # Before it looks for a conflict, the server holds every row against these: also one that is then left out.
    for column in before.columns:
        if column.not_null and column.name in given:
            words = f"{column.name} is NULL in rows inserted into {before.name.short}"
            body = _among(rows, row_where(f"ip_t.{quote_identifier(column.name)} IS NULL"))
            yield tables.probe(before, Question(ProbeKind.NULLS, "23502", words, body))
    for check in _checks(before, tables):
        found = tables.expression(check.expression, before)
        if found is not None and found.names <= set(given):
            typed = ", ".join(f"{_cast(c, before, tables)} AS {quote_identifier(c)}" for c in given)
            words = f"rows inserted into {before.name.short} violate the check {check.name}"
            body = _among(f"({Select(typed, f'{rows} AS ip_q')})", probes_needs.violating(found.sql, before))
            yield tables.probe(before, Question(ProbeKind.CHECK, "23514", words, body, constraint=check.name))


def _meeting(change: SafeChange, rows: str, before: VirtualTable, tables: Tables) -> Iterator[Probe]:
    """What rows that arrive meet: others with their keys, and the lack of those that they refer to."""
    given, others = set(targets(change, before)), (before,) if change.conflict else ()
    if change.conflict:
        own = [_cast(c, before, tables) for c in change.conflict]
        there = probes_needs.with_key("ip_c", own, before, change.conflict)
        rows = f"({Select('ip_q.*', f'{rows} AS ip_q', f'WHERE NOT EXISTS ({there})')})"
    for key in _unique_keys(before, tables):
        if set(key.columns) <= given and set(key.columns) != set(change.conflict or ()):
            words = f"rows of {title(before.name, key.columns)} are there already, or come twice"
            body = _already(rows, key, change, before, tables)
            asked = Question(ProbeKind.EXISTS, "23505", words, body, key.columns, only=True, others=others)
            yield tables.probe(before, asked)
    for foreign in _foreign_keys(before, tables):
        if set(foreign.columns) <= given:
            question = _without_parent(rows, foreign, before, tables)
            if question is not None:
                yield tables.probe(before, replace(question, others=(*question.others, *others)))


def _among(rows: str, body: Body) -> Body:
    """The question to the rows that come, not to those of the table."""
    return lambda _item: body(rows)


def _already(rows: str, key: Key, change: SafeChange, before: VirtualTable, tables: Tables) -> Body:
    """Keys that the table has, or (of a SELECT) that come more than once."""
    # Of rows with one key of ON CONFLICT the first is taken, and the others are left out.
    taken = ", ".join(_cast(c, before, tables) for c in change.conflict or ())
    counted = f"DISTINCT ROW({taken})" if taken else "*"
    own = [_cast(c, before, tables) for c in key.columns]
    pairs = " AND ".join(f"ip_t.{quote_identifier(c)} = {mine}" for c, mine in zip(key.columns, own, strict=True))
    present = " AND ".join(f"{mine} IS NOT NULL" for mine in own)
    twice = any_row(f"{rows} AS ip_q", f"WHERE {present} GROUP BY {', '.join(own)} HAVING count({counted}) > 1")

    def body(item: str) -> str:
        return f"({any_row(f'{rows} AS ip_q JOIN {item} AS ip_t ON {pairs}')}) UNION ALL ({twice}) LIMIT 1"

    return body


def _cast(column: str, table: VirtualTable, tables: Tables, alias: str = "ip_q") -> str:
    known = table.column(column)
    kind = tables.type_for(unbounded(known.type)) if known else "text"
    return f"CAST({alias}.{quote_identifier(column)} AS {kind})"


def _without_parent(rows: str, key: ForeignKey, before: VirtualTable, tables: Tables) -> Question | None:
    target = tables.now(key.referenced)
    parent = tables.get(target)
    if parent is None:
        return None
    words = f"rows inserted into {title(before.name, key.columns)} refer to nothing in {target.short}"
    own = [_cast(c, before, tables, "ip_t") for c in key.columns]
    lost = parent.why_unknown(key.referenced_columns)
    body = _among(rows, row_where(probes_needs.without_parent(own, parent, key.referenced_columns)))
    return Question(ProbeKind.ORPHANS, "23503", words, body, (), key.name, lost, others=(parent,))


def _updated(change: SafeChange, before: VirtualTable, after: VirtualTable, tables: Tables) -> Iterator[Probe]:
    names = {name for name, _ in change.assignments}
    yield from _computed(change, after, tables)
    for check in _checks(before, tables):
        yield from _rechecked(change, check, before, after, tables)
    for key in _unique_keys(before, tables):
        if names & set(key.columns):
            yield tables.probe(after, probes_needs.unique(after, key, tables, None))
    for column in after.columns:
        if column.name not in names or _short(dict(change.assignments)[column.name], column.type):
            continue
        question = probes_needs.not_null(after, column.name, tables) if column.not_null else None
        if question is not None:
            yield tables.probe(after, question)
        kind, size = sized(column.type)
        if kind in ("varchar", "bpchar") and size > 0:
            words = f"a new value of {column.name} is too long for {column.type} in {after.name.short}"
            body = too_long(f"ip_t.{quote_identifier(column.name)}", size)
            yield tables.probe(after, Question(ProbeKind.TOO_LONG, "22001", words, body, (column.name,)))
    for foreign in _foreign_keys(before, tables):
        if names & set(foreign.columns) and foreign.validated:
            question = probes_needs.foreign_key(after, tables.rule_of(foreign), tables, foreign.name)
            if question is not None:
                yield tables.probe(after, question)


def _short(text: str, kind: str) -> bool:
    """Whether a new value is a constant that is neither NULL nor too long for its column."""
    match = _CONSTANT.fullmatch(text)
    base, size = sized(kind)
    return match is not None and (base not in ("varchar", "bpchar") or size < 0 or len(match[1] or match[0]) <= size)


def _rechecked(
    change: SafeChange, check: KnownCheck, before: VirtualTable, after: VirtualTable, tables: Tables
) -> Iterator[Probe]:
    """A check of the rows an UPDATE writes; rows that violate one that is NOT VALID may be among the others."""
    checked = probes_needs.check(after, check.expression, tables, check.name)
    touched = bool({name for name, _ in change.assignments} & set(checked.columns))
    # An UPDATE evaluates every CHECK of the new row: also one that is NOT VALID and names other columns.
    if checked.body is None or (check.validated and not touched):
        return
    if not change.sources and not change.prefix:
        written = _written(change, before, tables)
        yield tables.probe(written, probes_needs.check(written, check.expression, tables, check.name))
    elif check.validated:
        yield tables.probe(after, checked)


def _written(change: SafeChange, before: VirtualTable, tables: Tables) -> VirtualTable:
    """The rows that an UPDATE writes, as it leaves them."""
    alias, where = quote_identifier(change.alias), f" WHERE {change.condition}" if change.condition else ""
    chosen = Layer(selected(before, change.alias), f" AS {alias}{where}")
    met = replace(before, layers=(*before.layers, chosen))
    return updated(met, replace(change, condition=""), tables.type_for)


def _computed(change: SafeChange, after: VirtualTable, tables: Tables) -> Iterator[Probe]:
    """New values whose computation may itself fail."""
    for name, text in change.assignments:
        if MAY_FAIL.search(text) and name in after.known:
            words = f"the new value of {name} cannot be computed in a row of {after.name.short}"
            body = evaluated(f"ip_t.{quote_identifier(name)}")
            yield tables.probe(after, Question(ProbeKind.CAST, "22000", words, body, (name,)))


def _deleted(after: VirtualTable, tables: Tables) -> Iterator[Probe]:
    for key in tables.foreign_keys:
        child = tables.get(tables.now(key.table))
        held = tables.now(key.referenced) == after.name and key.on_delete in _REFUSES and key.validated
        held = held and child is not None and after.name not in tables.keyless and _binds(key, child, tables)
        if child is None or not held or any(child.column(c) is None for c in key.columns):
            continue
        words = f"rows of {title(child.name, key.columns)} still refer to rows deleted from {after.name.short}"
        body = probes_needs.orphans(tables.rule_of(key), after, key.referenced_columns)
        asked = Question(ProbeKind.REFERENCED, "23503", words, body, key.columns, key.name, others=(after,))
        yield tables.probe(child, asked)


def _binds(key: ForeignKey, table: VirtualTable, tables: Tables) -> bool:
    """Whether a foreign key is looked after at once; a deferrable one is asked about at the end (``late``)."""
    if not tables.has(table, key.name) or tables.replica or table.name in tables.keyless:
        return False
    if (key.table, key.name) in tables.deferrable:
        tables.late[key.table, key.name] = key
        return False
    return True


def late(tables: Tables) -> Iterator[Probe]:
    """The deferrable foreign keys of rows that changed, when the transaction ends."""
    for key in tables.late.values():
        child = tables.get(tables.now(key.table))
        if child is not None and key.validated and tables.has(child, key.name):
            question = probes_needs.foreign_key(child, tables.rule_of(key), tables, key.name)
            if question is not None:
                yield tables.probe(child, question)
    tables.late.clear()


def _unique_keys(table: VirtualTable, tables: Tables) -> Iterator[Key]:
    """Unique indexes of plain columns, without a predicate, whose columns are still there."""
    real = tables.catalog.table(table.origin) if table.origin is not None else None
    for index in real.indexes if real else ():
        shape, columns = index.definition, index.definition.columns
        whole = not shape.predicate and len(columns) == len(shape.keys)
        there = tables.has(table, index.name.name) and all(table.column(c) is not None for c in columns)
        # A deferrable key is looked after at COMMIT, when later statements may have put it right.
        deferred = table.origin is not None and (table.origin, index.name.name) in tables.deferrable
        if shape.unique and index.valid and whole and there and not deferred:
            yield Key(tuple(map(quote_identifier, columns)), columns, None, shape.nulls_not_distinct)
    for owner, name, key in tables.unique:
        if owner == (table.origin or table.name) and tables.has(table, name):
            yield key


def _foreign_keys(table: VirtualTable, tables: Tables) -> Iterator[ForeignKey]:
    for key in tables.foreign_keys:
        mine = tables.now(key.table) == table.name and _binds(key, table, tables)
        if mine and all(table.column(c) is not None for c in key.columns):
            yield key


def rechecked(
    shape: Shape, table: VirtualTable, changed: Collection[str], delta: Delta, tables: Tables
) -> Iterator[Need]:
    """What columns whose values change have to fulfil again: NOT NULL, checks, foreign keys from and to them.

    What is NOT VALID is not asked of rows that are there.
    """
    dropped, touched = {label for _, label in delta.dropped}, frozenset(changed)
    for column in table.columns:  # a cast gives no NULL for a value, a USING may
        if column.not_null and column.name in touched and shape.retyped[column.name][1]:
            yield Need("not_null", table.name, column.name)
    for known in _checks(table, tables):
        found = tables.expression(known.expression, table)
        if found is not None and known.validated and known.name not in dropped and found.names & touched:
            yield Need("check", table.name, rule=Rule("check", expression=known.expression), name=known.name)
    for key in tables.foreign_keys:
        child = tables.get(tables.now(key.table))
        here = tables.now(key.table) == table.name and touched.intersection(key.columns)
        there = tables.now(key.referenced) == table.name and touched.intersection(key.referenced_columns)
        holds = child is not None and key.validated and key.name not in dropped and tables.has(child, key.name)
        if child is not None and holds and (here or there):
            yield Need("foreign_key", child.name, rule=tables.rule_of(key), name=key.name)


def _checks(table: VirtualTable, tables: Tables) -> Iterator[KnownCheck]:
    for check in tables.checks:
        if check.table == (table.origin or table.name) and tables.has(table, check.name):
            yield check


def bind(need: Need, tables: Tables, *, validated: bool = True) -> None:
    """Remember what a statement demands of rows, for the statements behind it that change some."""
    table = tables.get(need.table)
    owner = (table.origin or table.name) if table else None
    rule, key, name = need.rule, need.key, need.name or ""
    if owner is None:
        return
    if need.kind == "unique" and key is not None and not key.predicate and len(key.columns) == len(key.keys):
        tables.unique.append((owner, name, key))
    elif need.kind == "check" and rule is not None:
        tables.checks.append(KnownCheck(owner, name, rule.expression, validated))
    elif need.kind == "foreign_key" and rule is not None and rule.references is not None:
        target = tables.resolve(*rule.references)
        parent = tables.get(target) if target else None
        columns = (rule.referenced_columns or probes_needs.primary_key(parent, tables)) if parent else ()
        if parent is not None and len(columns) == len(rule.columns):
            end = parent.origin or parent.name
            key_rule = ForeignKey(name, owner, rule.columns, end, columns, rule.on_delete, validated=validated)
            tables.foreign_keys.append(key_rule)
            if rule.deferrable:
                tables.deferrable.add((owner, name))
