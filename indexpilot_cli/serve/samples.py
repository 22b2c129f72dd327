"""Counters of scans, as they were each time somebody looked: what was scanned meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from indexpilot_cli.lifecycle.performance import TableReads

_MOST = 10_000  # a week, by minutes
_APART = timedelta(seconds=30)  # nearer ones replace the last


class ReadSamples:
    """The counters of one server process, oldest first. May be used from any thread."""

    def __init__(self) -> None:
        self._seen: deque[TableReads] = deque(maxlen=_MOST)
        self._lock = threading.Lock()

    def add(self, reads: TableReads) -> None:
        """Keep what was read, unless it is kept already."""
        with self._lock:
            if self._seen and reads.at <= self._seen[-1].at:  # who looks gets kept answers again and again
                return
            if len(self._seen) > 1 and reads.at - self._seen[-2].at < _APART:
                self._seen.pop()
            self._seen.append(reads)

    def between(self, begin: datetime, end: datetime) -> tuple[int, int] | None:
        """Scans by an index and of whole tables in that time, as far as it was looked at; None: it was not."""
        steps = list(self._steps(begin, end))
        if not steps:
            return None
        hits = sum(after.index_scans - before.index_scans for before, after in steps)
        return hits, sum(after.sequential_scans - before.sequential_scans for before, after in steps)

    def _steps(self, begin: datetime, end: datetime) -> Iterator[tuple[TableReads, TableReads]]:
        with self._lock:
            within = [reads for reads in self._seen if begin <= reads.at <= end]
        for before, after in pairwise(within):
            # Counters that began anew between two looks say nothing of the time between them.
            if before.since == after.since and after.index_scans >= before.index_scans:
                yield before, after
