"""``experiment start``, ``step`` and ``stop``: two variants of indexes in turn, swapped by the engine of ``apply``.

What is to come is written down before it is done, so that a step which was cut short is done by the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from indexpilot_cli.apply.experiments.judge import MeasuredWindow, judge_windows
from indexpilot_cli.apply.experiments.status import (
    MEASURED,
    WINDOW,
    indexes_of,
    measured_windows,
    next_command,
    report_of,
    settled_answer,
    side_of,
    utc,
)
from indexpilot_cli.apply.experiments.swap import Confirm, ExperimentWork, swap
from indexpilot_cli.apply.experiments.values import (
    BEFORE,
    WINNER,
    ExperimentResult,
    ExperimentStart,
    ExperimentStep,
    ExperimentStop,
)
from indexpilot_cli.apply.experiments.variants import (
    Indexes,
    check_variants,
    impossible,
    in_place,
    missing_from,
    predict,
    read_variant,
    there,
)
from indexpilot_cli.apply.values import ApplyRequest
from indexpilot_cli.apply.verify.statistics import windows_between
from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.mutation import MutationReport, MutationType
from indexpilot_cli.db.statements import StatementsSnapshot, crash_between, take_snapshot
from indexpilot_cli.errors import IndexPilotError, RefusedError, UsageError
from indexpilot_cli.log import experiments, intents
from indexpilot_cli.log.bookkeeping import Note, bookkeeping
from indexpilot_cli.log.experiments import HOST, INDEX, RUNNING, STOPPED, Experiment
from indexpilot_cli.methods.existing import must_stay, same_structure
from indexpilot_cli.snapshot.source import Source, SourceRequest, open_metadata, open_source

BUILDING, STOPPING = "building", "stopping"


def start(request: ExperimentStart, progress: Progress, confirm: Confirm) -> Outcome[ExperimentResult]:
    """Put variant a in place and begin to measure; nothing of it stays known where that is refused.

    Raises UsageError for variants that cannot be read or compared and for a name that was used, RefusedError where the
    table has an experiment, PrerequisiteError before ``init`` and without pg_stat_statements.
    """
    with _working("start", request.apply, progress, confirm, request.name) as (work, note):
        wanted = _planned(work, request)
        note.table(wanted.table.name, wanted.table.schema)
        if request.apply.dry_run:
            swap(work, wanted, indexes_of(wanted, "a"), indexes_of(wanted, "b"))
            return _outcome(work, "experiment_start")
        begun = experiments.add(work.session, wanted, request.apply.record.actor or None, schema=work.schema)
        going = _proceed(work, begun)
        changed = any(m.outcome == "done" for m in _mutations(work))
        if going.state.get("phase") == BUILDING and not changed:
            experiments.forget(work.session, going, schema=work.schema)
            work.what[-1] = f"{going.name}: not begun, variant a could not be put in place"
        else:
            work.touched.append(going)
        return _outcome(work, "experiment_start")


def step(request: ExperimentStep, progress: Progress, confirm: Confirm) -> Outcome[ExperimentResult]:
    """End windows that are over, judge, and put the other variant in place; what is not due is left as it is."""
    with _working("step", request.apply, progress, confirm, request.name or "") as (work, note):
        found = experiments.read(work.session, request.name, schema=work.schema)
        for one in (e for e in found if e.status == RUNNING and e.kind == INDEX):
            work.touched.append(_step(work, one))
        idle = all(text.endswith(_WAITING) for text in work.what) and not work.outcomes
        note.idle = "waiting" if idle and not request.apply.dry_run else None
        return _outcome(work, "experiment_step", idle=idle)


def stop(request: ExperimentStop, progress: Progress, confirm: Confirm) -> Outcome[ExperimentResult]:
    """Leave what is to stay, by the engine of ``apply``, and end the experiment.

    Raises UsageError for an unknown name or one that ended.
    """
    with _working("stop", request.apply, progress, confirm, request.name) as (work, note):
        found = experiments.require(work.session, request.name, schema=work.schema)
        note.table(found.table.name, found.table.schema)
        if found.status != RUNNING:
            raise UsageError(f"experiment {found.name} ended before", hint="indexpilot experiment status", code="ended")
        ended = _stop_host(work, found, request.keep) if found.kind == HOST else _stop(work, found, request.keep)
        work.touched.append(ended)
        return _outcome(work, "experiment_stop")


# -- how far it is


_WAITING = "is not over"


def _planned(work: ExperimentWork, request: ExperimentStart) -> Experiment:
    experiments.check_name(request.name)
    if request.rounds < 1 or request.window_seconds < 0:
        raise UsageError("an experiment has at least one round", hint="indexpilot experiment start --help")
    take_snapshot(work.session)  # without counters there will be nothing to measure
    with open_source(SourceRequest(work.apply.connection), work.progress) as source:
        a, b = (read_variant(texts, source, work.schema) for texts in (request.a, request.b))
        table = check_variants(a, b)
        before = there(source.catalog, (*a, *missing_from(b, a)))
        own = source.catalog.table(table)
        assert own is not None  # read_create_index() refuses a table that is not there
        _check_droppable(source.catalog, own, a, b)
        settings = {
            "before": to_json(before),
            "window_seconds": request.window_seconds,
            "rounds": request.rounds,
            "predicted": _predicted(work, source, a, b),
        }
    work.what.append(f"{request.name}: b against a, {settings['predicted']}")
    variants = {"a": to_json(a), "b": to_json(b)}
    return Experiment(
        request.name, table, INDEX, variants, 0.5, settings, {"phase": BUILDING, "window": 0, "plans": []}
    )


def _check_droppable(catalog: Catalog, table: Table, a: Indexes, b: Indexes) -> None:
    """Raises RefusedError where a variant would be without an index that keeps rows right, not only queries fast."""
    goes = (*missing_from(there(catalog, a), b), *missing_from(there(catalog, b), a))
    for index in table.indexes:
        # The server drops a unique index without a word, and what was written meanwhile may never fit one again.
        why = must_stay(index, table)
        if why is not None and any(same_structure(index.definition, d) for d in goes):
            text = f"no variant can be without {index.name.short}: {why}"
            raise RefusedError(text, hint="name it in both variants", code="depended_on")


def _predicted(work: ExperimentWork, source: Source, a: Indexes, b: Indexes) -> str:
    try:
        return predict(source, work.apply.verification(), a, b, work.progress).text
    except IndexPilotError as error:
        return f"not predicted: {error.message}"


def _step(work: ExperimentWork, experiment: Experiment) -> Experiment:
    phase = experiment.state.get("phase")
    if phase == BUILDING:
        return _proceed(work, experiment)
    if phase == STOPPING:
        return _stop(work, experiment, str(experiment.state["keep"]))
    if phase == MEASURED:
        work.what.append(f"{experiment.name}: measured, {next_command('stop', experiment.name)} ends it")
        return experiment
    return _window_over(work, experiment)


def _proceed(work: ExperimentWork, experiment: Experiment) -> Experiment:
    """Put the next variant in place and begin its window; unchanged where that was refused or has failed."""
    number = int(experiment.state["window"])
    side = side_of(number)
    other = "b" if side == "a" else "a"
    moved = swap(work, experiment, indexes_of(experiment, side), indexes_of(experiment, other))
    if moved is None:
        work.what.append(f"{experiment.name}: variant {side} is not in place; the next step tries again")
        return experiments.require(work.session, experiment.name, schema=work.schema)
    baseline = take_snapshot(work.session)
    work.what.append(f"{experiment.name}: variant {side} is in place, window {number + 1} begins")
    return work.move(moved, {"phase": WINDOW, "window": number, **_begun(baseline)})


def _begun(baseline: StatementsSnapshot) -> dict[str, Any]:
    since = utc(baseline.since) if baseline.since is not None else None
    return {"began": utc(baseline.taken_at), "since": since, "baseline": intents.packed(baseline)}


def _window_over(work: ExperimentWork, experiment: Experiment) -> Experiment:
    state = experiment.state
    began, number = datetime.fromisoformat(state["began"]), int(state["window"])
    now = take_snapshot(work.session)
    if now.taken_at < began + timedelta(seconds=experiment.settings["window_seconds"]):
        work.what.append(f"{experiment.name}: window {number + 1} {_WAITING}")
        return experiment
    since = datetime.fromisoformat(state["since"]) if state["since"] else None
    baseline = intents.unpacked(state["baseline"], began, since)
    side = side_of(number)
    with open_source(SourceRequest(work.apply.connection), work.progress) as source:
        other = indexes_of(experiment, "b" if side == "a" else "a")
        undisturbed = in_place(source.catalog, indexes_of(experiment, side), other)
        affected, controls = windows_between(baseline, now, source.catalog, experiment.table, work.schema)
    if not undisturbed or crash_between(baseline, now) is not None:
        why = "the server crashed in it" if undisturbed else "its indexes were not there to the end"
        work.what.append(f"{experiment.name}: window {number + 1} does not count, {why}")
        again = {"phase": BUILDING, "window": number}
        return experiment if work.apply.dry_run else _proceed(work, work.move(experiment, again))
    if work.apply.dry_run:
        work.what.append(f"{experiment.name}: window {number + 1} is over")
        return experiment
    return _counted(work, experiment, MeasuredWindow(side, affected, controls))


def _counted(work: ExperimentWork, experiment: Experiment, measured: MeasuredWindow) -> Experiment:
    """The window is kept; both variants seen equally often, the windows are judged."""
    rounds, over = int(experiment.settings["rounds"]), int(experiment.state["window"]) + 1
    verdict = judge_windows((*measured_windows(work.session, experiment, work.schema), measured), rounds)
    ended = over % 2 == 0 and (verdict.decided or over == 2 * rounds)
    calls = sum(w.calls for w in measured.affected)
    moved = work.move(
        experiment,
        {"phase": MEASURED if ended else BUILDING, "window": over},
        winner=verdict.answer.value if ended else None,
        window=(measured.variant, calls, {"number": over, "window": to_json(measured)}),
    )
    work.what.append(f"{experiment.name}: window {over} is over, {calls:,.0f} reads with {measured.variant}")
    if not ended:
        return _proceed(work, moved)
    work.what.append(f"{experiment.name}: {verdict.told()}")
    return moved


def _stop(work: ExperimentWork, experiment: Experiment, keep: str) -> Experiment:
    kept = experiment.winner if keep == WINNER and experiment.winner in ("a", "b") else keep
    kept = BEFORE if kept == WINNER else kept
    to, never = _possible(work, indexes_of(experiment, str(kept)))
    away = missing_from((*indexes_of(experiment, "a"), *indexes_of(experiment, "b")), to)
    if work.apply.dry_run:
        swap(work, experiment, to, away)
        return experiment
    state = {"phase": STOPPING, "window": experiment.state["window"], "keep": kept}
    moved = swap(work, work.move(experiment, state, winner=experiment.winner), to, away)
    if moved is None:
        work.what.append(f"{experiment.name}: not ended yet; {next_command('stop', experiment.name)} tries again")
        return experiments.require(work.session, experiment.name, schema=work.schema)
    work.what.append("; ".join((f"{experiment.name}: ended, {_left(str(kept))}", *never)))
    return work.move(moved, dict(moved.state), status=STOPPED, winner=experiment.winner or "undecided")


def _possible(work: ExperimentWork, wanted: Indexes) -> tuple[Indexes, tuple[str, ...]]:
    """Those that can still be built, so that an experiment ends whatever happened to its table; why not the others."""
    with open_source(SourceRequest(work.apply.connection), work.progress) as source:
        never = {d: why for d in wanted if (why := impossible(source.catalog, d)) is not None}
    told = tuple(f"not {summary(definition)}, {why}" for definition, why in never.items())
    return tuple(d for d in wanted if d not in never), told


def _left(kept: str) -> str:
    return "the indexes are those from before" if kept == BEFORE else f"variant {kept} stays"


def _stop_host(work: ExperimentWork, experiment: Experiment, keep: str) -> Experiment:
    """Nothing is built for the host's variants; the answer stays."""
    if work.apply.dry_run:
        return experiment
    winner = settled_answer(work.session, experiment, keep, work.schema)
    work.what.append(f"{experiment.name}: ended, {winner.replace('_', ' ')}")
    return work.move(experiment, {"kept": keep}, status=STOPPED, winner=winner)


