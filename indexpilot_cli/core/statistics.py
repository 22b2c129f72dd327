"""Statistics of columns together, as the planner may be given them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from indexpilot_cli.core.names import QualifiedName, quote_identifier

EXPRESSIONS_SINCE = 140000  # version of the server that makes them of expressions


class StatisticsKind(StrEnum):
    """What extended statistics tell the planner of columns together.

    https://www.postgresql.org/docs/current/planner-stats.html#PLANNER-STATS-EXTENDED
    """

    NDISTINCT = "ndistinct"
    DEPENDENCIES = "dependencies"
    MCV = "mcv"


@dataclass(frozen=True, slots=True)
class ExtendedStatistics:
    """Statistics of columns together, or of expressions (from 14 on): to be made, or there already.

    Of one expression alone there are no kinds: its values are told as a column's are.
    """

    name: QualifiedName
    table: QualifiedName
    columns: tuple[str, ...]
    kinds: tuple[StatisticsKind, ...]
    expressions: tuple[str, ...] = ()

    @property
    def keys(self) -> str:
        """What they are of, as SQL."""
        return ", ".join((*map(quote_identifier, self.columns), *(f"({text})" for text in self.expressions)))

    @property
    def ddl(self) -> str:
        """The statement that makes them, without the semicolon; ANALYZE fills them."""
        kinds = ", ".join(kind.value for kind in self.kinds)
        return f"CREATE STATISTICS {self.name} {f'({kinds}) ' if kinds else ''}ON {self.keys} FROM {self.table}"

    @property
    def undo(self) -> str:
        """The statement that takes them back."""
        return f"DROP STATISTICS {self.name}"

    @property
    def text(self) -> str:
        """As a person reads it in a table: ``orders (city, zip): dependencies``."""
        kinds = ", ".join(kind.value for kind in self.kinds) or "expression"
        return f"{self.table.short} ({self.keys}): {kinds}"

    def serves(self, wanted: ExtendedStatistics) -> bool:
        """Whether they tell all that the wanted ones would: order does not matter, and more columns are no harm."""
        same = self.table == wanted.table and set(wanted.columns) <= set(self.columns)
        return same and set(wanted.kinds) <= set(self.kinds) and set(wanted.expressions) <= set(self.expressions)


@dataclass(frozen=True, slots=True)
class StatisticsTarget:
    """How many common values and histogram bounds ANALYZE is to keep of a column, at most; -1: the server's default.

    https://www.postgresql.org/docs/current/planner-stats.html
    """

    table: QualifiedName
    column: str
    target: int

    @property
    def name(self) -> QualifiedName:
        """What the log calls it: table and column."""
        return QualifiedName(self.table.schema, f"{self.table.name}.{self.column}")

    @property
    def ddl(self) -> str:
        """The statement that sets it, without the semicolon; of the table alone. The next ANALYZE heeds it."""
        return (
            f"ALTER TABLE ONLY {self.table} ALTER COLUMN {quote_identifier(self.column)} SET STATISTICS {self.target}"
        )

    @property
    def text(self) -> str:
        """As a person reads it in a table: ``orders.city: target 1000``."""
        target = "default target" if self.target < 0 else f"target {self.target}"
        return f"{self.table.short}.{quote_identifier(self.column)}: {target}"
