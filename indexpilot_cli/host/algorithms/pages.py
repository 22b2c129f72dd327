"""What pages say of a field: BRIN by what it would read, columns that follow from others, times and intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.host.algorithms.study import TableStudy, table_study

if TYPE_CHECKING:
    from indexpilot_cli.algorithms.bx_tree import TemporalUse
    from indexpilot_cli.algorithms.pgm_index.predict import BrinPrediction

_RUNS, _KEYS, _EPSILON = 10, 10_000, 64  # about 300 pages of an index
_VISIBLE = 0.9  # share of the pages all visible, from which an index alone answers


@dataclass(frozen=True, slots=True)
class KeyRegularity:
    """How regular the keys of a field are, and how they lie in the table.

    ``suitable``: a BRIN index spares at least ``features.pgm_index.min_suitability`` of the table; ``read_share`` is
    what it would read for a hundredth of the keys (0-1), between ``read_low`` and ``read_high`` (99 per cent). Lines of
    an error of ``epsilon`` ranks tell all keys: ``least_segments`` to ``most_segments``, ``segment_bytes`` at most
    beside ``btree_bytes`` (PostgreSQL has no such index). None: not known, and ``reason`` says why.
    """

    suitable: bool
    reason: str
    correlation: float | None
    read_share: float | None
    read_low: float | None
    read_high: float | None
    epsilon: int
    least_segments: float | None
    most_segments: float | None
    segment_bytes: int | None
    btree_bytes: int
    pages: int


@dataclass(frozen=True, slots=True)
class BrinCost:
    """The best BRIN index of a field: ``pages`` of table and index that a scan for ``width`` of the keys would read."""

    ddl: str
    width: float
    pages: float
    heap_pages: int
    index_pages: int


def analyze_pgm_index_suitability(table_name: str, field_name: str) -> KeyRegularity:
    """How regularly the keys of a number or time field come, and whether BRIN could serve ranges of them.

    At most ``features.pgm_index.pages`` pages of the table are read, and 100,000 keys of an index that begins with the
    field. Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.algorithms.pgm_index.segments import estimated
    from indexpilot_cli.core.index import IndexDefinition, IndexKey
    from indexpilot_cli.sql.selectivity import row_count

    with table_study("analyze_pgm_index_suitability", table_name, (field_name,)) as found:
        column, settings = found.columns[0], found.study.features.pgm_index
        best, why = _best(found, 0.01)
        runs, without = _runs(found)
        lines = estimated(runs, row_count(found.table), _EPSILON) if runs else None
        share = best.share if best is not None else None
        suitable = share is not None and 1.0 - share.share >= settings.min_suitability
        reason = why or ("BRIN reads few pages" if suitable else "BRIN would read too many pages")
        size, count = _layout(found)
        return KeyRegularity(
            suitable,
            "; ".join(filter(None, (reason, without))),
            column.statistics.correlation if column.statistics is not None else None,
            share.share if share is not None else None,
            share.low if share is not None else None,
            share.high if share is not None else None,
            _EPSILON,
            lines.least if lines is not None else None,
            lines.most if lines is not None else None,
            lines.bytes if lines is not None else None,
            found.study.sizes.of(IndexDefinition(found.table.name, (IndexKey(column.name),))).bytes,
            size * count if best is not None else 0,
        )


