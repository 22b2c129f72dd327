"""Statistics that nobody has measured on the server yet, put into the twin in place of the snapshot's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

from indexpilot_cli.core.catalog import ColumnStatistics, Table
from indexpilot_cli.core.estimator import AssumedStatistics, AssumedTogether
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.session import Session
from indexpilot_cli.planner.twin.statistics import put_extended, put_statistics
from indexpilot_cli.snapshot.values import ExtendedStatistics, RelationStatistics, Snapshot


class Assumption:
    """What is assumed of some tables, in one database of the twin."""

    def __init__(self, assumed: tuple[AssumedStatistics, ...], snapshot: Snapshot):
        self.assumed = assumed
        self._catalog = snapshot.catalog
        tables = {one.table for one in assumed}
        self._known = [s for s in snapshot.statistics if s.relation in tables and s.column is not None]
        self._made: list[QualifiedName] = []

    def put(self, admin: Session) -> None:
        """Write it; what the server refuses stays as it was known."""
        instead: dict[tuple[QualifiedName, str], ColumnStatistics] = {}
        for one in self.assumed:
            instead |= {(one.table, name): found for name, found in one.columns}
        kept = [s for s in self._known if (s.relation, s.column) not in instead or s.inherited]
        new = [RelationStatistics(table, name, None, False, found) for (table, name), found in instead.items()]
        self._replace(admin, [*kept, *new])
        put_extended(admin, list(self._together(admin)))

    def withdraw(self, admin: Session) -> None:
        """What the snapshot knows, and nothing else."""
        for name in self._made:
            admin.execute(f"DROP STATISTICS {name}")
        self._made.clear()
        self._replace(admin, self._known)

    def _replace(self, admin: Session, statistics: list[RelationStatistics]) -> None:
        with admin.transaction():
            admin.execute("twin/forget_columns", {"relations": [str(one.table) for one in self.assumed]})
            put_statistics(admin, statistics)

    def _together(self, admin: Session) -> Iterator[ExtendedStatistics]:
        numbers = count(1)
        for one in self.assumed:
            table = self._catalog.table(one.table)
            assert table is not None  # nothing is assumed of a table that the catalog does not have
            for together in one.together:
                name = QualifiedName(one.table.schema, f"indexpilot_assumed_{next(numbers)}")
                admin.execute(_made_by(name, one.table, together))
                self._made.append(name)
                yield _entry(name, table, together)


def _made_by(name: QualifiedName, table: QualifiedName, together: AssumedTogether) -> str:
    if together.expression is not None:
        return f"CREATE STATISTICS {name} ON ({together.expression}) FROM {table}"
    kinds = ", ".join(("dependencies",) * bool(together.dependencies) + ("mcv",) * bool(together.values))
    return f"CREATE STATISTICS {name} ({kinds}) ON {', '.join(map(quote_identifier, together.columns))} FROM {table}"


def _entry(name: QualifiedName, table: Table, together: AssumedTogether) -> ExtendedStatistics:
    numbers = {column.name: column.number for column in table.columns}
    degrees = {f"{numbers[a]} => {numbers[b]}": degree for a, b, degree in together.dependencies}
    return ExtendedStatistics(
        name,
        table.name,
        together.columns,
        tuple(numbers[column] for column in together.columns),
        dependencies=json.dumps(degrees) if degrees else None,
        values=together.values,
        frequencies=together.frequencies,
        base_frequencies=together.base_frequencies,
        expressions=(together.statistics,) if together.statistics is not None else (),
    )
