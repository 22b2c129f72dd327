"""Recorded INSERTs that real rows decide: a parent row that the migrations delete, a key they make unique.

On the empty clone no reference holds, so each INSERT is asked of the data as if it stood at the end of the files,
and again as if it stood before them: what only fails afterwards is the migrations' doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.observation import MigrationObservation, Rehearsed, RunState, SqlError
from indexpilot_cli.core.workload import PlanMode
from indexpilot_cli.evolve.review.blame import blamed
from indexpilot_cli.evolve.review.evidence import STRIDE, form_probes
from indexpilot_cli.evolve.review.probes.question import DataFacts, Probe, ProbeAnswer
from indexpilot_cli.evolve.review.values import TemplateImpact
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.sql.ddl.action import Act, Migration, MigrationStatement

_MOST = 60  # INSERTs asked about
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A recorded INSERT with the questions that decide it."""

    query: Rehearsed
    statement: MigrationStatement
    probes: tuple[Probe, ...]


def broken_inserts(
    source: Source,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    queries: Sequence[Rehearsed],
    facts: DataFacts | None,
) -> tuple[TemplateImpact, ...]:
    """The INSERTs that fail on the real rows after the migrations and not before them."""
    if source.session is None or any(s.state is RunState.FAILED for o in observed for s in o.statements):
        return ()
    after = [_asked(source, migrations, observed, q, s, facts) for q, s in _inserts(queries)]
    failing = [(asked, answer) for asked in after if (answer := _failing(source, asked)) is not None]
    impacts = []
    for asked, answer in failing:
        if _failing(source, _asked(source, (), (), asked.query, asked.statement, facts)) is None:
            error = SqlError(answer.probe.sqlstate, f"the data: {answer.probe.question}")
            query = asked.query
            impact = TemplateImpact(query.template, query.sql, "breaks", query.share, error)
            impacts.append(blamed(impact, migrations, observed))
    return tuple(impacts)


def _inserts(queries: Sequence[Rehearsed]) -> Iterator[tuple[Rehearsed, MigrationStatement]]:
    from indexpilot_cli.errors import UsageError
    from indexpilot_cli.evolve.review.migration import read_migration

    found = 0
    for query in queries:
        for plannable in query.statements[:1]:
            if plannable.mode is not PlanMode.LITERAL or found >= _MOST:
                continue
            try:
                statements = read_migration(query.template, plannable.sql).statements
            except UsageError:
                continue
            if len(statements) == 1 and statements[0].actions[0].kind is Act.INSERT:
                found += 1
                yield query, statements[0]


def _asked(
    source: Source,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    query: Rehearsed,
    statement: MigrationStatement,
    facts: DataFacts | None,
) -> _Asked:
    """The questions of one INSERT behind the files; only its own, not those of the files."""
    last = Migration(query.template, "", (replace(statement, number=0),))
    seen = MigrationObservation(query.template, "rules")
    probes = form_probes((*migrations, last), (*observed, seen), source.catalog, facts)
    own = len(migrations)
    return _Asked(query, statement, tuple(p for p in probes if p.statement == own * STRIDE))


def _failing(source: Source, asked: _Asked) -> ProbeAnswer | None:
    from indexpilot_cli.evolve.review.probes.ask import run_probes

    assert source.session is not None
    answers = run_probes(source.session, asked.probes, budget_seconds=_SECONDS)
    return next((answer for answer in answers if answer.found), None)
