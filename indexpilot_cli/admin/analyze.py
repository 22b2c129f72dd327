"""``analyze``: what the workload does, template by template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Literal

from indexpilot_cli.core.codec import Amount, Count, SummedPortion
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress, TableFilter, WorkloadRequest, next_line
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate, SkippedReport, SourceKind, Stage, TemplateReport
from indexpilot_cli.db.plans import access_of
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.guards.bypass import require_on
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.settings.sections import BypassSettings
from indexpilot_cli.snapshot.source import Source, SourceRequest, offline_source, open_source
from indexpilot_cli.workload.aside import Fault, attempted, fault_warnings
from indexpilot_cli.workload.templates import (
    fold_workload,
    report,
    shares,
    skipped_reports,
    with_scenarios,
    with_shares,
)


@dataclass(frozen=True, slots=True)
class AnalyzeRequest(CommandRequest):
    """``by`` is total, mean, calls or io; ``top`` None shows all templates.

    ``reads`` False: the planner is not asked how they find their rows, which may count as scans of indexes.
    """

    snapshot: str | None = None
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    filter: TableFilter = field(default_factory=TableFilter)
    top: int | None = 20
    by: str = "total"
    bypass: BypassSettings = field(default_factory=BypassSettings)
    reads: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeResult:
    """What the workload does.

    ``templates`` are those asked for (``--top``), ``template_count`` all of them. ``share_by`` says what ``share``
    divides: time or calls (sources without times).
    """

    source: SourceKind
    since: datetime | None = None
    until: datetime | None = None
    total_ms: Amount | None = None
    statement_count: Count
    template_count: Count
    shown_share: SummedPortion = 1.0
    share_by: Literal["time", "calls"] = "time"
    templates: tuple[TemplateReport, ...]
    skipped: tuple[SkippedReport, ...] = ()
    notes: tuple[str, ...] = ()


def run(request: AnalyzeRequest, progress: Progress) -> Outcome[AnalyzeResult]:
    """The templates that carry the workload, how they read, and what was left out.

    Statements of files need no server: where none is reached, what only its catalog knows is left out and that is said.
    Raises RefusedError when analysis is switched off.
    """
    require_on(request.bypass, "analysis")
    with (
        bookkeeping(
            request.connection, MutationType.ANALYZE_WORKLOAD, request.record, offline=bool(request.snapshot)
        ) as note,
        ExitStack() as stack,
    ):
        source, missing = _opened(request, progress, stack)
        note.offline = source.is_offline  # known only now: files are read without a server, and then there is no log
        require_on(request.bypass, "analysis", session=source.session, schema=request.connection.metadata_schema)
        folded = fold_workload(source, request.workload, request.filter, progress)
        result = _result(source, folded, request, progress)
        note.details(templates=result.template_count, statements=result.statement_count)
    told = (Warn("workload", "", text) for text in folded.notes)
    warnings = (*missing, *told, *fault_warnings(with_shares(folded.skipped, folded)), *note.warnings)
    status = "ok" if result.templates else "skipped"
    return Outcome(
        "analyze", result, status=status, server=source.server, warnings=warnings, next=_next(request, result, source)
    )


def _next(request: AnalyzeRequest, result: AnalyzeResult, source: Source) -> tuple[str, ...]:
    """Advice on the same statements; where there are none, what tells why a server has none."""
    if not result.template_count:
        return ("indexpilot doctor",) if source.session is not None and not request.workload.files else ()
    files = [name for name in request.workload.files if name != "-"] if source.is_offline else []
    return (next_line("recommend", request.snapshot, *files),)


def _opened(request: AnalyzeRequest, progress: Progress, stack: ExitStack) -> tuple[Source, tuple[Warn, ...]]:
    """The database; nothing but the files when no server is there, or when none was named and none lets us in."""
    try:
        return stack.enter_context(open_source(SourceRequest(request.connection, request.snapshot), progress)), ()
    except UnreachableError as error:
        named = bool(request.connection.conninfo or request.connection.password)
        if not request.workload.files or (named and error.code in _REFUSED):
            raise
        why = f"without a server ({error.message}): tables are those the statements name; {_UNKNOWN}"
        return offline_source(request.connection), (Warn("no_catalog", "", why),)


# A server was reached and refused: that is for the one who named it to mend.
_REFUSED = frozenset(("authentication_failed", "database_missing", "service_missing", "tls_failed"))
_UNKNOWN = "views, schemas of the search path and how rows are found are not known"


def _result(source: Source, folded: FoldedWorkload, request: AnalyzeRequest, progress: Progress) -> AnalyzeResult:
    by_id = shares(folded.templates)
    shown = sorted(folded.templates, key=_order(request.by))[: request.top]
    reads = _reads(source, folded, shown, progress) if request.reads else {}
    return AnalyzeResult(
        source=folded.source,
        since=folded.since,
        until=folded.until,
        total_ms=folded.total_ms,
        statement_count=folded.statements,
        template_count=len(folded.templates),
        shown_share=sum(by_id[t.id] for t in shown),
        share_by="time" if all(t.total_ms is not None for t in folded.templates) else "calls",
        templates=tuple(report(t, by_id[t.id], reads.get(t.id)) for t in shown),
        skipped=skipped_reports(folded),
    )


def _order(by: str) -> Callable[[QueryTemplate], tuple[float, str]]:
    measures: dict[str, Callable[[QueryTemplate], float | None]] = {
        "total": lambda t: t.weight,
        "mean": lambda t: t.mean_ms,
        "calls": lambda t: t.calls,
        "io": lambda t: t.blocks,
    }
    measure = measures[by]
    # By id among equals: the same workload gives the same report.
    return lambda t: (-(measure(t) or 0.0), t.id)


def _reads(
    source: Source, folded: FoldedWorkload, shown: Sequence[QueryTemplate], progress: Progress
) -> dict[str, str]:
    """How the shown templates find their rows, from plain EXPLAIN; nothing for a snapshot."""
    from indexpilot_cli.db.plans import explain_text

    if source.session is None:
        return {}
    # EXPLAIN runs nothing, yet the planner's look at an index's ends counts as a scan: ten of `k > 999` raised idx_scan
    # by ten when measured. So nothing is planned but what is shown.
    progress.stage("asking the planner", len(shown))
    planned = with_scenarios(replace(folded, templates=tuple(shown)), source.catalog, None).templates
    found: dict[str, str] = {}
    for template in planned:
        if not template.scenarios:
            continue
        progress.advance()
        try:
            plan = explain_text(source.session, template.scenarios[0].statement)
        except UnreachableError as error:
            # 57014: a statement that takes long to plan loses its access path in the report; the others keep theirs.
            if error.code != "timeout":
                raise
        except IndexPilotError:
            continue  # shown as unknown; recommend lists what cannot be planned with its reason
        else:
            access = attempted(Stage.EXPLAIN, partial(access_of, plan))
            if not isinstance(access, Fault):
                found[template.id] = access
    return found
