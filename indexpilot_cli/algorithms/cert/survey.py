"""The planner's estimates held against counted rows, and why an estimate is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from math import prod

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.cert.conditions import Conjunction, counting
from indexpilot_cli.algorithms.cert.intervals import SampledShare, sampled_shares
from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.sql.selectivity import index_statistics

OFF = 2.0  # an estimate this many times outside of the interval is wrong enough to change plans
LEAST_ROWS = 100.0
_NEW_SHARE = 0.01  # of the rows above the last histogram bound: they came after ANALYZE
_DEPENDENT = 2.0
_DEFAULT_SCALE = 0.1  # autovacuum_analyze_scale_factor
_DEFAULT_TARGET = 100


class Cause(StrEnum):
    """Why an estimate is wrong."""

    NEVER_ANALYZED = "never_analyzed"
    STALE = "stale"
    EXPRESSION = "expression"
    SKEW = "skew"
    INDEPENDENCE = "independence"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Rows that the planner expects for a condition, and the share of the table's ``rows`` that a sample allows."""

    sql: str
    expected: float
    share: SampledShare
    rows: float

    @property
    def low(self) -> float:
        """Rows that there are at least."""
        return self.share.low * self.rows

    @property
    def high(self) -> float:
        """Rows that there are at most."""
        return self.share.high * self.rows

    @property
    def error(self) -> float:
        """How far the estimate lies outside of the interval, as a share of its nearer end; 0 within."""
        if self.expected < self.low:
            return self.low / max(self.expected, 1.0) - 1
        return max(0.0, self.expected / max(self.high, 1.0) - 1)

    def is_off(self, times: float) -> bool:
        """Whether the estimate lies that many times outside of the interval, and rows enough are concerned."""
        inside = self.low / times <= self.expected <= self.high * times
        return not inside and max(self.expected, self.high) > LEAST_ROWS


