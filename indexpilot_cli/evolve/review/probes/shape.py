"""Tables change their form: the virtual tables follow, and every change that values can refuse asks a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.probes import virtual
from indexpilot_cli.evolve.review.probes.delta import Delta, NewColumn, Shape
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeKind, Question, empty, probe
from indexpilot_cli.evolve.review.probes.types import evaluated, normal, on_value, retype, too_long
from indexpilot_cli.evolve.review.probes.virtual import VirtualColumn, VirtualTable
from indexpilot_cli.evolve.review.probes.virtual_tables import Tables

_ORDER = "row_number() OVER ()"


def apply(delta: Delta, tables: Tables, number: int) -> Iterator[Probe]:
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
        elif table is not None and _inside(shape):
            yield from _reshape(shape, table, tables, number)
    for name in delta.gone:
        tables.drop(name)
    for shape in delta.shapes.values():
        if shape.new_name is not None:
            tables.rename(shape.table, shape.new_name)


def _inside(shape: Shape) -> bool:
    return bool(shape.dropped or shape.renamed or shape.retyped or shape.added or shape.expressions)


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


def _optional(column: NewColumn) -> bool:
    return bool(column.default or column.generated or column.serial)


def _reshape(shape: Shape, table: VirtualTable, tables: Tables, number: int) -> Iterator[Probe]:
    columns: list[tuple[VirtualColumn, str | None]] = []
    fence = False
    for column in table.columns:
        if column.name in shape.dropped:
            continue
        made, text, questions = _kept(column, shape, table, tables)
        fence = fence or column.name in shape.retyped
        columns.append((made, text))
        for question in questions:
            yield probe(table, number, question)
    for new in shape.added:
        made, text, questions = _added(new, table, tables)
        columns.append((made, text))
        for question in questions:
            yield probe(table, number, question)
    tables.put(virtual.reshaped(table, columns, fence=fence))


Column = tuple[VirtualColumn, str | None, tuple[Question, ...]]


def _kept(column: VirtualColumn, shape: Shape, table: VirtualTable, tables: Tables) -> Column:
    made = replace(column, name=shape.renamed.get(column.name, column.name))
    text: str | None = f"ip_t.{quote_identifier(column.name)}"
    if column.name in shape.retyped:
        kind, using = shape.retyped[column.name]
        change = retype(table, column.name, kind, using, tables, statistics(table, column.name, tables))
        unknown = "" if change.value is not None else f"its change to {kind} cannot be foreseen"
        return replace(made, type=kind, unknown=made.unknown or unknown), change.value, change.questions
    if column.name in shape.expressions:
        found = _generated(column.name, column.type, shape.expressions[column.name], table, tables)
        return replace(made, unknown=found[0].unknown), found[1], found[2]
    return made, text, ()


def _added(new: NewColumn, table: VirtualTable, tables: Tables) -> Column:
    made = VirtualColumn(new.name, new.type, not_null=new.not_null, optional=_optional(new))
    kind = virtual.unbounded(tables.type_for(new.type))
    if new.generated:
        found = _generated(new.name, new.type, new.expression, table, tables, stored=new.generated == "stored")
        return replace(made, unknown=found[0].unknown, generated=True), found[1], found[2]
    if new.serial:
        return made, f"CAST({_ORDER} AS {kind})", ()
    if not new.default:
        value = f"CAST(NULL AS {kind})"
        return made, value, _not_empty(new, table) if new.not_null else _of_domain(new, value, table, tables)
    inner, to = tables.safe.uncast(new.default)
    safe = tables.expression(inner if to and tables.type_for(to) != to else new.default)
    if safe is None or safe.names:
        return replace(made, unknown="its default cannot be foreseen"), None, ()
    value = f"CAST(({safe.sql}) AS {kind})"
    return made, value, _of_domain(new, value, table, tables)


def _of_domain(new: NewColumn, value: str, table: VirtualTable, tables: Tables) -> tuple[Question, ...]:
    """Whether a domain takes the value that every row gets."""
    domain = tables.domains.get(new.type.split(".")[-1].strip('"'))
    over = VirtualTable(table.name, None, (VirtualColumn("value", "text"),))
    found = [tables.expression(check, over) for check in (domain.checks or () if domain else ())]
    words = f"the domain of the new column {new.name} refuses its value in the rows of {table.name.short}"
    return tuple(Question(ProbeKind.CHECK, "23514", words, on_value(f.sql, value)) for f in found if f is not None)


def _not_empty(new: NewColumn, table: VirtualTable) -> tuple[Question, ...]:
    words = f"{table.name.short} has rows, and the new column {new.name} has no value for them"
    verdict, why = empty(table.rows, table.pages)

    def body(item: str) -> str:
        return f"SELECT 1 FROM {item} AS ip_t LIMIT 1"

    question = Question(ProbeKind.NOT_EMPTY, "23502", words, body, verdict=verdict, verdict_why=why)
    return (question,)


def _generated(name: str, kind: str, text: str, table: VirtualTable, tables: Tables, *, stored: bool = True) -> Column:
    made = VirtualColumn(name, kind)
    safe = tables.expression(text, table)
    words = f"the expression of {name} fails for a row of {table.name.short}"
    if safe is None:
        lost = replace(made, unknown="its expression calls what must not run on this database, or cannot be foreseen")
        question = Question(ProbeKind.CAST, "22000", words, None, why_not=lost.unknown)
        return lost, None, (question,) if stored else ()
    value = f"CAST(({safe.sql}) AS {virtual.unbounded(kind)})"
    questions = (Question(ProbeKind.CAST, "22000", words, evaluated(value), tuple(safe.names)),) if stored else ()
    return made, value, questions + _length(name, kind, value, table)


def _length(name: str, kind: str, value: str, table: VirtualTable) -> tuple[Question, ...]:
    base, size = normal(kind)
    if base not in ("varchar", "char") or size <= 0:
        return ()
    words = f"a value of {name} is too long for {kind} in a row of {table.name.short}"
    return (Question(ProbeKind.TOO_LONG, "22001", words, too_long(value, size)),)


def statistics(table: VirtualTable, column: str, tables: Tables) -> ColumnStatistics | None:
    """What is known of a column of the real table, as long as the migration did not change its rows."""
    real = tables.catalog.table(table.source) if table.source is not None and table.plain else None
    found = real.column(column) if real else None
    return found.statistics if found else None
