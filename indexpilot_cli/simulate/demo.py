"""``indexpilot demo``: a database worth advising, its traffic, the advice and its proof, on a server of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from indexpilot_cli.advise import recommend
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core import units
from indexpilot_cli.core.command import Connection, Outcome, Progress, WorkloadRequest
from indexpilot_cli.core.directories import state_directory
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.planner.twin.server import LocalServer
from indexpilot_cli.simulate import data, server, traffic
from indexpilot_cli.simulate.data import DEFAULT_ROWS, DemoSizes
from indexpilot_cli.simulate.proof import DemoRequest, DemoResult, Proof, StepLog, prove
from indexpilot_cli.simulate.server import DemoSlot, DemoState

_REPLAY_SECONDS = 15.0
_CHOICE_SECONDS = 20.0  # unless the caller says otherwise
_PROOF_SHARE = 0.12  # of the replay, done twice more on one connection


def run(request: DemoRequest, progress: Progress) -> Outcome[DemoResult]:
    """Build, replay, advise, prove; with ``keep`` the server stays, with ``stop`` a kept one ends.

    Raises RefusedError when another demo is at work or a kept one is of another size or seed, PrerequisiteError
    when no server can be started here.
    """
    if request.stop:
        return stop(request, progress)
    with DemoSlot(demo_place(request)).held() as slot:
        kept = _settle(slot, request, progress)
        return _again(kept, request, progress) if kept else _fresh(slot, request, progress)


def stop(request: DemoRequest, progress: Progress) -> Outcome[DemoResult]:
    """End the kept server and delete it. Nothing there is not an error: the status is ``skipped``."""
    with DemoSlot(demo_place(request)).held() as slot:
        state = slot.read()
        if state is None:
            slot.clear()
            return Outcome("demo", DemoResult("stopped", notes=("no demo server was kept",)), status="skipped")
        progress.stage("stopping the demo server")
        log = StepLog()
        kept = server.of(state)
        was = "stopped and deleted" if server.answers(kept) else "was dead already; what it left is deleted"
        server.remove(kept)
        slot.clear()
        log.step("server", f"PostgreSQL {state.version} in {state.home} {was}")
        return Outcome("demo", DemoResult("stopped", tuple(log.steps)))


def kept_server(request: DemoRequest) -> LocalServer | None:
    """The server that an earlier run kept; None: there is none, or it is dead."""
    state = DemoSlot(demo_place(request)).read()
    running = server.of(state) if state is not None and state.kept else None
    return running if running is not None and server.answers(running) else None


def _settle(slot: DemoSlot, request: DemoRequest, progress: Progress) -> DemoState | None:
    """The kept server if it can be used again, after deleting what a dead or killed one left."""
    state = slot.read()
    if state is None:
        return None
    if not (state.kept and server.answers(server.of(state))):
        what = "the kept demo server is dead" if state.kept else "an earlier demo was killed"
        progress.say(f"{what}: deleting what it left in {state.home}")
        server.remove(server.of(state))
        slot.clear()
        return None
    if (state.seed, state.rows) != (request.seed, request.rows or DEFAULT_ROWS):
        raise RefusedError(
            f"a demo server with {state.rows:,} events (seed {state.seed}) is still there",
            hint="indexpilot demo stop",
        )
    return state


def _again(state: DemoState, request: DemoRequest, progress: Progress) -> Outcome[DemoResult]:
    log = StepLog()
    kept = server.of(state)
    log.step("server", f"the kept PostgreSQL {state.version} in {state.home}, with the traffic it logged")
    plan = _advise(kept, request, progress, log)
    return _outcome(kept, log, plan, None, kept=True)


def _fresh(slot: DemoSlot, request: DemoRequest, progress: Progress) -> Outcome[DemoResult]:
    sizes = DemoSizes(request.rows or DEFAULT_ROWS)
    server.require_space(server.room(), sizes.disk_bytes)
    log = StepLog()
    with _running(slot, request, sizes, progress) as (state, running):
        log.step("server", f"PostgreSQL {state.version}, private socket in {state.home}, no TCP port")
        _build(running, sizes, request, progress, log)
        _replay(running, _calls(running, request, _share(request)), progress, log)
        plan = _advise(running, request, progress, log)
        proof = _prove(running, plan, proof_calls(running, request), progress, log)
        if request.keep:
            server.let_go(running)
            slot.write(replace(state, kept=True))
        return _outcome(running, log, plan, proof, kept=request.keep)


@contextmanager
def _running(
    slot: DemoSlot, request: DemoRequest, sizes: DemoSizes, progress: Progress
) -> Iterator[tuple[DemoState, LocalServer]]:
    """A new server with its state on record; both are gone afterwards unless the state then says kept."""
    progress.stage("starting PostgreSQL")
    binaries = server.choose()
    home = server.new_home()
    state = DemoState(str(home), str(binaries.directory), binaries.version, request.seed, sizes.events)
    running = server.of(state)
    try:
        slot.write(state)
        running.start()
        server.create_database(running)
        yield state, running
    finally:
        now = slot.read()
        if now is None or not now.kept:
            server.remove(running)
            slot.clear()


def _build(running: LocalServer, sizes: DemoSizes, request: DemoRequest, progress: Progress, log: StepLog) -> None:
    data.build(server.dsn(running), sizes, request.seed, _connections(), progress)
    with Replay(server.dsn(running)) as admin:
        size = admin.rows("SELECT pg_database_size(current_database()) AS bytes")[0]["bytes"]
    log.step(
        "data",
        f"{len(sizes.tables())} tables of a CRM with billing, {sizes.total:,} rows ({sizes.events:,} in events), "
        f"{sizes.of('accounts'):,} tenants, {units.size(size)}",
    )


def _share(request: DemoRequest) -> float:
    """Of the full traffic as much as the tables have of their full rows."""
    return min(1.0, (request.rows or DEFAULT_ROWS) / DEFAULT_ROWS)


def proof_calls(running: LocalServer, request: DemoRequest) -> tuple[traffic.Call, ...]:
    """What is run again to see what a plan is worth."""
    return _calls(running, request, _share(request) * _PROOF_SHARE)


def demo_workload(running: LocalServer) -> WorkloadRequest:
    """The traffic that the server logged."""
    return WorkloadRequest(SourceKind.LOG, files=(str(server.log_file(running)),))


def _calls(running: LocalServer, request: DemoRequest, share: float) -> tuple[traffic.Call, ...]:
    with Replay(server.dsn(running)) as admin:
        return traffic.deck(traffic.templates(), traffic.sample(admin), request.seed, share)


def _replay(running: LocalServer, calls: tuple[traffic.Call, ...], progress: Progress, log: StepLog) -> None:
    server.start_logging(running)
    dsn = server.dsn(running, server.APPLICATION)
    tally = traffic.replay(dsn, calls, _connections(), _REPLAY_SECONDS, progress)
    size = server.stop_logging(running)
    log.step(
        "traffic",
        f"{tally.done:,} statements of {len({c.template for c in calls})} kinds on {_connections()} connections in "
        f"{tally.seconds:.1f} s, logged by the server ({units.size(size)} of JSON)",
    )
    if tally.done < tally.planned:
        log.remark(f"the replay was cut at {_REPLAY_SECONDS:.0f} s: {tally.done:,} of {tally.planned:,} statements")
    if tally.failed:
        example, _ = tally.failed.most_common(1)[0]
        log.remark(f"the server refused {tally.failed.total():,} of the statements, most often {example}")


def _advise(running: LocalServer, request: DemoRequest, progress: Progress, log: StepLog) -> Plan:
    question = RecommendRequest(
        connection=Connection(server.dsn(running)),
        workload=demo_workload(running),
        planner=replace(request.planner, max_seconds=request.planner.max_seconds or _CHOICE_SECONDS),
        record=replace(request.record, enabled=request.record.enabled and request.keep),
    )
    plan = recommend.run(question, progress).result
    log.step(
        "advice",
        f"{len(plan.recommendations)} of {plan.candidates} possible indexes chosen for {plan.templates} templates "
        f"with {plan.calls:,} EXPLAINs by {plan.estimator}",
    )
    return plan


def _prove(
    running: LocalServer, plan: Plan, calls: tuple[traffic.Call, ...], progress: Progress, log: StepLog
) -> Proof | None:
    if not plan.recommendations:
        return None
    proof = prove(running, plan, calls, progress)
    log.step(
        "proof",
        f"applied to a copy: {proof.indexes} indexes built in {proof.build_seconds:.1f} s, {units.size(proof.bytes)} "
        f"({units.size(plan.size_bytes)} predicted); {proof.calls:,} reads timed without and with them",
    )
    for problem in proof.failed:
        log.remark(f"not built: {problem}")
    if proof.slower:
        log.remark(f"slower with the advice: {', '.join(proof.slower)}")
    return proof


def _outcome(running: LocalServer, log: StepLog, plan: Plan, proof: Proof | None, *, kept: bool) -> Outcome[DemoResult]:
    result = DemoResult(
        "running" if kept else "finished",
        tuple(log.steps),
        server.dsn(running) if kept else None,
        plan,
        proof.before_ms if proof else None,
        proof.after_ms if proof else None,
        tuple(log.notes),
        proof.latencies if proof else (),
    )
    commands = _next(running, plan) if kept else ("indexpilot demo --keep",)
    return Outcome("demo", result, warnings=plan.warnings, next=commands)


def _next(running: LocalServer, plan: Plan) -> tuple[str, ...]:
    database = f'-d "{server.dsn(running)}"'
    log = server.log_file(running)
    return (
        f"indexpilot discover {database}",
        f"indexpilot analyze {database} --source log {log}",
        f"indexpilot recommend {database} --source log {log}",
        *(f"indexpilot explain {r.id} {database}" for r in plan.recommendations[:1]),
        "indexpilot demo stop",
    )


def _connections() -> int:
    return max(2, min(4, os.cpu_count() or 2))


def demo_place(request: DemoRequest) -> Path:
    """Where a kept server is remembered."""
    return Path(request.state_directory) if request.state_directory else state_directory()
