"""Columns that statements compare or group together and whose values depend on each other.

The planner multiplies what it knows of each column. Here its own estimate for values that occur is held against rows
that were read, as algorithms.md has it: it is wrong where it lies outside [low/2, 2 high] of what the rows allow, and
it matters from a hundred rows on. What would mend it is worked out from the same rows.
https://www.postgresql.org/docs/current/planner-stats.html#PLANNER-STATS-EXTENDED
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.algorithms.cert.resample import decides
from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import QualifiedName, quote_identifier, statistics_name
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsKind
from indexpilot_cli.core.units import count
from indexpilot_cli.core.workload import AtomKind, QueryTemplate, RelationUse
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleSeverity,
    LifecycleState,
)

MANY = 8  # columns that the server takes at most (STATS_MAX_DIMENSIONS)
_OFF, _ROWS = 2.0, 100.0
_FEWEST = 10  # pairs of rows alike, and rows read, for anything to be said of them
_LISTED = 100  # combinations in the list of the commonest, at the usual statistics target
_COVERED = 0.95  # share of the rows whose combination is listed, from which the list says everything

Value = str | None
Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """Two columns of a table that statements name together; ``compared`` and ``grouped`` count the statements."""

    table: QualifiedName
    columns: tuple[str, str]
    compared: int = 0
    grouped: int = 0


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """Rows of the two columns as read, and what the planner expects.

    ``rows`` are the table's; ``expected`` the mean of the planner's rows for values of rows taken at random, ``groups``
    what it expects of GROUP BY (None: not asked).
    """

    sample: Sequence[tuple[Value, Value]]
    rows: float
    expected: float | None
    groups: float | None


@dataclass(frozen=True, slots=True)
class Misjudged:
    """What is wrong with the planner's picture of a pair, and what would mend it."""

    pair: ColumnPair
    kinds: tuple[StatisticsKind, ...]
    reasons: tuple[Reason, ...]


def pairs_of(templates: Iterable[QueryTemplate], tables: Mapping[QualifiedName, Table]) -> tuple[ColumnPair, ...]:
    """Pairs that statements compare for equality, all at once, or group by; those of most statements first."""
    compared: Counter[tuple[QualifiedName, tuple[str, str]]] = Counter()
    grouped: Counter[tuple[QualifiedName, tuple[str, str]]] = Counter()
    for template in templates:
        for use in template.uses:
            table = tables.get(use.table)
            if table is not None and table.kind in "rm" and table.readable:
                compared.update((use.table, pair) for pair in _pairs(_equal(use), table))
                grouped.update((use.table, pair) for pair in _pairs(_grouped(use), table))
    found = {**compared, **grouped}
    pairs = (ColumnPair(*key, compared[key], grouped[key]) for key in found)
    return tuple(sorted(pairs, key=lambda p: (-p.compared - p.grouped, p.table, p.columns)))


def _equal(use: RelationUse) -> Iterator[str]:
    for atom in use.atoms:
        if atom.kind in (AtomKind.EQUAL, AtomKind.IN) and atom.conjunctive and atom.column is not None:
            yield atom.column


def _grouped(use: RelationUse) -> Iterator[str]:
    for key in (*use.group_by, *use.distinct):
        if key.column is not None:
            yield key.column


def _pairs(names: Iterable[str], table: Table) -> Iterator[tuple[str, str]]:
    known = {c.name for c in table.columns if c.statistics is not None}
    # One that keeps every value once says all there is to say.
    alone = {i.definition.columns[0] for i in table.indexes if i.definition.unique and len(i.definition.keys) == 1
             and i.definition.columns and i.definition.predicate is None}  # fmt: skip
    yield from itertools.combinations(sorted(set(names) & known - alone), 2)


