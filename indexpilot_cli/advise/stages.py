"""What the stages of the main job hand to one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indexpilot_cli.advise.select.problem import Selection
from indexpilot_cli.core.candidate import Candidate, Rejection
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.workload import FoldedWorkload
from indexpilot_cli.methods.size import SizeEstimate
from indexpilot_cli.methods.writes import WriteModel


@dataclass(frozen=True, slots=True)
class Priceable:
    """Candidates with their sizes, and what was set aside before pricing."""

    candidates: tuple[Candidate, ...]
    sizes: Mapping[IndexDefinition, SizeEstimate]
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """Everything the stages gave: the whole workload, what was priced, what was chosen, what a second planner says."""

    folded: FoldedWorkload
    kept: FoldedWorkload
    priceable: Priceable
    writes: WriteModel
    selection: Selection
    seconds: float
    checked: tuple[str, ...] = ()
