"""What the real database adds to a review: probes of its data, its speed, and who holds its tables now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import MigrationObservation
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve.requests import CheckRequest
from indexpilot_cli.evolve.review.probes.question import DataFacts, Probe, ProbeAnswer
from indexpilot_cli.evolve.review.values import Queue, Rates
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.sql.ddl.action import Migration

STRIDE = 1_000_000  # statements of several files become one run of numbers


@dataclass(frozen=True, slots=True)
class Evidence:
    """``answers`` by the file's position; ``queues`` are open transactions in front of each table's lock.

    ``facts`` is what probes had to know of the database, None when it was not asked.
    """

    answers: Mapping[int, tuple[ProbeAnswer, ...]] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)
    queues: Mapping[QualifiedName, tuple[Queue, ...]] = field(default_factory=dict)
    not_checked: tuple[str, ...] = ()
    facts: DataFacts | None = None

    def answers_of(self, position: int) -> tuple[ProbeAnswer, ...]:
        """What the data said to one file's statements."""
        return self.answers.get(position, ())


def ask_database(
    source: Source,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    request: CheckRequest,
    progress: Progress,
) -> Evidence:
    """Everything read-only and bounded; from a snapshot only what its statistics tell."""
    from indexpilot_cli.evolve.review.probes.ask import from_statistics, read_facts, run_probes

    if source.session is None:
        return Evidence(_by_position(from_statistics(form_probes(migrations, observed, source.catalog))))
    facts = read_facts(source.session)
    asked = form_probes(migrations, observed, source.catalog, facts)
    progress.stage("asking the data", len(asked))
    answers = run_probes(source.session, asked, budget_seconds=request.probe_seconds)
    try:
        rates, queues = _speed(source), _queues(source, observed)
    except UnreachableError:
        raise
    except IndexPilotError as error:
        missed = f"speed and open transactions: {error.message}"
        return Evidence(_by_position(answers), not_checked=(missed,), facts=facts)
    return Evidence(_by_position(answers), rates, queues, facts=facts)


def form_probes(
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    catalog: Catalog,
    facts: DataFacts | None = None,
) -> tuple[Probe, ...]:
    """The questions of all files together, since a file finds what the one before it left."""
    from indexpilot_cli.evolve.review.probes.probes import probes
    from indexpilot_cli.sql.safe.reader import SafeReader

    return probes(*_joined(migrations, observed), catalog, SafeReader(), facts=facts)


def _joined(
    migrations: Sequence[Migration], observed: Sequence[MigrationObservation]
) -> tuple[Migration, MigrationObservation]:
    written, seen = [], []
    for position, (migration, observation) in enumerate(zip(migrations, observed, strict=True)):
        base = position * STRIDE
        written += [replace(s, number=base + s.number) for s in migration.statements]
        seen += [replace(s, number=base + s.number, transaction=base + s.transaction) for s in observation.statements]
    first = migrations[0]
    return replace(first, statements=tuple(written)), replace(observed[0], statements=tuple(seen))


def _by_position(answers: Sequence[ProbeAnswer]) -> dict[int, tuple[ProbeAnswer, ...]]:
    found: dict[int, tuple[ProbeAnswer, ...]] = defaultdict(tuple)
    for answer in answers:
        position, number = divmod(answer.probe.statement, STRIDE)
        found[position] += (replace(answer, probe=replace(answer.probe, statement=number)),)
    return found


def _speed(source: Source) -> Rates:
    from indexpilot_cli.evolve.review.rates import calibrate

    assert source.session is not None
    return calibrate(source.session)


def _queues(source: Source, observed: Sequence[MigrationObservation]) -> Mapping[QualifiedName, tuple[Queue, ...]]:
    from indexpilot_cli.evolve.review.queue import queues

    assert source.session is not None
    tables = {
        lock.relation.table or lock.relation.name
        for observation in observed
        for statement in observation.statements
        for lock in statement.held
        if lock.relation.existed and lock.mode.blocks_writes
    }
    found: dict[QualifiedName, tuple[Queue, ...]] = defaultdict(tuple)
    for queue in queues(source.session, tuple(sorted(tables, key=str))):
        found[queue.table] += (queue,)
    return found
