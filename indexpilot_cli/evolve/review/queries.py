"""The recorded queries: which schema review runs, what becomes of them, and which statement is at fault for it.

They are run as literal statements and once more without conditions, side by side before and after a migration. Where
an error names what one statement took away, that one is at fault; else the files are run again up to a statement, and
the queries after them, halving the rest each time: a name or a type in an error fits many statements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    CatalogChange,
    ChangeKind,
    MigrationObservation,
    Played,
    Rehearsed,
    Seen,
)
from indexpilot_cli.core.workload import FoldedWorkload, PlanMode, Plannable, QueryTemplate, Skipped, Stage
from indexpilot_cli.evolve.review.values import TemplateImpact, TemplateStatus
from indexpilot_cli.sql.ddl.action import Migration, MigrationStatement
from indexpilot_cli.workload.aside import each, fault_warnings
from indexpilot_cli.workload.templates import shares, with_shares

MOST = 400  # queries rehearsed when nobody knows which tables they touch
_VARIANTS = 3  # statements of one template
_OPAQUE = ("no_table", "utility")  # what no advice is possible on may still break: calls of functions
_CALLS = ("select", "call", "with")


@dataclass(frozen=True, slots=True)
class Recorded:
    """The queries to rehearse; ``left_out`` counts those beyond the limit, ``why_none`` says why there are none,
    ``faults`` what we could not handle.
    """

    queries: tuple[Rehearsed, ...] = ()
    left_out: int = 0
    why_none: str = ""
    faults: tuple[str, ...] = ()


def rehearsed(folded: FoldedWorkload | str, touched: Collection[QualifiedName]) -> Recorded:
    """What to run: all queries when they are few, else those on the tables that the migrations touch first."""
    if isinstance(folded, str):
        return Recorded(why_none=folded)
    share = shares(folded.templates)
    ranked = sorted(folded.templates, key=lambda t: (not set(touched) & set(t.relations), -share[t.id]))
    opaque = tuple(s for s in folded.skipped if s.reason in _OPAQUE and s.text.lstrip().lower().startswith(_CALLS))
    done = each(Stage.PARAMETERS, ranked[:MOST], lambda t: _template(t, share[t.id]))
    found = [*done.result, *_calls(opaque[:MOST])]
    whole = done.without_lost(folded)
    return Recorded(
        tuple(q for q in found if q.statements),
        max(0, len(ranked) - MOST),
        "" if found else "no statement is recorded",
        tuple(w.message for w in fault_warnings(with_shares(whole.skipped, whole))),
    )


def _template(template: QueryTemplate, share: float) -> Rehearsed:
    chosen = template.scenarios[:_VARIANTS]
    return Rehearsed(
        template.id,
        template.text,
        share,
        tuple(s.statement for s in chosen),
        tuple(_loose(s.statement for s in chosen[:1])),
        tuple(s.share for s in chosen),
    )


def _loose(statements: Iterator[Plannable]) -> Iterator[Plannable]:
    from indexpilot_cli.sql.literals import loosened

    for statement in statements:
        text = loosened(statement.sql)
        # A parameter that stood in the condition only would have no type any more.
        if text is not None and "$" not in text:
            yield Plannable(text)


def _calls(skipped: Sequence[Skipped]) -> Iterator[Rehearsed]:
    from indexpilot_cli.sql.parser import Unparsed, fingerprint, parameters, parse

    for item in skipped:
        statement = parse(item.text)
        if isinstance(statement, Unparsed):
            continue
        numbers = parameters(statement.node)
        mode = PlanMode.PREPARED if numbers else PlanMode.LITERAL
        plannable = Plannable(item.text, mode, max(numbers, default=0))
        # The share is unknown: such statements are no part of the weighed workload.
        yield Rehearsed(f"q-{str(fingerprint(item.text))[:6]}", item.text, 0.0, (plannable,))


SLOWER = 1.2  # planner cost after / before from which a query counts as slower
_WORTH = 100.0  # cost below which a change of plan is nobody's business

# A statement that fails for one of these would have failed before it came to the data, so it fails for everybody.
_ANALYSIS = ("42", "0A", "3F", "2B", "26", "XX")


def compare(
    template: str, sql: str, share: float, before: Seen, after: Seen, dropped: frozenset[str] = frozenset()
) -> TemplateImpact | None:
    """What the migration does to the template; None when it does nothing worth telling.

    ``dropped`` are the indexes that the migration takes away.
    """
    pairs = list(zip(before.played, after.played, strict=True))
    error = next((new.error for old, new in pairs if _breaks(old, new)), None)
    if error is not None:
        return TemplateImpact(template, sql, "breaks", share, error)
    changed = next(((o, n) for o, n in pairs if not o.error and not n.error and o.columns != n.columns), None)
    lost = tuple(sorted(before.priced.indexes & dropped)) if before.priced else ()
    first, then = (side.priced.cost if side.priced else None for side in (before, after))
    if changed is not None:
        return TemplateImpact(
            template,
            sql,
            "columns_change",
            share,
            None,
            first,
            then,
            columns_before=changed[0].columns,
            columns_after=changed[1].columns,
            indexes_lost=lost,
        )
    status = _status(first, then)
    if status is None:
        return None
    return TemplateImpact(template, sql, status, share, None, first, then, indexes_lost=lost)


def _breaks(old: Played, new: Played) -> bool:
    """Whether a failure is the migration's work.

    On empty tables some statements fail before it as well (a row that is not there); what fails then for a
    reason that does not hang on rows was not broken before.
    """
    if new.error is None:
        return False
    if old.error is None:
        return True
    return new.error.sqlstate.startswith(_ANALYSIS) and not old.error.sqlstate.startswith(_ANALYSIS)


def _status(before: float | None, after: float | None) -> TemplateStatus | None:
    if before is None or after is None or max(before, after) < _WORTH:
        return None
    if after > before * SLOWER:
        return "slower"
    return "faster" if before > after * SLOWER else None


def touched_tables(observed: Sequence[MigrationObservation]) -> frozenset[QualifiedName]:
    """Tables whose catalog entries changed, by the names they had before."""
    return frozenset(c.table for _, _, c in changes_of(observed) if c.table is not None)


def dropped_indexes(observed: Sequence[MigrationObservation]) -> frozenset[str]:
    """Names of indexes that are gone."""
    return frozenset(
        c.before.path[-1]
        for _, _, c in changes_of(observed)
        if c.kind is ChangeKind.DROPPED and c.before is not None and c.before.kind == "index"
    )


def changes_of(observed: Sequence[MigrationObservation]) -> Iterator[tuple[str, int, CatalogChange]]:
    """Every change with the file and the number of the statement that made it, in order."""
    for observation in observed:
        for statement in observation.statements:
            for change in statement.changes:
                yield observation.path, statement.number, change


_MOST_RUN = 400  # statements run again, over all queries
_GONE = 4  # of _fit
_SUDDEN = ("breaks", "columns_change")

# What becomes of the queries after so much of the files: the status by template.
Replay = Callable[[Sequence[Migration]], dict[str, str]]


@dataclass(frozen=True, slots=True)
class _Place:
    """A statement that changed the catalog: its file's position and path, and its number."""

    position: int
    path: str
    number: int


