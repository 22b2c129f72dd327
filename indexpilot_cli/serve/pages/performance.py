"""Performance: queries over time, the templates that take the time, and what each index that was built changed."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Iterator

from fastapi import APIRouter, Request
from starlette.responses import Response

from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.lifecycle.performance import IndexImpact, PerformanceResult, TemplateChange
from indexpilot_cli.log.explains import ExplainCoverage
from indexpilot_cli.render.document import (
    Block,
    Chart,
    ChartKind,
    ChartSeries,
    ChartUnit,
    Document,
    Facts,
    Lines,
    TableBlock,
    columns,
)
from indexpilot_cli.render.units import cost, milliseconds, notes, percent, plural, saving, stamp
from indexpilot_cli.render.views.discover import analyze_view
from indexpilot_cli.serve.pages.frame import Page, look, part, piece, show
from indexpilot_cli.serve.site import OurSite

router = APIRouter(include_in_schema=False)
SPANS = {"hour": (1.0, "minute"), "day": (24.0, "hour"), "week": (168.0, "hour"), "month": (720.0, "day")}
_IMPACTS = columns(
    "log|short",
    "index",
    "table",
    "state|state",
    "built|short",
    "advice|short",
    "verdict|short",
    "size|number",
    "scans|number",
)
_CHANGES = columns("index", "template|short", "before|number", "after|number", "change|number", "seen|short")


@router.get("/performance")
async def performance(request: Request, site: OurSite, span: str = "day") -> Response:
    """The figures of the last hour, day, week or month."""
    chosen = span if span in SPANS else "day"
    found, workload = await gather(look(site, site.performance(*SPANS[chosen])), look(site, site.workload))
    filters = piece("filters.html", "spans", [(one, f"last {one}") for one in SPANS], chosen)
    parts = (
        part("series", "Workload over time", found, series_document, before=filters),
        part("templates", "Statements", workload, analyze_view, url=request.url),
        part("impact", "What each index changed", found, impact_document, url=request.url),
        part("explain", "EXPLAIN statistics", found, explain_document),
    )
    lead = "What the database is asked, how long that takes, and what indexes changed about it."
    return show(request, Page("Performance", lead, parts))


def series_document(result: PerformanceResult) -> Document:
    """Queries and their times by time, and how tables are read."""
    blocks: list[Block] = []
    if result.series:
        labels = tuple(stamp(one.at) for one in result.series)
        places = tuple(one.at.timestamp() for one in result.series)
        times = (
            ChartSeries("mean", tuple(one.avg_ms for one in result.series)),
            ChartSeries("95 % are faster than", tuple(one.p95_ms for one in result.series)),
            ChartSeries("99 % are faster than", tuple(one.p99_ms for one in result.series)),
        )
        calls = (ChartSeries("queries", tuple(float(one.queries) for one in result.series)),)
        blocks += [
            Chart(ChartKind.LINE, "Time of a query", ChartUnit.MILLISECONDS, "time", labels, times, places),
            Chart(ChartKind.LINE, "Queries", ChartUnit.COUNT, "time", labels, calls, places),
        ]
    reads = result.reads
    scans, blocks_all = reads.index_scans + reads.sequential_scans, reads.blocks_hit + reads.blocks_read
    since = f" since {stamp(reads.since)}" if reads.since is not None else ""
    rows = (
        ("Scans", f"{count(reads.index_scans)} by an index, {count(reads.sequential_scans)} of whole tables{since}"),
        ("By index", percent(reads.index_scans / scans) if scans else DASH),
        ("In memory", f"{percent(reads.blocks_hit / blocks_all) if blocks_all else DASH} of the blocks of indexes"),
    )
    return Document((*blocks, Facts(rows), *notes(result.notes)))


def impact_document(result: PerformanceResult) -> Document:
    """A line for each index that was built, and what its statements cost before and after."""
    if not result.impacts:
        return Document((Lines(("no index was built here yet",)),))
    rows = tuple(map(_impact, result.impacts))
    changes: list[tuple[str, ...]] = []
    for impact in result.impacts:
        changes += _changes(impact)
    told = (TableBlock(_CHANGES, tuple(changes), title="Before and after, per call"),) if changes else ()
    return Document((TableBlock(_IMPACTS, rows), *_pictures(result), *told))


def _impact(impact: IndexImpact) -> tuple[str, ...]:
    return (
        f"M-{impact.mutation}",
        impact.index.short,
        impact.table.short,
        impact.state.value.lower(),
        stamp(impact.built_at),
        impact.recommendation or DASH,
        (impact.verdict or "not verified").replace("_", " "),
        size(impact.now.bytes) if impact.now is not None else "gone",
        count(impact.now.scans) if impact.now is not None else DASH,
    )


def _changes(impact: IndexImpact) -> Iterator[tuple[str, ...]]:
    for seen, changes in (("measured", impact.measured), ("expected", impact.expected)):
        for change in changes:
            fall = saving(1 - change.after / change.before) if change.before > 0 else DASH
            yield (
                impact.index.short,
                change.template,
                _told(change, change.before),
                _told(change, change.after),
                fall,
                seen,
            )


def _told(change: TemplateChange, value: float) -> str:
    return milliseconds(value) if change.unit == "ms" else cost(value)


def _pictures(result: PerformanceResult) -> Iterator[Chart]:
    """What statements cost before and after, of the newest indexes that have both."""
    for unit, name in ((ChartUnit.MILLISECONDS, "ms"), (ChartUnit.COST, "cost")):
        shown = []
        for impact in result.impacts:
            changes = impact.measured or impact.expected
            shown += [(impact.index.short, c) for c in changes if c.unit == name]
        if shown:
            labels = tuple(f"{change.template} {index}" for index, change in shown[:12])
            pairs = (
                ChartSeries("before", tuple(change.before for _, change in shown[:12])),
                ChartSeries("after", tuple(change.after for _, change in shown[:12])),
            )
            yield Chart(ChartKind.PAIRS, "Before and after", unit, "statement and index", labels, pairs)


def explain_document(result: PerformanceResult) -> Document:
    """How much of what advice was to rest on could be planned."""
    if result.explain is None:
        return Document((Lines(("nothing is known of it",)), *notes(result.notes)))
    return Document((Facts(tuple(_coverage(result.explain))),))


def _coverage(found: ExplainCoverage) -> Iterator[tuple[str, str]]:
    planned = f"{found.planned:,} of {plural(found.statements, 'statement')} in the last {plural(found.days, 'day')}"
    yield "Planned", planned
    if found.coverage_pct is not None:
        yield "Coverage", f"{found.coverage_pct:.1f} %, {found.target_pct:.0f} % are wanted"
    for origin, outcomes in sorted(found.origins.items()):
        yield origin, ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items()))
