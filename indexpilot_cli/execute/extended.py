"""Extended statistics and statistics targets as operations: each is one transaction, so that there is no half of it.

CREATE and DROP STATISTICS and SET STATISTICS take SHARE UPDATE EXCLUSIVE on the table: rows are read and written
meanwhile. https://www.postgresql.org/docs/current/sql-createstatistics.html
"""

from __future__ import annotations

from indexpilot_cli.core.codec import from_json
from indexpilot_cli.core.mutation import Event, OperationKind
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsTarget
from indexpilot_cli.db.extended import StatisticsFacts, find_extended, statistics_target
from indexpilot_cli.db.session import Session
from indexpilot_cli.execute.build import CatalogVerdict, tag, tagged

_KINDS = (OperationKind.STATISTICS, OperationKind.DROP_STATISTICS, OperationKind.STATISTICS_TARGET)


def is_statistics(event: Event) -> bool:
    """Whether the operation is about statistics and not about an index."""
    return event.kind in _KINDS


def is_drop(event: Event) -> bool:
    """Whether it takes back what another operation made."""
    return event.kind is OperationKind.DROP_STATISTICS or (is_target(event) and "reverts" in event.details)


def is_target(event: Event) -> bool:
    """Whether it sets the statistics target of a column."""
    return event.kind is OperationKind.STATISTICS_TARGET


def target_of(event: Event) -> StatisticsTarget:
    """What such an operation sets; of one that takes another back, what was set before."""
    return from_json(StatisticsTarget, event.details["statistics"])


def is_ours(found: StatisticsFacts, event: Event) -> bool:
    """Whether these are the ones the operation made: by its comment, or by the oid in its last row."""
    known = tagged(found.comment) == event.op_id or found.oid == event.details.get("oid")
    return known and found.relid == event.relid


def open_statistics(session: Session, event: Event) -> CatalogVerdict:
    """What to do about an operation nobody closed, by the catalog."""
    if is_target(event):
        wanted = target_of(event)
        there = statistics_target(session, event.relid, wanted.column)
        return CatalogVerdict.VALID if there is not None and there[0] == wanted.target else CatalogVerdict.ABSENT
    found = find_extended(session, event.index)
    if is_drop(event):
        return CatalogVerdict.VALID if found is None else CatalogVerdict.ABSENT
    if found is None:
        return CatalogVerdict.ABSENT
    return CatalogVerdict.VALID if is_ours(found, event) else CatalogVerdict.CONFLICT


def make(session: Session, wanted: ExtendedStatistics, op_id: str) -> None:
    """Create them with our mark, both or nothing."""
    with session.transaction():
        session.execute(wanted.ddl)
        session.execute(f"COMMENT ON STATISTICS {wanted.name} IS {quote_literal(tag(op_id))}")
