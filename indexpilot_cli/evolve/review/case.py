"""All that is known of a file when its findings are written down, and the words of their sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.hazard import Hazard, Severity
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import ChangeKind, MigrationObservation, RunState, StatementObservation
from indexpilot_cli.core.units import count, seconds, size
from indexpilot_cli.evolve.review.judge import family
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.values import Blocked, Duration, Finding, Impact, StatementVerdict, TemplateImpact
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement, bodies_of, performed

MAKES_TABLE = frozenset({Act.CREATE_TABLE, Act.CREATE_TABLE_AS, Act.CREATE_PARTITION, Act.CREATE_MATVIEW})
LONG = frozenset({Impact.LONG_BLOCKS_READS, Impact.LONG_BLOCKS_WRITES})
_READ = ("SELECT",)
_WRITE = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Review:
    """A file with everything seen of it. ``catalog`` is None when no database is known.

    ``server`` is ``server_version_num`` where another version than the catalog's is meant. ``fired`` are tables where
    an UPDATE runs triggers or rules, ``taken`` the constraints by table and name (None: not known),
    ``earlier`` tables that earlier files of the same run make.
    """

    migration: Migration
    observation: MigrationObservation
    verdicts: tuple[StatementVerdict, ...]
    probes: tuple[ProbeAnswer, ...] = ()
    templates: tuple[TemplateImpact, ...] = ()
    catalog: Catalog | None = None
    server: int = 0
    fired: frozenset[QualifiedName] = frozenset()
    taken: frozenset[tuple[QualifiedName, str]] | None = None
    earlier: frozenset[str] = frozenset()

    @cached_property
    def cases(self) -> tuple[StatementCase, ...]:
        """One StatementCase for each statement, in order."""
        written = {s.number: s for s in self.migration.statements}
        pairs = zip(self.observation.statements, self.verdicts, strict=True)
        return tuple(StatementCase(self, written[seen.number], seen, verdict) for seen, verdict in pairs)

    @property
    def effective(self) -> Iterator[StatementCase]:
        """The statements that take effect; one that never ran or fails takes nothing away."""
        for case in self.cases:
            if case.seen.state not in (RunState.FAILED, RunState.SKIPPED) and case.verdict.impact is not Impact.FAILS:
                yield case

    @property
    def actions(self) -> Iterator[tuple[StatementCase, Action]]:
        """Every action with its statement, in order."""
        for case in self.cases:
            for action in case.actions:
                yield case, action

    @property
    def effective_actions(self) -> Iterator[tuple[StatementCase, Action]]:
        """Every action of the statements that take effect."""
        for case in self.effective:
            for action in case.actions:
                yield case, action

    @property
    def version(self) -> int:
        """``server_version_num``, 0 when nobody knows."""
        return self.server or (self.catalog.version if self.catalog else 0)

    @cached_property
    def new_tables(self) -> dict[str, int]:
        """Names of tables the file makes, with the number of the statement that does; 0 for files before it."""
        made = ((a.object or a.table, c.written.number) for c, a in self.actions if a.kind in MAKES_TABLE)
        return dict.fromkeys(self.earlier, 0) | {name: number for name, number in made if name}

    @cached_property
    def bodies(self) -> dict[str, tuple[Action, ...]]:
        """What the functions that the file makes do when they are called."""
        found: dict[str, tuple[Action, ...]] = {}
        for statement in self.migration.statements:
            found |= bodies_of(statement.actions)
        return found

    @cached_property
    def made(self) -> frozenset[str]:
        """Identities of the objects that the file makes."""
        found: set[str] = set()
        for statement in self.observation.statements:
            created = (c.after for c in statement.changes if c.kind is ChangeKind.CREATED)
            found |= {after.identity for after in created if after is not None}
        return frozenset(found)

    @cached_property
    def blocks(self) -> frozenset[int]:
        """Numbers of the transactions that a BEGIN of the file opens."""
        return frozenset(c.seen.transaction for c, a in self.actions if a.kind is Act.BEGIN)

    @cached_property
    def together(self) -> dict[int, tuple[StatementCase, ...]]:
        """The statements of each transaction."""
        found: dict[int, list[StatementCase]] = {}
        for case in self.cases:
            found.setdefault(case.seen.transaction, []).append(case)
        return {number: tuple(cases) for number, cases in found.items()}

    @cached_property
    def keys(self) -> dict[str, tuple[Action, ...]]:
        """Indexes and constraints that the file makes, by the name of their table."""
        found: dict[str, list[Action]] = {}
        for _, action in self.actions:
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

    def family(self, action: Action) -> tuple[Table, ...]:
        """The action's table with its partitions and children of any depth; empty where the table is not known."""
        table = self.table(action)
        return family(self.catalog, table) if table is not None and self.catalog is not None else ()

    def is_fired(self, action: Action) -> bool:
        """Whether an UPDATE of the action's table runs triggers or rules, of the database or of the file."""
        family = self.family(action)
        names = {action.table, *(t.name.name for t in family)}
        made = any(a.table in names for _, a in self.actions if a.kind is Act.CREATE_TRIGGER)
        return made or any(t.name in self.fired for t in family)

    def partitioned(self, action: Action) -> bool:
        """Whether the action's table is a partitioned one."""
        table = self.table(action)
        return table is not None and table.kind == "p"

    def nullable(self, action: Action, column: str) -> bool:
        """Whether a column of the action's table may hold NULL, as far as is known."""
        table = self.table(action)
        found = table.column(column) if table else None
        return found is not None and not found.not_null

    def table_name(self, action: Action) -> QualifiedName | None:
        """The action's table with its schema, None where the schema is not known."""
        table = self.table(action)
        if table is not None:
            return table.name
        return QualifiedName(action.schema, action.table) if action.schema and action.table else None

    def after(self, number: int) -> Iterator[Action]:
        """What the statements behind a number do."""
        return (a for c, a in self.actions if c.written.number > number)


