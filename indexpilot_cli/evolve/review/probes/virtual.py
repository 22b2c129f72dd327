"""A table as it will be when a statement of a migration runs: the real one, read through what was done before.

Every earlier statement is a layer: a sub-select around the table. Nothing here runs anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.sql.safe.values import SafeChange

MAX_GROWTH = 1024.0
MAX_LAYERS = 40
_LENGTH = re.compile(
    r"\b(?:pg_catalog\.)?(character varying|varchar|character|char|bpchar|bit varying|varbit|bit)\s*\(\s*\d+\s*\)", re.I
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A sub-select around a table: ``what`` it gives, behind ``prefix`` (WITH), and what follows the table in it."""

    what: str
    tail: str
    prefix: str = ""

    def around(self, item: str) -> str:
        """The FROM item with the layer around it."""
        return f"({self.prefix}{Select(self.what, item + self.tail)})"


@dataclass(frozen=True, slots=True)
class VirtualColumn:
    """A column at this point of the migration. ``unknown`` says why its values are not known.

    ``optional`` says that an INSERT that leaves it out does not make it NULL: it has a default of some kind.
    """

    name: str
    type: str
    unknown: str = ""
    not_null: bool = False
    optional: bool = False
    generated: bool = False


@dataclass(frozen=True, slots=True)
class VirtualTable:
    """A table at this point of the migration. ``source`` is the real table whose rows it has, None where it has none
    of them: ``made`` is then the sub-select in its place. ``origin`` is the real table that it is, None for one the
    migration made.

    ``more`` says why there may be rows that are not seen, ``fewer`` why some that are seen may be gone.
    """

    name: QualifiedName
    source: QualifiedName | None
    columns: tuple[VirtualColumn, ...]
    layers: tuple[Layer, ...] = ()
    made: str = ""
    more: str = ""
    fewer: str = ""
    rows: float = 0.0
    pages: int = 0
    kind: str = "r"
    growth: float = 1.0
    empty: bool = False
    origin: QualifiedName | None = None

    def column(self, name: str) -> VirtualColumn | None:
        """The column of that name, or None."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the columns whose values are known."""
        return tuple(c.name for c in self.columns if not c.unknown)

    def why_unknown(self, names: Iterable[str]) -> str:
        """Why the values of one of these columns are not known, empty when all are."""
        found = (self.column(name) for name in names)
        return next((c.unknown for c in found if c is not None and c.unknown), "")

    @property
    def plain(self) -> bool:
        """Whether it is the real table as it is."""
        return self.source is not None and not self.layers

    def item(self, *, only: bool = False, sample: float | None = None) -> str:
        """A FROM item without an alias. ``sample`` reads about that percentage of the real table's pages."""
        text = self._innermost(only, sample)
        for layer in self.layers:
            text = layer.around(text)
        return text

    def _innermost(self, only: bool, sample: float | None) -> str:
        if self.source is None:
            return self.made
        # A partitioned table has no rows of its own; the heirs of a plain one are bound by their own rules.
        words = f"ONLY {self.source}" if only and self.kind == "r" else str(self.source)
        if sample is None:
            return words
        return f"({Select('ctid, *', words, f'TABLESAMPLE SYSTEM ({sample:g})')})"


def selected(table: VirtualTable, alias: str, values: dict[str, str] | None = None) -> str:
    """The SELECT list that gives the table's known columns again, some with other values."""
    given, quoted = values or {}, quote_identifier(alias)
    parts = [f"{quoted}.ctid"]
    for name in table.known:
        text = given.get(name)
        column = quote_identifier(name)
        parts.append(f"{quoted}.{column}" if text is None else f"{text} AS {column}")
    return ", ".join(parts)


def updated(table: VirtualTable, change: SafeChange, cast: Callable[[str], str]) -> VirtualTable:
    """The table after an UPDATE. ``cast`` gives the type a value is cast to for a column's type."""
    alias = quote_identifier(change.alias)
    known = [(name, text) for name, text in change.assignments if name in table.known]
    types = {c.name: cast(unbounded(c.type)) for c in table.columns}
    values = {name: f"CAST(({text}) AS {types[name]})" for name, text in known}
    old = {name: f"CAST({alias}.{quote_identifier(name)} AS {types[name]})" for name in values}
    if change.sources:
        # LIMIT 1: of several rows that match, an UPDATE takes any one.
        inner = ["true AS ip_hit", *(f"{value} AS ip_v{place}" for place, value in enumerate(values.values()))]
        hit = Select(", ".join(inner), change.sources, _where(change.condition), "LIMIT 1")
        join = f"LEFT JOIN LATERAL ({change.prefix}{hit}) AS ip_u ON true"
        new = {
            name: f"CASE WHEN ip_u.ip_hit THEN ip_u.ip_v{place} ELSE {old[name]} END"
            for place, name in enumerate(values)
        }
        return _layered(table, Layer(selected(table, change.alias, new), f" AS {alias} {join}"), change)
    new = {name: _chosen(change.condition, value, old[name]) for name, value in values.items()}
    return _layered(table, Layer(selected(table, change.alias, new), f" AS {alias}", change.prefix), change)


