"""Which worker of a twin plans what, and what it plans together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from indexpilot_cli.core.estimator import CostFactors
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.planner.twin.worker import Reach

TOGETHER = 32  # statements planned, or indexes made, in one message
_LEAN, _HEADROOM = 1.2, 16  # how much longer than the shortest a worker's queue may get for the sake of its indexes

Key: TypeAlias = tuple[Plannable, frozenset[IndexDefinition], frozenset[QualifiedName], CostFactors | None]


@dataclass(frozen=True, slots=True)
class TwinQuestion:
    """A question reduced to what can matter for it."""

    key: Key
    keep_tree: bool


Task: TypeAlias = tuple[Plannable, TwinQuestion | None]
"""A statement with a question about it, or without one: then what it reads is asked."""
Round: TypeAlias = list[Task]
"""Tasks of one worker that can be done together: what is shown for one of them concerns no other."""


class Placement:
    """The worker of each statement and table, by number; ``reach`` is what is known of what statements read."""

    def __init__(self, reach: Mapping[Plannable, Reach]):
        self._reach = reach
        self._home: dict[Plannable, int] = {}
        self._table_home: dict[int, int] = {}

    def spread(self, tasks: Sequence[Task], workers: int) -> list[list[Task]]:
        """The share of each worker."""
        shares: list[list[Task]] = [[] for _ in range(workers)]
        for task in tasks:
            shares[self._of(task[0], shares)].append(task)
        return shares

    def rounds(self, tasks: Sequence[Task]) -> list[Round]:
        """The tasks of one worker, each in the first round behind those that want something else of one of its tables.

        Thousands of statements on as many tables take one message to show the indexes of many, and one to plan them.
        """
        rounds: list[Round] = []
        latest: dict[object, tuple[int, object]] = {}  # by table and by its name: the last round, and what it shows
        for task in tasks:
            wanted = self._wanted(task)
            known = ((latest[place], shown) for place, shown in wanted.items() if place in latest)
            number = max((last + (before != shown) for (last, before), shown in known), default=0)
            while number < len(rounds) and len(rounds[number]) >= TOGETHER:
                number += 1
            if number == len(rounds):
                rounds.append([])
            rounds[number].append(task)
            latest.update((place, (number, shown)) for place, shown in wanted.items())
        return rounds

    def _wanted(self, task: Task) -> dict[object, object]:
        """By table and by its name what a question wants to be shown of it; nothing for what asks nothing."""
        statement, asked = task
        if asked is None:
            return {}
        _, indexes, hidden, _ = asked.key
        reach = self._reach[statement]
        own: dict[QualifiedName, set[IndexDefinition]] = {}
        for definition in indexes:
            own.setdefault(definition.table, set()).add(definition)
        names: dict[object, object] = {name: (own.get(name), hidden) for name in reach.names}
        return {**dict.fromkeys(reach.tables, hidden), **names}

    def of_table(self, oid: int, workers: int) -> int:
        """The worker that makes the indexes of a table."""
        if oid not in self._table_home:
            used = Counter(self._table_home.values())
            self._table_home[oid] = min(range(workers), key=lambda n: used[n])
        return self._table_home[oid]

    def _of(self, statement: Plannable, shares: Sequence[Sequence[object]]) -> int:
        """The worker that has built most of what the statement needs, as long as that does not leave others idle."""
        if statement not in self._home:
            least = min(range(len(shares)), key=lambda n: len(shares[n]))
            reach = self._reach.get(statement)
            if reach is None:
                return least
            own = self.of_table(min(reach.tables, default=0), len(shares))
            spare = len(shares[own]) <= _LEAN * len(shares[least]) + _HEADROOM
            self._home[statement] = own if spare else least
        return self._home[statement]
