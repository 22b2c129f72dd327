"""Runs a schedule against a database: every statement when it is due, whether those before it have ended or not."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from indexpilot_cli.core.command import Progress
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.simulate.arrivals import Arrival
from indexpilot_cli.simulate.connections import ReplayConnections


@dataclass(frozen=True, slots=True)
class Answered:
    """An arrival that ran: ``ms`` from the moment it was due to its answer, of which the server had ``server_ms``."""

    arrival: Arrival
    ms: float
    server_ms: float


@dataclass(slots=True)
class OpenLoopTally:
    """What a run did: answers, refusals by the server's words, the seconds it took, the longest wait for a turn."""

    planned: int
    answered: list[Answered] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    latest_ms: float = 0.0

    @property
    def done(self) -> int:
        """Statements that were sent."""
        return len(self.answered) + self.refused.total()

    @property
    def throughput(self) -> float:
        """Statements a second."""
        return self.done / self.seconds if self.seconds else 0.0

    def histograms(self) -> Mapping[tuple[str, str], LatencyHistogram]:
        """Latencies by what they are of: all, statement, persona, load (calm or spike), and reads or writes."""
        found: dict[tuple[str, str], LatencyHistogram] = {}
        for one in self.answered:
            for group in _groups(one.arrival):
                found.setdefault(group, LatencyHistogram()).record(one.ms)
        return found


def _groups(arrival: Arrival) -> tuple[tuple[str, str], ...]:
    return (
        ("all", "all"),
        ("access", "writes" if arrival.statement.writes else "reads"),
        ("statement", arrival.statement.name),
        ("persona", arrival.tenant.persona.name),
        ("load", "spike" if arrival.spike else "calm"),
    )


def run_schedule(
    dsn: str, arrivals: Sequence[Arrival], connections: int, title: str, progress: Progress
) -> OpenLoopTally:
    """Send every statement when it is due, or as soon as a connection is free for it; give what became of them.

    A statement that the server refuses is counted; a lost connection ends the run with UnreachableError. An exception
    in this thread (Ctrl-C) cancels what is running.
    """
    with ReplayConnections(dsn, connections) as pool:
        progress.stage(title, len(arrivals))
        return _OpenLoop(arrivals).run(pool, connections, progress)


class _OpenLoop:
    def __init__(self, arrivals: Sequence[Arrival]):
        self._arrivals = arrivals
        self._tally = OpenLoopTally(len(arrivals))
        self._next = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._began = 0.0

    def run(self, pool: ReplayConnections, connections: int, progress: Progress) -> OpenLoopTally:
        self._began = time.monotonic()
        try:
            running = [pool.submit(self._work) for _ in range(connections)]
            pool.watch(running, lambda: self._tally.done, progress)
        finally:
            self._stop.set()
        self._tally.seconds = time.monotonic() - self._began
        return self._tally

    def _work(self, member: Replay) -> None:
        while (arrival := self._take()) is not None:
            due = self._began + arrival.at
            # The event, not sleep: a run that is stopped does not wait for its next arrival.
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            self._send(member, arrival, due)

    def _take(self) -> Arrival | None:
        with self._lock:
            if self._stop.is_set() or self._next == len(self._arrivals):
                return None
            self._next += 1
            return self._arrivals[self._next - 1]

    def _send(self, member: Replay, arrival: Arrival, due: float) -> None:
        began = time.monotonic()
        try:
            member.run(arrival.statement.sql, arrival.values)
        except IndexPilotError as error:
            if member.closed:
                raise
            with self._lock:
                self._tally.refused[f"{arrival.statement.name}: {error.detail or error.message}"] += 1
            return
        ended = time.monotonic()
        with self._lock:
            self._tally.answered.append(Answered(arrival, (ended - due) * 1000, (ended - began) * 1000))
            self._tally.latest_ms = max(self._tally.latest_ms, (began - due) * 1000)


_PARTS = 1024  # of each power of two
_LEAST_MS = 1e-6


@dataclass(slots=True)
class LatencyHistogram:
    """Counts of milliseconds as an HDR histogram. Percentiles are values that were seen, at most 1/2048 rounded up."""

    # The package hdrhistogram would want setuptools and pbr at run time, and writes a format that nothing here reads;
    # this is its bucketing (Tene: buckets of powers of two, each cut into equal parts) on Python's own floats.

    counts: Counter[int] = field(default_factory=Counter)
    total_ms: float = 0.0
    most_ms: float = 0.0

    def record(self, ms: float) -> None:
        """Count one latency."""
        self.counts[_bucket(ms)] += 1
        self.total_ms += ms
        self.most_ms = max(self.most_ms, ms)

    @property
    def count(self) -> int:
        """How many latencies were counted."""
        return self.counts.total()

    @property
    def mean_ms(self) -> float:
        """Their mean; 0 when there are none."""
        return self.total_ms / self.count if self.counts else 0.0

    def percentile(self, share: float) -> float:
        """The least value that at least this share (0-1) of all latencies do not exceed; 0 when there are none."""
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return min(_end(bucket), self.most_ms)
        return self.most_ms


def _bucket(ms: float) -> int:
    mantissa, exponent = math.frexp(max(ms, _LEAST_MS))  # the mantissa is from 0.5 to 1
    return exponent * _PARTS + int((mantissa - 0.5) * 2 * _PARTS)


def _end(bucket: int) -> float:
    exponent, part = divmod(bucket, _PARTS)
    return math.ldexp(0.5 + (part + 1) / (2 * _PARTS), exponent)