class Blame:
    """Finds the statements at fault. ``replay`` runs files on a fresh copy and says how each query ends then."""

    def __init__(self, migrations: Sequence[Migration], observed: Sequence[MigrationObservation], replay: Replay):
        self._migrations = migrations
        self._observed = observed
        self._replay = replay
        self._places = tuple(_changed(observed))
        self._ended: dict[_Place, dict[str, str]] = {}
        self._run = 0

    def blamed(self, impact: TemplateImpact) -> TemplateImpact:
        """The impact with file and statement; where nothing fits, the last that changed the catalog."""
        fitting = list(_places(impact, self._observed))
        if not fitting:
            return replace(impact, file=self._migrations[-1].path) if self._migrations else impact
        best = max(fitting, key=lambda p: p[0])
        sure = {p[1:] for p in fitting if p[0][0] == best[0][0]} if best[0][0] == _GONE else set()
        found = self._searched(impact) if len(sure) != 1 and impact.status in _SUDDEN else None
        return replace(impact, file=found.path if found else best[1], statement=found.number if found else best[2])

    def _searched(self, impact: TemplateImpact) -> _Place | None:
        """The statement after which the query first suffers; None where that would take too many statements."""
        low, high = 0, len(self._places) - 1
        while low < high:
            middle = (low + high) // 2
            ended = self._after(self._places[middle])
            if ended is None:
                return None
            if ended.get(impact.template) == impact.status:
                high = middle
            else:
                low = middle + 1
        return self._places[low]

    def _after(self, place: _Place) -> dict[str, str] | None:
        if place not in self._ended:
            last = self._migrations[place.position]
            up_to = tuple(s for s in last.statements if s.number <= place.number)
            files = (*self._migrations[: place.position], replace(last, statements=up_to))
            self._run += sum(len(f.statements) for f in files)
            if self._run > _MOST_RUN:
                return None
            self._ended[place] = self._replay(files)
        return self._ended[place]


def _changed(observed: Sequence[MigrationObservation]) -> Iterator[_Place]:
    for position, observation in enumerate(observed):
        for statement in observation.statements:
            if statement.changes:
                yield _Place(position, observation.path, statement.number)


def committed(migration: Migration) -> Migration:
    """The file with a COMMIT behind it: what it leaves open others can see then."""
    last = migration.statements[-1]
    commit = MigrationStatement(last.number + 1, "COMMIT", last.line, last.column, last.end, last.end)
    return replace(migration, statements=(*migration.statements, commit))


def _places(
    impact: TemplateImpact, observed: Sequence[MigrationObservation]
) -> Iterator[tuple[tuple[int, int], str, int]]:
    for order, (path, number, change) in enumerate(changes_of(observed)):
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
