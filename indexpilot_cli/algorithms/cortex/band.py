"""A column that keeps within a band of an indexed one: read through that index, and the few others by a small one.

The rows of a table are those within the band and those of which that is not true (NULLs among them), so a UNION ALL of
both holds the same rows; within the band a condition on the one column is one on the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeGuard

from indexpilot_cli.algorithms.cortex.dependence import pages_of
from indexpilot_cli.algorithms.rewriting import (
    FLIPPED,
    OtherForm,
    clauses,
    column_of,
    conjuncts_of,
    relations,
    same_type,
)
from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey
from indexpilot_cli.core.names import quote_identifier, statistics_name
from indexpilot_cli.core.samples import PageSample
from indexpilot_cli.core.statistics import ExtendedStatistics
from indexpilot_cli.sql.parser import Node, deparse_expression, parse, rewrite
from indexpilot_cli.sql.parser import Statement as Parsed
from indexpilot_cli.sql.safe.expression import moving

KINDS = ("int2", "int4", "int8", "numeric", "date", "timestamp", "timestamptz")
MOST_OUTSIDE = 0.1
MOST_OF_HOST = 0.25  # of the host's span that the band may be wide
_OUTSIDE = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
_FEWEST = 1000  # rows
_Z = 2.576


@dataclass(frozen=True, slots=True)
class Band:
    """``target`` is between ``low`` and ``high`` above ``host`` (days for dates, seconds for moments).

    ``outside`` is the share of rows for which it is not, at most ``outside_high`` (99 per cent, over pages); ``width``
    is that of the band as a share of the host's span.
    """

    target: Column
    host: Column
    low: int
    high: int
    outside: float
    outside_high: float
    width: float


class SampledNumbers:
    """Columns of a sample as numbers: days of dates, seconds of moments; each is read once."""

    def __init__(self, sample: PageSample):
        self.sample = sample
        self.pages = pages_of(sample)
        self._known: dict[str, Any] = {}

    def of(self, column: str) -> Any:
        """The column's, row by row; NULL is not a number."""
        import numpy as np

        if column not in self._known:
            values = self.sample.values(column)
            if any(isinstance(v, date) for v in values):
                values = tuple(None if v is None else _number(v) for v in values)
            self._known[column] = np.array(values, dtype=float)
        return self._known[column]


