"""The first page: whether the database answers, and what wants attention."""

from __future__ import annotations

from asyncio import gather
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from indexpilot_cli.admin.analyze import AnalyzeResult
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.units import size
from indexpilot_cli.lifecycle.builds import BuildsResult
from indexpilot_cli.lifecycle.indexes import IndexesResult
from indexpilot_cli.lifecycle.schedules.status import LifecycleStatusResult
from indexpilot_cli.lifecycle.values import LifecycleResult, LifecycleSeverity
from indexpilot_cli.render.units import milliseconds, plural, saving
from indexpilot_cli.render.views.api.frame import AnswerStatus
from indexpilot_cli.render.views.doctor import doctor_view
from indexpilot_cli.serve.pages.frame import Page, is_working, look, part, show
from indexpilot_cli.serve.results import Kept
from indexpilot_cli.serve.site import OurSite

router = APIRouter(include_in_schema=False)
T = TypeVar("T")
_WORDS = {
    AnswerStatus.LOADING: "being worked out",
    AnswerStatus.DATABASE_AWAY: "the database does not answer",
    AnswerStatus.NOT_INITIALISED: "nothing is recorded yet (indexpilot init)",
    AnswerStatus.EMPTY: "nothing yet",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A fact, the page that says more of it, and how much it matters (good, warn, bad or empty)."""

    title: str
    address: str
    text: str
    tone: str = ""
    working: bool = False


@router.get("/")
async def overview(request: Request, site: OurSite) -> Response:
    """The state in short."""
    doctor, _, lifecycle, indexes, workload = await gather(
        look(site, site.doctor),
        look(site, site.plan()),
        look(site, site.lifecycle),
        look(site, site.indexes),
        look(site, site.workload),
    )
    jobs, builds = await gather(look(site, site.schedules), look(site, site.builds))
    tiles = (
        _tile("Decisions", "/decisions", site.newest_plan(), _plan),
        _tile("Findings", "/health#findings", lifecycle, _findings),
        _tile("Indexes", "/health", indexes, _indexes),
        _tile("Workload", "/performance", workload, _workload),
        _tile("Lifecycle jobs", "/health#jobs", jobs, _jobs),
        _tile("Being built", "/plans#builds", builds, _builds),
    )
    page = Page(
        "Overview",
        parts=(part("doctor", "The database", doctor, doctor_view),),
        refresh=3.0 if any(tile.working for tile in tiles) else None,
        template="overview.html",
        more={"tiles": tiles},
    )
    return show(request, page)


def _tile(title: str, address: str, kept: Kept[T], told: Callable[[T], tuple[str, str]]) -> Tile:
    if kept.outcome is None:
        why = _WORDS.get(kept.status) or (kept.error.message if kept.error is not None else kept.status.value)
        working = is_working(kept)
        stage = f": {kept.stage}" if kept.stage and working else ""
        tone = "bad" if kept.status is AnswerStatus.DATABASE_AWAY else ""
        return Tile(title, address, why + stage, tone, working)
    text, tone = told(kept.outcome.result)
    old = "" if kept.error is None else " (older: the latest try failed)"
    return Tile(title, address, text + old, tone, is_working(kept))


def _plan(plan: Plan) -> tuple[str, str]:
    if not plan.recommendations:
        return "nothing is proposed", "good"
    change = f", workload cost {saving(1 - plan.cost_after / plan.cost_before)}" if plan.cost_before > 0 else ""
    return f"{plural(len(plan.recommendations), 'change')} proposed{change}, {size(plan.size_bytes)} new", "info"


def _findings(result: LifecycleResult) -> tuple[str, str]:
    counts = Counter(finding.severity for finding in result.findings)
    if not counts:
        return "nothing is the matter with the indexes", "good"
    text = ", ".join(
        plural(counts[grade], grade.value) for grade in LifecycleSeverity if counts[grade] and grade.rank < 2
    )
    infos = counts[LifecycleSeverity.INFO]
    tone = "bad" if counts[LifecycleSeverity.ERROR] else "warn" if counts[LifecycleSeverity.WARNING] else "info"
    return ", ".join(part for part in (text, plural(infos, "note") if infos else "") if part), tone


def _indexes(result: IndexesResult) -> tuple[str, str]:
    invalid = sum(not index.valid for index in result.indexes)
    total = size(sum(index.bytes for index in result.indexes))
    text = f"{plural(len(result.indexes), 'index', 'indexes')}, {total}"
    return (f"{text}, {invalid:,} invalid", "bad") if invalid else (text, "")


def _workload(result: AnalyzeResult) -> tuple[str, str]:
    if not result.templates:
        return "no statements are recorded", "warn"
    of = f", {milliseconds(result.total_ms)}" if result.total_ms is not None else ""
    return f"{plural(result.template_count, 'template')} of {plural(result.statement_count, 'statement')}{of}", ""


def _jobs(result: LifecycleStatusResult) -> tuple[str, str]:
    bad = [job for job in result.jobs if job.health.bad]
    if bad:
        return ", ".join(f"{job.job.value} {job.health.value}" for job in bad), "warn"
    counts = Counter(job.health.value for job in result.jobs)
    return ", ".join(f"{number:,} {word}" for word, number in counts.items()) or "none", ""


def _builds(result: BuildsResult) -> tuple[str, str]:
    left = sum(one.holder is None for one in result.leftovers)
    running = f"{plural(len(result.builds), 'build')} running" if result.builds else "nothing is built"
    return (f"{running}, {plural(left, 'leftover')}", "warn") if left else (running, "")