def judged(pair: ColumnPair, evidence: PairEvidence) -> Misjudged | str | None:
    """What is wrong; None where nothing is; a clause where there is not enough evidence."""
    whole = [row for row in evidence.sample if None not in row]
    if len(whole) < _FEWEST * 10:
        return f"only {len(whole)} rows with values of both were read"
    kinds: list[StatisticsKind] = []
    reasons: list[Reason] = []
    unknown = None
    if evidence.expected is not None:
        found = _compared(evidence.expected, evidence, whole)
        if isinstance(found, str):
            unknown = found
        elif found is not None:
            kinds.append(found[0])
            reasons += found[1]
    if evidence.groups is not None:
        told = _groups(evidence.groups, evidence)
        if told is not None:
            kinds.append(StatisticsKind.NDISTINCT)
            reasons.append(told)
    return Misjudged(pair, tuple(kinds), tuple(reasons)) if kinds else unknown


def _compared(
    expected: float, evidence: PairEvidence, whole: Sequence[tuple[Value, Value]]
) -> tuple[StatisticsKind, list[Reason]] | str | None:
    number = len(evidence.sample)
    # How many rows share the values of a row taken at random: from pairs of rows that are alike, without bias.
    alike = sum(n * (n - 1) for n in Counter(whole).values())
    scale, spread = evidence.rows / ((number - 1) * len(whole)), 3 * math.sqrt(2 * alike)
    low, true, high = max(0.0, alike - spread) * scale, alike * scale, (alike + spread + _FEWEST) * scale
    if low / _OFF <= expected <= high * _OFF or max(expected, high) < _ROWS:
        return None
    kind, after, why = _mended(whole, evidence.rows, (low, high))
    if kind is None:
        return why
    times = max(expected, 1.0) / max(true, 1.0)
    off = f"{times:,.0f} times too many" if times > 1 else f"{1 / times:,.0f} times too few"
    text = f"for values that occur together the planner expects {count(round(expected))} rows of {count(round(true))}"
    effect = f"with it about {count(round(after))}"
    return kind, [
        Reason("estimate", f"{text} (means, {number:,} rows read): {off}", "planner"),
        Reason("why", why, "sample"),
        Reason("effect", effect, "model"),
    ]


def _mended(
    whole: Sequence[tuple[Value, Value]], rows: float, true: tuple[float, float]
) -> tuple[StatisticsKind | None, float, str]:
    """The kind that brings the estimate back into its bounds, the estimate then, and the reason for the kind."""
    together = Counter(whole)
    listed = sum(n for _, n in together.most_common(_LISTED)) / len(whole)
    listed_rows = sum(n * n for _, n in together.most_common(_LISTED)) / len(whole) / len(whole) * rows
    if listed >= _COVERED:
        text = f"the {min(_LISTED, len(together))} commonest combinations are {listed:.0%} of the rows: a list says all"
        return StatisticsKind.MCV, listed_rows, text
    degree, leading = max((decides(whole, number, 1 - number), number) for number in (0, 1))
    after = _by_dependency(whole, degree, leading) * rows
    if true[0] / _OFF <= after <= true[1] * _OFF:
        return StatisticsKind.DEPENDENCIES, after, f"one decides the other in {degree:.0%} of the rows"
    if true[0] / _OFF <= listed_rows <= true[1] * _OFF:
        text = f"the {_LISTED} commonest combinations are {listed:.0%} of the rows, and neither decides the other"
        return StatisticsKind.MCV, listed_rows, text
    return None, 0.0, "no kind of extended statistics would mend the estimate"


def _by_dependency(rows: Sequence[tuple[Value, Value]], degree: float, leading: int) -> float:
    """Mean share of rows that the planner then expects: P(a) (f + (1 - f) P(b))."""
    number = len(rows)
    first, second = Counter(row[leading] for row in rows), Counter(row[1 - leading] for row in rows)
    shares = (
        first[row[leading]] / number * (degree + (1 - degree) * second[row[1 - leading]] / number) for row in rows
    )
    return sum(shares) / number


def _groups(expected: float, evidence: PairEvidence) -> Reason | None:
    """Between what was seen and what may still be there: the values seen once stand for many (Charikar et al. 2000)."""
    together = Counter(evidence.sample)
    once = sum(n == 1 for n in together.values())
    low = float(len(together))
    high = low - once + once * evidence.rows / len(evidence.sample)
    if low / _OFF <= expected <= high * _OFF or max(expected, high) < _ROWS:
        return None
    there = count(round(low)) if high < 1.5 * low else f"{count(round(low))} to {count(round(high))}"
    text = f"of GROUP BY the planner expects {count(round(expected))} groups, there are {there}; with it as many"
    return Reason("groups", text, "planner")


