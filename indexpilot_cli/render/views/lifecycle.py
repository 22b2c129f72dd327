"""What ``lifecycle`` found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated, Literal

from indexpilot_cli.core.codec import Count, DocumentShape
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import DASH, count, seconds, size
from indexpilot_cli.lifecycle.query_stats import StatisticsAction, StatisticsResult, StatisticsStep
from indexpilot_cli.lifecycle.snapshots import CounterSnapshotResult
from indexpilot_cli.lifecycle.values import (
    GrowthHistory,
    LifecycleAction,
    LifecycleFinding,
    LifecycleResult,
    LifecycleState,
    SlowerTemplate,
)
from indexpilot_cli.render.document import Block, Code, Document, Lines, SqlStatement, TableBlock, columns
from indexpilot_cli.render.units import notes, one_line, plural, stamp
from indexpilot_cli.render.views.pictures import finding_charts, growth_charts


class LifecycleFindingDocument(DocumentShape):
    """One thing to know about an index or a table."""

    id: str
    state: LifecycleState
    severity: Literal["error", "warning", "info"]
    action: LifecycleAction
    index: QualifiedName | None
    table: QualifiedName
    size_bytes: Annotated[Count | None, "of the index, of the table where there is no index; null: unknown"]
    scans: Annotated[Count | None, "counted since since; null: unknown, or not about scans"]
    since: Annotated[datetime | None, "null: unknown"]
    evidence: tuple[Reason, ...]
    ddl: Annotated[str | None, "runs as it is; null: it is for a person to decide"]
    undo: Annotated[str | None, "takes ddl back; null: nothing to take back"]
    slower: tuple[SlowerTemplate, ...]


class LifecycleDocument(DocumentShape):
    """Findings, gravest and largest first."""

    stats_since: Annotated[datetime | None, "beginning of the server's counters; null: unknown"]
    observed_since: Annotated[datetime | None, "our oldest snapshot of them; null: this is the first"]
    replicas_checked: Count
    indexes: Annotated[Count, "looked at"]
    findings: tuple[LifecycleFindingDocument, ...]
    plan: Annotated[str | None, "id of the plan that was kept; null: not asked, or nothing to plan"]
    notes: tuple[str, ...]
    growth: GrowthHistory


_COLUMNS = columns("id|short", "state|short", "size|number", "scans|number", "since|short", "index", "what|text")


def lifecycle_view(result: LifecycleResult, *, verbose: bool = False) -> Document:
    """One line for each finding, with all its evidence when ``verbose``; what it amounts to; what is not known."""
    rows = tuple(_row(finding, result.now, verbose) for finding in result.findings)
    blocks: list[Block] = [TableBlock(_COLUMNS, rows), *finding_charts(result.findings)] if rows else []
    blocks.append(Lines((_summary(result),)))
    if result.plan is not None:
        blocks.append(Lines((f"kept as plan {result.plan}",)))
    blocks += _growth(result, verbose)
    blocks += notes(result.notes)
    return Document(tuple(blocks), result, LifecycleDocument, tuple(_statements(result)))


def _growth(result: LifecycleResult, verbose: bool) -> list[Block]:
    """Indexes that will be bloated, soonest first; with ``verbose`` all that grow, or that nothing can be said."""
    growth = result.growth
    if not growth.enough:
        text = f"not enough history to foretell bloat: {plural(growth.looks, 'look')} in {growth.days:.1f} days"
        return [Lines((text,))] if verbose else []
    told = [g for g in growth.growing if verbose or g.crosses is not None]
    ranked = sorted(told, key=lambda g: (g.crosses is None, g.crosses or result.now, g.index))
    if not ranked:
        return []
    return [Lines(tuple(f"{g.index.short} {one_line(g.text)}" for g in ranked)), *growth_charts(ranked)]


def _row(finding: LifecycleFinding, now: datetime, verbose: bool) -> tuple[str, ...]:
    name = finding.index or finding.table
    facts = finding.evidence if verbose else finding.evidence[:1]
    text = "; ".join(one_line(reason.text) for reason in facts)
    since = seconds(max(0.0, (now - finding.since).total_seconds())) if finding.since is not None else DASH
    shown = (size(finding.size_bytes), count(finding.scans), since)
    return (finding.id, finding.state.value, *shown, name.short, f"{text} -> {finding.action.value}")


def _summary(result: LifecycleResult) -> str:
    if not result.findings:
        return f"nothing to do about {plural(result.indexes, 'index', 'indexes')}"
    drops = [f for f in result.findings if f.action is LifecycleAction.DROP]
    parts = [plural(len(result.findings), "finding")]
    if drops:
        parts.append(f"{size(sum(f.size_bytes or 0 for f in drops))} to drop")
    actions = Counter(f.action for f in result.findings)
    parts += [f"{actions[a]} to {a.value}" for a in LifecycleAction if actions[a] and a is not LifecycleAction.DROP]
    return ", ".join(parts)


def _statements(result: LifecycleResult) -> Iterator[SqlStatement]:
    for finding in result.findings:
        comments = (f"{finding.id} {finding.state.value}", *(one_line(r.text) for r in finding.evidence))
        statements = [s for s in (finding.ddl or "").rstrip(";").split(";\n") if s]
        yield from chain((SqlStatement(s, comments) for s in statements[:1]), (SqlStatement(s) for s in statements[1:]))


_SERVERS = columns("server|short", "indexes|number", "scans|number", "counting since|short")


def snapshot_view(result: CounterSnapshotResult) -> Document:
    """One line for each server, and since when there are snapshots."""
    rows = tuple((s.place, count(s.indexes), count(s.scans), stamp(s.counters_since)) for s in result.servers)
    since = f", the first of {stamp(result.observed_since)}" if result.observed_since else ""
    kept = f"kept, beside {plural(result.earlier, 'earlier snapshot')}{since}" if result.kept else "not kept"
    blocks = (TableBlock(_SERVERS, rows), Lines((kept,)), *notes(result.notes))
    return Document(blocks, result, CounterSnapshotResult)


_PARTS = columns("part", "from|short", "to|short", "rows|number", "size|number")


def statistics_view(result: StatisticsResult) -> Document:
    """The parts, the steps, and with a preview the SQL of those that are not plain."""
    rows = tuple(
        (p.name, _day(p.since), _day(p.until), DASH if p.rows is None else count(p.rows), size(p.bytes))
        for p in result.parts
    )
    blocks: tuple[Block, ...] = (TableBlock(_PARTS, rows), Lines(tuple(_lines(result))), *_sql(result))
    return Document((*blocks, *notes(result.notes)), result, StatisticsResult)


def _day(moment: datetime | None) -> str:
    return DASH if moment is None else f"{moment:%Y-%m-%d}"


def _lines(result: StatisticsResult) -> Iterator[str]:
    if not result.steps:
        yield "nothing to do" + ("" if result.keep_days is not None else ": everything is kept")
    for step in result.steps:
        yield ("" if result.written else "would ") + _line(step)


def _line(step: StatisticsStep) -> str:
    rows = "" if step.rows is None else f" ({plural(step.rows, 'row')})"
    return f"{step.action} {step.part}{rows}: {step.text}"


def _sql(result: StatisticsResult) -> Iterator[Block]:
    conversions = (step.sql for step in result.steps if step.action is StatisticsAction.CONVERT)
    texts = list(chain.from_iterable(conversions))
    if texts and not result.written:
        yield Code("".join(f"{text};\n" for text in texts), "sql")
