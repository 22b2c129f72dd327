"""The paper's own check: a statement with one restriction more is never estimated larger; nothing is executed.

PostgreSQL breaks it rarely, so it is a canary for estimators that somebody added: operators and their ``restrict``
functions, extensions, extended statistics. Rules after Ba and Rigger, ICSE 2024, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.cert.conditions import Conjunction, joined
from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.names import quote_identifier, quote_literal
from indexpilot_cli.core.workload import AtomKind, Plannable

TOLERANCE = 1.02
_MOST = 60  # pairs of a run
_LISTED = 3  # values of an IN list


class RestrictionRule(StrEnum):
    """What makes a statement more restrictive."""

    CONJUNCT = "one more condition"
    NOT_NULL = "IS NOT NULL"
    RANGE = "a narrower range"
    IN = "a shorter IN list"
    LIMIT = "LIMIT"
    DISTINCT = "DISTINCT"
    HAVING = "HAVING"
    INNER_JOIN = "an inner join in place of a left one"


@dataclass(frozen=True, slots=True)
class RestrictedPair:
    """A statement and a more restrictive one."""

    rule: RestrictionRule
    base: str
    restricted: str


@dataclass(frozen=True, slots=True)
class BrokenRestriction:
    """A restriction that made the estimate larger."""

    pair: RestrictedPair
    table: str
    before: float
    after: float


def restricted(asked: Conjunction, catalog: Catalog) -> Iterator[RestrictedPair]:
    """Every restriction of the conjunction that has something to restrict."""
    table = catalog.table(asked.table)
    if table is not None:
        for rule in _RULES:
            yield from rule(asked, table, catalog)


def _where(table: Table, *parts: str, what: str = "1", tail: str = "") -> str:
    return str(Select(what, table.name, f"WHERE {joined(parts)}", tail))


def _conjunct(asked: Conjunction, table: Table, _catalog: Catalog) -> Iterator[RestrictedPair]:
    for number in range(1, len(asked.parts)):
        base, more = asked.parts[:number], asked.parts[: number + 1]
        yield RestrictedPair(RestrictionRule.CONJUNCT, _where(table, *base), _where(table, *more))


def _not_null(asked: Conjunction, table: Table, _catalog: Catalog) -> Iterator[RestrictedPair]:
    for name in (column.name for column in table.columns[:1] if not column.not_null):
        more = f"{quote_identifier(name)} IS NOT NULL"
        yield RestrictedPair(RestrictionRule.NOT_NULL, _where(table, *asked.parts), _where(table, *asked.parts, more))


def _range(asked: Conjunction, table: Table, _catalog: Catalog) -> Iterator[RestrictedPair]:
    for atom in asked.atoms:
        column = table.column(atom.column) if atom.column is not None and atom.kind is AtomKind.RANGE else None
        bounds = column.statistics.histogram_bounds if column is not None and column.statistics is not None else ()
        if column is not None and bounds and atom.sql is not None:
            more = f"{quote_identifier(column.name)} <= {quote_literal(bounds[-1])}"
            yield RestrictedPair(RestrictionRule.RANGE, _where(table, atom.sql), _where(table, atom.sql, more))


def _in(asked: Conjunction, table: Table, _catalog: Catalog) -> Iterator[RestrictedPair]:
    for column in _compared(asked, table):
        values = [quote_literal(v) for v in (column.statistics.most_common_vals if column.statistics else ())[:_LISTED]]
        if len(values) > 1:
            name = quote_identifier(column.name)
            longer, shorter = (f"{name} IN ({', '.join(some)})" for some in (values, values[:-1]))
            yield RestrictedPair(RestrictionRule.IN, _where(table, longer), _where(table, shorter))


def _limit(asked: Conjunction, table: Table, _catalog: Catalog) -> Iterator[RestrictedPair]:
    base = _where(table, *asked.parts)
    yield RestrictedPair(RestrictionRule.LIMIT, base, f"{base} LIMIT 10")


def _distinct(asked: Conjunction, table: Table, _catalog: Catalog) -> Iterator[RestrictedPair]:
    for column in _compared(asked, table):
        name = quote_identifier(column.name)
        base, more = (_where(table, *asked.parts, what=what) for what in (name, f"DISTINCT {name}"))
        yield RestrictedPair(RestrictionRule.DISTINCT, base, more)


def _having(asked: Conjunction, table: Table, _catalog: Catalog) -> Iterator[RestrictedPair]:
    for column in _compared(asked, table):
        name = quote_identifier(column.name)
        base = _where(table, *asked.parts, what=name, tail=f"GROUP BY {name}")
        yield RestrictedPair(RestrictionRule.HAVING, base, f"{base} HAVING count(*) > 1")


def _inner_join(asked: Conjunction, table: Table, catalog: Catalog) -> Iterator[RestrictedPair]:
    for key in catalog.keys_of(table.name)[:1]:
        on = " AND ".join(
            f"a.{quote_identifier(mine)} = b.{quote_identifier(other)}"
            for mine, other in zip(key.columns, key.referenced_columns, strict=True)
        )
        # In a subquery, as a column of the same name in the other table would make the condition unclear.
        source = f"({_where(table, *asked.parts, what='*')}) AS a"
        base, more = (
            str(Select("1", source, f"{word} JOIN {key.referenced} AS b ON {on}")) for word in ("LEFT", "INNER")
        )
        yield RestrictedPair(RestrictionRule.INNER_JOIN, base, more)


def _compared(asked: Conjunction, table: Table) -> Iterator[Column]:
    names = dict.fromkeys(a.column for a in asked.atoms if a.column is not None and a.kind is AtomKind.EQUAL)
    yield from filter(None, map(table.column, names))


_Rule = Callable[[Conjunction, Table, Catalog], Iterator[RestrictedPair]]
_RULES: tuple[_Rule, ...] = (_conjunct, _not_null, _range, _in, _limit, _distinct, _having, _inner_join)


def broken(study: Study, asked: Iterable[Conjunction]) -> Iterator[BrokenRestriction]:
    """Restrictions by which the planner expects more rows than without."""
    pairs = []
    for conjunction in asked:
        pairs += [(conjunction.table.short, pair) for pair in restricted(conjunction, study.catalog)]
    pairs = pairs[:_MOST]
    texts = chain((pair.base for _, pair in pairs), (pair.restricted for _, pair in pairs))
    plans = study.estimator.plan([WhatIf(Plannable(text)) for text in texts])
    for (table, pair), one, other in zip(pairs, plans, plans[len(pairs) :], strict=False):
        if one.ok and other.ok and other.rows > max(one.rows, 1.0) * TOLERANCE:
            yield BrokenRestriction(pair, table, one.rows, other.rows)
