"""From what was seen to what is worth reading: evidence decides, the statements only give it a name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.observation import MigrationObservation
from indexpilot_cli.evolve.review.ignore import with_ignores
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.rules.blocking import blocking
from indexpilot_cli.evolve.review.rules.design import design
from indexpilot_cli.evolve.review.rules.failures import failures
from indexpilot_cli.evolve.review.rules.losses import losses, queries
from indexpilot_cli.evolve.review.rules.review import Review
from indexpilot_cli.evolve.review.rules.transactions import quiet, transactions, unknowns
from indexpilot_cli.evolve.review.values import Finding, StatementVerdict, TemplateImpact
from indexpilot_cli.sql.ddl.action import Migration

_ADVICE = "DTN"


def findings(
    migration: Migration,
    observation: MigrationObservation,
    verdicts: Sequence[StatementVerdict],
    probes: Sequence[ProbeAnswer],
    templates: Sequence[TemplateImpact],
    catalog: Catalog | None,
    *,
    ignore: Collection[str],
) -> tuple[Finding, ...]:
    """The findings of a file in the order of its lines, gravest first on each.

    L is raised only by a verdict of long blocking, F by an error or an answer of the data, W by what the catalog lost
    or a recorded query suffers; D, T and N are advice, each once. Ignored ones carry the reason.
    """
    review = Review(migration, observation, tuple(verdicts), tuple(probes), tuple(templates), catalog)
    marked = with_ignores(migration, [*_of_statements(review), *_advice(review)], ignore)
    told = [*quiet(f for f in marked if f.id[0] in _ADVICE), *(f for f in marked if f.id[0] not in _ADVICE)]
    return tuple(sorted(told, key=lambda f: (f.line, f.statement, -f.severity.rank, f.id)))


def _of_statements(review: Review) -> Iterator[Finding]:
    for case in review.cases:
        failed = list(failures(case))
        yield from failed
        yield from blocking(case)
        yield from losses(case)
        yield from queries(case)


def _advice(review: Review) -> Iterator[Finding]:
    yield from design(review)
    yield from transactions(review)
    yield from unknowns(review)