def estimate_pgm_index_cost(table_name: str, field_name: str, width: float = 0.01) -> BrinCost | None:
    """The BRIN index that reads the least for conditions that keep ``width`` (0-1) of the keys; None where the pages
    cannot be read or the field is no number or time.

    Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.core.ddl import create_index
    from indexpilot_cli.errors import UsageError

    if not 0.0 < width <= 1.0:
        raise UsageError(f"a width of {width}", hint="a share of the keys above 0 and at most 1", code="bad_value")
    with table_study("estimate_pgm_index_cost", table_name, (field_name,)) as found:
        best, _ = _best(found, width)
        if best is None:
            return None
        ddl = create_index(best.definition)
        return BrinCost(ddl, width, best.pages, found.table.pages, best.index_pages)


def _layout(found: TableStudy) -> tuple[int, int]:
    from indexpilot_cli.algorithms.pgm_index.predict import layout

    return layout(found.study.features.pgm_index.pages)


def _best(found: TableStudy, width: float) -> tuple[BrinPrediction | None, str]:
    """The best index for windows of that width, or why there is none."""
    from indexpilot_cli.algorithms.pgm_index.predict import Asked, BrinQuestion, predictions
    from indexpilot_cli.algorithms.pgm_index.ranges import quantiles
    from indexpilot_cli.core.workload import Plannable

    study, table, column = found.study, found.table, found.columns[0]
    settings = study.features.pgm_index
    if not settings.enabled:
        return None, "features.pgm_index is off"
    if table.rows < settings.min_rows:
        return None, f"fewer than {settings.min_rows} rows (features.pgm_index.min_rows)"
    spread = quantiles(column.statistics, column.base_type) if column.statistics is not None else None
    if spread is None:
        return None, "no statistics of it as numbers or times: ANALYZE makes them"
    size, count = _layout(found)
    ranges = study.samples.ranges(table.name, (column.name,), size, count).get(column.name, ())
    if not any(any(some.units) for some in ranges):
        return None, "the pages cannot be read, or there are too few"
    question = BrinQuestion(table, column, spread, (Asked("", Plannable(""), 1.0, width, "both"),))
    return predictions(question, ranges, size, study.catalog)[0], ""


def _runs(found: TableStudy) -> tuple[tuple[tuple[float, ...], ...], str]:
    """Runs of neighbouring keys through an index, or why there are none."""
    table, column = found.table, found.columns[0]
    leading = any(
        i.valid and i.definition.method == "btree" and i.definition.predicate is None
        and i.definition.keys[0].column == column.name for i in table.indexes
    )  # fmt: skip
    if not leading:
        return (), "no index begins with it, so there are no runs of keys to read"
    if table.all_visible_pages < _VISIBLE * table.pages:
        return (), "too few pages are all visible to read keys from the index alone: VACUUM"
    bounds = column.statistics.histogram_bounds if column.statistics is not None else ()
    # Not from the last bound: no key comes behind it.
    starts = bounds[: -1 : max(1, len(bounds) // _RUNS)][:_RUNS]
    runs = found.study.samples.runs(table.name, column.name, _KEYS, starts) if starts else ()
    return runs, "" if runs else "its keys could not be read in order"


@dataclass(frozen=True, slots=True)
class CorrelatedColumns:
    """``by`` decides ``field``: of rows with the same ``by`` the share ``strength`` has the same ``field``, at least
    ``low`` (95 per cent); ``anyway`` of any two rows has.
    """

    by: str
    field: str
    strength: float
    low: float
    anyway: float


@dataclass(frozen=True, slots=True)
class CompositeAdvice:
    """The fields of a composite index for equality, without those that others decide, most different values first.

    ``dropped`` were left out, ``statistics_ddl`` tells the planner that they depend (None: nothing does).
    """

    fields: tuple[str, ...]
    dropped: tuple[str, ...]
    statistics_ddl: str | None
    reason: str


def find_correlated_columns(table_name: str) -> tuple[CorrelatedColumns, ...]:
    """Pairs of columns of which one decides the other, by at most 300 pages; empty where they cannot be read.

    Raises UsageError for a table that is not there.
    """
    with table_study("find_correlated_columns", table_name) as found:
        return _correlated(found, [c.name for c in found.table.columns])


def enhance_composite_detection(table_name: str, fields: Sequence[str]) -> CompositeAdvice:
    """What a composite index for equality on the fields needs of them.

    Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.algorithms.statistics import named
    from indexpilot_cli.core.names import quote_identifier
    from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsKind
    from indexpilot_cli.sql.selectivity import row_count

    with table_study("enhance_composite_detection", table_name, fields) as found:
        names = [c.name for c in found.columns]
        on = found.study.features.cortex.enabled
        pairs = _correlated(found, names) if on else ()
        dropped: list[str] = []
        used: list[CorrelatedColumns] = []
        for pair in pairs:
            if pair.field not in dropped and pair.by not in dropped:
                dropped.append(pair.field)
                used.append(pair)
        rows = row_count(found.table)
        known = {c.name: c.statistics.distinct(rows) if c.statistics is not None else 0.0 for c in found.columns}
        kept = tuple(sorted((n for n in names if n not in dropped), key=lambda n: -known[n]))
        ddl = None
        if used:
            # CREATE STATISTICS takes eight columns at most.
            columns = tuple(dict.fromkeys((*(p.by for p in used), *dropped)))[:8]
            table = found.table.name
            ddl = named(found.study, ExtendedStatistics(table, table, columns, (StatisticsKind.DEPENDENCIES,))).ddl
        decided = "; ".join(f"{quote_identifier(p.by)} decides {quote_identifier(p.field)}" for p in used)
        none = "none decides another" if on else "features.cortex is off"
        return CompositeAdvice(kept, tuple(dropped), ddl, decided or none)


