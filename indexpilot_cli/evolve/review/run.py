"""Migrations run on the empty clone, and the recorded queries run before and after them.

On an empty clone every read looks like a walk over the whole table: plans at the real size tell which ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.directories import cache_directory
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    MigrationObservation,
    Priced,
    Rehearsed,
    RunState,
    Seen,
    SqlError,
)
from indexpilot_cli.core.workload import FoldedWorkload
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve.review.case import Review, tables_made
from indexpilot_cli.evolve.review.judge import Bench, RelationSizes, judge, worst
from indexpilot_cli.evolve.review.lighten import lightened
from indexpilot_cli.evolve.review.offline.observe import judge_by_rules, observe_by_rules
from indexpilot_cli.evolve.review.offline.state import OfflineState
from indexpilot_cli.evolve.review.queries import (
    Blame,
    Recorded,
    committed,
    compare,
    dropped_indexes,
    rehearsed,
    touched_tables,
)
from indexpilot_cli.evolve.review.values import TemplateImpact
from indexpilot_cli.evolve.review.versions import version_notes
from indexpilot_cli.sql.ddl.action import Act, Migration
from indexpilot_cli.sql.ddl.action_of import read_actions
from indexpilot_cli.sql.ddl.script import cut
from indexpilot_cli.sql.parser import Statement, parse

if TYPE_CHECKING:
    from indexpilot_cli.evolve.review.clone.clone import Clone
    from indexpilot_cli.evolve.review.clone.plans import FullCopy
    from indexpilot_cli.evolve.review.fix import FixedMigration
    from indexpilot_cli.snapshot.values import SchemaObject, Snapshot

    FullCopies = Callable[[], tuple[FullCopy, ...]]

_STATEMENT_MS = 2_000  # a recorded query on empty tables
_REHEARSAL_SECONDS = 60.0
_RANKS = {"breaks": 3, "columns_change": 2, "slower": 1}


@dataclass(frozen=True, slots=True)
class RehearsalOptions:
    """``run_seconds`` bounds each file on the clone; work on fewer rows than ``long_rows`` is never called long.

    ``version`` is the major one of the clone, None that of the snapshot. ``fix``: safer files are made and run too.
    """

    run_seconds: float = 60.0
    long_rows: int = 5_000
    version: int | None = None
    fix: bool = False


@dataclass(frozen=True, slots=True)
class MigrationRehearsal:
    """What running the files showed. ``fixes`` are safer files by position, ``queries`` what was rehearsed.

    ``fired`` are tables where an UPDATE runs triggers or rules, ``earlier`` those that files before the one in question
    make.
    """

    observations: tuple[MigrationObservation, ...] = ()
    templates: tuple[TemplateImpact, ...] = ()
    checked: int = 0
    not_checked: tuple[str, ...] = ()
    fixes: Mapping[int, FixedMigration] = field(default_factory=dict)
    queries: tuple[Rehearsed, ...] = ()
    fired: frozenset[QualifiedName] = frozenset()
    earlier: frozenset[str] = frozenset()

    def templates_of(self, path: str) -> tuple[TemplateImpact, ...]:
        """The recorded queries that suffer from a file."""
        return tuple(t for t in self.templates if t.file == path)


def by_rules(migrations: Sequence[Migration], catalog: Catalog, why: str) -> MigrationRehearsal:
    """What the manual says the files do; no recorded query can be run."""
    known = catalog if catalog.tables else None
    state, observed = OfflineState(known, catalog.version), []
    for migration in migrations:
        observed.append(observe_by_rules(migration, known, catalog.version, state))
        state = _next_session(state)
    return MigrationRehearsal(tuple(observed), not_checked=(why, "recorded queries: nothing was run"))


def _next_session(state: OfflineState) -> OfflineState:
    """The next file runs in a session of its own: settings end with this one."""
    return replace(state, search_path=(), timezone="")


def rehearse(
    snapshot: Snapshot,
    migrations: Sequence[Migration],
    folded: FoldedWorkload | str,
    options: RehearsalOptions,
    progress: Progress,
) -> MigrationRehearsal:
    """Every file on a throw-away clone, one after another, with the recorded queries before the first and after
    the last. Raises PrerequisiteError when no server can be started."""
    part = _within_reach(snapshot, migrations, folded)
    if part is not None:
        with suppress(_OutOfReach):
            return _rehearsed(part, migrations, options, progress)
    return _rehearsed(_Scope(snapshot, folded), migrations, options, progress)


class _OutOfReach(Exception):
    """Something was missing that the clone had not been given."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the clone is made of, and the queries to run there; ``beyond`` counts those that nothing can change.

    ``lacks`` tells whether an error speaks of something that was left out.
    """

    snapshot: Snapshot
    folded: FoldedWorkload | str
    beyond: int = 0
    lacks: Callable[[str], bool] = lambda _: False

    def require(self, errors: Iterable[SqlError | None]) -> None:
        """Raises _OutOfReach where an error may not be one in production."""
        from indexpilot_cli.evolve.review.clone.faults import is_missing

        if any(e is not None and is_missing(e) and self.lacks(e.message) for e in errors):
            raise _OutOfReach


def _within_reach(snapshot: Snapshot, migrations: Sequence[Migration], folded: FoldedWorkload | str) -> _Scope | None:
    """The part of a large schema that the files and the queries on it can touch; None: all of it."""
    from indexpilot_cli.evolve.review.clone.reach import SchemaReach, named_in

    reach = SchemaReach(snapshot)
    if reach.small or reach.part(migrations) is None:
        return None
    made = frozenset(chain.from_iterable(map(named_in, migrations)))
    beyond = 0
    if not isinstance(folded, str):
        templates = tuple(t for t in folded.templates if reach.concerns(t.text, made))
        skipped = tuple(s for s in folded.skipped if reach.concerns(s.text, made))
        beyond = len(folded.templates) - len(templates)
        folded = replace(folded, templates=templates, skipped=skipped)
        part = reach.with_statements([*(t.text for t in templates), *(s.text for s in skipped)])
    else:
        part = reach.with_statements(())
    return None if part is None else _Scope(part, folded, beyond, reach.left_out)


def _rehearsed(
    scope: _Scope, migrations: Sequence[Migration], options: RehearsalOptions, progress: Progress
) -> MigrationRehearsal:
    from indexpilot_cli.evolve.review.clone.clone import open_clone
    from indexpilot_cli.evolve.review.clone.sandbox import SandboxLimits

    snapshot = scope.snapshot
    limits = SandboxLimits(run_seconds=options.run_seconds, major=options.version)
    progress.stage("opening an empty clone")
    with open_clone(snapshot, cache_dir=cache_directory() / "twins", progress=progress, limits=limits) as clone:
        progress.stage("running the migrations on an empty clone", len(migrations))
        observed, state = [], OfflineState(snapshot.catalog, snapshot.catalog.version)
        for migration in migrations:
            seen = clone.run(migration)
            observed.append(replace(seen, statements=judge_by_rules(seen.statements, migration, state)))
            state = _next_session(state)
            progress.advance()
            scope.require(s.error for s in observed[-1].statements)
        recorded = rehearsed(scope.folded, touched_tables(observed))
        with _full_copies(clone, snapshot) as plans:
            observed = list(_lightened(plans, migrations, observed, options.long_rows))
            impacts, missed = _templates(clone, plans, recorded, migrations, observed, scope, progress)
        fixes = fixed_files(clone, migrations, observed, snapshot, options, progress) if options.fix else {}
        notes = (*clone.notes, *_of_version(clone, snapshot, migrations), *missed, *_unsaid(recorded, scope.beyond))
        played, fired = recorded.queries, fired_tables(snapshot.objects)
        return MigrationRehearsal(tuple(observed), impacts, len(played) + scope.beyond, notes, fixes, played, fired)


def _of_version(clone: Clone, snapshot: Snapshot, migrations: Sequence[Migration]) -> tuple[str, ...]:
    """What depends on that the clone is of another version, unless that one was asked for."""
    if clone.sandbox.limits.major is not None:
        return ()
    columns = chain.from_iterable(table.columns for table in snapshot.catalog.tables)
    generated = any(column.generated for column in columns)
    return version_notes(migrations, clone.sandbox.server.binaries.major, snapshot.major, generated=generated)


def _templates(
    clone: Clone,
    plans: FullCopies,
    recorded: Recorded,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    scope: _Scope,
    progress: Progress,
) -> tuple[tuple[TemplateImpact, ...], tuple[str, ...]]:
    """What becomes of the recorded queries; what could not be said of them."""
    # Files that change nothing in the catalog break no query.
    ran = (s for s in chain.from_iterable(o.statements for o in observed) if s.state in (RunState.RAN, RunState.BEHIND))
    if not recorded.queries or not any(s.changes for s in ran):
        return (), ()
    progress.stage("running the recorded queries before and after", 2)
    sides = []
    try:
        for position, database in enumerate((clone.pristine, clone.database)):
            full = plans()
            sides.append(_seen(clone, full[position] if full else None, database, recorded.queries))
            progress.advance()
    except UnreachableError as error:
        return (), (f"recorded queries: {error.message}{f' ({error.detail})' if error.detail else ''}",)
    scope.require(played.error for played in chain.from_iterable(seen.played for seen in sides[0]))
    gone = dropped_indexes(observed)
    paired = zip(recorded.queries, *sides, strict=True)
    found = [(q, old, i) for q, old, new in paired if (i := _impact(q, old, new, gone)) is not None]
    suffering = [(q, old) for q, old, _ in found]

    def replay(files: Sequence[Migration]) -> dict[str, str]:
        clone.reset()
        for file in files:
            clone.run(committed(file))
        seen = _seen(clone, None, clone.database, [q for q, _ in suffering])
        ended = (_impact(q, old, new) for (q, old), new in zip(suffering, seen, strict=True))
        return {i.template: i.status for i in ended if i is not None}

    blame = Blame(migrations, observed, replay)
    impacts = [blame.blamed(impact) for _, _, impact in found]
    return tuple(sorted(impacts, key=lambda i: (-_RANKS.get(i.status, 0), -i.share, i.template))), ()


def _impact(query: Rehearsed, old: Seen, new: Seen, gone: frozenset[str] = frozenset()) -> TemplateImpact | None:
    return compare(query.template, query.sql, query.share, old, new, gone)


def _seen(clone: Clone, plans: FullCopy | None, database: str, queries: Sequence[Rehearsed]) -> list[Seen]:
    from indexpilot_cli.db.replay import QueryRehearsal

    dsn = clone.sandbox.dsn(database)
    with QueryRehearsal(dsn, _STATEMENT_MS) as player, clone.watched(player.backend_pid, _REHEARSAL_SECONDS):
        strict = [player.play(query.statements) for query in queries]
        # Row triggers fire only where there are rows: once without any, once with one in each table.
        player.put_rows()
        loose = [player.play(query.loose) for query in queries]
    prices: Sequence[Priced | None] = [None] * len(queries)
    if plans is not None:
        with clone.watched(plans.backend_pid, _REHEARSAL_SECONDS):
            prices = plans.price(queries)
    return [Seen((*s, *w), p) for s, w, p in zip(strict, loose, prices, strict=True)]


@contextmanager
def _full_copies(clone: Clone, snapshot: Snapshot) -> Iterator[FullCopies]:
    """The database before and after, as if full, made when they are asked for; none when they cannot be made."""
    from indexpilot_cli.evolve.review.clone.plans import FullCopy

    made: list[tuple[FullCopy, ...]] = []

    def copies() -> tuple[FullCopy, ...]:
        # Most migrations have neither recorded queries nor work whose length a plan tells, and a copy of a large
        # schema takes seconds.
        if not made:
            full: tuple[FullCopy, ...] = ()
            try:
                for database in (clone.pristine, clone.database):
                    full += (stack.enter_context(FullCopy(clone, snapshot, database)),)
            except IndexPilotError:
                full = ()
            made.append(full)
        return made[0]

    with ExitStack() as stack:
        yield copies


def _lightened(
    plans: FullCopies,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    long_rows: int,
) -> tuple[MigrationObservation, ...]:
    """Data work judged by plans at the real size: after the migration where it can be planned, else before it."""

    def rows_read(sql: str) -> Mapping[QualifiedName, float] | None:
        return next((rows for plan in reversed(plans()) if (rows := plan.rows_read(sql)) is not None), None)

    pairs = zip(observed, migrations, strict=True)
    return tuple(lightened(seen, written, rows_read, long_rows) for seen, written in pairs)


def _unsaid(recorded: Recorded, beyond: int) -> tuple[str, ...]:
    if recorded.why_none and not beyond:
        return (f"recorded queries: {recorded.why_none}",)
    if recorded.left_out:
        left_out = f"recorded queries: {recorded.left_out} that touch none of the changed tables were not run"
        return (left_out, *recorded.faults)
    return recorded.faults


def fixed_files(
    clone: Clone,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    snapshot: Snapshot,
    options: RehearsalOptions,
    progress: Progress,
) -> Mapping[int, FixedMigration]:
    """Safer files by position, for those that can be made safer; all are run again, in order, on a fresh clone."""
    from indexpilot_cli.evolve.review.fix import fix
    from indexpilot_cli.evolve.review.migration import read_migration

    progress.stage("running the safer files on a fresh clone", len(migrations))
    catalog, fired, taken = snapshot.catalog, fired_tables(snapshot.objects), constraint_names(snapshot.objects)
    bench = Bench(RelationSizes(catalog), long_rows=options.long_rows)
    clone.reset()
    found: dict[int, FixedMigration] = {}
    for position, (migration, observation) in enumerate(zip(migrations, observed, strict=True)):
        review = Review(migration, observation, judge(observation, bench), catalog=catalog, fired=fired, taken=taken)
        review = replace(review, earlier=tables_made(migrations[:position]))
        safer = fix(review)
        changed = safer.text != migration.text
        again = read_migration(migration.path, safer.text, one_transaction=False) if changed else migration
        verdict = worst(judge(clone.run(again), bench))
        if changed or safer.notes:
            found[position] = replace(safer, verdict=verdict)
        progress.advance()
    return found


_UPDATE = 16  # TRIGGER_TYPE_UPDATE among the events of a CREATE TRIGGER


def constraint_names(objects: Iterable[SchemaObject]) -> frozenset[tuple[QualifiedName, str]]:
    """The constraints that have a name of their own, by table."""
    found = set()
    for item in objects:
        if item.kind.endswith(("TABLE", "CONSTRAINT")):
            for start, end in cut(item.sql).statements:
                read = parse(item.sql[start:end])
                for action in read_actions(read.node, read.text) if isinstance(read, Statement) else ():
                    if action.kind is Act.ADD_CONSTRAINT and action.table and action.object:
                        found.add((QualifiedName(action.schema or item.schema, action.table), action.object))
    return frozenset(found)


def fired_tables(objects: Iterable[SchemaObject]) -> frozenset[QualifiedName]:
    """Tables where an UPDATE runs triggers or rules."""
    found = set()
    for item in objects:
        if item.kind not in ("TRIGGER", "RULE"):
            continue
        # Behind a trigger that is switched off pg_dump writes a second statement.
        texts = [item.sql[start:end] for start, end in cut(item.sql).statements]
        read = parse(texts[0]) if texts else None
        # Of views that need each other pg_dump writes one as a rule: that is no rule for an UPDATE.
        if not isinstance(read, Statement) or read.node.kind not in ("CreateTrigStmt", "RuleStmt"):
            continue
        trigger, relation = read.node.kind == "CreateTrigStmt", read.node.child("relation")
        updates = read.node.number("events") & _UPDATE if trigger else read.node.enum("event") == "CMD_UPDATE"
        if updates and relation is not None:
            found.add(QualifiedName(relation.text("schemaname") or "public", relation.text("relname")))
    return frozenset(found)
