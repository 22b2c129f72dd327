"""Tables whose statistics are missing or older than their rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.index import Reason
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleSeverity,
    LifecycleState,
)

STALE_AFTER = timedelta(days=3)
STALE_SHARE = 0.1  # of the rows modified since ANALYZE
# Autovacuum analyzes partitions, never the table they are partitions of, whose own statistics the planner wants for
# conditions that no partition key decides. https://www.postgresql.org/docs/current/sql-analyze.html
PARENT = "never analyzed: autovacuum analyzes its partitions only"


def never_analyzed(table: Table) -> bool:
    """Whether the planner has nothing to go by."""
    return table.activity.last_analyze is None and not any(c.statistics for c in table.columns)


def changed_share(table: Table) -> float:
    """The share of the rows that changed since ANALYZE."""
    return table.activity.modified_since_analyze / max(table.rows, 1.0)


def unanalyzed(tables: tuple[Table, ...]) -> Iterator[tuple[Table, str]]:
    """Tables with rows of which nothing is known, with why; also those that are partitioned."""
    with_rows = [t for t in tables if t.kind in "rm" and t.pages > 0 and t.readable]
    parents = {t.parent for t in with_rows if t.is_partition}
    yield from ((t, "never analyzed") for t in with_rows if t.tuples < 0 or never_analyzed(t))
    yield from ((t, PARENT) for t in tables if t.name in parents and t.readable and never_analyzed(t))


def stale(table: Table, now: datetime) -> str | None:
    """Why the statistics of an analyzed table are old, as a clause."""
    activity, share = table.activity, changed_share(table)
    # The default of autovacuum_analyze_scale_factor: from here on autovacuum should have come by.
    # https://www.postgresql.org/docs/current/runtime-config-autovacuum.html
    if share > STALE_SHARE:
        return f"{share:.0%} of the rows changed since ANALYZE"
    # Old statistics of a table that nothing has changed are as good as new ones.
    if activity.last_analyze and now - activity.last_analyze > STALE_AFTER and activity.modified_since_analyze:
        return f"last analyzed {(now - activity.last_analyze).days} days ago"
    return None


def statistics_findings(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """One for each table to analyze."""
    missing = dict(unanalyzed(facts.catalog.tables))
    for table, why in missing.items():
        yield _finding(table, LifecycleState.NEVER_ANALYZED, why)
    for table in facts.catalog.tables:
        # A few changed rows of an old ANALYZE are doctor's remark; work is worth planning from a tenth on.
        share = changed_share(table)
        full = table.kind in "rm" and table.pages > 0 and table.readable
        if full and table not in missing and share > STALE_SHARE:
            yield _finding(table, LifecycleState.STALE_STATISTICS, f"{share:.0%} of the rows changed since ANALYZE")


def _finding(table: Table, state: LifecycleState, why: str) -> LifecycleFinding:
    return LifecycleFinding(
        state,
        LifecycleSeverity.WARNING,
        LifecycleAction.ANALYZE,
        table.name,
        size_bytes=table.size_bytes,
        since=table.activity.last_analyze,
        evidence=(Reason(state.value, why, "catalog"),),
        ddl=f"ANALYZE {table.name};",
    )
