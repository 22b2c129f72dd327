"""A trial judged: the same statements run before and after a build, by processor time and blocks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from indexpilot_cli.apply.verify.verdict import (
    SLOWER,
    IndexVerdict,
    MeasuredEffect,
    TemplateVerdict,
    Verification,
    numbers,
    worst_first,
)
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress, Silent, TableFilter, WorkloadRequest
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import FoldedWorkload, PlanMode, QueryTemplate
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.plans import first_word
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError
from indexpilot_cli.methods.partitioned import upwards
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload.templates import fold_workload

LEAST_MS = 1.0  # a statement that loses less per call is not called slower: clocks are not that good
SAME_BLOCKS = 0.005  # two runs that read the same pages, within this share, did the same work
SAME_WORK_SLOWER = 1.25  # then only this much more time is the index's: the machine alone makes up to that
_DRIFT = (0.5, 2.0)  # a factor beyond is no change of load and not scaled away


@dataclass(frozen=True, slots=True)
class TrialRun:
    """One run of one statement. ``cpu_ms`` is user and system time of the server process for the whole of it; None
    without the right to see it, and for plans with parallel workers, whose time is not in it. ``blocks`` hit or read.
    """

    elapsed_ms: float
    blocks: float
    cpu_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """The runs of one statement of a template with the caches warm; ``failed`` says why there are none.

    ``over`` marks a statement stopped at the time limit ``limit_ms``. ``share`` weighs it among the template's.
    """

    template: str
    statement: str
    runs: tuple[TrialRun, ...] = ()
    share: float = 1.0
    failed: str | None = None
    over: bool = False
    limit_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Compared:
    """One statement in two states: milliseconds (processor time where both sides have it) and blocks.

    Both are those of the run that the rest of the machine disturbed least: others only ever make a run slower.
    """

    before: float
    after: float
    blocks_before: float
    blocks_after: float
    share: float


def judge_trial(before: Iterable[Timing], after: Iterable[Timing], controls: Iterable[str] = ()) -> Verification:
    """What two trials say: a template is slower when even its quickest run takes more than a tenth longer than the
    quickest before, scaled by the controls. Blocks may fall meanwhile: a nested loop may read fewer and take longer.
    Where they are the same, only a quarter longer is not the machine's doing.

    ``controls`` are templates on untouched tables among the timings; they only tell how the machine changed.
    """
    old = {(t.template, t.statement): t for t in before}
    pairs = [(old[key], t) for t in after if (key := (t.template, t.statement)) in old]
    steady = set(controls)
    load = drift([pair for pair in pairs if pair[0].template in steady])
    by_template: dict[str, list[tuple[Timing, Timing]]] = {}
    for pair in pairs:
        if pair[0].template not in steady:
            by_template.setdefault(pair[0].template, []).append(pair)
    found = worst_first(tuple(_template(name, timings, load) for name, timings in by_template.items()))
    return _answer(found, load)


def drift(controls: Sequence[tuple[Timing, Timing]]) -> float:
    """By what statements that the index cannot touch changed: the median of their ratios, 1 without any."""
    ratios = [c.after / c.before for pair in controls if (c := _compared(*pair)) and c.before >= LEAST_MS]
    found = median(ratios) if ratios else 1.0
    return found if _DRIFT[0] <= found <= _DRIFT[1] else 1.0


def time_of(timing: Timing) -> float | None:
    """Milliseconds of one statement: its quickest run, the limit when it was stopped there, None when it failed."""
    if timing.over:
        return timing.limit_ms
    return min(_times(timing, _by_cpu(timing))) if timing.runs else None


def _template(name: str, pairs: Sequence[tuple[Timing, Timing]], load: float) -> TemplateVerdict:
    compared = [c for pair in pairs if (c := _compared(*pair))]
    if not compared:
        why = next((t.failed for t in itertools.chain.from_iterable(pairs) if t.failed), "not run")
        return TemplateVerdict(name, MeasuredEffect.UNKNOWN, 0.0, 0.0, why=why or "")
    weight = sum(c.share for c in compared) or 1.0
    sums = [sum(getattr(c, f) * c.share for c in compared) / weight for f in ("before", "after")]
    blocks = [sum(getattr(c, f) * c.share for c in compared) / weight for f in ("blocks_before", "blocks_after")]
    before, after = sums[0] * load, sums[1]
    effect = MeasuredEffect.SAME
    if any(_is_slower(c, load) for c in compared) and after > _margin(*blocks) * before:
        effect = MeasuredEffect.SLOWER
    elif after < before / SLOWER:
        effect = MeasuredEffect.FASTER
    runs = min(len(t.runs) for t in itertools.chain.from_iterable(pairs))
    return TemplateVerdict(name, effect, before, after, "ms", blocks[0], blocks[1], calls=(runs, runs))


def _is_slower(found: Compared, load: float) -> bool:
    margin = _margin(found.blocks_before, found.blocks_after)
    return found.after > margin * found.before * load and found.after - found.before * load >= LEAST_MS


def _margin(blocks_before: float, blocks_after: float) -> float:
    """How many times as long a statement may take before it counts as slower."""
    same = abs(blocks_after - blocks_before) <= SAME_BLOCKS * max(blocks_before, 1.0)
    return SAME_WORK_SLOWER if same else SLOWER


def _compared(before: Timing, after: Timing) -> Compared | None:
    """None when a side failed, or when both were stopped at the limit."""
    if (before.over and after.over) or not (before.runs or before.over) or not (after.runs or after.over):
        return None
    by_cpu = not before.over and not after.over and _by_cpu(before) and _by_cpu(after)
    old, new = _times(before, by_cpu), _times(after, by_cpu)
    blocks = [median([r.blocks for r in t.runs]) if t.runs else 0.0 for t in (before, after)]
    return Compared(min(old), min(new), blocks[0], blocks[1], before.share)


def _by_cpu(timing: Timing) -> bool:
    return bool(timing.runs) and all(run.cpu_ms is not None for run in timing.runs)


def _times(timing: Timing, by_cpu: bool) -> list[float]:
    if timing.over:
        return [timing.limit_ms]
    return [run.cpu_ms if by_cpu and run.cpu_ms is not None else run.elapsed_ms for run in timing.runs]


def _answer(found: tuple[TemplateVerdict, ...], load: float) -> Verification:
    known = [t for t in found if t.effect is not MeasuredEffect.UNKNOWN]
    notes = (f"times scaled by {load:.2f}, the change of statements on untouched tables",) if load != 1 else ()
    slower = [t for t in known if t.effect is MeasuredEffect.SLOWER]
    faster = [t for t in known if t.effect is MeasuredEffect.FASTER]
    if slower:
        return Verification(IndexVerdict.REVERT, f"slower when really run: {numbers(slower[0])}", found, notes)
    if not known:
        text = "not enough evidence yet: none of the affected statements could be run"
        return Verification(IndexVerdict.NOT_ENOUGH, text, found, notes)
    if not faster:
        return Verification(IndexVerdict.NO_GAIN, f"none of {len(known)} templates really ran faster", found, notes)
    text = f"{len(faster)} of {len(known)} templates really ran faster: {numbers(faster[-1])}"
    return Verification(IndexVerdict.KEPT, text, found, notes)


def culprit(states: Sequence[Sequence[Timing]], template: str) -> int | None:
    """Which build made the template slower most: n for the step from state n to n + 1, None when none did.

    ``states`` are all timings before the first build and after each one.
    """
    times = [_template_time(state, template) for state in states]
    steps = [late / early for early, late in itertools.pairwise(times) if early and late]
    if len(steps) != len(states) - 1 or not steps or max(steps) <= 1:
        return None
    return steps.index(max(steps))


def _template_time(state: Sequence[Timing], template: str) -> float:
    return sum(t.share * (time_of(t) or 0.0) for t in state if t.template == template)


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
    # Where the role may: the server then tells us, and not its log, what each statement cost.
    session.rows("verify/processor_times")
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


def _has_workers(plan: Mapping[str, Any]) -> bool:
    below = plan.get("Plans", ())
    return bool(plan.get("Workers Launched")) or any(_has_workers(node) for node in below)


def _processor_ms(session: Session) -> float | None:
    """User and system time of all steps of the last statement, in the three messages of the extended protocol."""
    found = [_TIMES.search(notice.detail) for notice in session.drain_notices() if "STATISTICS" in notice.message]
    times = [float(m[1]) + float(m[2]) for m in found if m]
    return 1000 * sum(times) if times else None


def templates_of(source: Source, workload: WorkloadRequest) -> FoldedWorkload:
    """The templates of the workload, without parameter classes.

    Raises UsageError for a file that cannot be read, PrerequisiteError where the server has no statements to tell.
    """
    try:
        return fold_workload(source, workload, TableFilter(), Silent())
    except PrerequisiteError as error:
        hint = f"{error.hint}, or give the statements with --workload FILE" if error.hint else None
        raise PrerequisiteError(error.message, detail=error.detail, hint=hint, code=error.code) from error


def family(catalog: Catalog, table: QualifiedName) -> frozenset[QualifiedName]:
    """The table, what it is a partition of, and its partitions."""
    found = set(upwards(table, catalog))
    grown = True
    while grown:
        children = {t.name for t in catalog.tables if t.parent in found}
        grown = not children <= found
        found |= children
    return frozenset(found)


def reads_on(templates: Iterable[QueryTemplate], tables: frozenset[QualifiedName]) -> tuple[QueryTemplate, ...]:
    """Templates that only read and touch one of the tables, heaviest first as they come."""
    return tuple(t for t in templates if not t.is_write and tables.intersection(t.relations))


def runnable(templates: Sequence[QueryTemplate]) -> tuple[TrialStatement, ...]:
    """Statements with values that can be run: real samples, else values from the statistics."""
    found: list[TrialStatement] = []
    for template in templates:
        literal = [s for s in template.scenarios if s.statement.mode is PlanMode.LITERAL]
        found += [TrialStatement(template.id, s.statement.sql, s.share) for s in literal if is_read(s.statement.sql)]
    return tuple(found)
