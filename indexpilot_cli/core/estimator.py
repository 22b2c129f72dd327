"""The seam between the decision and a planner: one protocol, two implementations (the twin, HypoPG)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable


@dataclass(frozen=True, slots=True)
class CostFactors:
    """What the planner's constants are multiplied by for one question; ``scale`` goes for all of them.

    A plan's cost is linear in them, so a plan that stays the same tells its parts by what its cost changes by.
    https://www.postgresql.org/docs/current/runtime-config-query.html#RUNTIME-CONFIG-QUERY-CONSTANTS
    """

    seq_page_cost: float = 1.0
    random_page_cost: float = 1.0
    cpu_tuple_cost: float = 1.0
    cpu_index_tuple_cost: float = 1.0
    cpu_operator_cost: float = 1.0
    parallel_tuple_cost: float = 1.0
    parallel_setup_cost: float = 1.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A question: what would this statement cost with these indexes added and those hidden?

    ``factors`` change the planner's constants for this question alone; None leaves them as the server has them.
    """

    statement: Plannable
    indexes: frozenset[IndexDefinition] = frozenset()
    hidden: frozenset[QualifiedName] = frozenset()
    keep_tree: bool = False
    factors: CostFactors | None = None


@dataclass(frozen=True, slots=True)
class AssumedTogether:
    """Statistics of columns, or of an expression, as CREATE STATISTICS and ANALYZE would make them.

    ``dependencies`` are (deciding column, decided column, degree); ``values`` the commonest combinations in the order
    of ``columns`` with their frequencies, and those that the columns would have if they did not depend on each other.
    """

    columns: tuple[str, ...] = ()
    dependencies: tuple[tuple[str, str, float], ...] = ()
    values: tuple[tuple[str | None, ...], ...] = ()
    frequencies: tuple[float, ...] = ()
    base_frequencies: tuple[float, ...] = ()
    expression: str | None = None
    statistics: ColumnStatistics | None = None


@dataclass(frozen=True, slots=True)
class AssumedStatistics:
    """Statistics of a table's columns in place of those that are known."""

    table: QualifiedName
    columns: tuple[tuple[str, ColumnStatistics], ...] = ()
    together: tuple[AssumedTogether, ...] = ()