def find_band(numbers: SampledNumbers, target: Column, host: Column) -> Band | None:
    """The band that leaves the least to read: its width and what is outside of it together. None where there is none
    that is narrow and holds nearly all rows.
    """
    import numpy as np

    hosts, apart = numbers.of(host.name), numbers.of(target.name) - numbers.of(host.name)
    there = ~np.isnan(apart)
    distances, hosts = np.sort(apart[there]), np.sort(hosts[there])
    if len(distances) < _FEWEST:
        return None
    span = float(hosts[-len(hosts) // 20] - hosts[len(hosts) // 20]) / 0.9
    if not 0 < span < math.inf:
        return None
    best: tuple[float, float, float] | None = None
    for outside in _OUTSIDE:
        kept = max(2, math.ceil(len(distances) * (1.0 - outside)))
        first = int(np.argmin(distances[kept - 1 :] - distances[: len(distances) - kept + 1]))
        low, high = float(distances[first]), float(distances[first + kept - 1])
        cost = (high - low) / span + outside
        if best is None or cost < best[0]:
            best = (cost, low, high)
    assert best is not None  # there is a share to try
    low, high = math.floor(best[1]), math.ceil(best[2])
    share, most = _outside(numbers, (low <= apart) & (apart <= high))
    band = Band(target, host, low, high, share, most, (high - low) / span)
    return band if most <= MOST_OUTSIDE and band.width <= MOST_OF_HOST else None


def _number(value: object) -> float:
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return float(value.toordinal())
    assert isinstance(value, (int, float, Decimal))  # of a type in KINDS
    return float(value)


def _outside(numbers: SampledNumbers, inside: Any) -> tuple[float, float]:
    """The share outside of the band, rows without one of the values among them, and its upper bound over pages: rows of
    one page are often alike.
    """
    import numpy as np

    pages = len(numbers.sample.pages)
    seen, out = (np.bincount(numbers.pages[rows], minlength=pages) for rows in (slice(None), ~inside))
    number = int(seen.sum())
    share = int(out.sum()) / number
    spread = float(((out - share * seen) ** 2).sum()) / max(pages - 1, 1)
    error = math.sqrt(spread * pages) / number
    return share, min(1.0, share + max(_Z * error, 3.0 / number))


def band_forms(statement: Node, catalog: Catalog, bands: Sequence[Band]) -> Iterator[OtherForm]:
    """Queries that compare the target of a band, with the host compared too and the rest beside."""
    for query, where in clauses(statement):
        for band in bands:
            hosts: dict[str, None] = {}
            for condition in conjuncts_of(where):
                for operator, value in _bounds(condition, band, query, catalog):
                    hosts |= dict.fromkeys(host_conditions(operator, deparse_expression(value), band))
            form = two_arms(statement, query, tuple(hosts), band, catalog) if hosts else None
            if form is not None:
                yield form


def two_arms(statement: Node, query: Node, hosts: Sequence[str], band: Band, catalog: Catalog) -> OtherForm | None:
    """The statement with the band's table read in two parts: within the band, where the conditions on the host hold
    too, and outside of it. None where the query cannot be written that way.
    """
    if statement.kind != "SelectStmt" or any(n.kind == "LockingClause" for n in statement.walk()):
        return None
    own = [(item, table) for item in relations(query) if _holds(table := _table_of(item, catalog), band)]
    return _form(statement, *own[0], hosts, band) if len(own) == 1 and _once(own[0][0], statement) else None


def _holds(table: Table | None, band: Band) -> TypeGuard[Table]:
    return table is not None and table.column(band.target.name) == band.target


def _table_of(item: Node, catalog: Catalog) -> Table | None:
    return catalog.resolve(item.text("relname"), item.text("schemaname") or None)


def _once(item: Node, statement: Node) -> bool:
    """Whether the statement names the table once, as it is."""
    same = [n for n in statement.walk() if n.kind == "RangeVar" and n.text("relname") == item.text("relname")]
    alias = item.child("alias")
    plain = alias is None or not alias.names("colnames")
    system = {"ctid", "tableoid", "xmin", "xmax", "cmin", "cmax"}
    named = {n.names("fields")[-1] for n in statement.walk() if n.kind == "ColumnRef"}
    return len(same) == 1 and plain and item.flag("inh") and not named & system


def _bounds(condition: Node, band: Band, query: Node, catalog: Catalog) -> tuple[tuple[str, Node], ...]:
    """What a condition says of the target: (operator, value) pairs of = < <= > >=."""
    if condition.kind != "A_Expr":
        return ()
    left, right, form = condition.child("lexpr"), condition.child("rexpr"), condition.enum("kind")
    if left is None or right is None or form not in ("AEXPR_OP", "AEXPR_BETWEEN"):
        return ()
    operator = condition.names("name")[-1]
    found: tuple[tuple[str, Node], ...] = ((operator, right),)
    if form == "AEXPR_BETWEEN":
        low, high = right.children("items")
        found = ((">=", low), ("<=", high))
    elif left.kind != "ColumnRef":
        left, found = right, ((FLIPPED.get(operator, operator), left),)
    known = column_of(left, query, catalog) if left.kind == "ColumnRef" else None
    if known is None or known[1] != band.target or not _holds(known[0], band):
        return ()
    usable = all(o in (*FLIPPED, "=") and not moving(v) and same_type(v, band.target.base_type) for o, v in found)
    return found if usable else ()


def _form(statement: Node, item: Node, table: Table, hosts: Sequence[str], band: Band) -> OtherForm:
    inside = within(band)
    alias = item.child("alias")
    called = quote_identifier(alias.text("aliasname") if alias is not None else item.text("relname"))
    within_arm = " ".join(("SELECT", "*", "FROM", str(table.name), "WHERE", " AND ".join((*hosts, inside))))
    beside_arm = " ".join(("SELECT", "*", "FROM", str(table.name), "WHERE", f"({inside}) IS NOT TRUE"))
    after = f"({within_arm} UNION ALL {beside_arm}) AS {called}"
    parsed = parse(" ".join(("SELECT", "1", "FROM", after)))
    assert isinstance(parsed, Parsed)  # it was put together from parsed parts
    fresh = parsed.node.children("from_clause")[0]
    plain = deparse_item(item)

    def exchanged(here: Node, _parent: Node) -> Node | None:
        return fresh if here.kind == "RangeVar" and deparse_item(here) == plain else None

    index = IndexDefinition(table.name, (IndexKey(band.target.name),), BTREE, predicate=f"({inside}) IS NOT TRUE")
    why = f"{apart(band)}, which is indexed, {exceptions(band)}{asks_for(table, band)}"
    only = "" if band.target.base_type in _ROOM else "as long as values that far below those asked for fit the type"
    fresh_statement = rewrite(statement, exchanged)
    often = (inside, 1.0 - band.outside_high)  # so that it is priced too dear rather than too cheap
    return OtherForm("band", table.name, f"FROM {plain}", f"FROM {after}", why, only, fresh_statement, (index,), often)


def asks_for(table: Table, band: Band) -> str:
    """The statistics without which the planner takes the few others for a large part of the table, as a clause."""
    columns = (band.target.name, band.host.name)
    wanted = ExtendedStatistics(statistics_name(table.name, columns, ()), table.name, (), (), (within(band),))
    return f"; it is priced with {wanted.ddl} and ANALYZE, where the planner can be told of such (the twin, from 14 on)"


_ROOM = ("int2", "int4", "numeric")  # compared as a type that holds what lies below
_UNITS = {"date": " days", "timestamp": " seconds", "timestamptz": " seconds"}


def apart(band: Band) -> str:
    """How far the target is above the host, for a person."""
    target, host = quote_identifier(band.target.name), quote_identifier(band.host.name)
    return f"{target} is {band.low} to {band.high}{_UNITS.get(band.target.base_type, '')} above {host}"


def exceptions(band: Band) -> str:
    """How many rows are not within the band, for a person."""
    return f"but for {band.outside:.1%} of the rows (at most {band.outside_high:.1%})"


def deparse_item(item: Node) -> str:
    """A table of FROM as it is written: name and alias."""
    alias = item.child("alias")
    names = [n for n in (item.text("schemaname"), item.text("relname")) if n]
    text = ".".join(map(quote_identifier, names))
    return text + (f" AS {quote_identifier(alias.text('aliasname'))}" if alias is not None else "")


def within(band: Band) -> str:
    """The condition of being within the band: it fails for no value, and is NULL where it cannot be told."""
    target, host, kind = quote_identifier(band.target.name), quote_identifier(band.host.name), band.target.base_type
    if kind in ("int2", "int4", "int8", "numeric"):
        # The difference of two integers may be too large for their type.
        cast = {"int8": "::numeric", "numeric": ""}.get(kind, "::bigint")
        return f"{target}{cast} - {host}{cast} BETWEEN {band.low} AND {band.high}"
    low, high = (distance(n, kind) for n in (band.low, band.high))
    # Infinite times have no difference: an error before version 17.
    return f"CASE WHEN isfinite({target}) AND isfinite({host}) THEN {target} - {host} BETWEEN {low} AND {high} END"


def distance(number: int, kind: str) -> str:
    """So many days of a date, seconds of a moment, or units of a number, as SQL."""
    return f"interval '{number} seconds'" if kind.startswith("timestamp") else f"({number})"


def host_conditions(operator: str, value: str, band: Band) -> Iterator[str]:
    """What the host then is: x - high <= host <= x - low for a target of x."""
    kind, host = band.target.base_type, quote_identifier(band.host.name)
    cast = {"int2": "bigint", "int4": "bigint", "int8": "bigint"}.get(kind, kind)
    low, high = (distance(n, kind) for n in (band.low, band.high))
    if operator in ("=", ">", ">="):
        yield f"{host} >= ({value})::{cast} - {high}"
    if operator in ("=", "<", "<="):
        yield f"{host} <= ({value})::{cast} - {low}"
