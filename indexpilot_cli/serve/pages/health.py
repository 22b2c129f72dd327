"""Health: every index with its size and use, what is the matter with them, and the jobs that look after them."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.datastructures import URL
from starlette.responses import Response

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.lifecycle.alerts import AlertRule, alerts, rules_of
from indexpilot_cli.lifecycle.indexes import IndexesResult
from indexpilot_cli.lifecycle.metric_families import MeasuredIndex
from indexpilot_cli.lifecycle.metrics import MetricsResult
from indexpilot_cli.lifecycle.values import LifecycleResult, LifecycleState
from indexpilot_cli.render.document import Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import ago, percent, plural, stamp
from indexpilot_cli.render.views.lifecycle import lifecycle_view
from indexpilot_cli.render.views.lifecycle_schedules import status_view
from indexpilot_cli.serve.pages.frame import (
    Page,
    Part,
    Shown,
    linked,
    look,
    on_page,
    pager_of,
    part,
    piece,
    show,
    shown_once,
)
from indexpilot_cli.serve.results import Kept
from indexpilot_cli.serve.site import OurSite

router = APIRouter(include_in_schema=False)
_COLUMNS = columns(
    "index",
    "table",
    "size|number",
    "of the table|number",
    "scans|number",
    "last scan|short",
    "method|short",
    "state|state",
)
_ORDERS: dict[str, Callable[[MeasuredIndex], tuple[object, ...]]] = {
    "size": lambda i: (-i.bytes,),
    "share of the table": lambda i: (-(i.bytes / i.table_bytes) if i.table_bytes else 0.0,),
    "scans, fewest first": lambda i: (i.scans, -i.bytes),
    "scans, most first": lambda i: (-i.scans,),
    "table": lambda i: (i.schema, i.table, i.index),
}
_ALERTS = columns("level|state", "alert|label", "why|text")
_UNREAD = "never read"
_INVALID = "invalid"
_STATES = ("", _UNREAD, _INVALID, "with a finding", *(state.value for state in LifecycleState if state != "invalid"))
Findings = Mapping[QualifiedName, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """Which indexes are shown, in which order."""

    search: str = ""
    state: str = ""
    order: str = "size"

    def of(self, indexes: Sequence[MeasuredIndex], findings: Findings) -> Sequence[MeasuredIndex]:
        """Those of the indexes; there may be tens of thousands, and nothing is asked of each where all are shown."""
        everything = not self.search.strip() and not self.state
        return indexes if everything else [one for one in indexes if self.takes(one, findings)]

    def takes(self, index: MeasuredIndex, findings: Findings) -> bool:
        """Whether it is one of those."""
        wanted = self.search.strip().lower()
        if wanted and wanted not in f"{index.schema}.{index.index} {index.schema}.{index.table}".lower():
            return False
        found = findings.get(name_of(index), ())
        match self.state:
            case "":
                return True
            case "with a finding":
                return bool(found)
            case "never read":
                return not index.scans
            case "invalid":
                return not index.valid
            case _:
                return self.state in found


@router.get("/health")
async def health(request: Request, site: OurSite, search: str = "", state: str = "", order: str = "size") -> Response:
    """Indexes, findings and jobs."""
    choice = IndexChoice(search, state if state in _STATES else "", order if order in _ORDERS else "size")
    indexes, findings, jobs, metrics = await gather(
        look(site, site.indexes), look(site, site.lifecycle), look(site, site.schedules), look(site, site.metrics)
    )
    filters = piece(
        "filters.html",
        "indexes",
        choice.search,
        choice.state,
        [(one, one or "all") for one in _STATES],
        choice.order,
        [(one, one) for one in _ORDERS],
    )
    rules = rules_of(site.settings.operational.health_checks)
    parts = (
        part("alerts", "Alerts", metrics, partial(_alerts, rules)),
        _indexes(request.url, indexes, findings, choice, filters),
        part("findings", "Findings", findings, lifecycle_view, url=request.url),
        part("jobs", "Lifecycle jobs", jobs, status_view),
    )
    return show(request, Page("Health", "What the indexes take, whether they are used, and what is the matter.", parts))


def _alerts(rules: Sequence[AlertRule], result: MetricsResult) -> Document:
    found = alerts(result.families, rules)
    rows = tuple((one.level.value, one.rule.name.replace("_", " "), str(one).split(": ", 2)[2]) for one in found)
    return Document((TableBlock(_ALERTS, rows) if rows else Lines(("nothing is beyond its threshold",)),))


def _indexes(
    url: URL, kept: Kept[IndexesResult], findings: Kept[LifecycleResult], choice: IndexChoice, filters: Markup
) -> Part:
    if kept.outcome is None:
        return Part("indexes", "Indexes", kept)
    result = kept.outcome.result
    judged = findings.outcome
    body, pager = shown_once(
        "indexes",
        url,
        (kept.outcome, judged),
        lambda: _page_of(url, result, {} if judged is None else states_by_index(judged.result), choice),
    )
    return Part("indexes", "Indexes", kept, body, filters, pager=pager)


def _page_of(url: URL, result: IndexesResult, known: Findings, choice: IndexChoice) -> Shown:
    chosen = sorted(choice.of(result.indexes, known), key=_ORDERS[choice.order])
    pager = pager_of(url, "indexes", "indexes", len(chosen))
    rows = tuple(_row(index, known, result.at) for index in on_page(chosen, pager))
    summary = Lines((_summary(chosen, result),))
    return linked(Document((summary, TableBlock(_COLUMNS, rows)) if rows else (summary,))), pager


def states_by_index(result: LifecycleResult) -> Findings:
    """The states of the findings about each index."""
    found: dict[QualifiedName, tuple[str, ...]] = {}
    for finding in result.findings:
        if finding.index is not None:
            found[finding.index] = (*found.get(finding.index, ()), finding.state.value)
    return found


def name_of(index: MeasuredIndex) -> QualifiedName:
    """Its name with the schema."""
    return QualifiedName(index.schema, index.index)


def _row(index: MeasuredIndex, findings: Findings, now: datetime) -> tuple[str, ...]:
    table = QualifiedName(index.schema, index.table)
    return (
        name_of(index).short,
        table.short,
        size(index.bytes),
        percent(index.bytes / index.table_bytes, 0) if index.table_bytes else DASH,
        count(index.scans),
        ago(index.last_scan, now) if index.last_scan is not None else DASH,
        index.method,
        ", ".join(_states(index, findings)) or "ok",
    )


def _states(index: MeasuredIndex, findings: Findings) -> Iterator[str]:
    found = findings.get(name_of(index), ())
    if not index.valid and _INVALID not in found:
        yield _INVALID
    yield from found


def _summary(chosen: list[MeasuredIndex], result: IndexesResult) -> str:
    if not result.indexes:
        return "there is no index in this database"
    since = f", scans counted since {stamp(result.since)}" if result.since is not None else ""
    of = f" of {len(result.indexes):,}" if len(chosen) < len(result.indexes) else ""
    unread = sum(not i.scans for i in chosen)
    total = size(sum(i.bytes for i in chosen))
    return f"{plural(len(chosen), 'index', 'indexes')}{of}, {total}, {unread:,} never read{since}"
