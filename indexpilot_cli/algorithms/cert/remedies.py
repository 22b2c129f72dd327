"""What would mend an estimate: each step of the ladder is tried on the planner before it is recommended."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.cert.conditions import counting
from indexpilot_cli.algorithms.cert.resample import TARGET, CountedValues, as_analyzed, combined, dependent
from indexpilot_cli.algorithms.cert.survey import Cause, Misestimate
from indexpilot_cli.algorithms.statistics import named
from indexpilot_cli.core.catalog import Column, ColumnStatistics, Table
from indexpilot_cli.core.estimator import AssumedStatistics, AssumedTogether, WhatIf
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.samples import ValueSample
from indexpilot_cli.core.statistics import EXPRESSIONS_SINCE, ExtendedStatistics, StatisticsKind, StatisticsTarget
from indexpilot_cli.sql.normal import columns as used

WIDER_TARGET = 1000  # SET STATISTICS, the last step: ten times what is usual, of at most 10,000
MANY = 8  # columns that statistics take together at most
_READABLE = "NSDBET"  # categories of types whose text tells their values; T are intervals
_BY_ANALYZE = (Cause.NEVER_ANALYZED, Cause.STALE)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What mends a table's estimates. ``low`` and ``high`` are what the planner may be asked with, at both ends.

    ``mended`` are those that are right then, with the rows the planner expects; ``wider`` columns that need a longer
    list. ``assumed`` is None where the planner cannot be asked.
    """

    table: Table
    wrong: tuple[Misestimate, ...]
    analyze: bool = False
    statistics: tuple[ExtendedStatistics, ...] = ()
    wider: tuple[str, ...] = ()
    mended: tuple[tuple[Misestimate, float], ...] = ()
    assumed: AssumedStatistics | None = None
    low: AssumedStatistics | None = None
    high: AssumedStatistics | None = None

    @property
    def targets(self) -> tuple[StatisticsTarget, ...]:
        """The longer lists, as steps of a plan."""
        return tuple(StatisticsTarget(self.table.name, column, WIDER_TARGET) for column in self.wider)

    @property
    def statements(self) -> tuple[str, ...]:
        """What settles it, in order."""
        made = [*(s.ddl for s in self.statistics), *(t.ddl for t in self.targets)]
        return (*made, f"ANALYZE {self.table.name}") if made or self.analyze else ()


