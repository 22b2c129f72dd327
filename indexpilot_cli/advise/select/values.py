"""What the selection is asked for and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indexpilot_cli.core.candidate import Candidate, Rejection
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Bound, TemplateEffect
from indexpilot_cli.methods.writes import WriteCost


@dataclass(frozen=True, slots=True)
class Limits:
    """What a selection must keep to. None means without limit.

    ``indexes_per_table`` counts existing indexes, whose numbers ``existing`` gives. ``write_overhead`` limits, per
    table, the added cost of writes relative to their cost now (0.5: half as much again). ``protection`` is how much
    dearer than now any statement may become. ``min_benefit`` is the share of the workload's cost each index must
    save on its own. ``fewest_within`` allows so much of the best objective for fewer indexes. ``regret`` is the
    weight of the worst parameter class against the mean (0-1). ``calls`` and ``seconds`` bound the search,
    ``proof_rounds`` the rounds spent on nothing but the proven bound. ``price_per_index`` and ``price_per_byte``
    are what an index must bring, as shares of the workload's cost, to be worth having and worth its size: they
    are part of the objective and so of the bound.
    """

    budget_bytes: int | None = None
    max_indexes: int | None = None
    indexes_per_table: int | None = None
    existing: Mapping[QualifiedName, int] | None = None
    write_overhead: float | None = None
    protection: float | None = 0.05
    min_benefit: float = 0.001
    fewest_within: float = 0.01
    regret: float = 0.3
    calls: int | None = None
    seconds: float | None = None
    proof_rounds: int = 15
    price_per_index: float = 0.0
    price_per_byte: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """One chosen index. ``benefit`` is the share of the workload's cost lost again if only it is left out;
    ``reduction`` the relative fall of the cost of the templates that use it; ``holds`` in ``scenarios``
    parameter classes of those templates it is used and the cost falls.
    """

    candidate: Candidate
    size_bytes: int
    benefit: float
    reduction: float
    effects: tuple[TemplateEffect, ...]
    write: WriteCost
    holds: int
    scenarios: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer of ``advise``. Costs are workload costs in ``unit`` (ms or cost); ``write_cost`` is the part of
    the objective that the new indexes add to writes, in the same unit.

    ``effects`` are all templates, ``plans`` the final plans with trees of those that use a chosen index, by
    template and scenario label. ``predicted`` is the cost the last program predicted, ``cost_after`` what the
    planner said. ``unplanned`` are (template, message). ``budget_curve`` are (bytes, workload cost relative to
    now); ``conflicts`` says in sentences which limits bind.
    """

    chosen: tuple[Choice, ...]
    rejections: tuple[Rejection, ...]
    bound: Bound
    cost_before: float
    cost_after: float
    predicted: float
    unit: str
    write_cost: float
    size_bytes: int
    effects: tuple[TemplateEffect, ...]
    plans: Mapping[tuple[str, str], PlannedStatement]
    budget_curve: tuple[tuple[int, float], ...] = ()
    unplanned: tuple[tuple[str, str], ...] = ()
    conflicts: tuple[str, ...] = ()
    calls: int = 0
    cache_hits: int = 0
    notes: tuple[str, ...] = ()

    @property
    def definitions(self) -> frozenset[IndexDefinition]:
        """The chosen definitions."""
        return frozenset(c.candidate.definition for c in self.chosen)