def tables_made(migrations: Iterable[Migration]) -> frozenset[str]:
    """Names of the tables that files make, and what they call them later."""
    made: set[str] = set()
    for migration in migrations:
        bodies = bodies_of(chain.from_iterable(s.actions for s in migration.statements))
        for action in performed(chain.from_iterable(s.actions for s in migration.statements), bodies):
            if action.kind in MAKES_TABLE:
                made.add(action.object or action.table or "")
            elif action.kind is Act.RENAME_TABLE and action.table in made:
                made.add(action.new_name or "")
    return frozenset(made)


@dataclass(frozen=True)
class StatementCase:
    """One statement: as written, as seen, as judged."""

    review: Review = field(repr=False)
    written: MigrationStatement
    seen: StatementObservation
    verdict: StatementVerdict

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """What the statement does, with what routines of the file do that it calls."""
        return tuple(performed(self.written.actions, self.review.bodies))

    @property
    def probes(self) -> tuple[ProbeAnswer, ...]:
        """Answers of the data about this statement."""
        return tuple(a for a in self.review.probes if a.probe.statement == self.written.number)

    @property
    def templates(self) -> tuple[TemplateImpact, ...]:
        """The recorded queries that suffer by this statement; what no statement is blamed for falls on the last."""
        last = self.review.cases[-1].written.number
        return tuple(t for t in self.review.templates if (t.statement or last) == self.written.number)

    @property
    def long(self) -> bool:
        """Whether others wait for long: by the verdict, or by the work alone where no size is known."""
        if self.verdict.impact in LONG:
            return True
        busy = any(w.relation.existed and not w.online for w in self.seen.work)
        return self.review.catalog is None and self.verdict.impact is Impact.BRIEF_LOCK and busy

    @property
    def begun(self) -> bool:
        """Whether the statement stands in a transaction that the file or the migration tool opens."""
        return self.review.migration.one_transaction or self.seen.transaction in self.review.blocks

    @property
    def hidden(self) -> str:
        """Where the work hides, for a sentence: ``inside a DO block, `` or nothing."""
        first = self.written.actions[0] if self.written.actions else None
        called = any(a.has("call") and a.object in self.review.bodies for a in self.written.actions)
        return "a DO block " if first is not None and first.kind is Act.DO else "the function " if called else ""

    def finding(self, hazard: Hazard, message: str, severity: Severity | None) -> Finding:
        """A finding about this statement, without locks."""
        here = (self.review.migration.path, self.written.line, self.written.column)
        path, line, column = self.written.source or here
        return Finding(
            hazard.id,
            hazard.name,
            severity or hazard.severity,
            path,
            self.written.number,
            line,
            column,
            self.written.sql,
            f"{message} (behind a failure)" if self.seen.state is RunState.BEHIND else message,
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
    name = QualifiedName(action.schema or "public", action.table)
    return str(name) if action.schema else name.short


def span(duration: Duration | None) -> str:
    """``for 4 min to 9 min``; empty when nothing is known."""
    if duration is None:
        return ""
    low, high = seconds(duration.low), seconds(duration.high)
    return f"for {high}" if low == high else f"for {low} to {high}"


def table_size(blocked: Blocked) -> str:
    """``public.orders (11.4 GB, 48.2 M rows)``."""
    if not blocked.bytes:
        return str(blocked.table)
    return f"{blocked.table} ({size(blocked.bytes)}, {count(blocked.rows)} rows)"