@dataclass(slots=True)
class _Ladder:
    """The steps of one table: what is tried is assumed by the planner, and kept where it helps."""

    study: Study
    table: Table
    wrong: tuple[Misestimate, ...]
    columns: tuple[Column, ...]
    sample: ValueSample
    times: float
    analyzed: tuple[str, ...] = ()
    wider: tuple[str, ...] = ()
    together: list[tuple[tuple[str, ...], StatisticsKind | str]] = field(default_factory=list)
    _found: dict[tuple[str, bool, str, int], ColumnStatistics] = field(default_factory=dict)
    _counted: dict[str, CountedValues] = field(default_factory=dict)
    _weighted: dict[str, list[float]] = field(default_factory=dict)
    _expected: dict[object, tuple[float, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> float:
        """Rows that the table has now."""
        return self.wrong[0].whole.rows

    def assumed(self, level: str = "") -> AssumedStatistics:
        """Everything kept so far; ``level`` low or high sets the shares of the wrong conditions to that end."""
        columns = []
        for column in self.columns:
            # Other ends of the interval are other shares of single values, whatever else is told of them together.
            if column.name in (*self.analyzed, *self.wider) or (level and self._is_wrong(column.name)):
                target = WIDER_TARGET if column.name in self.wider else TARGET
                columns.append((column.name, self._as_analyzed(quote(column), level, column, target)))
        together = tuple(self._told(names, kind, level) for names, kind in self.together)
        return AssumedStatistics(self.table.name, tuple(columns), together)

    def _as_analyzed(
        self, expression: str, level: str, known: Column | None = None, target: int = TARGET
    ) -> ColumnStatistics:
        """Worked out once: each step of the ladder asks for all that was kept before it."""
        key = expression, known is None, level, target
        if key not in self._found:
            self._found[key] = as_analyzed(self._values(expression), self._weights(level), self.rows, known, target)
        return self._found[key]

    def expected(self) -> tuple[float, ...]:
        """What the planner expects of each wrong condition with everything kept so far."""
        kept = (self.analyzed, self.wider, *self.together)
        if kept not in self._expected:
            self.study.estimator.assume((self.assumed(),))
            plans = self.study.estimator.plan([WhatIf(counting(self.table, w.conjunction.sql)) for w in self.wrong])
            self._expected[kept] = tuple(plan.rows if plan.ok else 0.0 for plan in plans)
        return self._expected[kept]

    def left(self) -> tuple[Misestimate, ...]:
        """Those that are still wrong."""
        after = zip(self.wrong, self.expected(), strict=True)
        return tuple(w for w, rows in after if replace(w.whole, expected=rows).is_off(self.times))

    def climb(self) -> None:
        """ANALYZE, then statistics of columns together or of expressions, then longer lists: until all is right."""
        if any(w.cause in _BY_ANALYZE for w in self.wrong):
            self.analyzed = tuple(c.name for c in self.columns)
        for names in self._sets(self.left()):
            self._try_together(names)
        for expression in dict.fromkeys(_expressions(self.left())):
            self._kept(((expression,), "expression"))
        left = self.left()
        longer = (w.conjunction.columns for w in left if w.cause is Cause.SKEW)
        self.wider = tuple(sorted(set[str]().union(*longer)))
        if self.wider and len(self.left()) == len(left):
            self.wider = ()  # a longer list mends none of them

    def _sets(self, wrong: Sequence[Misestimate]) -> Iterator[tuple[str, ...]]:
        known = {c.name for c in self.columns}
        sets = (w.conjunction.columns for w in wrong)
        yield from dict.fromkeys(s for s in sets if 1 < len(s) <= MANY and known.issuperset(s))

    def _try_together(self, names: tuple[str, ...]) -> None:
        # One column that decides the other needs the least; a list says all where combinations are few.
        for kind in (StatisticsKind.DEPENDENCIES, StatisticsKind.MCV):
            if self._kept((names, kind)):
                return

    def _kept(self, step: tuple[tuple[str, ...], StatisticsKind | str]) -> bool:
        before = len(self.left())
        self.together.append(step)
        if len(self.left()) < before:
            return True
        self.together.pop()
        return False

    def _told(self, names: tuple[str, ...], kind: StatisticsKind | str, level: str) -> AssumedTogether:
        if kind == "expression":
            return AssumedTogether(expression=names[0], statistics=self._as_analyzed(names[0], level))
        ordered = tuple(c.name for c in self.columns if c.name in names)
        places = [self.sample.expressions.index(quote(c)) for c in self.columns if c.name in names]
        rows = [tuple(values[place] for place in places) for values, _ in self.sample.rows]
        if kind is StatisticsKind.DEPENDENCIES:
            return dependent(rows, ordered)
        return combined(rows, self._weights(level), ordered)

    def _is_wrong(self, name: str) -> bool:
        return any(name in w.conjunction.columns for w in self.wrong)

    def _values(self, expression: str) -> CountedValues:
        if expression not in self._counted:
            place = self.sample.expressions.index(expression)
            self._counted[expression] = CountedValues.of([values[place] for values, _ in self.sample.rows])
        return self._counted[expression]

    def _weights(self, level: str) -> list[float]:
        if level not in self._weighted:
            factors = [_factor(w, level) for w in self.wrong]
            self._weighted[level] = [math.prod(compress(factors, holds)) for _, holds in self.sample.rows]
        return self._weighted[level]


def _factor(wrong: Misestimate, level: str) -> float:
    """How much more a row that matches has to weigh, so that their share is that at the end of the interval."""
    now = wrong.whole.share.share
    wanted = {"low": wrong.whole.share.low, "high": wrong.whole.share.high}.get(level, now)
    if not 0 < now < 1 or not 0 < wanted < 1:
        return 1.0
    return wanted / (1 - wanted) * (1 - now) / now


def _expressions(wrong: Sequence[Misestimate]) -> Iterator[str]:
    for one in wrong:
        if one.cause is Cause.EXPRESSION:
            yield from (atom.expression for atom in one.conjunction.atoms if atom.expression is not None)


def quote(column: Column) -> str:
    """How a column's value is read: wide texts are cut, they are compared and never shown."""
    name = quote_identifier(column.name)
    return f"left({name}, 1024)" if column.category == "S" else name


def remedy_for(study: Study, table: Table, wrong: tuple[Misestimate, ...], wanted: set[str], times: float) -> Remedy:
    """What mends the table's wrong estimates, tried on the planner where it can assume statistics.

    ``wanted`` are columns whose statistics matter beside those of the conditions.
    """
    names = wanted.union(*(w.conjunction.columns for w in wrong))
    columns = tuple(c for c in table.columns if c.name in names and c.category in _READABLE)
    texts = tuple(dict.fromkeys((*map(quote, columns), *_expressions(wrong))))
    sample = None
    if table.kind in "rm" and texts and study.estimator.assume(()):
        sample = study.samples.values(table.name, texts, [w.conjunction.sql for w in wrong])
    if sample is None or not sample.rows or not study.estimator.assume((AssumedStatistics(table.name),)):
        return _untried(study, table, wrong)
    ladder = _Ladder(study, table, wrong, columns, sample, times)
    try:
        ladder.climb()
        after = zip(wrong, ladder.expected(), strict=True)
        mended = tuple((w, rows) for w, rows in after if not replace(w.whole, expected=rows).is_off(times))
    finally:
        study.estimator.assume(())
    return Remedy(
        table,
        wrong,
        bool(ladder.analyzed),
        tuple(_extended(study, table, names, kind) for names, kind in ladder.together),
        ladder.wider,
        mended,
        ladder.assumed(),
        ladder.assumed("low"),
        ladder.assumed("high"),
    )


def _untried(study: Study, table: Table, wrong: tuple[Misestimate, ...]) -> Remedy:
    """By the causes alone, where the planner cannot be asked."""
    made = []
    for one in wrong:
        if one.cause is Cause.INDEPENDENCE and len(one.conjunction.columns) <= MANY:
            made.append(_extended(study, table, one.conjunction.columns, None))
        elif one.cause is Cause.EXPRESSION and study.catalog.version >= EXPRESSIONS_SINCE:
            made += [_extended(study, table, (text,), "expression") for text in _expressions((one,))]
    wider = set[str]().union(*(one.conjunction.columns for one in wrong if one.cause is Cause.SKEW))
    stale = any(one.cause in _BY_ANALYZE for one in wrong)
    return Remedy(table, wrong, stale, tuple(dict.fromkeys(made)), tuple(sorted(wider)))


def _extended(
    study: Study, table: Table, names: tuple[str, ...], kind: StatisticsKind | str | None
) -> ExtendedStatistics:
    if kind == "expression":
        # Of a table there may be several, of the same column too.
        digest = hashlib.sha256(names[0].encode()).hexdigest()[:4]
        wanted = ExtendedStatistics(table.name, table.name, (), (), names)
        return named(study, wanted, (*sorted(used(names[0])), digest))
    kinds = (StatisticsKind.DEPENDENCIES, StatisticsKind.MCV) if kind is None else (StatisticsKind(kind),)
    return named(study, ExtendedStatistics(table.name, table.name, names, kinds))