def _correlated(found: TableStudy, names: Sequence[str]) -> tuple[CorrelatedColumns, ...]:
    from itertools import permutations

    from indexpilot_cli.algorithms.cortex.dependence import dependence

    sample = found.study.samples.of(found.table.name)
    if sample is None:
        return ()
    pairs = permutations((n for n in names if n in sample.columns), 2)
    known = (dependence(sample, by, column) for by, column in pairs)
    return tuple(CorrelatedColumns(d.by, d.column, d.strength, d.low, d.anyway) for d in known if d and d.decides)


@dataclass(frozen=True, slots=True)
class TemporalPatternUse:
    """How a statement uses a time field: ``pattern`` is recent, window, latest, validity or retention; ``until`` is the
    field of the interval's end.
    """

    pattern: str
    field: str
    until: str | None
    query: str


@dataclass(frozen=True, slots=True)
class TemporalStrategy:
    """Whether the rows lie in the order of the time field, or statements ask for intervals, and why."""

    use: bool
    reason: str
    correlation: float | None
    patterns: tuple[TemporalPatternUse, ...]


@dataclass(frozen=True, slots=True)
class TemporalIndex:
    """An index for a time field. ``condition`` is what statements must then say, None where they stay as they are.

    ``others`` serve the same statements in other forms, smallest first, each for its own reason; those with the same
    condition go together. No planner was asked: ``recommend`` tells which form is the cheapest.
    """

    ddl: str
    method: str
    size_bytes: int
    reason: str
    condition: str | None = None
    others: tuple[TemporalIndex, ...] = ()


def detect_temporal_pattern(table_name: str, queries: Sequence[str] = ()) -> tuple[TemporalPatternUse, ...]:
    """How the statements (without any: those of pg_stat_statements) use the table's time fields.

    Raises UsageError for a table that is not there.
    """
    with table_study("detect_temporal_pattern", table_name, queries=queries) as found:
        return _patterns(found)


def should_use_bx_tree_strategy(table_name: str, field_name: str, queries: Sequence[str] = ()) -> TemporalStrategy:
    """Whether BRIN serves the time field, or a range its intervals, by ``features.bx_tree``.

    Raises UsageError for a table or field that is not there.
    """
    with table_study("should_use_bx_tree_strategy", table_name, (field_name,), queries) as found:
        return _strategy(found)


