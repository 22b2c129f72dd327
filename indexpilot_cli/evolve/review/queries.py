"""The recorded queries: which schema review runs, and what becomes of them.

They are run as literal statements and once more without conditions, side by side before and after a migration.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    CatalogChange,
    ChangeKind,
    MigrationObservation,
    Played,
    Priced,
    Rehearsed,
    Seen,
    SqlError,
)
from indexpilot_cli.core.workload import FoldedWorkload, PlanMode, Plannable, QueryTemplate, Skipped, Stage
from indexpilot_cli.evolve.review.values import TemplateImpact, TemplateStatus
from indexpilot_cli.workload.aside import each, fault_warnings
from indexpilot_cli.workload.templates import shares, with_shares

MOST = 400  # queries rehearsed when nobody knows which tables they touch
_VARIANTS = 3  # statements of one template
_OPAQUE = ("no_table", "utility")  # what no advice is possible on may still break: calls of functions


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
    opaque = tuple(s for s in folded.skipped if s.reason in _OPAQUE and _callable(s.text))
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


def _callable(text: str) -> bool:
    return text.lstrip().lower().startswith(("select", "call", "with"))


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
    lost = _lost(before.priced, dropped)
    costs = _costs(before.priced, after.priced)
    if changed is not None:
        return TemplateImpact(
            template,
            sql,
            "columns_change",
            share,
            None,
            *costs,
            columns_before=changed[0].columns,
            columns_after=changed[1].columns,
            indexes_lost=lost,
        )
    status = _status(*costs)
    if status is None:
        return None
    return TemplateImpact(template, sql, status, share, None, *costs, indexes_lost=lost)


def _breaks(old: Played, new: Played) -> bool:
    """Whether a failure is the migration's work.

    On empty tables some statements fail before it as well (a row that is not there); what fails then for a
    reason that does not hang on rows was not broken before.
    """
    if new.error is None:
        return False
    if old.error is None:
        return True
    return not _by_analysis(old.error) and _by_analysis(new.error)


def _by_analysis(error: SqlError) -> bool:
    return error.sqlstate.startswith(_ANALYSIS)


def _costs(before: Priced | None, after: Priced | None) -> tuple[float | None, float | None]:
    return (before.cost if before else None, after.cost if after else None)


def _status(before: float | None, after: float | None) -> TemplateStatus | None:
    if before is None or after is None or max(before, after) < _WORTH:
        return None
    if after > before * SLOWER:
        return "slower"
    return "faster" if before > after * SLOWER else None


def _lost(before: Priced | None, dropped: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(before.indexes & dropped)) if before else ()


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
