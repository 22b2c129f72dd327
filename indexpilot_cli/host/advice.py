"""Advice for a host application, and indexes built by it: ``recommend`` and ``apply`` with the same guards and log.

Every function works on the database of the process's pool, by the settings of files and environment. Nothing is
built unless ``dry_run=False``, and no index that is there is dropped.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypedDict, cast

from indexpilot_cli.apply.values import ApplyRequest, ApplyResult
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Outcome, Silent, TableFilter, WorkloadRequest
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.errors import UsageError
from indexpilot_cli.guards.bypass import require_on
from indexpilot_cli.host import place
from indexpilot_cli.log import metadata

if TYPE_CHECKING:
    from indexpilot_cli.core.index import IndexDefinition, Rejection
    from indexpilot_cli.core.plan import Plan


class BuildRun(TypedDict):
    """What came of an advice.

    ``status`` is ok, findings (something to do, in a dry run), skipped, refused, partial or failed. ``mutations`` say
    how each index ended (planned, done, failed …, with ``error``), ``verdicts`` what each guard said; both are empty
    where nothing was to be done, and in a dry run before our tables are there. ``skipped`` is the reason when nothing
    was built.
    """

    status: str
    dry_run: bool
    mutations: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]
    skipped: str | None
    warnings: list[dict[str, str]]


class IndexRun(BuildRun):
    """The advice on a workload, and what came of it."""

    plan: str
    recommendations: list[dict[str, Any]]
    rejections: list[dict[str, Any]]


class SmartIndex(BuildRun):
    """``index`` is the recommendation, None where there is none; ``reason`` says why, or why not, in a clause."""

    index: dict[str, Any] | None
    reason: str


class ExplainUsage(TypedDict):
    """Of ``statements`` on which advice was to rest, how many were ``planned`` and how many ``failed`` to be.

    ``coverage_pct`` is the one share in per cent, None while nothing was asked; ``origins`` has it by who asked.
    """

    days: int
    statements: int
    planned: int
    failed: int
    coverage_pct: float | None
    target_pct: float
    meets_target: bool | None
    origins: dict[str, dict[str, int]]


def should_create_index(
    estimated_build_cost: float, queries_over_horizon: float, extra_cost_per_query_without_index: float
) -> tuple[bool, float, str]:
    """Whether an index pays: queries times what each costs more without it, against what building it costs.

    All in one unit (``estimate_build_cost`` and ``estimate_query_cost_without_index`` give planner units). The second
    value is how clear the case is, 0 (equal, or no evidence) to 1: the difference over the larger side. What is no
    number, infinite or negative is no evidence, and no reason to build. Never raises.
    """
    named = {
        "the build cost": estimated_build_cost,
        "the number of queries": queries_over_horizon,
        "the cost per query": extra_cost_per_query_without_index,
    }
    figures = [_number(value) for value in named.values()]
    for name, value in zip(named, figures, strict=True):
        if not 0 <= value < math.inf:
            return False, 0.0, f"{name} is no finite number from 0 on: not enough evidence"
    build, queries, each = figures
    if queries == 0:
        return False, 1.0, "no queries would use it"
    saved = queries * each
    larger = max(saved, build)
    confidence = min(1.0, abs(saved - build) / larger) if 0 < larger < math.inf else float(larger > 0)
    sides = f"{queries:g} queries x {each:g} = {saved:g}"
    if saved > build:
        return True, confidence, f"{sides} is more than the {build:g} of building it"
    return False, confidence, f"{sides} is not more than the {build:g} of building it"


def _number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number may be larger than any float
        return math.inf
    except (TypeError, ValueError):
        return math.nan


def analyze_and_create_indexes(
    *,
    dry_run: bool = True,
    tables: Sequence[str] = (),
    queries: Sequence[str] = (),
    source: str | None = None,
    max_indexes: int | None = None,
    force: bool = False,
) -> IndexRun:
    """Advise on the workload, and with ``dry_run=False`` build what pays, one index at a time without blocking writes.

    The workload is ``queries``, else what ``source`` names (``statements``: pg_stat_statements, the default;
    ``query_stats``: what was recorded here); ``tables`` narrows it. ``force`` goes ahead where a guard may be
    overruled. A guard's no is a result (``status`` refused), a failed build too. Raises RefusedError when advice, or
    the log of what is built, is switched off, UsageError for an empty workload, PrerequisiteError to build before our
    tables are there.
    """
    advised = _recommended("analyze_and_create_indexes", tables, queries, source, max_indexes)
    plan = advised.result
    targets = (plan.id,) if plan.recommendations else ()
    run = _built("analyze_and_create_indexes", advised, targets, dry_run, force)
    return {
        **run,
        "plan": plan.id,
        "recommendations": to_json(plan.recommendations),
        "rejections": to_json(plan.rejections),
    }


def create_smart_index(
    table_name: str,
    field_name: str,
    *,
    dry_run: bool = True,
    queries: Sequence[str] = (),
    source: str | None = None,
    force: bool = False,
) -> SmartIndex:
    """The index that the workload wants for a field, of whatever kind and however many columns, or why there is none.

    Of several that would serve the field it is the one that saves most. Built with ``dry_run=False``; arguments and
    errors are those of ``analyze_and_create_indexes``. Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.host.estimates import get_field_selectivity

    get_field_selectivity(table_name, field_name)  # raises for what is not there
    advised = _recommended("create_smart_index", (table_name,), queries, source, None)
    plan = advised.result
    serving = (r for r in plan.recommendations if _serves(r.definition, field_name))
    found = max(serving, key=lambda r: r.benefit, default=None)
    if found is None:
        run = _built("create_smart_index", replace(advised, status="skipped"), (), dry_run, force)
        return {**run, "index": None, "reason": _why_not(plan, field_name)}
    run = _built("create_smart_index", advised, (found.id,), dry_run, force)
    reason = "; ".join(r.text for r in found.reasons) or found.summary
    return {**run, "index": to_json(found), "reason": reason}


