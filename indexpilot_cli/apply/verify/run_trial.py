"""Statements really run, to be measured: read-only, one at a time, under a time limit, several times in turns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexpilot_cli.advise.pipeline import prepared
from indexpilot_cli.apply.values import ApplyRequest
from indexpilot_cli.apply.verify.trial import Timing, TrialRun
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress, Silent, TableFilter
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import FoldedWorkload, PlanMode, QueryTemplate, StatementKind
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.plans import first_word
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload.templates import fold_workload

ROUNDS = 3
_READS = frozenset({"select", "with", "values", "table"})
_TIMES = re.compile(r"([\d.]+) s user, ([\d.]+) s system, ([\d.]+) s elapsed")
_CANCELLED = "57014"


@dataclass(frozen=True, slots=True)
class TrialStatement:
    """One read with its values in it, standing for a share of its template's calls."""

    template: str
    sql: str
    share: float = 1.0


def measure(
    session: Session,
    statements: Sequence[TrialStatement],
    progress: Progress,
    *,
    limit_ms: float,
    rounds: int = ROUNDS,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Timing, ...]:
    """Run every statement once to fill the caches and then ``rounds`` times, all of them in turns.

    The session must be read-only; a statement that tries to write, fails, or is stopped by the session's own
    ``statement_timeout`` (of ``limit_ms``) is not run again; one whose runs together took that long has
    been run often enough, and nothing more is run once ``stopped`` says so.
    Raises UnreachableError when the server is gone.
    """
    _see_processor_times(session)
    runs: dict[int, list[TrialRun]] = {place: [] for place in range(len(statements))}
    failed: dict[int, tuple[str, bool]] = {}
    # In turns, so that a moment in which the machine is busy falls on all of them and not on one statement's runs.
    for place, statement in [*enumerate(statements)] * (rounds + 1):
        progress.advance()
        slow = len(runs[place]) > 1 and sum(run.elapsed_ms for run in runs[place]) > limit_ms
        if place in failed or slow or stopped():
            continue
        try:
            runs[place].append(run_once(session, statement.sql))
        except IndexPilotError as error:
            if session.closed:
                raise
            failed[place] = (error.detail or error.message, sqlstate(error) == _CANCELLED)
    return tuple(_timing(s, runs[n], failed.get(n), limit_ms) for n, s in enumerate(statements))


def run_once(session: Session, sql: str) -> TrialRun:
    """Run one read and give what it took. Raises RefusedError for a write, UnreachableError on timeout."""
    session.drain_notices()
    # TIMING OFF: two readings of the clock per row and node would be a good part of what is measured.
    # https://www.postgresql.org/docs/current/using-explain.html#USING-EXPLAIN-CAVEATS
    document = session.explain_whole(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}")
    plan = document["Plan"]
    blocks = sum(float(plan.get(f"Shared {kind} Blocks", 0)) for kind in ("Hit", "Read"))
    elapsed = float(document["Execution Time"]) + float(document.get("Planning Time", 0.0))
    return TrialRun(elapsed, blocks, None if _has_workers(plan) else _processor_ms(session))


def is_read(sql: str) -> bool:
    """Whether the text begins as a query; the read-only session refuses those that write none the less."""
    return first_word(sql) in _READS


def _timing(
    asked: TrialStatement, runs: Sequence[TrialRun], failed: tuple[str, bool] | None, limit_ms: float
) -> Timing:
    """All runs but the first, which fills the caches, unless it is the only one."""
    why, over = failed or (None if runs else "not run: the time was up", False)
    warm = () if failed is not None else tuple(runs[1:] or runs)
    return Timing(asked.template, asked.sql, warm, asked.share, why, over, limit_ms)


def _see_processor_times(session: Session) -> None:
    """Where the role may: the server then tells us, and not its log, what each statement cost."""
    session.rows("verify/processor_times")


def _has_workers(plan: Mapping[str, Any]) -> bool:
    below = plan.get("Plans", ())
    return bool(plan.get("Workers Launched")) or any(_has_workers(node) for node in below)


def _processor_ms(session: Session) -> float | None:
    """User and system time of all steps of the last statement, in the three messages of the extended protocol."""
    found = [_TIMES.search(notice.detail) for notice in session.drain_notices() if "STATISTICS" in notice.message]
    times = [float(m[1]) + float(m[2]) for m in found if m]
    return 1000 * sum(times) if times else None


def templates_of(source: Source, request: ApplyRequest) -> FoldedWorkload:
    """The templates of the request's workload, without parameter classes.

    Raises UsageError for a file that cannot be read, PrerequisiteError where the server has no statements to tell.
    """
    try:
        return fold_workload(source, request.workload, TableFilter(), Silent())
    except PrerequisiteError as error:
        hint = f"{error.hint}, or give the statements with --workload FILE" if error.hint else None
        raise PrerequisiteError(error.message, detail=error.detail, hint=hint, code=error.code) from error


def with_classes(folded: FoldedWorkload, source: Source) -> tuple[QueryTemplate, ...]:
    """The templates with their parameter classes."""
    return prepared(folded, source.catalog, None).templates


def family(catalog: Catalog, table: QualifiedName) -> frozenset[QualifiedName]:
    """The table, what it is a partition of, and its partitions."""
    found = {table}
    known = {t.name: t for t in catalog.tables}
    while (last := known.get(table)) is not None and last.parent is not None:
        table = last.parent
        found.add(table)
    grown = True
    while grown:
        children = {t.name for t in catalog.tables if t.parent in found}
        grown = not children <= found
        found |= children
    return frozenset(found)


def reads_on(templates: Iterable[QueryTemplate], tables: frozenset[QualifiedName]) -> tuple[QueryTemplate, ...]:
    """Templates that only read and touch one of the tables, heaviest first as they come."""
    return tuple(t for t in templates if t.kind is StatementKind.SELECT and tables.intersection(t.relations))


def runnable(templates: Sequence[QueryTemplate]) -> tuple[TrialStatement, ...]:
    """Statements with values that can be run: real samples, else values from the statistics."""
    found: list[TrialStatement] = []
    for template in templates:
        literal = [s for s in template.scenarios if s.statement.mode is PlanMode.LITERAL]
        found += [TrialStatement(template.id, s.statement.sql, s.share) for s in literal if is_read(s.statement.sql)]
    return tuple(found)
