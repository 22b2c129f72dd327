"""Who waits for a change that works under a strong lock, and for about how long, by the time model of the reviews."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.observation import WorkKind
from indexpilot_cli.db.session import Session
from indexpilot_cli.evolve.change.values import ExpectedWait
from indexpilot_cli.evolve.relation import Attached, ColumnFacts, RelationFacts
from indexpilot_cli.evolve.review.evidence import calibrate
from indexpilot_cli.evolve.review.judge import GUESSED_ROW, HIGH, LOW, expected
from indexpilot_cli.evolve.review.values import Rates


def of_save(session: Session, table: RelationFacts, column: ColumnFacts) -> tuple[ExpectedWait, ...]:
    """Waits of a drop that keeps the values, and of its rollback."""
    rates, rows = calibrate(session), _rows(table)
    # The table is read; the key and the column are written as a rewrite writes, and get a primary key. Measured with
    # 150,000 and 600,000 rows of four columns: 0.4 and 0.9 s, back in 3 and 14 s.
    share = (len(table.key) + 1) / max(len(table.columns), 1)
    copying = expected(WorkKind.REFRESH, rows, table.bytes, replace(rates, rewrite=rates.rewrite / share))
    copying += rows / rates.sort
    during = f"{column.name} is copied under SHARE ROW EXCLUSIVE"
    return (
        ExpectedWait("change", "writers", copying * LOW, copying * HIGH, rates.basis, during),
        _back(table, column, rates),
    )


def of_rollback(session: Session, now: RelationFacts, before: RelationFacts, name: str) -> tuple[ExpectedWait, ...]:
    """The wait of putting saved values back into the table as it is now, ``before`` being what it was."""
    column = before.column(name)
    return () if column is None else (_back(now, column, calibrate(session), before),)


def _back(table: RelationFacts, column: ColumnFacts, rates: Rates, before: RelationFacts | None = None) -> ExpectedWait:
    gone = (before or table).mentioning(column.name)
    rows, size = _rows(table), table.bytes
    seconds = expected(WorkKind.MODIFY, rows, size, rates)
    # Every row gets a new version, which each index that stands is told of.
    standing = sum(_has_index(a) and column.name not in a.columns for a in table.attached)
    seconds += standing * rows / rates.sort
    seconds += sum(expected(kind, rows, size, rates) for kind in _proofs(column, gone))
    built = [a.name.name for a in gone if _has_index(a)]
    also = f" and {', '.join(built)} built again" if built else ""
    during = f"{column.name} is put back{also} under ACCESS EXCLUSIVE"
    return ExpectedWait("rollback", "readers and writers", seconds * LOW, seconds * HIGH, rates.basis, during)


def _proofs(column: ColumnFacts, gone: tuple[Attached, ...]) -> Iterator[WorkKind]:
    """What reads all rows once more behind the values."""
    if column.not_null:
        yield WorkKind.SCAN
    for attached in gone:
        if _has_index(attached):
            yield WorkKind.BUILD_INDEX
        elif attached.type == "f":
            yield WorkKind.VALIDATE_FOREIGN_KEY
        elif attached.type == "c":
            yield WorkKind.SCAN


def _has_index(attached: Attached) -> bool:
    return attached.kind == "index" or attached.index is not None


def _rows(table: RelationFacts) -> float:
    return table.rows if table.rows is not None and table.rows > 0 else table.bytes / GUESSED_ROW
