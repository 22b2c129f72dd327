"""The advice put to the test: its indexes built on a copy of the database, the same reads timed on both sides."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from indexpilot_cli.model.names import QualifiedName
from indexpilot_cli.model.progress import Progress, Silent
from indexpilot_cli.model.recommendation import Plan
from indexpilot_cli.model.results import DemoLatency
from indexpilot_cli.postgres.replay import Replay
from indexpilot_cli.simulate import server
from indexpilot_cli.simulate.crew import Crew
from indexpilot_cli.simulate.traffic import Call
from indexpilot_cli.twin.server import LocalServer

_COPY = "proof"
_FACTOR = 1.3  # slower by less is noise
_LEAST_MS = 20.0
_SIZE = "SELECT pg_relation_size($1::regclass) AS bytes"


@dataclass(frozen=True, slots=True)
class Proof:
    """Milliseconds of the same reads, by template, without and with the indexes; what building them took.

    ``bytes`` is the size of the indexes as built; ``counts`` are the runs of each template on either side.
    """

    before: dict[str, float]
    after: dict[str, float]
    calls: int
    indexes: int
    bytes: int
    build_seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def before_ms(self) -> float:
        """All reads together, without the indexes."""
        return sum(self.before.values())

    @property
    def after_ms(self) -> float:
        """All reads together, with the indexes."""
        return sum(self.after.values())

    @property
    def latencies(self) -> tuple[DemoLatency, ...]:
        """Each template's time per call, the slowest before first."""
        found = (DemoLatency(n, k, self.before[n] / k, self.after[n] / k) for n, k in self.counts.items())
        return tuple(sorted(found, key=lambda one: -one.before_ms))

    @property
    def slower(self) -> tuple[str, ...]:
        """Templates that became slower, the worst first."""
        return _slower(self.before, self.after)


def _slower(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[str, ...]:
    lost = {name: after[name] - ms for name, ms in before.items() if after[name] > _FACTOR * ms}
    return tuple(sorted((name for name, ms in lost.items() if ms >= _LEAST_MS), key=lambda name: -lost[name]))


def prove(running: LocalServer, plan: Plan, calls: Sequence[Call], connections: int, progress: Progress) -> Proof:
    """Build the plan's indexes on a copy of the demo's database and time the reads before and after, one at a time.

    The copy is dropped again; the database itself stays as the application made it.
    """
    reads = [call for call in calls if call.sql.startswith("SELECT")]
    first = list({call.template: call for call in reads}.values())
    progress.stage(
        "building the advice on a copy and timing it", len(first) + 2 * len(reads) + len(plan.recommendations)
    )
    with Replay(running.dsn()) as admin:
        admin.run(f"CREATE DATABASE {_COPY} TEMPLATE {server.DATABASE} STRATEGY file_copy")
        try:
            with Replay(running.dsn(_COPY)) as member:
                _time(member, first, progress)  # fills the buffers
                before = _time(member, reads, progress)
                seconds = _create(running.dsn(_COPY), plan, connections, progress)
                after = _time(member, reads, progress)
                doubtful = _slower(before, after)  # a busy machine is not the advice's fault: they get a second chance
                again = _time(member, [call for call in reads if call.template in doubtful], Silent())
                after |= {name: min(after[name], again[name]) for name in doubtful}
                size = _bytes(member, plan)
        finally:
            admin.run(f"DROP DATABASE {_COPY} WITH (FORCE)")
    counts = Counter(call.template for call in reads)
    return Proof(before, after, len(reads), len(plan.recommendations), size, seconds, counts)


def _bytes(member: Replay, plan: Plan) -> int:
    names = [str(QualifiedName(r.definition.table.schema, r.name)) for r in plan.recommendations]
    return sum(int(member.rows(_SIZE, [name])[0]["bytes"]) for name in names)


def _create(dsn: str, plan: Plan, connections: int, progress: Progress) -> float:
    """Build the indexes side by side, each locking its table: nobody else is here. Seconds."""
    began = time.monotonic()
    builds = {r.id: r.ddl.replace(" CONCURRENTLY ", " ", 1) for r in plan.recommendations}
    with Crew(dsn, connections, ("SET maintenance_work_mem = '256MB'",)) as crew:
        crew.run(dict.fromkeys(builds, ()), lambda member, key: _run(member, builds[key]), lambda _: progress.advance())
        tables = {str(r.definition.table) for r in plan.recommendations}  # expressions have no statistics before
        crew.run(dict.fromkeys(tables, ()), lambda member, table: _run(member, f"ANALYZE {table}"), lambda _: None)
    return time.monotonic() - began


def _run(member: Replay, statement: str) -> None:
    member.run(statement)


def _time(member: Replay, calls: Sequence[Call], progress: Progress) -> dict[str, float]:
    spent: dict[str, float] = defaultdict(float)
    for call in calls:
        began = time.monotonic()
        member.run(call.sql, call.values)
        spent[call.template] += (time.monotonic() - began) * 1000
        progress.advance()
    return dict(spent)
