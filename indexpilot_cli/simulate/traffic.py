"""The demo's traffic: a fixed deck of statements, shuffled by the seed and dealt to some connections.

The deck holds every template as often as ``sql/traffic.sql`` says, so that a cut-off replay is still a fair sample.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

from indexpilot_cli.core.command import Progress
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.simulate.connections import ReplayConnections, sql_steps

TODAY = datetime(2026, 6, 30, 18, tzinfo=UTC)  # the data's last moment; nothing here reads the clock
Row = Mapping[str, str | None]
Pools = Mapping[str, Sequence[Row]]
_CALL = re.compile(r"(?P<name>[a-z]+)(?:\((?P<arguments>[^)]*)\))?")


@dataclass(frozen=True, slots=True)
class Template:
    """A statement with ``$n``, how often a whole replay runs it, and where its values come from."""

    name: str
    sql: str
    calls: int
    sources: tuple[str, ...]

    @property
    def pools(self) -> frozenset[str]:
        """Pools it takes values from."""
        return frozenset(source.partition(".")[0] for source in self.sources if "." in source)


@dataclass(frozen=True, slots=True)
class Call:
    """One statement to run, with its values as text."""

    template: str
    sql: str
    values: tuple[str | None, ...]


@dataclass(slots=True)
class ReplayTally:
    """What a replay did: statements run, statements the server refused (by message), seconds it took."""

    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    planned: int = 0


def templates() -> tuple[Template, ...]:
    """The mix of ``sql/traffic.sql``."""
    return tuple(
        Template(step.name, step.statements[0], int(step.words[0]), step.words[1:]) for step in sql_steps("traffic")
    )


def deck(mix: Sequence[Template], pools: Pools, seed: int, share: float = 1.0) -> tuple[Call, ...]:
    """Every template as often as it wants (times ``share``, at least once), in the order the seed gives.

    Templates whose pools are empty are left out.
    """
    order: list[Template] = []
    for template in mix:
        if template.pools <= pools.keys():
            order += [template] * max(1, round(template.calls * share))
    Random(seed).shuffle(order)
    values = Values(pools, seed)
    return tuple(Call(t.name, t.sql, values.draw(t.sources)) for t in order)


def replay(dsn: str, calls: Sequence[Call], connections: int, seconds: float, progress: Progress) -> ReplayTally:
    """Run the calls over some connections until they are done or the time is up.

    A statement the server refuses is counted and the replay goes on; a lost connection ends it with
    UnreachableError.
    """
    with ReplayConnections(dsn, connections) as pool:
        progress.stage("replaying the application's traffic", len(calls))
        return _Player(pool, connections, seconds).play(calls, progress)


class _Player:
    def __init__(self, pool: ReplayConnections, connections: int, seconds: float):
        self._pool = pool
        self._connections = connections
        self._end = time.monotonic() + seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._tally = ReplayTally()

    def play(self, calls: Sequence[Call], progress: Progress) -> ReplayTally:
        began = time.monotonic()
        self._tally.planned = len(calls)
        hands = [calls[start :: self._connections] for start in range(self._connections)]
        try:
            running = [self._pool.submit(partial(self._run, calls=hand)) for hand in hands]
            self._pool.watch(running, lambda: self._tally.done, progress)
        finally:
            self._stop.set()
        self._tally.seconds = time.monotonic() - began
        return self._tally

    def _run(self, member: Replay, calls: Sequence[Call]) -> None:
        for call in calls:
            if self._stop.is_set() or time.monotonic() > self._end:
                return
            problem = self._try(member, call)
            with self._lock:
                self._tally.done += 1
                if problem:
                    self._tally.failed[f"{call.template}: {problem}"] += 1

    def _try(self, member: Replay, call: Call) -> str | None:
        try:
            member.run(call.sql, call.values)
        except IndexPilotError as error:
            # A refused statement is part of any traffic; without its connection a member would only count failures.
            if member.closed:
                raise
            return error.detail or error.message
        return None


def sample(member: Replay) -> Pools:
    """The pools of ``sql/pools.sql``, read from the database. Pools that a tiny database leaves empty are left out."""
    found = {step.name: member.rows(step.statements[0]) for step in sql_steps("pools")}
    return {name: rows for name, rows in found.items() if rows}


@dataclass(slots=True)
class Values:
    """Draws the values of one statement after the other, always the same ones for the same seed."""

    pools: Pools
    seed: int
    _dice: Random = field(init=False)
    _serial: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)

    def draw(self, sources: Sequence[str]) -> tuple[str | None, ...]:
        """One value for each source."""
        rows: dict[str, Row] = {}
        return tuple(self._value(source, rows) for source in sources)

    def _value(self, source: str, rows: dict[str, Row]) -> str | None:
        pool, dot, column = source.partition(".")
        if dot:
            if pool not in rows:
                rows[pool] = self._dice.choice(self.pools[pool])
            return rows[pool][column]
        match = _CALL.fullmatch(source)
        if match is None or match["name"] not in _KINDS:
            raise ValueError(f"not a source of values: {source!r}")
        return _KINDS[match["name"]](self, (match["arguments"] or "").split(","))

    def _ago(self, arguments: list[str]) -> str:
        return (TODAY - timedelta(days=float(arguments[0]) * self._dice.random())).isoformat()

    def _day(self, arguments: list[str]) -> str:
        return (TODAY - timedelta(days=self._dice.randrange(int(arguments[0])))).date().isoformat()

    def _one(self, arguments: list[str]) -> str:
        return self._dice.choice(arguments)

    def _int(self, arguments: list[str]) -> str:
        return str(self._dice.randint(int(arguments[0]), int(arguments[1])))

    def _next(self, arguments: list[str]) -> str:  # noqa: ARG002 - one signature for all kinds
        self._serial += 1
        return str(self._serial)

    def _hex(self, arguments: list[str]) -> str:  # noqa: ARG002
        return f"{self._dice.getrandbits(128):032x}"


_KINDS: Mapping[str, Callable[[Values, list[str]], str]] = {
    "ago": Values._ago,
    "day": Values._day,
    "one": Values._one,
    "int": Values._int,
    "serial": Values._next,
    "hex": Values._hex,
}
