"""The demo's traffic: a fixed deck of statements, shuffled by the seed and dealt to some connections.

The deck holds every template as often as ``sql/traffic.sql`` says, so that a cut-off replay is still a fair sample.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from random import Random

from indexpilot_cli.core.command import Progress
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.simulate import steps
from indexpilot_cli.simulate.crew import Crew
from indexpilot_cli.simulate.parameters import Pools, Values

_POLL = 0.1  # seconds between looks at the counters


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
class Tally:
    """What a replay did: statements run, statements the server refused (by message), seconds it took."""

    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    planned: int = 0


def templates() -> tuple[Template, ...]:
    """The mix of ``sql/traffic.sql``."""
    return tuple(
        Template(step.name, step.statements[0], int(step.words[0]), step.words[1:]) for step in steps.load("traffic")
    )


def deck(mix: Sequence[Template], pools: Pools, seed: int, share: float = 1.0) -> tuple[Call, ...]:
    """Every template as often as it wants (times ``share``, at least once), in the order the seed gives.

    Templates whose pools are empty are left out.
    """
    order = [t for t in mix if t.pools <= pools.keys() for _ in range(max(1, round(t.calls * share)))]
    Random(seed).shuffle(order)
    values = Values(pools, seed)
    return tuple(Call(t.name, t.sql, values.draw(t.sources)) for t in order)


def replay(dsn: str, calls: Sequence[Call], connections: int, seconds: float, progress: Progress) -> Tally:
    """Run the calls over some connections until they are done or the time is up.

    A statement the server refuses is counted and the replay goes on; a lost connection ends it with
    UnreachableError.
    """
    with Crew(dsn, connections) as crew:
        progress.stage("replaying the application's traffic", len(calls))
        return _Player(crew, connections, seconds).play(calls, progress)


class _Player:
    def __init__(self, crew: Crew, connections: int, seconds: float):
        self._crew = crew
        self._connections = connections
        self._end = time.monotonic() + seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._tally = Tally()

    def play(self, calls: Sequence[Call], progress: Progress) -> Tally:
        began = time.monotonic()
        self._tally.planned = len(calls)
        hands = [calls[start :: self._connections] for start in range(self._connections)]
        try:
            self._watch([self._crew.submit(partial(self._run, calls=hand)) for hand in hands], progress)
        finally:
            self._stop.set()
        self._tally.seconds = time.monotonic() - began
        return self._tally

    def _watch(self, running: list[Future[None]], progress: Progress) -> None:
        seen = 0
        left = set(running)
        while left:
            finished, left = wait(left, timeout=_POLL)
            progress.advance(self._tally.done - seen)
            seen = self._tally.done
            for future in finished:
                future.result()

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
            if member.closed:
                raise
            return error.detail or error.message
        return None
