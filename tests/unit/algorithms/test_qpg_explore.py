"""Parameter values are tried until no new plan is to be expected, the same ones each time."""

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.qpg.explore import MOST_PROBES, explore
from indexpilot_cli.algorithms.qpg.qpg import Qpg
from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, Table
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.index import Candidate, IndexDefinition, IndexKey, Proposal
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.core.workload import Plannable, QueryTemplate, Scenario, StatementKind
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.sql.parser import parse
from indexpilot_cli.workload.predicates.blocks import relation_uses
from tests.unit.algorithms.test_cert_checks import Planner

JOBS = QualifiedName("public", "jobs")
STATES = ColumnStatistics(0.0, 5, 3, ("done", "error", "new"), (0.9, 0.09, 0.01))
OWNERS = ColumnStatistics(0.0, 4, 5000, ("1", "2"), (0.5, 0.01), tuple(map(str, range(10, 111))))
CATALOG = Catalog(
    150000,
    "d",
    (
        Table(
            JOBS,
            "r",
            (
                Column("state", 1, "text", "text", "S", statistics=STATES),
                Column("owner", 2, "integer", "int4", "N", statistics=OWNERS),
            ),
            pages=1000,
            tuples=60_000.0,
        ),
    ),
)
TEXT = "SELECT * FROM jobs WHERE state = $1 AND owner = $2"
SHARED = (Scenario(Plannable("SELECT * FROM jobs WHERE state = 'done' AND owner = 1"), 1.0, "common"),)
TEMPLATE = QueryTemplate(
    "q-1", "f", TEXT, StatementKind.SELECT, 1.0, None, (JOBS,), relation_uses(parse(TEXT), CATALOG), SHARED
)  # fmt: skip
OWN = IndexDefinition(JOBS, (IndexKey("state"),))


def by_state(question):
    """The common state is read from the whole table."""
    if "'done'" in question.statement.sql or "$" in question.statement.sql:
        return PlannedStatement(1000.0, shape="whole")
    return PlannedStatement(10.0, hypothetical=frozenset({OWN}), shape="index")


def same(_question):
    return PlannedStatement(10.0, shape="same")


def study(answer):
    planner = Planner(answer)
    planner.refuses = lambda _definition: None
    return Study(CATALOG, (TEMPLATE,), FeatureSettings(), NoSamples(), planner, Sizes(CATALOG))


def test_the_parameter_that_decides_is_found():
    space = explore(TEMPLATE, CATALOG, Planner(by_state))
    assert set(space.shapes) == {"whole", "index"}
    assert 1 in space.deciding and 2 not in space.deciding
    assert space.unseen < 0.05 and len(space.probes) <= MOST_PROBES


def test_the_same_probes_are_made_each_time():
    texts = [[p.statement.sql for p in explore(TEMPLATE, CATALOG, Planner(by_state)).probes] for _ in range(2)]
    assert texts[0] == texts[1] and len(set(texts[0])) == len(texts[0])


def test_shapes_without_end_are_given_up_after_so_many_probes():
    count = iter(range(10_000))
    space = explore(TEMPLATE, CATALOG, Planner(lambda _: PlannedStatement(1.0, shape=str(next(count)))))
    assert len(space.probes) <= MOST_PROBES and space.unseen == 1.0


def test_a_scenario_comes_for_each_plan_that_the_present_ones_do_not_show():
    found = Qpg().weigh(study(by_state))
    (template,) = found.value
    assert len(template.scenarios) == 2
    assert abs(sum(s.share for s in template.scenarios) - 1) < 1e-9
    assert "'done'" not in template.scenarios[1].statement.sql
    assert "misses the others" in str(found.findings[0].evidence)


def test_nothing_changes_where_all_values_get_one_plan():
    asked = study(same)
    found = Qpg().weigh(asked)
    assert found.value is asked.templates and not found.findings
    assert Qpg().propose(asked, Proposal(())).value == Proposal(())


def test_a_value_for_which_no_index_is_used_is_left_out_of_a_partial_one():
    asked = study(by_state)
    Qpg().weigh(asked)
    candidate = Candidate(OWN, "equality", frozenset({"q-1"}))
    (kept, new) = Qpg().propose(asked, Proposal((candidate,))).value.candidates
    assert kept is candidate
    assert new.definition.predicate == "state <> 'done'"
