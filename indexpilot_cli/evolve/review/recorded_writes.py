"""Recorded writes asked of the real rows: what a new constraint, key or type would refuse, and what nobody can tell."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.observation import MigrationObservation, Rehearsed, RunState, SqlError
from indexpilot_cli.core.workload import PlanMode
from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve.review.evidence import STRIDE, joined
from indexpilot_cli.evolve.review.migration import NoFiles, read_migration
from indexpilot_cli.evolve.review.probes.ask import run_probes
from indexpilot_cli.evolve.review.probes.probes import probes
from indexpilot_cli.evolve.review.probes.question import DataFacts, Probe, ProbeAnswer
from indexpilot_cli.evolve.review.queries import Blame
from indexpilot_cli.evolve.review.values import TemplateImpact
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement
from indexpilot_cli.sql.normal import columns

_MOST = 60  # recorded statements asked about
_WRITES = frozenset({Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE})
_SECONDS = 5.0  # for one of them
_SECONDS_FOR_ALL = 20.0


def broken_writes(
    source: Source,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    queries: Sequence[Rehearsed],
    facts: DataFacts | None,
) -> tuple[tuple[TemplateImpact, ...], tuple[str, ...]]:
    """The recorded writes that fail on the real rows after the migrations and not before them, and the sentences about
    those that may and could not be asked."""
    ran = chain.from_iterable(observation.statements for observation in observed)
    if source.session is None or any(statement.state is RunState.FAILED for statement in ran):
        return (), ()
    deadline = time.monotonic() + _SECONDS_FOR_ALL
    impacts: list[TemplateImpact] = []
    unasked: list[str] = []
    for query, kind, variants in _writes(queries):
        asked = [_WriteOnRows(source, query, write, observed, facts, deadline) for write in variants]
        impact = next((found for one in asked if (found := _broken(one, migrations)) is not None), None)
        if impact is not None:
            impacts.append(impact)
        elif stricter := tuple(_stricter(kind, migrations, source.catalog)):
            unasked += _unasked(query.template, stricter, asked, migrations)
    return tuple(impacts), tuple(unasked)


def _unasked(
    template: str, stricter: Sequence[_Stricter], asked: Sequence[_WriteOnRows], migrations: Sequence[Migration]
) -> Iterator[str]:
    """The sentence about a write of which nobody knows whether it passes; none where the rows gave their answer."""
    clear = [one for one in stricter if not one.opaque]
    why = "the values it writes are not known"
    if asked and clear:
        why = next((reason for one in asked if (reason := one.why_not(migrations))), "")
    if why and clear:
        yield f"{template}: whether it passes {clear[0].words}: {why.removeprefix('not checked: ')}"
        return
    opaque = next((one for one in stricter if one.opaque), None)
    if opaque is not None:
        yield f"{template}: whether it passes {opaque.words}: it was not tried on the real rows"


@dataclass(frozen=True, slots=True)
class _Stricter:
    """What a file makes stricter for a write, in words. ``opaque``: no question to the rows can be formed about it."""

    words: str
    opaque: bool


_NAMED = {
    Act.ADD_CONSTRAINT: "a new constraint",
    Act.SET_NOT_NULL: "NOT NULL",
    Act.CREATE_TRIGGER: "a new trigger",
    Act.ALTER_TYPE: "another type",
    Act.ALTER_DOMAIN: "its domain",
    Act.CREATE_INDEX: "a new unique index",
}
_OPAQUE = frozenset({Act.CREATE_TRIGGER, Act.ALTER_DOMAIN, Act.ALTER_TYPE})


def _stricter(write: Action, migrations: Sequence[Migration], catalog: Catalog) -> Iterator[_Stricter]:
    """What the files make stricter for the rows that a write has."""
    for migration in migrations:
        for statement in migration.statements:
            for action in statement.actions:
                if action.kind in _NAMED and _concerns(action, write, catalog):
                    words = f"{_NAMED[action.kind]} ({migration.path}:{statement.line})"
                    yield _Stricter(words, action.kind in _OPAQUE or action.constraint == "exclude")


def _concerns(action: Action, write: Action, catalog: Catalog) -> bool:
    """Whether a stricter rule of the file may refuse what the write does."""
    given = set(write.columns)
    if action.kind is Act.CREATE_TRIGGER:
        events = action.options & {"insert", "update", "delete"}
        return action.table == write.table and (write.kind is Act.MERGE or write.kind.value in events)
    if action.references is not None and action.references[1] == write.table and write.kind is not Act.INSERT:
        return True
    if write.kind is Act.DELETE or action.has("new_table"):
        return False
    if action.kind is Act.ALTER_DOMAIN:
        table = catalog.resolve(write.table or "", write.schema)
        typed = (c for c in (table.columns if table else ()) if not given or c.name in given)
        return any(c.type.rpartition(".")[2].strip('"') == action.object for c in typed)
    if action.table != write.table or (action.kind is Act.CREATE_INDEX and not action.has("unique")):
        return False
    named = set(action.columns)
    if action.constraint == "check" and action.expression:
        named |= columns(action.expression)
    return not given or not named or bool(named & given)


@dataclass(frozen=True, slots=True)
class _WriteOnRows:
    """A recorded write to be asked of the real rows, until ``deadline``."""

    source: Source
    query: Rehearsed
    write: MigrationStatement
    observed: Sequence[MigrationObservation]
    facts: DataFacts | None
    deadline: float

    def fails(self, files: Sequence[Migration]) -> ProbeAnswer | None:
        """What makes it fail behind the files that does not make it fail without them."""
        before, fresh = self._fresh(files)
        answer = self._failing(fresh)
        # One that fails on today's rows as well is none of the migrations' doing.
        return None if answer is None or self._failing(before) else answer

    def _fresh(self, files: Sequence[Migration]) -> tuple[Sequence[Probe], Sequence[Probe]]:
        """What is asked without the files, and what is asked for the first time behind them."""
        asked = self._probes(files)
        before = self._probes(()) if files and asked else ()
        known = {probe.sql or probe.question for probe in before}
        # What is asked in the same words has the same answer: the migrations change nothing about it.
        return before, [probe for probe in asked if (probe.sql or probe.question) not in known]

    def why_not(self, files: Sequence[Migration]) -> str:
        """Why nobody knows whether it fails behind the files; empty where that is known."""
        unforeseen: set[int] = set()
        _probes_of_write(self.write, files, _seen_of(files, self.observed), self, unforeseen)
        if len(files) * STRIDE in unforeseen:
            return "what it does to the rows cannot be foreseen"
        assert self.source.session is not None
        answers = run_probes(self.source.session, self._fresh(files)[1], budget_seconds=self._budget())
        if not answers:
            return "no question about it could be formed"
        return next((answer.note or answer.probe.why_not for answer in answers if answer.found is None), "")

    def _budget(self) -> float:
        return min(_SECONDS, self.deadline - time.monotonic())

    def replay(self, files: Sequence[Migration]) -> dict[str, str]:
        """For Blame."""
        return {self.query.template: "breaks"} if self.fails(files) else {}

    def _probes(self, files: Sequence[Migration]) -> tuple[Probe, ...]:
        return _probes_of_write(self.write, files, _seen_of(files, self.observed), self)

    def _failing(self, asked: Sequence[Probe]) -> ProbeAnswer | None:
        assert self.source.session is not None
        answers = run_probes(self.source.session, asked, budget_seconds=self._budget())
        return next((answer for answer in answers if answer.found), None)


def _broken(write: _WriteOnRows, migrations: Sequence[Migration]) -> TemplateImpact | None:
    answer = write.fails(migrations)
    if answer is None:
        return None
    error = SqlError(answer.probe.sqlstate, f"the data: {answer.probe.question}")
    impact = TemplateImpact(write.query.template, write.query.sql, "breaks", write.query.share, error)
    return Blame(migrations, write.observed, write.replay).blamed(impact)


def _seen_of(files: Sequence[Migration], observed: Sequence[MigrationObservation]) -> tuple[MigrationObservation, ...]:
    """What was seen of the statements that these files have."""
    numbers = [{statement.number for statement in file.statements} for file in files]
    return tuple(
        replace(seen, statements=tuple(s for s in seen.statements if s.number in kept))
        for seen, kept in zip(observed, numbers, strict=False)
    )


def _writes(queries: Sequence[Rehearsed]) -> Iterator[tuple[Rehearsed, Action, tuple[MigrationStatement, ...]]]:
    """The queries that write, what they do, and their statements whose values are known."""
    found = 0
    for query in queries:
        whole = _only(query, query.sql)
        if whole is None or whole.actions[0].kind not in _WRITES:
            continue
        literal = [plannable.sql for plannable in query.statements if plannable.mode is PlanMode.LITERAL]
        room = max(_MOST - found, 0)
        variants = tuple(s for sql in literal[:room] if (s := _only(query, sql)) is not None)
        found += len(variants)
        yield query, whole.actions[0], variants


def _only(query: Rehearsed, sql: str) -> MigrationStatement | None:
    """The text as one statement, None where it is not."""
    try:
        statements = read_migration(query.template, sql, opened=NoFiles()).statements
    except UsageError:
        return None
    return statements[0] if len(statements) == 1 and statements[0].actions else None


def _probes_of_write(
    write: MigrationStatement,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    asking: _WriteOnRows,
    unforeseen: set[int] | None = None,
) -> tuple[Probe, ...]:
    """The questions of one statement behind the files; only its own, not those of the files."""
    last, seen = Migration("", "", (replace(write, number=0),)), MigrationObservation("", "rules")
    whole = joined((*migrations, last), (*observed, seen))
    asked = probes(*whole, asking.source.catalog, facts=asking.facts, unforeseen=unforeseen)
    return tuple(probe for probe in asked if probe.statement == len(migrations) * STRIDE)
