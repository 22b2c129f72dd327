"""What an index is: its structure, without a name, a size or a history."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName

BTREE = "btree"
HASH = "hash"
GIN = "gin"
GIST = "gist"
SPGIST = "spgist"
BRIN = "brin"


@dataclass(frozen=True, slots=True, order=True)
class IndexKey:
    """One key of an index: a column or an expression, never both.

    ``expression`` is SQL text without table qualifiers, without the outer parentheses.
    ``operator_class`` and ``collation`` are None when they are the column's defaults.
    ``nulls_first`` is None when it is the default of the direction (last for ASC, first for DESC).
    """

    column: str | None = None
    expression: str | None = None
    operator_class: str | None = None
    collation: str | None = None
    descending: bool = False
    nulls_first: bool | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.expression is None):
            raise ValueError("an index key is either a column or an expression")
        if self.nulls_first == self.descending and self.nulls_first is not None:
            object.__setattr__(self, "nulls_first", None)

    @property
    def text(self) -> str:
        """The column name or expression, for comparing and sorting."""
        return self.column if self.column is not None else f"({self.expression})"


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """The structure of an index. Two indexes with equal definitions are duplicates.

    ``predicate`` is SQL text without table qualifiers; ``options`` are storage parameters.
    """

    table: QualifiedName
    keys: tuple[IndexKey, ...]
    method: str = BTREE
    include: tuple[str, ...] = ()
    predicate: str | None = None
    unique: bool = False
    nulls_not_distinct: bool = False
    options: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("an index has at least one key")

    @property
    def id(self) -> str:
        """``R-`` and eight hex digits of the structure's digest: the same advice has the same id next week."""
        return "R-" + hashlib.sha256(repr(self._identity()).encode()).hexdigest()[:8]

    def _identity(self) -> tuple[object, ...]:
        keys = tuple(
            (k.column, k.expression, k.operator_class, k.collation, k.descending, k.nulls_first) for k in self.keys
        )
        return (
            self.table.schema,
            self.table.name,
            keys,
            self.method,
            self.include,
            self.predicate,
            self.unique,
            self.nulls_not_distinct,
            self.options,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the plain key columns in order (expressions left out)."""
        return tuple(k.column for k in self.keys if k.column is not None)
