"""One file's review, put together from what was written, what was seen, and what the data says."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.observation import ChangeKind, MigrationObservation, StatementObservation
from indexpilot_cli.evolve.requests import CheckRequest
from indexpilot_cli.evolve.review.evidence import Evidence
from indexpilot_cli.evolve.review.fix_run import Fixed
from indexpilot_cli.evolve.review.judge import Bench, judge, total, worst
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.sizes import Sizes
from indexpilot_cli.evolve.review.values import FileReport, StatementReport, StatementVerdict, TemplateImpact
from indexpilot_cli.sql.ddl.action import Migration, MigrationStatement


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Everything known of one file."""

    migration: Migration
    observation: MigrationObservation
    answers: tuple[ProbeAnswer, ...]
    templates: tuple[TemplateImpact, ...]
    fixed: Fixed | None


def file_report(reviewed: Reviewed, catalog: Catalog, evidence: Evidence, request: CheckRequest) -> FileReport:
    """Verdicts and findings of the file."""
    from indexpilot_cli.evolve.review.duration import timing
    from indexpilot_cli.evolve.review.rules.rules import findings

    migration, observation, fixed = reviewed.migration, reviewed.observation, reviewed.fixed
    sizes = Sizes(catalog)
    bench = Bench(sizes, timing(evidence.rates, sizes), request.long_rows, evidence.queues)
    verdicts = judge(observation, bench, reviewed.answers)
    found = findings(
        migration,
        observation,
        verdicts,
        reviewed.answers,
        reviewed.templates,
        catalog if catalog.tables else None,
        ignore=request.ignore,
    )
    return FileReport(
        migration.path,
        observation.method,
        worst(verdicts),
        _statements(reviewed, verdicts),
        found,
        total(verdicts),
        fixed.text if fixed else None,
        fixed.verdict if fixed else None,
        fixed.notes if fixed else (),
        observation.notes,
        text=migration.text,
    )


def _statements(reviewed: Reviewed, verdicts: tuple[StatementVerdict, ...]) -> tuple[StatementReport, ...]:
    written = {s.number: s for s in reviewed.migration.statements}
    return tuple(
        _statement(written[seen.number], seen, verdict, reviewed.answers)
        for seen, verdict in zip(reviewed.observation.statements, verdicts, strict=True)
    )


def _statement(
    written: MigrationStatement,
    seen: StatementObservation,
    verdict: StatementVerdict,
    answers: tuple[ProbeAnswer, ...],
) -> StatementReport:
    return StatementReport(
        written.number,
        written.sql,
        written.line,
        written.column,
        verdict,
        seen,
        tuple(a for a in answers if a.probe.statement == written.number),
        tuple(c for c in seen.changes if c.silent and c.kind is ChangeKind.DROPPED),
    )