def _serves(definition: IndexDefinition | None, field_name: str) -> bool:
    """Whether a key of the index is the field or an expression of it."""
    from indexpilot_cli.sql.normal import columns

    if definition is None:
        return False
    if field_name in definition.columns:
        return True
    return any(field_name in columns(key.expression) for key in definition.keys if key.expression is not None)


def _why_not(plan: Plan, field_name: str) -> str:
    about = [r for r in plan.rejections if _serves(r.definition, field_name) or _mentions(r, field_name)]
    if about:
        return "; ".join(dict.fromkeys(f"{r.subject}: {r.detail or r.reason}" for r in about))
    return "no statement of the workload would use an index on it"


def _mentions(rejection: Rejection, field_name: str) -> bool:
    return rejection.definition is None and f"({quote_identifier(field_name)})" in rejection.subject


def _recommended(
    function: str, tables: Sequence[str], queries: Sequence[str], source: str | None, max_indexes: int | None
) -> Outcome[Plan]:
    from indexpilot_cli.advise.recommend import run
    from indexpilot_cli.advise.values import RecommendRequest

    settings = place.current_settings()
    asked = RecommendRequest.by(settings)
    workload = WorkloadRequest(
        _kind(source),
        queries=tuple(queries),
        min_calls=settings.advisor.min_calls,
        min_total_ms=settings.advisor.min_time * 1000,
    )
    request = replace(
        asked,
        connection=place.connection(),
        workload=workload,
        filter=TableFilter(tables=tuple(tables), exclude=settings.advisor.exclude_tables),
        max_indexes=asked.max_indexes if max_indexes is None else max_indexes,
        record=place.record_of(function, settings),
    )
    return run(request, Silent())


def _kind(source: str | None) -> SourceKind | None:
    known = (SourceKind.STATEMENTS, SourceKind.QUERY_STATS)
    if source is None or source in known:
        return None if source is None else SourceKind(source)
    raise UsageError(f"unknown source {source[:40]!r}", hint=f"one of {', '.join(known)}", code="bad_source")


def _built(function: str, advised: Outcome[Plan], targets: tuple[str, ...], dry_run: bool, force: bool) -> BuildRun:
    """What ``apply`` did or would do with the targets; as advised where there are none."""
    applied = _applied(function, targets, dry_run, force) if targets else None
    result = applied.result if applied is not None else ApplyResult(None, (), ())
    return {
        "status": (applied or advised).status,
        "dry_run": dry_run,
        "mutations": to_json(result.mutations),
        "verdicts": to_json(result.verdicts),
        "skipped": result.skipped,
        "warnings": to_json((*advised.warnings, *(applied.warnings if applied is not None else ()))),
    }


def _applied(function: str, targets: tuple[str, ...], dry_run: bool, force: bool) -> Outcome[ApplyResult] | None:
    """The outcome of ``apply``; None for a dry run that has no tables of ours to look into."""
    from indexpilot_cli.apply.apply import run
    from indexpilot_cli.apply.outcome import settled

    settings = place.current_settings()
    record = place.record_of(function, settings)
    with place.session() as session:
        ready = metadata.is_ready(session, place.metadata_schema())
    if dry_run and not (ready and record.enabled):
        return None
    require_on(settings.bypass, "building", {"mutation_logging"})  # without which the plan was not kept either
    request = replace(
        ApplyRequest.by(settings),
        connection=place.connection(),
        targets=targets,
        dry_run=dry_run,
        confirmed=True,  # nobody is there to be asked: who wants to see first leaves dry_run on
        force=force,
        record=record,
    )
    return settled(run(request, Silent(), lambda _planned: True))


def get_explain_usage_stats(days: int = 30) -> ExplainUsage:
    """How much of what advice was to rest on could be planned in the last days, by all processes of this database.

    Counted by ``recommend`` and by the functions here that plan. Raises PrerequisiteError before our tables are there.
    """
    from indexpilot_cli.log import explains

    with place.session() as session:
        metadata.require(session, place.metadata_schema())
        found = explains.coverage(session, days, schema=place.metadata_schema())
    return cast(ExplainUsage, asdict(found))


def log_explain_coverage_warning(days: int = 30) -> bool:
    """Warn through ``logging`` when less than 70 per cent of the statements could be planned; whether it did."""
    usage = get_explain_usage_stats(days)
    coverage, target = usage["coverage_pct"], usage["target_pct"]
    if coverage is None or coverage >= target:
        return False
    logging.getLogger(__name__).warning(
        "advice rests on %d of %d statements: %.1f %% could be planned, less than %.0f %%",
        usage["planned"],
        usage["statements"],
        coverage,
        target,
    )
    return True