def get_bx_tree_index_recommendation(
    table_name: str, field_name: str, queries: Sequence[str] = ()
) -> TemporalIndex | None:
    """The index for the time field; None where no such strategy serves it.

    Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.algorithms.bx_tree import time_index

    with table_study("get_bx_tree_index_recommendation", table_name, (field_name,), queries) as found:
        strategy = _strategy(found)
        if not strategy.use:
            return None
        for forms in _interval_indexes(found):
            return replace(forms[0], others=tuple(sorted(forms[1:], key=lambda other: other.size_bytes)))
        definition, _ = time_index(found.table, found.columns[0], found.study)
        return _temporal_index(found, definition, strategy.reason) if definition is not None else None


def _interval_indexes(found: TableStudy) -> Iterator[tuple[TemporalIndex, ...]]:
    """Of each statement that asks for intervals of the field: the range, then the start with two bounds."""
    from indexpilot_cli.algorithms.bx_tree.bounded import bounded_forms
    from indexpilot_cli.algorithms.bx_tree.intervals import interval_forms
    from indexpilot_cli.algorithms.rewriting import usual_statement

    study, name = found.study, found.columns[0].name
    asking = {u.template: {u.column, u.until} for u in _temporal(found) if u.until and name in (u.column, u.until)}
    for template in study.templates:
        usual, ends = usual_statement(template), asking.get(template.id, set())
        forms = (
            chain(interval_forms(usual[1], study.catalog), bounded_forms(usual[1], study.catalog, study.samples))
            if usual is not None
            else ()
        )
        own = [f for f in forms if f.table == found.table.name and any(ends & _mentioned(d) for d in f.wants)]
        if own:
            yield tuple(_temporal_index(found, d, f.why, f.after) for f in own for d in f.wants)


def _mentioned(definition: IndexDefinition) -> set[str]:
    from indexpilot_cli.sql.normal import columns

    texts = (*(key.expression for key in definition.keys), definition.predicate)
    return {*definition.columns, *chain.from_iterable(columns(text) for text in texts if text)}


def _temporal_index(
    found: TableStudy, definition: IndexDefinition, reason: str, condition: str | None = None
) -> TemporalIndex:
    from indexpilot_cli.core.ddl import create_index

    ddl = create_index(definition)
    return TemporalIndex(ddl, definition.method, found.study.sizes.of(definition).bytes, reason, condition)


def _temporal(found: TableStudy) -> tuple[TemporalUse, ...]:
    from indexpilot_cli.algorithms.bx_tree import temporal_uses

    study = found.study
    uses = chain.from_iterable(temporal_uses(template, study.catalog) for template in study.templates)
    return tuple(u for u in uses if u.table == found.table.name)


def _patterns(found: TableStudy) -> tuple[TemporalPatternUse, ...]:
    texts = {t.id: t.text for t in found.study.templates}
    return tuple(TemporalPatternUse(str(u.pattern), u.column, u.until, texts[u.template]) for u in _temporal(found))


def _strategy(found: TableStudy) -> TemporalStrategy:
    from indexpilot_cli.algorithms.bx_tree import IN_ORDER, time_index
    from indexpilot_cli.sql.bounds import TIMES

    table, column, settings = found.table, found.columns[0], found.study.features.bx_tree
    patterns = tuple(p for p in _patterns(found) if column.name in (p.field, p.until))
    correlation = column.statistics.correlation if column.statistics is not None else None
    interval = any(p.pattern == "validity" for p in patterns)
    against = None
    if not settings.enabled:
        against = "features.bx_tree is off"
    elif column.base_type not in TIMES:
        against = f"{column.type} is no time"
    elif table.size_bytes < settings.min_table_size:
        against = f"the table has fewer than {settings.min_table_size} bytes (features.bx_tree.min_table_size)"
    elif not interval and correlation is None:
        against = "no statistics: ANALYZE makes them"
    elif not interval and abs(correlation or 0.0) <= IN_ORDER:
        against = f"rows do not lie in the order of it (correlation {correlation:.2f})"
    elif not interval and time_index(table, column, found.study)[0] is None:
        against = "a BRIN scan would read too much of the table"
    reason = "statements ask for intervals that hold a moment" if interval else "rows lie in the order of it"
    return TemporalStrategy(against is None, against or reason, correlation, patterns)
