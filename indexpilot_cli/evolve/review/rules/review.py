"""All that is known of a file when its findings are written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import ChangeKind, MigrationObservation, StatementObservation
from indexpilot_cli.evolve.review.hazards import HAZARDS
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.values import Finding, Impact, StatementVerdict, TemplateImpact
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement

MAKES_TABLE = frozenset({Act.CREATE_TABLE, Act.CREATE_TABLE_AS, Act.CREATE_PARTITION, Act.CREATE_MATVIEW})
LONG = frozenset({Impact.LONG_BLOCKS_READS, Impact.LONG_BLOCKS_WRITES})
_READ = ("SELECT",)
_WRITE = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Review:
    """A file with everything seen of it. ``catalog`` is None when no database is known."""

    migration: Migration
    observation: MigrationObservation
    verdicts: tuple[StatementVerdict, ...]
    probes: tuple[ProbeAnswer, ...] = ()
    templates: tuple[TemplateImpact, ...] = ()
    catalog: Catalog | None = None

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """One Case for each statement, in order."""
        written = {s.number: s for s in self.migration.statements}
        pairs = zip(self.observation.statements, self.verdicts, strict=True)
        return tuple(Case(self, written[seen.number], seen, verdict) for seen, verdict in pairs)

    @cached_property
    def new_tables(self) -> dict[str, int]:
        """Names of tables the file makes, with the number of the statement that does."""
        made = ((a.object or a.table, c.written.number) for c in self.cases for a in c.actions if a.kind in MAKES_TABLE)
        return {name: number for name, number in made if name}

    @cached_property
    def bodies(self) -> dict[str, tuple[Action, ...]]:
        """What the functions that the file makes do when they are called."""
        found: dict[str, tuple[Action, ...]] = {}
        for statement in self.migration.statements:
            for action in statement.actions:
                if action.kind is Act.CREATE_FUNCTION and action.object and not action.nested:
                    found[action.object] = tuple(a for a in statement.actions if a.nested)
        return found

    @cached_property
    def made(self) -> frozenset[str]:
        """Identities of the objects that the file makes."""
        changes = (c for s in self.observation.statements for c in s.changes if c.kind is ChangeKind.CREATED)
        return frozenset(c.after.identity for c in changes if c.after is not None)

    @cached_property
    def blocks(self) -> frozenset[int]:
        """Numbers of the transactions that a BEGIN of the file opens."""
        return frozenset(c.seen.transaction for c in self.cases for a in c.actions if a.kind is Act.BEGIN)

    @cached_property
    def together(self) -> dict[int, tuple[Case, ...]]:
        """The statements of each transaction."""
        found: dict[int, list[Case]] = {}
        for case in self.cases:
            found.setdefault(case.seen.transaction, []).append(case)
        return {number: tuple(cases) for number, cases in found.items()}

    @cached_property
    def keys(self) -> dict[str, tuple[Action, ...]]:
        """Indexes and constraints that the file makes, by the name of their table."""
        found: dict[str, list[Action]] = {}
        for case in self.cases:
            for action in case.actions:
                if action.table and action.kind in (Act.CREATE_INDEX, Act.ADD_CONSTRAINT):
                    found.setdefault(action.table, []).append(action)
        return {table: tuple(actions) for table, actions in found.items()}

    def is_new(self, action: Action) -> bool:
        """Whether the action's table is one that the file itself makes."""
        return action.has("new_table") or (action.table in self.new_tables and self.table(action) is None)

    def table(self, action: Action) -> Table | None:
        """The action's table as it stands in the database."""
        if self.catalog is None or action.table is None:
            return None
        return self.catalog.resolve(action.table, action.schema)

    def after(self, number: int) -> Iterator[Action]:
        """What the statements behind a number do."""
        return (a for c in self.cases if c.written.number > number for a in c.actions)


@dataclass(frozen=True)
class Case:
    """One statement: as written, as seen, as judged."""

    review: Review = field(repr=False)
    written: MigrationStatement
    seen: StatementObservation
    verdict: StatementVerdict

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """What the statement itself does: a function's body does nothing until it is called."""
        defines = any(a.kind is Act.CREATE_FUNCTION for a in self.written.actions)
        own = tuple(a for a in self.written.actions if not (defines and a.nested))
        called = (self.review.bodies.get(a.object or "", ()) for a in own if a.has("call"))
        return own + tuple(a for body in called for a in body)

    @property
    def probes(self) -> tuple[ProbeAnswer, ...]:
        """Answers of the data about this statement."""
        return tuple(a for a in self.review.probes if a.probe.statement == self.written.number)

    @property
    def long(self) -> bool:
        """Whether others wait for long: by the verdict, or by the work alone where no size is known."""
        if self.verdict.impact in LONG:
            return True
        busy = any(w.relation.existed and not w.online for w in self.seen.work)
        return self.review.catalog is None and self.verdict.impact is Impact.BRIEF_LOCK and busy

    @property
    def hidden(self) -> str:
        """Where the work hides, for a sentence: ``inside a DO block, `` or nothing."""
        first = self.written.actions[0] if self.written.actions else None
        called = any(a.has("call") and a.object in self.review.bodies for a in self.written.actions)
        return "a DO block " if first is not None and first.kind is Act.DO else "the function " if called else ""

    def finding(self, hazard: str, message: str, *, severity: Severity | None = None) -> Finding:
        """A finding about this statement, without locks."""
        known = HAZARDS[hazard]
        return Finding(
            known.id,
            known.name,
            severity or known.severity,
            self.review.migration.path,
            self.written.number,
            self.written.line,
            self.written.column,
            self.written.sql,
            message,
        )

    def with_lock(self, finding: Finding) -> Finding:
        """The finding with the worst lock others wait for, its table and how long."""
        if not self.verdict.blocked:
            return replace(finding, duration=self.verdict.duration)
        worst = self.verdict.blocked[0]
        return replace(
            finding,
            lock=worst.mode,
            blocks=(*(_READ if worst.reads else ()), *(_WRITE if worst.writes else ())),
            table=worst.table,
            table_bytes=worst.bytes or None,
            duration=self.verdict.duration,
        )


def name_of(action: Action) -> str:
    """The action's table as SQL text, with its schema when that was written."""
    if action.table is None:
        return "a table"
    return (
        str(QualifiedName(action.schema, action.table))
        if action.schema
        else QualifiedName("public", action.table).short
    )
