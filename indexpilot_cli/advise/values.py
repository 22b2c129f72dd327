"""What ``recommend`` and ``explain`` are asked, and what ``explain`` answers. ``recommend`` gives a ``Plan``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from indexpilot_cli.core.command import CommandRequest, PlannerRequest, TableFilter, WorkloadRequest
from indexpilot_cli.core.hazard import Hazard
from indexpilot_cli.core.index import Rejection
from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.core.plan import Recommendation, Rewrite
from indexpilot_cli.core.workload import TemplateReport
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.settings.sections import BypassSettings, SafeguardSettings, Settings


@dataclass(frozen=True, slots=True)
class RecommendRequest(CommandRequest):
    """``min_benefit`` is what an index must save of the workload's cost (0–1), or 10 times that of one statement's.

    None limits mean no limit. ``max_slower`` is the share by which a drop may make a recorded statement dearer.
    ``tenant_schemas`` is from how many schemas with the same tables on they get one advice (0: never).
    ``tenants`` are those the advice is for (values of the tenant column, or schemas; none: all), ``tenant_budget`` what
    the indexes that are one tenant's own may take, in bytes.
    """

    snapshot: str | None = None
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    filter: TableFilter = field(default_factory=TableFilter)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    budget_bytes: int | None = None
    max_indexes: int | None = None
    max_per_table: int | None = None
    min_benefit: float = 0.005
    risk: str = "high"
    features: FeatureSettings = field(default_factory=FeatureSettings)
    safeguards: SafeguardSettings = field(default_factory=SafeguardSettings)
    bypass: BypassSettings = field(default_factory=BypassSettings)
    max_slower: float = 0.1
    tenant_schemas: int = 0
    tenants: tuple[str, ...] = ()
    tenant_budget: int | None = None
    time_model: str = "off"

    @classmethod
    def by(cls, settings: Settings) -> Self:
        """A request by the settings, of nothing yet: limits, the planner and what is switched off."""
        advisor = settings.advisor
        return cls(
            planner=PlannerRequest(advisor.what_if, False, advisor.workers, advisor.max_calls, advisor.max_seconds),
            budget_bytes=advisor.budget,
            max_indexes=advisor.max_indexes,
            max_per_table=advisor.max_per_table,
            min_benefit=advisor.min_benefit,
            risk=advisor.risk,
            features=settings.features,
            safeguards=settings.production_safeguards,
            bypass=settings.bypass,
            max_slower=settings.operational.lifecycle.max_slower,
            tenant_schemas=advisor.tenant_schemas,
            tenant_budget=advisor.tenant_budget,
            time_model=advisor.time_model,
        )


@dataclass(frozen=True, slots=True)
class ExplainRequest(RecommendRequest):
    """Either ``subject`` (an id the tool printed) or ``query`` with indexes to add and to hide.

    ``with_indexes`` are CREATE INDEX statements, ``without_indexes`` index names. ``analyze`` runs the query.
    ``without_algorithms`` asks what the plan that has the subject would be without these.
    What ``recommend`` is asked applies when an id must be worked out again.
    """

    subject: str | None = None
    query: str | None = None
    with_indexes: tuple[str, ...] = ()
    without_indexes: tuple[str, ...] = ()
    without_algorithms: tuple[str, ...] = ()
    analyze: bool = False


@dataclass(frozen=True, slots=True)
class PlanView:
    """One plan of a comparison.

    ``label`` is now, with, without …; ``access`` the line that matters (``Seq Scan on orders``), ``nodes`` the plan as
    indented lines; ``milliseconds`` only with --analyze.
    """

    label: str
    cost: float | None
    rows: float | None = None
    milliseconds: float | None = None
    access: str = ""
    nodes: tuple[str, ...] = ()
    indexes_used: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact and where it comes from.

    ``source`` is pg_stats, planner, catalog, workload, model or settings.
    """

    source: str
    column: str | None = field(default=None, kw_only=True)
    fact: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """Something better or close: a recommendation id and how it reads."""

    id: str
    summary: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """Why, why not, what if.

    ``subject`` is query, recommendation, rejection, template, mutation, finding or hazard; ``verdict`` recommended,
    rejected, no_difference or empty; ``benefit`` relative to the first plan.
    """

    subject: str
    id: str | None = None
    title: str = ""
    verdict: str = ""
    verdict_text: str = ""
    reason: str | None = None
    minimum: float | None = None
    benefit: float | None = None
    estimator: str | None = None
    plans: tuple[PlanView, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    sql: str | None = None
    recommendation: Recommendation | None = None
    rejection: Rejection | None = None
    template: TemplateReport | None = None
    templates: tuple[TemplateReport, ...] = ()
    mutation: Mutation | None = None
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    hazard: Hazard | None = None