def deleted(table: VirtualTable, change: SafeChange) -> VirtualTable:
    """The table after a DELETE. OFFSET 0 keeps later expressions from seeing the rows that are gone."""
    alias = quote_identifier(change.alias)
    if change.sources:
        prefix, kept = "", f"NOT EXISTS ({change.prefix}{Select('', change.sources, _where(change.condition))})"
    else:
        prefix, kept = change.prefix, f"({change.condition}) IS NOT TRUE" if change.condition else "false"
    layer = Layer(selected(table, change.alias), f" AS {alias} WHERE {kept} OFFSET 0", prefix)
    after = _layered(table, layer, change)
    return replace(after, empty=True, more="", fewer="") if kept == "false" else after


def inserted(table: VirtualTable, change: SafeChange, number: int, cast: Callable[[str], str]) -> VirtualTable:
    """The table after an INSERT; columns left out that have a default become unknown."""
    given = targets(change, table)
    why = f"statement {number} inserts its default"
    columns = tuple(
        replace(c, unknown=why) if c.name not in given and c.optional and not c.unknown else c for c in table.columns
    )
    table = replace(table, columns=columns)
    aliases = ", ".join(quote_identifier(c) for c in given)
    parts = ["NULL::tid"]
    kept: dict[str, str] = {}
    for name in table.known:
        column = table.column(name)
        assert column is not None
        kind = cast(unbounded(column.type))
        kept[name] = f"CAST(ip_t.{quote_identifier(name)} AS {kind})"
        parts.append(f"CAST(ip_q.{quote_identifier(name)} AS {kind})" if name in given else f"CAST(NULL AS {kind})")
    added = Select(", ".join(parts), f"({change.query}) AS ip_q({aliases})")
    after = _layered(table, Layer(selected(table, "ip_t", kept), f" AS ip_t UNION ALL {added}"), change)
    return replace(after, empty=False)


def targets(change: SafeChange, table: VirtualTable) -> tuple[str, ...]:
    """The columns an INSERT fills; without a list the first ones."""
    return change.columns or tuple(c.name for c in table.columns)[: change.width or None]


def reshaped(
    table: VirtualTable, columns: Sequence[tuple[VirtualColumn, str | None]], *, fence: bool = False
) -> VirtualTable:
    """The table with other columns: each with the expression (over ``ip_t``) that gives its values."""
    shown = [(c, text) for c, text in columns if text is not None and not c.unknown]
    texts = ", ".join(["ip_t.ctid", *(f"{text} AS {quote_identifier(c.name)}" for c, text in shown)])
    layer = Layer(texts, " AS ip_t OFFSET 0" if fence else " AS ip_t")
    return replace(table, columns=tuple(c for c, _ in columns), layers=(*table.layers, layer))


def emptied(table: VirtualTable) -> VirtualTable:
    """The table after TRUNCATE, or a new one."""
    known = tuple(replace(c, unknown="") for c in table.columns)
    texts = ", ".join(f"NULL::{c.type} AS {quote_identifier(c.name)}" for c in known)
    made = f"(SELECT NULL::tid AS ctid{', ' + texts if texts else ''} WHERE false)"
    gone = replace(table, source=None, made=made, columns=known, layers=(), rows=0.0, growth=1.0)
    return replace(gone, more="", fewer="", empty=True)


def filled(table: VirtualTable, query: str) -> VirtualTable:
    """A new table with the rows of a query."""
    names = ", ".join(quote_identifier(c.name) for c in table.columns)
    made = f"({Select('NULL::tid AS ctid, ip_q.*', f'({query}) AS ip_q({names})')})"
    return replace(table, source=None, made=made, layers=(), empty=False)


def forgotten(
    table: VirtualTable, why: str, columns: Sequence[str] | None = None, *, more: bool = False, fewer: bool = False
) -> VirtualTable:
    """The table after something that cannot be expressed: these columns (None: all) are not known any more."""
    lost = {c.name for c in table.columns} if columns is None else set(columns)
    return replace(
        table,
        columns=tuple(replace(c, unknown=c.unknown or why) if c.name in lost else c for c in table.columns),
        more=table.more or (why if more else ""),
        fewer=table.fewer or (why if fewer else ""),
        empty=table.empty and not more,
    )


def unbounded(kind: str) -> str:
    """The type without a length: a cast to a type with a length cuts in silence what an assignment refuses."""
    return _LENGTH.sub(lambda m: "varbit" if "bit" in m[1].lower() else "text", kind)


def _layered(table: VirtualTable, layer: Layer, change: SafeChange) -> VirtualTable:
    return replace(table, layers=(*table.layers, layer), growth=table.growth * change.growth)


def _chosen(condition: str, value: str, old: str) -> str:
    if not condition:
        return value
    return f"CASE WHEN ({condition}) THEN {value} ELSE {old} END"


def _where(condition: str) -> str:
    return f"WHERE {condition}" if condition else ""
