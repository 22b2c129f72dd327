"""Plans and row estimates, looked at for a host application and held against rows that the server counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.cert.conditions import Conjunction, counting
from indexpilot_cli.algorithms.cert.intervals import CardinalityCheck, sampled_share
from indexpilot_cli.algorithms.cert.survey import Cause, Estimate, cause_of
from indexpilot_cli.algorithms.qpg.diagnose import Bottleneck, PlanDiagnosis, diagnose
from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal, split_table
from indexpilot_cli.core.samples import Samples
from indexpilot_cli.core.workload import Atom, AtomKind, Plannable
from indexpilot_cli.db.plans import PlanNames, explain_text, read_plan
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, UsageError
from indexpilot_cli.host import place
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.snapshot.source import Source

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
    from indexpilot_cli.snapshot.source import open_source

    features = place.read_settings().features
    allowed = features.cert.max_error_pct if max_error_pct is None else max_error_pct
    with (
        place.logged(MutationType.EXPLAIN, "validate_cardinality_with_cert"),
        open_source(place.connection(), None, Silent()) as source,
    ):
        return check(source, features, (table_name, field_name), value, 1 + allowed / 100)


_VALUES = 3  # of a field that are looked at, the commonest of the sample


class _ServerPlanner(CostEstimator):
    """The server's own planner, without anything hypothetical."""

    def __init__(self, session: Session):
        self._session = session
        self._calls = 0

    @property
    def name(self) -> str:
        return "server"

    @property
    def calls(self) -> int:
        return self._calls

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        self._calls += len(questions)
        names = PlanNames(lambda _relation, _name: None)
        return tuple(read_plan(explain_text(self._session, q.statement), names) for q in questions)

    def refuses(self, definition: IndexDefinition) -> str | None:  # noqa: ARG002
        return "the server's planner pretends nothing"

    def set_size(self, definition: IndexDefinition, pages: int, tuples: float, height: int | None = None) -> None:
        pass

    def size(self, definition: IndexDefinition) -> int:  # noqa: ARG002
        return 0


def check(
    source: Source, features: FeatureSettings, field: tuple[str, str], value: object, times: float
) -> CardinalityCheck:
    """The estimate that is most wrong. Raises UsageError for an unknown field, PrerequisiteError without rows."""
    if source.session is None:  # place.connection() is a server's
        raise PrerequisiteError("there is no server to ask")
    table, column = _field(source.catalog, *field)
    samples = PageSamples(source.session, source.catalog, {})
    planner = _ServerPlanner(source.session)
    study = Study(source.catalog, (), features, samples, planner, Sizes(source.catalog))
    asked = tuple(_asked(samples, table, column, value))
    read = samples.matches(table.name, [c.sql for c in asked]) if asked else None
    if read is None or not read.pages:
        text = f"the rows of {table.name.short} may not be read, or there are none with a value"
        raise PrerequisiteError(text, code="no_sample")
    plans = planner.plan([WhatIf(counting(table, c.sql)) for c in asked])
    found = [
        Estimate(c.sql, plan.rows if plan.ok else 0.0, sampled_share(read, n), read.rows)
        for n, (c, plan) in enumerate(zip(asked, plans, strict=True))
    ]
    number = max(range(len(found)), key=lambda n: (found[n].is_off(times), found[n].error))
    return _checked(study, table, column, asked[number], found[number], times)


def _field(catalog: Catalog, table_name: str, field_name: str) -> tuple[Table, Column]:
    schema, name = split_table(table_name)
    table = catalog.resolve(name, schema)
    column = table.column(field_name) if table is not None else None
    if table is None or column is None:
        missing = f"table {table_name}" if table is None else f"field {field_name} of {table_name}"
        raise UsageError(f"there is no {missing}", code="no_field")
    return table, column


def _asked(samples: Samples, table: Table, column: Column, value: object) -> Iterator[Conjunction]:
    name = quote_identifier(column.name)
    if value is not None:
        yield _equal(table.name, column.name, str(value))
        return
    read = samples.values(table.name, [name], [])
    counts = Counter(values[0] for values, _ in read.rows if values[0] is not None) if read is not None else Counter()
    for text, _ in counts.most_common(_VALUES):
        yield _equal(table.name, column.name, text)


def _equal(table: QualifiedName, column: str, value: str) -> Conjunction:
    literal = quote_literal(value)
    atom = Atom(AtomKind.EQUAL, "=", column, constant=literal, sql=f"{quote_identifier(column)} = {literal}")
    return Conjunction(table, (atom,), frozenset())


def _checked(
    study: Study, table: Table, column: Column, asked: Conjunction, found: Estimate, times: float
) -> CardinalityCheck:
    wrong = found.is_off(times)
    cause, why = cause_of(study, table, asked, found, (found,), times) if wrong else (None, "")
    return CardinalityCheck(
        table.name.schema,
        table.name.name,
        column.name,
        found.expected,
        found.share.share * found.rows,
        found.low,
        found.high,
        found.share.share,
        found.error * 100,
        wrong,
        cause in (Cause.STALE, Cause.NEVER_ANALYZED),
        cause.value if cause is not None else "",
        why,
    )