class CostEstimator(Protocol):
    """A planner that can pretend. Answers come in the order of the questions.

    A statement that cannot be planned is an answer with ``error``, never an exception; exceptions
    (UnreachableError) mean the planner itself is gone. Implementations inherit the protocol: what not every planner
    can has its answer here.
    """

    @property
    def name(self) -> str:
        """Such as ``twin/15.20`` or ``hypopg/1.4.1``."""
        ...

    @property
    def calls(self) -> int:
        """EXPLAINs sent so far."""
        ...

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        """Answers to all questions, in parallel where the planner can."""
        ...

    def refuses(self, definition: IndexDefinition) -> str | None:
        """Why this planner cannot pretend the index exists, or None when it can (checked by creating it)."""
        ...

    def set_size(self, definition: IndexDefinition, pages: int, tuples: float, height: int | None = None) -> None:
        """Use this size for the hypothetical index from now on (HypoPG ignores it and uses its own)."""
        ...

    def size(self, definition: IndexDefinition) -> int:
        """Bytes the planner believes the hypothetical index has."""
        ...

    @property
    def each(self) -> int:
        """EXPLAINs that a question takes."""
        return 1

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the planner that belong under its answers."""
        return ()

    @property
    def hides(self) -> bool:
        """Whether it can plan as if an index that is there were not."""
        return True

    @property
    def not_modelled(self) -> tuple[NotModelled, ...]:
        """What the source has and this planner does not know of."""
        return ()

    def prepare(self, definitions: Sequence[IndexDefinition]) -> None:  # noqa: ARG002
        """Make the hypothetical indexes at once, where that is quicker than one by one."""
        return None  # noqa: RET501  an empty body would be taken for an abstract one

    def know(self, table: QualifiedName, expression: str, statistics: ColumnStatistics) -> None:  # noqa: ARG002
        """Use these statistics for a hypothetical index on the expression (HypoPG has none for expressions)."""
        return None  # noqa: RET501  an empty body would be taken for an abstract one

    @property
    def assumed(self) -> tuple[AssumedStatistics, ...]:
        """What it plans by now in place of what is known."""
        return ()

    def assume(self, assumed: Sequence[AssumedStatistics]) -> bool:
        """Plan from now on as if ANALYZE had found this; nothing: by what is known. False where it cannot."""
        return not assumed

    def parameter_types(self, sql: str) -> Sequence[str] | None:  # noqa: ARG002
        """Types of ``$1`` … in the statement, None when this planner infers none.

        Raises StatementError with the server's words when the statement is wrong.
        """
        return None


class DelegatingEstimator(CostEstimator):
    """A planner that answers as another does, for those that change some of its answers."""

    def __init__(self, planner: CostEstimator):
        self._planner = planner

    @property
    def name(self) -> str:
        """See CostEstimator, as for everything below."""
        return self._planner.name

    @property
    def calls(self) -> int:
        return self._planner.calls

    @property
    def each(self) -> int:
        return self._planner.each

    @property
    def notes(self) -> tuple[str, ...]:
        return self._planner.notes

    @property
    def hides(self) -> bool:
        return self._planner.hides

    @property
    def not_modelled(self) -> tuple[NotModelled, ...]:
        return self._planner.not_modelled

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        return self._planner.plan(questions)

    def refuses(self, definition: IndexDefinition) -> str | None:
        return self._planner.refuses(definition)

    def set_size(self, definition: IndexDefinition, pages: int, tuples: float, height: int | None = None) -> None:
        self._planner.set_size(definition, pages, tuples, height)

    def size(self, definition: IndexDefinition) -> int:
        return self._planner.size(definition)

    def prepare(self, definitions: Sequence[IndexDefinition]) -> None:
        self._planner.prepare(definitions)

    def know(self, table: QualifiedName, expression: str, statistics: ColumnStatistics) -> None:
        self._planner.know(table, expression, statistics)

    @property
    def assumed(self) -> tuple[AssumedStatistics, ...]:
        return self._planner.assumed

    def assume(self, assumed: Sequence[AssumedStatistics]) -> bool:
        return self._planner.assume(assumed)

    def parameter_types(self, sql: str) -> Sequence[str] | None:
        return self._planner.parameter_types(sql)


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """The planner's answer. Costs are planner units; ``rows`` is the root's estimate.

    ``hypothetical`` and ``existing`` are the indexes the plan uses. ``shape`` is a digest of the plan tree
    without numbers and index names (node types, relations, index structure, join types, sort keys).
    ``error`` is the server's message when there is no plan; the costs are then NaN.
    ``tree`` is the EXPLAIN JSON ("Plan" object) when it was asked for.
    """

    total_cost: float
    rows: float = 0.0
    hypothetical: frozenset[IndexDefinition] = frozenset()
    existing: frozenset[QualifiedName] = frozenset()
    shape: str = ""
    error: str | None = None
    tree: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there is a plan."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class NotModelled:
    """An object the twin could not take over, or only by a stand-in, and why. ``kind`` is pg_dump's word."""

    name: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind.lower()} {self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class TwinDifference:
    """A template the twin plans differently; ``error`` is |twin - server| / server of the total cost."""

    template: str
    server_cost: float
    twin_cost: float
    error: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How the twin's plans compare with the server's. Errors are relative differences of total cost.

    ``guessed`` are tables that compared statements read and that have no statistics: equal guesses prove little.
    """

    estimator: str
    compared: int
    identical: int
    median_error: float
    p90_error: float
    max_error: float
    not_compared: int = 0
    differences: tuple[TwinDifference, ...] = ()
    guessed: tuple[QualifiedName, ...] = ()
