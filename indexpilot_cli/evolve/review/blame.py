"""Which statement of which file is at fault when a recorded query suffers, as far as the evidence tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogChange, ChangeKind, MigrationObservation
from indexpilot_cli.evolve.review.values import TemplateImpact
from indexpilot_cli.sql.ddl.action import Migration


def touched_tables(observed: Sequence[MigrationObservation]) -> frozenset[QualifiedName]:
    """Tables whose catalog entries changed, by the names they had before."""
    return frozenset(c.table for _, _, c in _changes(observed) if c.table is not None)


def dropped_indexes(observed: Sequence[MigrationObservation]) -> frozenset[str]:
    """Names of indexes that are gone."""
    return frozenset(
        c.before.path[-1]
        for _, _, c in _changes(observed)
        if c.kind is ChangeKind.DROPPED and c.before is not None and c.before.kind == "index"
    )


def blamed(
    impact: TemplateImpact, migrations: Sequence[Migration], observed: Sequence[MigrationObservation]
) -> TemplateImpact:
    """The impact with file and statement: what took away or changed a name that the error or the query speaks of.

    Where nothing fits better it is the last statement that changed the catalog.
    """
    place = max(_places(impact, observed), key=lambda p: p[0], default=None)
    if place is None:
        return replace(impact, file=migrations[-1].path) if migrations else impact
    return replace(impact, file=place[1], statement=place[2])


def _places(
    impact: TemplateImpact, observed: Sequence[MigrationObservation]
) -> Iterator[tuple[tuple[int, int], str, int]]:
    for order, (path, number, change) in enumerate(_changes(observed)):
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


def _changes(observed: Sequence[MigrationObservation]) -> Iterator[tuple[str, int, CatalogChange]]:
    for observation in observed:
        for statement in observation.statements:
            for change in statement.changes:
                yield observation.path, statement.number, change
