"""Safer files, and what the clone says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.observation import MigrationObservation
from indexpilot_cli.evolve.requests import CheckRequest
from indexpilot_cli.evolve.review.judge import Bench, judge, worst
from indexpilot_cli.evolve.review.sizes import Sizes
from indexpilot_cli.evolve.review.values import Impact
from indexpilot_cli.sql.ddl.action import Migration

if TYPE_CHECKING:
    from indexpilot_cli.evolve.review.clone.clone import Clone


@dataclass(frozen=True, slots=True)
class Fixed:
    """A safer file: its text, what to know about it, and its verdict on the clone."""

    text: str
    notes: tuple[str, ...]
    verdict: Impact


def fixed_files(
    clone: Clone,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    catalog: Catalog,
    request: CheckRequest,
    progress: Progress,
) -> Mapping[int, Fixed]:
    """Safer files by position, for those that can be made safer; all are run again, in order, on a fresh clone."""
    from indexpilot_cli.evolve.review.fix.fix import fix
    from indexpilot_cli.evolve.review.migration import read_migration

    progress.stage("running the safer files on a fresh clone", len(migrations))
    bench = Bench(Sizes(catalog), lambda _: None, request.long_rows)
    clone.reset()
    found: dict[int, Fixed] = {}
    for position, (migration, observation) in enumerate(zip(migrations, observed, strict=True)):
        safer = fix(migration, observation, judge(observation, bench), catalog, catalog.version)
        changed = safer.text != migration.text
        again = read_migration(migration.path, safer.text, one_transaction=False) if changed else migration
        verdict = worst(judge(clone.run(again), bench))
        if changed:
            found[position] = Fixed(safer.text, safer.notes, verdict)
        progress.advance()
    return found