# -- what is told


@contextmanager
def _working(
    what: str, asked: ApplyRequest, progress: Progress, confirm: Confirm, name: str
) -> Iterator[tuple[ExperimentWork, Note]]:
    record = replace(asked.record, command=asked.record.command or f"experiment {what}")
    # Builds and drops have rows of their own; this one says what the experiment did.
    kind = MutationType.DISCOVER if asked.dry_run else MutationType.SYSTEM_CONFIG_CHANGE
    with (
        bookkeeping(asked.connection, kind, record, action=f"experiment_{what}", experiment=name) as note,
        open_metadata(asked.connection, write=True) as (session, server),
    ):
        work = ExperimentWork(asked, progress, confirm, session, server)
        yield work, note
        note.details(what=list(work.what))


def _waits_for_stop(experiment: Experiment) -> bool:
    return experiment.status == RUNNING and experiment.state.get("phase") == MEASURED


def _mutations(work: ExperimentWork) -> Iterator[MutationReport]:
    return chain.from_iterable(o.result.mutations for o in work.outcomes)


def _outcome(work: ExperimentWork, command: str, *, idle: bool = False) -> Outcome[ExperimentResult]:
    told = tuple(report_of(work.session, e, work.schema) for e in work.touched)
    last = work.outcomes[-1] if work.outcomes else None
    worst = max(work.outcomes, key=lambda o: o.exit_code, default=None)
    result = ExperimentResult(
        last.result.plan if last is not None else None,
        tuple(chain.from_iterable(o.result.verdicts for o in work.outcomes)),
        tuple(_mutations(work)),
        work.apply.dry_run,
        worst.result.skipped if worst is not None and worst.exit_code else None,
        last.result.next_opening if last is not None else None,
        tuple(chain.from_iterable(o.result.reconciled for o in work.outcomes)),
        experiments=told,
        what=tuple(work.what),
    )
    status = worst.status if worst is not None else "skipped" if idle else "ok"
    if status == "ok" and any(m.outcome == "planned" for m in result.mutations):
        status = "findings"  # of a dry run
    code = worst.exit_code if worst is not None else 0
    warnings = tuple(chain.from_iterable(o.warnings for o in work.outcomes))
    after = tuple(next_command("stop" if _waits_for_stop(e) else "status", e.name) for e in work.touched[:1])
    return Outcome(command, result, status, code, work.server, warnings, after)
