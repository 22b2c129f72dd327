"""What the planner said: costs, shapes and the indexes a plan uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName


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
