"""What becomes of the recorded queries: the same statements before a migration and after it, side by side."""

from __future__ import annotations

from indexpilot_cli.core.observation import Played, Priced, Seen, SqlError
from indexpilot_cli.evolve.review.values import TemplateImpact

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


def _status(before: float | None, after: float | None) -> str | None:
    if before is None or after is None or max(before, after) < _WORTH:
        return None
    if after > before * SLOWER:
        return "slower"
    return "faster" if before > after * SLOWER else None


def _lost(before: Priced | None, dropped: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(before.indexes & dropped)) if before else ()
