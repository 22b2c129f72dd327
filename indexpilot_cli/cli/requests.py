"""Flags into the parts that several requests share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.advise.values import RecommendRequest
    from indexpilot_cli.cli.options import Flags, SourceChoice, WhatIfChoice
    from indexpilot_cli.cli.session import CommandSession
    from indexpilot_cli.core.command import PlannerRequest, TableFilter, WorkloadRequest

T = TypeVar("T")


def table_filter(
    session: CommandSession,
    schemas: Sequence[str] | None,
    tables: Sequence[str] | None,
    exclude: Sequence[str] | None,
) -> TableFilter:
    """The filter, with the tables the settings exclude."""
    from indexpilot_cli.core.command import TableFilter

    excluded = (*(exclude or ()), *session.settings.advisor.exclude_tables)
    return TableFilter(tuple(schemas or ()), tuple(tables or ()), excluded)


def workload(
    session: CommandSession,
    source: SourceChoice | None,
    files: Sequence[str] | None,
    queries: Sequence[str] | None = None,
    since: str | None = None,
) -> WorkloadRequest:
    """The statements to look at; limits come from the settings, where flags have gone already."""
    from indexpilot_cli.core.command import WorkloadRequest
    from indexpilot_cli.core.workload import SourceKind

    return WorkloadRequest(
        SourceKind(source.value) if source else None,
        tuple(files or ()),
        tuple(queries or ()),
        session.since(since),
        session.settings.advisor.min_calls,
        session.settings.advisor.min_time * 1000,
    )


def workload_flags(min_calls: float | None = None, min_time: str | None = None) -> Flags:
    """The flags of ``workload`` that are settings too."""
    return {"advisor.min_calls": ("--min-calls", min_calls), "advisor.min_time": ("--min-time", min_time)}


def planner(session: CommandSession, *, cross_check: bool = False) -> PlannerRequest:
    """The planner to ask, from the settings."""
    from indexpilot_cli.core.command import PlannerRequest

    advisor = session.settings.advisor
    return PlannerRequest(advisor.what_if, cross_check, advisor.workers, advisor.max_calls, advisor.max_seconds)


def planner_flags(what_if: WhatIfChoice | None = None, workers: int | None = None) -> Flags:
    """The flags of ``planner`` that are settings too."""
    return {
        "advisor.what_if": ("--what-if", what_if.value if what_if else None),
        "advisor.workers": ("--workers", workers),
    }


def recommend_request(
    session: CommandSession,
    snapshot: str | None,
    statements: WorkloadRequest,
    tables: TableFilter,
    *,
    cross_check: bool,
) -> RecommendRequest:
    """The request of ``recommend``; limits and features come from the settings, where flags have gone already."""
    from indexpilot_cli.advise.values import RecommendRequest

    settings = session.settings
    return RecommendRequest(
        session.connection(),
        snapshot,
        statements,
        tables,
        planner(session, cross_check=cross_check),
        settings.advisor.budget,
        settings.advisor.max_indexes,
        settings.advisor.max_per_table,
        settings.advisor.min_benefit,
        settings.features,
        settings.production_safeguards,
        settings.bypass,
        session.record(),
    )


def seconds_of(flag: str, text: str | None) -> float | None:
    """Seconds of a flag's text. Raises UsageError."""
    from indexpilot_cli.settings.keys import duration

    return _parsed(flag, text, duration)


def size_of(flag: str, text: str | None) -> int | None:
    """Bytes of a flag's text. Raises UsageError."""
    from indexpilot_cli.settings.keys import size

    return _parsed(flag, text, size)


def _parsed(flag: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None
