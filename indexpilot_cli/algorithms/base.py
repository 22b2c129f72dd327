"""What every published algorithm is to the advisor: a name, a source, and a word at five points of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement
from indexpilot_cli.core.index import Candidate, IndexDefinition, Proposal
from indexpilot_cli.core.measured import Learned
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import AlgorithmFinding, Rewrite, TemplateEffect
from indexpilot_cli.core.samples import Samples
from indexpilot_cli.core.workload import QueryTemplate, RelationUse
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.methods.written import TableWrites
from indexpilot_cli.settings.features import FeatureSettings

T = TypeVar("T")
TableUse: TypeAlias = tuple[QueryTemplate, RelationUse]


class _UsesByTable:
    """A place beside the fields of a study: what its templates do with each table, once that was asked for."""

    __slots__ = ("_uses",)
    _uses: Mapping[QualifiedName, Sequence[TableUse]]


@dataclass(frozen=True, slots=True)
class Study(_UsesByTable):
    """What an algorithm may look at: the workload, the catalog with its statistics, a planner, page samples, and what
    earlier runs learned. ``writes`` are known from the proposals on.
    """

    catalog: Catalog
    templates: tuple[QueryTemplate, ...]
    features: FeatureSettings
    samples: Samples
    estimator: CostEstimator
    sizes: Sizes
    writes: Mapping[QualifiedName, TableWrites] = field(default_factory=lambda: MappingProxyType({}))
    learned: Learned = Learned()  # noqa: RUF009  frozen
    memory: dict[str, Any] = field(default_factory=dict)  # what an algorithm keeps from hook to hook, by its name

    def uses_of(self, table: QualifiedName) -> Sequence[TableUse]:
        """The uses of the table, each with its template, in the order of the templates."""
        try:
            return self._uses.get(table, ())
        except AttributeError:
            # Asked for each table: a walk through all templates each time is the square of a large workload.
            found: defaultdict[QualifiedName, list[TableUse]] = defaultdict(list)
            for template in self.templates:
                for use in template.uses:
                    found[use.table].append((template, use))
            object.__setattr__(self, "_uses", found)
            return self._uses.get(table, ())


@dataclass(frozen=True, slots=True)
class ChosenIndex:
    """An index of the present choice. ``benefit`` is the share of the workload's cost that is lost without it."""

    candidate: Candidate
    benefit: float
    effects: tuple[TemplateEffect, ...]


@dataclass(frozen=True, slots=True)
class PresentChoice:
    """What the optimiser chose, with the plans that use it by template and scenario label."""

    indexes: tuple[ChosenIndex, ...]
    plans: Mapping[tuple[str, str], PlannedStatement]


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What an algorithm makes of a stage's value, and why; and statements that would be better written otherwise."""

    value: T
    findings: tuple[AlgorithmFinding, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()


class Algorithm:
    """One published idea. ``name`` is its key in ``features``, ``source`` the paper; ``learns``: it goes by what
    earlier runs left in our tables.

    A hook that an algorithm has no use for leaves things as they are. Hooks see what the algorithms before it made.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    learns: ClassVar[bool] = False

    def weigh(self, study: Study) -> Found[tuple[QueryTemplate, ...]]:
        """The templates with other weights or more scenarios, before candidates are made."""
        return Found(study.templates)

    def learn(self, study: Study) -> Found[Catalog]:
        """The catalog with other statistics, where the planner assumes them too; before candidates are made."""
        return Found(study.catalog)

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:  # noqa: ARG002
        """The proposal with candidates added, or turned into rejections with a reason."""
        return Found(proposal)

    def reprice(self, study: Study, candidates: Sequence[Candidate]) -> Found[CostEstimator]:  # noqa: ARG002
        """The planner to ask in place of the study's."""
        return Found(study.estimator)

    def judge(self, study: Study, choice: PresentChoice) -> Found[Mapping[IndexDefinition, str]]:  # noqa: ARG002
        """Chosen indexes that are not to be built yet, each with what would settle it. They are left out and the choice
        is made again, so it is asked until it has nothing to say.
        """
        return Found({})