def statistics_missing(
    found: Sequence[Misjudged],
    there: Sequence[tuple[ExtendedStatistics, bool]],
    taken: set[QualifiedName],
    facts: LifecycleFacts,
) -> Iterator[LifecycleFinding]:
    """One for each set of columns that hang together.

    ``there``: extended statistics that are, and whether filled; those that serve and are empty wait for ANALYZE, and
    where they are filled there is nothing more to be done.
    """
    by_table: dict[QualifiedName, list[Misjudged]] = {}
    for item in found:
        by_table.setdefault(item.pair.table, []).append(item)
    for name, items in by_table.items():
        table = facts.catalog.table(name)
        for columns, together in _joined(items) if table is not None else ():
            kinds = tuple(kind for kind in StatisticsKind if any(kind in item.kinds for item in together))
            wanted = ExtendedStatistics(statistics_name(name, columns, taken), name, columns, kinds)
            serving = [(one, filled) for one, filled in there if one.serves(wanted)]
            if not any(filled for _, filled in serving):
                taken.add(wanted.name)
                yield _finding(wanted, together, serving[0][0] if serving else None, facts)


def _joined(items: Sequence[Misjudged]) -> Iterator[tuple[tuple[str, ...], list[Misjudged]]]:
    """Pairs that share a column belong together, up to as many columns as the server takes."""
    groups: list[tuple[set[str], list[Misjudged]]] = []
    for item in items:
        near = [g for g in groups if g[0] & set(item.pair.columns) and len(g[0] | set(item.pair.columns)) <= MANY]
        if near:
            near[0][0].update(item.pair.columns)
            near[0][1].append(item)
        else:
            groups.append((set(item.pair.columns), [item]))
    yield from ((tuple(sorted(columns)), together) for columns, together in groups)


def by_frequency(rows: Sequence[tuple[Value, Value]], number: int) -> Iterator[tuple[str, str]]:
    """So many rows with values of both, spread evenly from the commonest combination to the rarest."""
    whole = [(first, second) for first, second in rows if first is not None and second is not None]
    often = Counter(whole)
    ranked = sorted(whole, key=lambda row: (-often[row], row))
    for place in range(number if ranked else 0):
        yield ranked[int((place + 0.5) * len(ranked) / number)]


def _finding(
    wanted: ExtendedStatistics, found: Sequence[Misjudged], empty: ExtendedStatistics | None, facts: LifecycleFacts
) -> LifecycleFinding:
    pairs = [" and ".join(map(quote_identifier, item.pair.columns)) for item in found]
    evidence: list[Reason] = []
    for names, item in zip(pairs, found, strict=True):
        number = item.pair.compared + item.pair.grouped
        said = f"{number} recorded {'statement names' if number == 1 else 'statements name'} {names} together"
        evidence += [*item.reasons[:1], Reason("together", said, "workload"), *item.reasons[1:]]
    table = facts.catalog.table(wanted.table)
    if empty is not None:
        evidence.insert(1, Reason("empty", f"statistics {empty.name.short} are there and wait for ANALYZE", "catalog"))
    made = LifecycleFinding(
        LifecycleState.STATISTICS_MISSING,
        LifecycleSeverity.WARNING,
        LifecycleAction.CREATE,
        wanted.table,
        size_bytes=table.size_bytes if table is not None else None,
        evidence=tuple(evidence),
        ddl=f"{wanted.ddl};\nANALYZE {wanted.table};",
        undo=f"{wanted.undo};",
        about=" ".join(wanted.columns),
        columns=wanted.columns,
        statistics=wanted,
    )
    if empty is None:
        return made
    ddl = f"ANALYZE {wanted.table};"
    return replace(made, action=LifecycleAction.ANALYZE, ddl=ddl, undo=None, statistics=None)
