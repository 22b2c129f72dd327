"""Plans and row estimates, looked at for a host application: nothing that it asks about is executed."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.algorithms.cert.intervals import CardinalityCheck
from indexpilot_cli.algorithms.qpg.diagnose import Bottleneck, PlanDiagnosis, diagnose
from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.plans import PlanNames, explain_text, read_plan
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UsageError
from indexpilot_cli.host import place

# The planner's ways that can be switched off, on every version from 13 on.
# https://www.postgresql.org/docs/current/runtime-config-query.html
_WAYS = (
    *("enable_bitmapscan", "enable_hashagg", "enable_hashjoin", "enable_indexonlyscan", "enable_indexscan"),
    *("enable_material", "enable_mergejoin", "enable_nestloop", "enable_seqscan", "enable_sort"),
)


@dataclass(frozen=True, slots=True)
class AlternativePlan:
    """The plan that is made with a way of the planner switched off. ``ratio`` is its cost by that of the chosen one."""

    without: str
    total_cost: float
    ratio: float
    root: str


@dataclass(frozen=True, slots=True)
class PlanAnalysis:
    """What is wrong with a plan, and the plans that the planner could have made, by shape and cheapest first."""

    diagnosis: PlanDiagnosis
    total_cost: float
    alternatives: tuple[AlternativePlan, ...] = ()


def identify_bottlenecks(plan: object, max_depth: int = 64) -> tuple[Bottleneck, ...]:
    """What is wrong with a plan, worst first: EXPLAIN's JSON, as text or as it was read.

    Nothing below ``max_depth`` levels is looked at. Raises UsageError for what is no plan.
    """
    return diagnose(plan, most_levels=max_depth).bottlenecks


def enhance_plan_analysis(plan: object = None, query: str | None = None, max_depth: int = 64) -> PlanAnalysis:
    """What is wrong with a given plan, or with that of a query; of a query also the plans it could have had.

    They are made by switching off one way of the planner at a time, for one transaction that is rolled back. Raises
    UsageError for what is no plan and for neither or both of the two, StatementError for a query that has no plan.
    """
    if (plan is None) == (query is None):
        raise UsageError("give a plan or a query", code="no_plan")
    if query is None:
        found = diagnose(plan, most_levels=max_depth)
        return PlanAnalysis(found, found.total_cost)
    with place.logged(MutationType.EXPLAIN, "enhance_plan_analysis"), place.session() as session:
        asked = Plannable(query)
        chosen = explain_text(session, asked)
        return PlanAnalysis(
            diagnose(chosen, most_levels=max_depth), float(chosen["Total Cost"]), _alternatives(session, asked, chosen)
        )


def _alternatives(session: Session, asked: Plannable, chosen: object) -> tuple[AlternativePlan, ...]:
    names = PlanNames(lambda _relation, _name: None)
    first = read_plan(chosen, names)  # type: ignore[arg-type]  # EXPLAIN's own document
    found: dict[str, AlternativePlan] = {}
    for way in _WAYS:
        try:
            node = explain_text(session, asked, settings=(f"SET LOCAL {way} = off",))
        except IndexPilotError:
            continue  # planned once already: this way it took too long
        answer = read_plan(node, names)
        # What is switched off only costs more where nothing else can be done: then the shape stays.
        if answer.ok and answer.shape not in (first.shape, *found):
            ratio = answer.total_cost / first.total_cost if first.total_cost > 0 else 1.0
            found[answer.shape] = AlternativePlan(way, answer.total_cost, ratio, str(node["Node Type"]))
    return tuple(sorted(found.values(), key=lambda a: a.total_cost))


def validate_cardinality_with_cert(
    table_name: str, field_name: str, value: object = None, max_error_pct: float | None = None
) -> CardinalityCheck:
    """How far the planner's estimate for a value of the field is from counted rows of at most 300 pages.

    Without a value the commonest of the sample are looked at, and the one that is most wrong is told. ``max_error_pct``
    None: that of ``features.cert``. Raises UsageError for a table or field that is not there, PrerequisiteError where
    the rows may not be read.
    """
    from indexpilot_cli.host.cardinality import check
    from indexpilot_cli.snapshot.source import SourceRequest, open_source

    features = place.read_settings().features
    allowed = features.cert.max_error_pct if max_error_pct is None else max_error_pct
    with (
        place.logged(MutationType.EXPLAIN, "validate_cardinality_with_cert"),
        open_source(SourceRequest(place.connection()), Silent()) as source,
    ):
        return check(source, features, (table_name, field_name), value, 1 + allowed / 100)
