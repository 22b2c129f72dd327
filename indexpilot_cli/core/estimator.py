"""The seam between the decision and a planner: one protocol, two implementations (the twin, HypoPG)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.planned import PlannedStatement
from indexpilot_cli.core.workload import Plannable


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A question: what would this statement cost with these indexes added and those hidden?"""

    statement: Plannable
    indexes: frozenset[IndexDefinition] = frozenset()
    hidden: frozenset[QualifiedName] = frozenset()
    keep_tree: bool = False


class CostEstimator(Protocol):
    """A planner that can pretend. Answers come in the order of the questions.

    A statement that cannot be planned is an answer with ``error``, never an exception; exceptions
    (UnreachableError) mean the planner itself is gone.
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
