"""Statistics of expressions that nobody has analyzed, from rows that were read: what ANALYZE will find once an index
stands on them. Without these the planner takes 0.5 % of the rows for any value, and a size is a guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from indexpilot_cli.core.catalog import Catalog, ColumnStatistics, Table
from indexpilot_cli.core.estimator import CostEstimator
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import Samples, ValueSample
from indexpilot_cli.core.workload import AtomKind, QueryTemplate, RelationUse
from indexpilot_cli.methods.fields import FIXED, stored_width
from indexpilot_cli.methods.sampled import distinct_keys
from indexpilot_cli.sql.failing import can_fail
from indexpilot_cli.sql.normal import normal
from indexpilot_cli.sql.selectivity import index_statistics, row_count
from indexpilot_cli.sql.volatility import calls_nobody, result_type, unsafe

_KEYS = frozenset(
    {
        *(AtomKind.EQUAL, AtomKind.IN, AtomKind.RANGE, AtomKind.NOT_EQUAL, AtomKind.LIKE_PREFIX, AtomKind.JOIN),
        *(AtomKind.IS_NULL, AtomKind.IS_NOT_NULL, AtomKind.LIKE_INFIX, AtomKind.SIMILAR),
        *(AtomKind.CONTAINS, AtomKind.HAS_KEY, AtomKind.JSON_PATH),
    }
)
_WRITTEN = frozenset(("text", "varchar", "bpchar", "numeric"))
_ORDERED = (_WRITTEN | FIXED.keys()) - {"point", "box"}
_MOST = 8  # expressions of one table
_LISTED = 100  # common values and bounds, as ANALYZE keeps them
_OFTEN, _ABOVE = 3, 1.25  # times a value is seen to be common, and times the average
_HEADER = 3  # bytes by which that of a fresh value is longer than that of a stored short one
_SCALES = 0.1  # with more distinct values of the rows their number grows with the table (analyze.c)
# A value as text, its bytes (0: as its text says), its place among all (0: none), its page.
Row = tuple[str | None, int, int, str]


def with_sampled(
    templates: Sequence[QueryTemplate], catalog: Catalog, samples: Samples, estimator: CostEstimator
) -> Catalog:
    """The catalog, and the planner, with statistics of the expressions that the templates compare or order by."""
    found: dict[QualifiedName, Table] = {}
    for name in dict.fromkeys(chain.from_iterable(t.relations for t in templates)):
        table = catalog.table(name)
        asked = _asked(table, templates, catalog) if table is not None else ()
        sample = samples.values(name, _questions(asked, table), ()) if table is not None and asked else None
        if table is None or sample is None or not sample.rows:
            continue
        known = tuple(zip(map(normal, asked), _summaries(sample, asked, table), strict=True))
        found[name] = replace(table, computed=known)
        for expression, (_, statistics) in zip(asked, known, strict=True):
            estimator.know(name, expression, statistics)
    return replace(catalog, tables=tuple(found.get(t.name, t) for t in catalog.tables)) if found else catalog


def _asked(table: Table, templates: Sequence[QueryTemplate], catalog: Catalog) -> tuple[str, ...]:
    """The expressions of which nothing is known, and that can be had of every row without calling anybody's code."""
    uses = (use for t in templates for use in t.uses if use.table == table.name)
    found = dict.fromkeys(chain.from_iterable(map(_expressions, uses)))
    new = (e for e in found if index_statistics(e, table) is None and calls_nobody(e))
    safe = (e for e in new if unsafe(e, table, catalog) is None and can_fail(e, table, catalog) is None)
    return tuple(islice(safe, _MOST))


def _expressions(use: RelationUse) -> Iterator[str]:
    yield from (a.expression for a in use.atoms if a.expression is not None and a.kind in _KEYS)
    keys = (*use.order_by, *use.group_by, *use.distinct)
    yield from (k.expression for k in keys if k.expression is not None)


def _questions(asked: Sequence[str], table: Table) -> list[str]:
    """What is asked of each row: values, their bytes, their places in the order of their type, and the row's own."""
    ordered = [result_type(e, table) in _ORDERED for e in asked]
    sizes = ("0" if _is_written(e, table) else f"pg_column_size({e})" for e in asked)
    orders = (f"row_number() OVER (ORDER BY {e})" if known else "0" for e, known in zip(asked, ordered, strict=True))
    return [*asked, *sizes, *orders, "ctid"]


def _is_written(expression: str, table: Table) -> bool:
    """Whether the bytes of a value follow from its type or its text."""
    kind = result_type(expression, table)
    return kind in FIXED or kind in _WRITTEN


def _summaries(sample: ValueSample, asked: Sequence[str], table: Table) -> Iterator[ColumnStatistics]:
    for place, expression in enumerate(asked):
        rows = (values[place :: len(asked)][:3] + values[-1:] for values, _ in sample.rows)
        read = [(value, int(size or 0), int(order or 0), _page(row)) for value, size, order, row in rows]
        yield summary(read, result_type(expression, table) or "text", row_count(table), sample.share)


def _page(place: str | None) -> str:
    return (place or "").partition(",")[0]


def summary(read: Sequence[Row], kind: str, rows: float, share: float) -> ColumnStatistics:
    """What ANALYZE would find, of a ``share`` of the pages of a table of so many ``rows``; ``kind`` is the type."""
    there = [(value, size, order, page) for value, size, order, page in read if value is not None]
    nulls = 1.0 - len(there) / len(read)
    if not there:
        return ColumnStatistics(nulls, 0, 0.0)
    times = Counter(value for value, *_ in there)
    part = share if share >= 1 else min(1.0, len(read) / rows)  # how many pages SYSTEM takes is left to chance
    distinct = _distinct({(value, page) for value, *_, page in there}, part)
    if len(times) == len(there):  # as ANALYZE: none came twice, so none is there twice
        distinct = rows * (1.0 - nulls)
    common = _common(times, whole=distinct <= len(times) <= _LISTED)
    others = sorted((order, value) for value, _, order, _ in there if order and value not in common)
    return ColumnStatistics(
        nulls,
        round(sum(_width(value, size, kind) for value, size, *_ in there) / len(there)),
        -min(1.0, distinct / rows) if distinct > _SCALES * rows else distinct,
        tuple(common),
        tuple(count / len(read) for count in common.values()),
        _bounds([value for _, value in others]),
    )


def _width(value: str, size: int, kind: str) -> int:
    """Bytes as an index stores them; what was measured (not 0) was fresh, its header four bytes and not one."""
    if kind in FIXED:
        return FIXED[kind][0]
    return size - _HEADER if size else stored_width(value, kind)


def _distinct(there: Collection[tuple[str, str]], share: float) -> float:
    """Rows of one page are often alike: a value counts once on each."""
    pages = Counter(value for value, _ in there)
    groups = tuple((times, 0, keys) for times, keys in Counter(pages.values()).items())
    return distinct_keys(groups, len(there) / share)


def _common(times: Counter[str], *, whole: bool) -> dict[str, int]:
    """The commonest values and how often they were seen; all of them where there are no others."""
    least = 1.0 if whole else max(_OFTEN, _ABOVE * times.total() / len(times))
    return {value: count for value, count in times.most_common(_LISTED) if count >= least}


def _bounds(ordered: Sequence[str]) -> tuple[str, ...]:
    """Ends of equally filled ranges of the other values."""
    steps = min(_LISTED, len(ordered) - 1)
    return tuple(ordered[round(n * (len(ordered) - 1) / steps)] for n in range(steps + 1)) if steps > 0 else ()