@dataclass(frozen=True, slots=True)
class Misestimate:
    """A conjunction that the planner estimates wrongly, its conditions one by one, and the cause with its evidence."""

    conjunction: Conjunction
    whole: Estimate
    parts: tuple[Estimate, ...]
    cause: Cause
    why: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found wrong, and what looking cost: statements sent to the source and pages read there."""

    wrong: tuple[Misestimate, ...] = ()
    statements: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True)
class _Counted:
    """Conjunctions of a table, and the shares of its ``rows`` for them and their parts, from so many pages."""

    table: Table
    asked: tuple[Conjunction, ...]
    shares: Mapping[str, SampledShare]
    rows: float
    pages: int


def survey(study: Study, asked: Sequence[Conjunction], times: float) -> Survey:
    """Every conjunction that can be counted: one statement a table on the source, plain EXPLAINs."""
    by_table: dict[QualifiedName, list[Conjunction]] = {}
    for conjunction in asked:
        by_table.setdefault(conjunction.table, []).append(conjunction)
    read = (_read(study, name, own) for name, own in by_table.items())
    counted = [one for one in read if one is not None]
    wholes = [(one, c) for one in counted for c in one.asked]
    known = _estimates(study, [(one, c.sql) for one, c in wholes])
    off = [(one, c) for one, c in wholes if (key := (c.table, c.sql)) in known and known[key].is_off(times)]
    parts = _estimates(study, [(one, part) for one, c in off for part in c.parts])
    wrong = []
    for one, c in off:
        whole, own = known[c.table, c.sql], [parts[c.table, p] for p in c.parts if (c.table, p) in parts]
        cause, why = cause_of(study, one.table, c, whole, own, times)
        wrong.append(Misestimate(c, whole, tuple(own), cause, why))
    return Survey(tuple(wrong), len(by_table), sum(one.pages for one in counted))


def _read(study: Study, name: QualifiedName, asked: Sequence[Conjunction]) -> _Counted | None:
    table = study.catalog.table(name)
    conditions = tuple(dict.fromkeys(chain.from_iterable((c.sql, *c.parts) for c in asked)))
    read = study.samples.matches(name, conditions)
    if table is None or read is None or not read.pages:
        return None
    shares = dict(zip(read.conditions, sampled_shares(read), strict=True))
    return _Counted(table, tuple(asked), shares, read.rows, len(read.pages))


def _estimates(study: Study, wanted: Sequence[tuple[_Counted, str]]) -> dict[tuple[QualifiedName, str], Estimate]:
    """By table and condition, of those that have a plan: what the values prove empty has none."""
    plans = study.estimator.plan([WhatIf(counting(one.table, text)) for one, text in wanted])
    return {
        (one.table.name, text): Estimate(text, plan.rows, one.shares[text], one.rows)
        for (one, text), plan in zip(wanted, plans, strict=True)
        if plan.ok
    }


def cause_of(
    study: Study,
    table: Table,
    asked: Conjunction,
    whole: Estimate,
    parts: Sequence[Estimate],
    times: float,
) -> tuple[Cause, str]:
    """Why the estimate is wrong, in a word and a clause."""
    if table.kind != "p" and not any(c.statistics for c in table.columns):
        return Cause.NEVER_ANALYZED, f"{table.name.short} was never analyzed"
    alone = next((n for n, part in enumerate(parts) if part.is_off(times)), None)
    told = _old(study, table, asked, whole)
    if told is not None:
        return Cause.STALE, told
    if alone is None and len(parts) > 1:
        product = prod(part.share.share for part in parts)
        if not 1 / _DEPENDENT <= whole.share.share / max(product, 1e-12) <= _DEPENDENT:
            columns = ", ".join(asked.columns)
            return Cause.INDEPENDENCE, f"{columns} depend on each other, and the planner multiplies their shares"
    return _of_one(table, asked, alone or 0, study)


def _old(study: Study, table: Table, asked: Conjunction, whole: Estimate) -> str | None:
    """Why the statistics are too old to tell, None where nothing says so."""
    scale = float(study.catalog.settings.get("autovacuum_analyze_scale_factor", _DEFAULT_SCALE))
    changed = table.activity.modified_since_analyze / max(table.rows, 1.0)
    if changed > scale:
        return f"{changed:.0%} of {table.name.short} changed since it was analyzed"
    if asked.newest and whole.share.low > _NEW_SHARE:
        return f"{whole.share.share:.0%} of the rows are above the largest value that the statistics know"
    return None


def _of_one(table: Table, asked: Conjunction, number: int, study: Study) -> tuple[Cause, str]:
    """Why the estimate of one condition is wrong although the statistics are not old."""
    atom = asked.atoms[number]
    if atom.column is None and atom.expression is not None:
        if index_statistics(atom.expression, table) is None:
            return Cause.EXPRESSION, f"there are no statistics of {atom.expression}: the planner takes a constant"
        return Cause.UNKNOWN, f"what is known of {atom.expression} does not tell"
    column = table.column(atom.column) if atom.column is not None else None
    if column is None or column.statistics is None:
        return Cause.NEVER_ANALYZED, f"there are no statistics of {atom.column or atom.sql}"
    target = int(study.catalog.settings.get("default_statistics_target", _DEFAULT_TARGET))
    listed = len(column.statistics.most_common_vals)
    if listed >= target:
        return (
            Cause.SKEW,
            f"the {listed} listed values of {column.name} are not all that are common",
        )
    return Cause.STALE, f"the statistics of {column.name} are not those of the rows that are there"


def parents_without_statistics(study: Study) -> Iterator[Table]:
    """Partitioned tables of the workload that were never analyzed as a whole, though their parts were."""
    read = dict.fromkeys(chain.from_iterable(t.relations for t in study.templates))
    for table in filter(None, map(study.catalog.table, read)):
        if table.kind != "p" or any(c.statistics for c in table.columns):
            continue
        parts = (part.columns for part in study.catalog.children_of(table.name))
        if any(column.statistics for column in chain.from_iterable(parts)):
            yield table
