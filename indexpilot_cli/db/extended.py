"""Extended statistics and statistics targets as the catalog has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsKind
from indexpilot_cli.db.queries import filled
from indexpilot_cli.db.session import Row, Session

_KINDS = {"d": StatisticsKind.NDISTINCT, "f": StatisticsKind.DEPENDENCIES, "m": StatisticsKind.MCV}


@dataclass(frozen=True, slots=True)
class StatisticsFacts:
    """Statistics of columns together that are there. ``filled``: ANALYZE has come by, as far as this role may see."""

    oid: int
    relid: int
    made: ExtendedStatistics
    comment: str | None
    filled: bool


def extended_of(session: Session, relids: Sequence[int]) -> tuple[StatisticsFacts, ...]:
    """All of the tables; expressions (from 14 on) as the server writes them."""
    rows = session.rows("execute/extended_statistics", {"schema": None, "name": None, "relids": list(relids)})
    return tuple(map(_facts, rows))


def find_extended(session: Session, name: QualifiedName) -> StatisticsFacts | None:
    """Those of that name, or None."""
    where = {"schema": name.schema, "name": name.name, "relids": None}
    row = session.one("execute/extended_statistics", where)
    return None if row is None else _facts(row)


def statistics_target(session: Session, relid: int, column: str) -> tuple[int, int] | None:
    """How many values ANALYZE keeps of the column: as it was set (-1: not at all), and in effect; None: no column."""
    row = session.one("execute/statistics_target", {"relid": relid, "column": column})
    return None if row is None else (row.set, row.now)


def _facts(row: Row) -> StatisticsFacts:
    made = ExtendedStatistics(
        QualifiedName(row.schema, row.name),
        QualifiedName(row.table_schema, row.table_name),
        tuple(row.columns or ()),
        tuple(_KINDS[kind] for kind in row.kinds if kind in _KINDS),
        tuple(row.expressions or ()),
    )
    return filled(StatisticsFacts, row, made=made)
