"""Which statement is at fault for what becomes of a recorded query.

Where an error names what one statement took away, that one; else the files are run again up to a statement, and the
queries after them, halving the rest each time: a name or a type in an error fits many statements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.observation import CatalogChange, MigrationObservation
from indexpilot_cli.evolve.review.queries import changes_of
from indexpilot_cli.evolve.review.values import TemplateImpact
from indexpilot_cli.sql.ddl.action import Migration, MigrationStatement

_MOST = 400  # statements run again, over all queries
_GONE = 4  # of _fit
_SUDDEN = ("breaks", "columns_change")

# What becomes of the queries after so much of the files: the status by template.
Replay = Callable[[Sequence[Migration]], dict[str, str]]


@dataclass(frozen=True, slots=True)
class _Place:
    """A statement that changed the catalog: its file's position and path, and its number."""

    position: int
    path: str
    number: int


class Blame:
    """Finds the statements at fault. ``replay`` runs files on a fresh copy and says how each query ends then."""

    def __init__(self, migrations: Sequence[Migration], observed: Sequence[MigrationObservation], replay: Replay):
        self._migrations = migrations
        self._observed = observed
        self._replay = replay
        self._places = tuple(_changed(observed))
        self._ended: dict[_Place, dict[str, str]] = {}
        self._run = 0

    def blamed(self, impact: TemplateImpact) -> TemplateImpact:
        """The impact with file and statement; where nothing fits, the last that changed the catalog."""
        fitting = list(_places(impact, self._observed))
        if not fitting:
            return replace(impact, file=self._migrations[-1].path) if self._migrations else impact
        best = max(fitting, key=lambda p: p[0])
        sure = {p[1:] for p in fitting if p[0][0] == best[0][0]} if best[0][0] == _GONE else set()
        found = self._searched(impact) if len(sure) != 1 and impact.status in _SUDDEN else None
        return replace(impact, file=found.path if found else best[1], statement=found.number if found else best[2])

    def _searched(self, impact: TemplateImpact) -> _Place | None:
        """The statement after which the query first suffers; None where that would take too many statements."""
        low, high = 0, len(self._places) - 1
        while low < high:
            middle = (low + high) // 2
            ended = self._after(self._places[middle])
            if ended is None:
                return None
            if ended.get(impact.template) == impact.status:
                high = middle
            else:
                low = middle + 1
        return self._places[low]

    def _after(self, place: _Place) -> dict[str, str] | None:
        if place not in self._ended:
            files = (*self._migrations[: place.position], _cut(self._migrations[place.position], place.number))
            self._run += sum(len(f.statements) for f in files)
            if self._run > _MOST:
                return None
            self._ended[place] = self._replay(files)
        return self._ended[place]


def _changed(observed: Sequence[MigrationObservation]) -> Iterator[_Place]:
    for position, observation in enumerate(observed):
        for statement in observation.statements:
            if statement.changes:
                yield _Place(position, observation.path, statement.number)


def _cut(migration: Migration, number: int) -> Migration:
    """The file up to a statement."""
    return replace(migration, statements=tuple(s for s in migration.statements if s.number <= number))


def committed(migration: Migration) -> Migration:
    """The file with a COMMIT behind it: what it leaves open others can see then."""
    last = migration.statements[-1]
    commit = MigrationStatement(last.number + 1, "COMMIT", last.line, last.column, last.end, last.end)
    return replace(migration, statements=(*migration.statements, commit))


def _places(
    impact: TemplateImpact, observed: Sequence[MigrationObservation]
) -> Iterator[tuple[tuple[int, int], str, int]]:
    for order, (path, number, change) in enumerate(changes_of(observed)):
        yield (_fit(impact, change), order), path, number


def _fit(impact: TemplateImpact, change: CatalogChange) -> int:
    """4: the error names what is gone; 3: it names what changed; 2: a lost index; 1: the query's text names it."""
    old = change.before.path[-1] if change.before is not None else ""
    gone = change.before is not None and (change.after is None or change.after.path != change.before.path)
    said = f"{impact.error.message} {impact.error.detail or ''}" if impact.error else ""
    names = {old, change.object.path[-1], change.table.name if change.table else ""} - {""}
    if gone and _names(said, old):
        return 4
    if any(_names(said, name) for name in names):
        return 3
    if old in impact.indexes_lost:
        return 2
    return 1 if any(_names(impact.sql, name) for name in names) else 0


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
