"""Tables change their form: the virtual tables follow, and every change that values can refuse asks a question."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.ddl import Select, any_row
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve.alter_table import stored_type
from indexpilot_cli.evolve.review.probes import virtual
from indexpilot_cli.evolve.review.probes.delta import AddedColumn, Delta, Shape
from indexpilot_cli.evolve.review.probes.question import (
    Body,
    Probe,
    ProbeKind,
    Question,
    Verdict,
    casts,
    empty,
    longer,
)
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.evolve.review.probes.virtual import VirtualColumn, VirtualTable, unbounded
from indexpilot_cli.sql.safe import reader

_ORDER = "row_number() OVER ()"
Retyped = tuple[str | None, tuple[Question, ...]]  # what gives the values afterwards (over ip_t), None: unknown
Column = tuple[VirtualColumn, str | None, tuple[Question, ...]]
# Arithmetic (22003, 22012), casts (22P02), to_date and its like (22007), subqueries of more than one row (21000).
MAY_FAIL = re.compile(r"[-+*/%]|::|\bCAST\b|\bto_|\bSELECT\b|\bsub|\bdate", re.I)
_NUMERIC = re.compile(r"\((\d+)(?:\s*,\s*(\d+))?\)")
# Casts that are taken to refuse no value: the range of the second type holds that of the first.
_HARMLESS = {
    *(
        ("int2", "int4"),
        ("int2", "int8"),
        ("int4", "int8"),
        ("int2", "numeric"),
        ("int4", "numeric"),
        ("int8", "numeric"),
    ),
    *(("int4", "float8"), ("float4", "float8"), ("int2", "float8"), ("int2", "float4"), ("int4", "float4")),
    *(("int8", "float8"), ("date", "timestamp"), ("date", "timestamptz"), ("json", "jsonb"), ("cidr", "inet")),
    *(("timestamp", "timestamptz"), ("timestamptz", "timestamp"), ("bool", "int4"), ("int4", "oid"), ("jsonb", "json")),
    *(("timestamp", "date"), ("timestamptz", "date")),
}


def apply(delta: Delta, tables: Tables) -> Iterator[Probe]:
    """Give every table of the delta its new form; gives the questions that this asks of the data."""
    for owner, label in delta.dropped:
        table = tables.get(owner) if owner else None
        tables.dropped.add((table.origin if table else None, label))
    for shape in delta.shapes.values():
        table = tables.get(shape.table)
        if table is not None and not shape.created:
            table = _loosened(shape, table)
            tables.put(table)
        if shape.created and table is None:
            tables.put(_new(shape, tables))
        elif table is not None and (
            shape.dropped or shape.renamed or shape.retyped or shape.added or shape.expressions
        ):
            yield from _reshape(shape, table, tables)
    for name in delta.gone:
        tables.drop(name)
    for shape in delta.shapes.values():
        if shape.new_name is not None:
            tables.rename(shape.table, shape.new_name)


def _loosened(shape: Shape, table: VirtualTable) -> VirtualTable:
    """The table with other NOT NULLs and defaults."""
    columns = tuple(
        replace(c, not_null=shape.not_null.get(c.name, c.not_null), optional=shape.optional.get(c.name, c.optional))
        for c in table.columns
    )
    return replace(table, columns=columns)


def _new(shape: Shape, tables: Tables) -> VirtualTable:
    columns = tuple(VirtualColumn(c.name, c.type, not_null=c.not_null, optional=_optional(c)) for c in shape.added)
    typed = tuple(replace(c, type=tables.type_for(c.type)) for c in columns)
    return replace(virtual.emptied(VirtualTable(shape.table, None, typed)), columns=columns)


def _optional(column: AddedColumn) -> bool:
    return bool(column.default or column.generated or column.serial)


def _reshape(shape: Shape, table: VirtualTable, tables: Tables) -> Iterator[Probe]:
    columns: list[tuple[VirtualColumn, str | None]] = []
    fence = False
    for column in table.columns:
        if column.name in shape.dropped:
            continue
        made, text, questions = _kept(column, shape, table, tables)
        fence = fence or column.name in shape.retyped
        columns.append((made, text))
        for question in questions:
            yield tables.probe(table, question)
    for new in shape.added:
        made, text, questions = _added(new, table, tables)
        columns.append((made, text))
        for question in questions:
            yield tables.probe(table, question)
    tables.put(virtual.reshaped(table, columns, fence=fence))


def _kept(column: VirtualColumn, shape: Shape, table: VirtualTable, tables: Tables) -> Column:
    made = replace(column, name=shape.renamed.get(column.name, column.name))
    text: str | None = f"ip_t.{quote_identifier(column.name)}"
    if column.name in shape.retyped:
        kind, using = shape.retyped[column.name]
        value, questions = _retyped(table, column.name, kind, using, tables)
        unknown = "" if value is not None else f"its change to {kind} cannot be foreseen"
        return replace(made, type=kind, unknown=made.unknown or unknown), value, questions
    if column.name in shape.expressions:
        found = _generated(column.name, column.type, shape.expressions[column.name], table, tables)
        return replace(made, unknown=found[0].unknown), found[1], found[2]
    return made, text, ()


def _added(new: AddedColumn, table: VirtualTable, tables: Tables) -> Column:
    made = VirtualColumn(new.name, new.type, not_null=new.not_null, optional=_optional(new))
    kind = virtual.unbounded(tables.type_for(new.type))
    if new.generated:
        found = _generated(new.name, new.type, new.expression, table, tables, stored=new.generated == "stored")
        return replace(made, unknown=found[0].unknown, generated=True), found[1], found[2]
    # Numbers as distinct as those of the sequence, which is not advanced by a question.
    if new.serial:
        return made, f"CAST({_ORDER} AS {kind})", ()
    if not new.default:
        value = f"CAST(NULL AS {kind})"
        return made, value, _not_empty(new, table) if new.not_null else _of_domain(new, value, table, tables)
    inner, to = reader.uncast(new.default)
    safe = tables.expression(inner if to and tables.type_for(to) != to else new.default)
    if safe is None or safe.names:
        return replace(made, unknown="its default cannot be foreseen"), None, ()
    value = f"CAST(({safe.sql}) AS {kind})"
    return made, value, _of_domain(new, value, table, tables)


def _of_domain(new: AddedColumn, value: str, table: VirtualTable, tables: Tables) -> tuple[Question, ...]:
    """Whether a domain takes the value that every row gets."""
    domain = tables.domains.get(new.type.split(".")[-1].strip('"'))
    over = VirtualTable(table.name, None, (VirtualColumn("value", "text"),))
    found = [tables.expression(check, over) for check in (domain.checks or () if domain else ())]
    words = f"the domain of the new column {new.name} refuses its value in the rows of {table.name.short}"
    return tuple(Question(ProbeKind.CHECK, "23514", words, on_value(f.sql, value)) for f in found if f is not None)


def _not_empty(new: AddedColumn, table: VirtualTable) -> tuple[Question, ...]:
    words = f"{table.name.short} has rows, and the new column {new.name} has no value for them"
    verdict, why = empty(table.rows, table.pages)

    def body(item: str) -> str:
        return any_row(f"{item} AS ip_t")

    return (Question(ProbeKind.NOT_EMPTY, "23502", words, body, verdict=verdict, verdict_why=why),)


def _generated(name: str, kind: str, text: str, table: VirtualTable, tables: Tables, *, stored: bool = True) -> Column:
    made = VirtualColumn(name, kind)
    safe = tables.expression(text, table)
    words = f"the expression of {name} fails for a row of {table.name.short}"
    if safe is None:
        lost = replace(made, unknown="its expression calls what must not run on this database, or cannot be foreseen")
        question = Question(ProbeKind.CAST, "22000", words, None, why_not=lost.unknown)
        return lost, None, (question,) if stored else ()
    value = f"CAST(({safe.sql}) AS {virtual.unbounded(kind)})"
    # A virtual column (18 and later) is computed when it is read: ALTER TABLE does not compute it.
    questions = (Question(ProbeKind.CAST, "22000", words, evaluated(value), tuple(safe.names)),) if stored else ()
    return made, value, questions + _length(name, kind, value, table)


def _length(name: str, kind: str, value: str, table: VirtualTable) -> tuple[Question, ...]:
    base, size = sized(kind)
    if base not in ("varchar", "bpchar") or size <= 0:
        return ()
    words = f"a value of {name} is too long for {kind} in a row of {table.name.short}"
    return (Question(ProbeKind.TOO_LONG, "22001", words, too_long(value, size)),)


def statistics(table: VirtualTable, column: str, tables: Tables) -> ColumnStatistics | None:
    """What is known of a column of the real table, as long as the migration did not change its rows."""
    real = tables.catalog.table(table.source) if table.source is not None and table.plain else None
    found = real.column(column) if real else None
    return found.statistics if found else None


def sized(kind: str) -> tuple[str, int]:
    """A type's short name (an array's as it is written) and its first modifier (-1: none), such as ("varchar", 10)."""
    stored = stored_type(kind)
    if stored.array:
        return kind.strip(), -1
    return stored.name, stored.modifiers[0] if stored.modifiers else -1


def _retyped(table: VirtualTable, column: str, kind: str, using: str, tables: Tables) -> Retyped:
    """What a change of a column to type ``kind`` asks, and what the column holds then."""
    old = table.column(column)
    where = f"{column} of {table.name.short}"
    found = tables.expression(_inner(using, kind, tables) if using else quote_identifier(column), table)
    if old is None:
        return None, ()
    if found is None or old.unknown:
        why = old.unknown or "its USING expression calls what must not run on this database, or cannot be foreseen"
        return None, (Question(ProbeKind.CAST, "22P02", f"a value in {where} does not fit {kind}", None, why_not=why),)
    # Nothing to ask, and the cast must not cut: the length is left out.
    if not using and fits(old.type, kind):
        return f"CAST(({found.sql}) AS {unbounded(kind)})", ()
    return _asked(f"({found.sql})", where, kind, column, tables, None if using else statistics(table, column, tables))


def _asked(value: str, where: str, kind: str, column: str, tables: Tables, seen: ColumnStatistics | None) -> Retyped:
    name, size = sized(kind)
    words = f"a value in {where} does not fit {kind}"
    last = kind.rsplit(".", maxsplit=1)[-1].strip('"')
    if name in ("varchar", "bpchar") and size > 0:
        question = Question(ProbeKind.TOO_LONG, "22001", words, too_long(value, size), (column,))
        return f"({value})::text", (_judged(question, longer(seen, size)),)
    if name in ("bit", "varbit") and size > 0:
        # bit(n) takes exactly n bits, bit varying(n) at most n.
        test = f"length(({value})::varbit) {'<>' if name == 'bit' else '>'} {size}"
        state = "22026" if name == "bit" else "22001"
        return value, (Question(ProbeKind.TOO_LONG, state, words, row_where(test), (column,)),)
    if last in tables.labels:
        # Production does not have the new enumeration: its labels are compared as text.
        allowed = ", ".join(quote_literal(label) for label in tables.labels[last]) or "NULL"
        body = row_where(f"({value})::text NOT IN ({allowed})")
        return f"({value})::text", (Question(ProbeKind.CHECK, "22P02", words, body, (column,)),)
    if last in tables.domains:
        return _domain(value, words, last, column, tables)
    if tables.expression(f"NULL::{kind}") is None:
        why = f"{kind} is no built-in type"
        return None, (Question(ProbeKind.CAST, "22P02", words, None, (column,), why_not=why),)
    question = Question(ProbeKind.CAST, "22P02", words, evaluated(f"CAST({value} AS {kind})"), (column,))
    return f"CAST({value} AS {kind})", (_judged(question, casts(seen, name)),)


def _domain(value: str, words: str, name: str, column: str, tables: Tables) -> Retyped:
    domain = tables.domains[name]
    if domain.checks is None:
        why = f"a check of {name} cannot be read"
        return None, (Question(ProbeKind.CHECK, "23514", words, None, (column,), why_not=why),)
    cast = f"CAST({value} AS {domain.type})"
    over = VirtualTable(QualifiedName("", name), None, (VirtualColumn("value", domain.type),))
    vetted = [tables.expression(check, over) for check in domain.checks]
    questions = tuple(
        Question(ProbeKind.CHECK, "23514", words, None, (column,), why_not=f"a check of {name} must not run here")
        if v is None
        else Question(ProbeKind.CHECK, "23514", words, on_value(v.sql, cast), (column,))
        for v in vetted
    )
    return cast, questions


def _inner(using: str, kind: str, tables: Tables) -> str:
    """The USING expression without casts to a type that production does not have yet."""
    last = kind.rsplit(".", maxsplit=1)[-1].strip('"')
    inner, to = reader.uncast(using)
    new = to and to.split(".")[-1].strip('"') == last and (last in tables.labels or last in tables.domains)
    return inner if new else using


def _judged(question: Question, verdict: Verdict) -> Question:
    return replace(question, verdict=verdict[0], verdict_why=verdict[1])


def fits(old: str, new: str) -> bool:
    """Whether every value of the old type surely becomes one of the new."""
    (before, size), (after, limit) = sized(old), sized(new)
    if (before, size) == (after, limit) or (limit < 0 and after in ("text", "varchar")):
        return True
    if before == after and before in ("varchar", "varbit", "bpchar") and 0 < size <= limit:
        return True
    if before == after == "numeric":
        return _wider(old, new)
    return limit < 0 and (before == after or (before, after) in _HARMLESS)


def _wider(old: str, new: str) -> bool:
    """Whether a numeric type holds all another one does."""
    before, after = _NUMERIC.search(old), _NUMERIC.search(new)
    if before is None or after is None:
        return after is None
    (digits, scale), (room, kept) = ((int(m[1]), int(m[2] or 0)) for m in (before, after))
    return kept >= scale and room - kept >= digits - scale


def too_long(value: str, size: int) -> Body:
    """Rows whose text is longer than ``size`` with more than spaces behind it."""
    text = f"({value})::text"
    # Blanks beyond the limit are cut off without an error, anything else is 22001.
    # https://www.postgresql.org/docs/current/datatype-character.html
    return row_where(f"char_length({text}) > {size} AND rtrim(substr({text}, {size + 1}), ' ') <> ''")


def row_where(condition: str) -> Body:
    """Rows (of ``ip_t``) for which the condition is true."""
    return lambda item: any_row(f"{item} AS ip_t", f"WHERE {condition}")


def on_value(check: str, value: str) -> Body:
    """Rows for which a domain's check of VALUE is false."""
    of = f"{value} AS value"
    return lambda item: any_row(f"({Select(of, f'{item} AS ip_t')}) AS ip_d", f"WHERE NOT ({check})")


def evaluated(value: str) -> Body:
    """Evaluates the expression for every row and gives nothing of it away."""
    # count(expression) makes the server compute it in every row; count(*) would compute nothing.
    return lambda item: Select(f"count({value})", f"{item} AS ip_t")
