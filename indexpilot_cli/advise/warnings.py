"""What a reader of a plan should know before believing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.estimator import CostEstimator
from indexpilot_cli.core.plan import Recommendation, Warn
from indexpilot_cli.core.workload import FoldedWorkload
from indexpilot_cli.snapshot.source import Source

_MODIFIED = 0.2  # share of rows changed since ANALYZE
_LISTED = 8


def plan_warnings(
    source: Source, estimator: CostEstimator, folded: FoldedWorkload, recommendations: Sequence[Recommendation]
) -> tuple[Warn, ...]:
    """Old statistics of tables the workload reads, what the planner could not model, and leftovers in the way."""
    return (
        *_statistics(source.catalog, folded),
        *_planner(estimator),
        *_invalid(source.catalog, recommendations),
    )


def _statistics(catalog: Catalog, folded: FoldedWorkload) -> Iterator[Warn]:
    read = dict.fromkeys(name for template in folded.templates for name in template.relations)
    for name in read:
        table = catalog.table(name)
        if table is not None and table.kind in "rm":
            yield from _of_table(table)


def _of_table(table: Table) -> Iterator[Warn]:
    run = f"run ANALYZE {table.name};"
    if table.tuples < 0 and table.pages > 0:
        yield Warn("stats_missing", str(table.name), f"{table.name.short} was never analyzed; {run}")
        return
    share = table.activity.modified_since_analyze / max(table.rows, 1.0)
    if share > _MODIFIED:
        text = f"{share:.0%} of {table.name.short} changed since it was analyzed; its estimates may be off: {run}"
        yield Warn("stats_stale", str(table.name), text)


def _planner(estimator: CostEstimator) -> Iterator[Warn]:
    for note in estimator.notes:
        yield Warn("planner", estimator.name, note)
    missing = estimator.not_modelled
    for item in missing[:_LISTED]:
        yield Warn("not_modelled", item.name, str(item))
    if missing[_LISTED:]:
        yield Warn("not_modelled", "", f"{len(missing) - _LISTED} more objects are not modelled: doctor lists them")


def _invalid(catalog: Catalog, recommendations: Sequence[Recommendation]) -> Iterator[Warn]:
    for name in dict.fromkeys(r.definition.table for r in recommendations):
        table = catalog.table(name)
        for index in table.indexes if table else ():
            if not index.valid:
                text = f"{index.name.short} is invalid: every write maintains it, no query uses it; drop it first"
                yield Warn("index_invalid", str(index.name), text)
