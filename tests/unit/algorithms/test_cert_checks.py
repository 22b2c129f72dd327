"""What a planner may not say: more rows with a restriction more, another plan than a cheaper one with an index more."""

import pytest

from indexpilot_cli.algorithms.base import ChosenIndex, PresentChoice, Study
from indexpilot_cli.algorithms.cert.conditions import conjunctions
from indexpilot_cli.algorithms.cert.consistency import contradictions, without_worth
from indexpilot_cli.algorithms.cert.restrictions import RestrictionRule, broken, restricted
from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, ForeignKey, Table
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement
from indexpilot_cli.core.index import Candidate, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import TemplateEffect
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.core.workload import Plannable, QueryTemplate, Scenario, StatementKind
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.sql.parser import Unparsed, parse

ORDERS, CUSTOMERS = QualifiedName("public", "Orders"), QualifiedName("public", "customers")
TEXT = ColumnStatistics(0.0, 4, 5, ("a", "b", "c"), (0.4, 0.3, 0.2))
NUMBER = ColumnStatistics(0.0, 4, -1, histogram_bounds=("1", "50", "99"))
CATALOG = Catalog(
    150000,
    "d",
    (
        Table(
            ORDERS,
            "r",
            (
                Column("note", 1, "text", "text", "S", statistics=TEXT),
                Column("status", 2, "text", "text", "S", statistics=TEXT),
                Column("n", 3, "integer", "int4", "N", statistics=NUMBER),
                Column("customer", 4, "integer", "int4", "N"),
            ),
            pages=100,
            tuples=10_000.0,
        ),
        Table(CUSTOMERS, "r", (Column("id", 1, "integer", "int4", "N"),), pages=100, tuples=1000.0),
    ),
    (ForeignKey("fk", ORDERS, ("customer",), CUSTOMERS, ("id",)),),
)
STATEMENT = """SELECT * FROM "Orders" WHERE status = 'a' AND n > 10"""
TEMPLATE = QueryTemplate(
    "q-1", "f", STATEMENT, StatementKind.SELECT, 1.0, None, (ORDERS,), (),
    (Scenario(Plannable(STATEMENT), 1.0, "as_written"),),
)  # fmt: skip
INDEX = IndexDefinition(ORDERS, (IndexKey("status"),))


class Planner(CostEstimator):
    """Answers by the text of the statement and the indexes."""

    name, calls = "planner", 0

    def __init__(self, answer):
        self.answer = answer

    def plan(self, questions):
        return tuple(self.answer(q) for q in questions)

    def refuses(self, definition):
        return None

    def set_size(self, definition, pages, tuples, height=None):
        pass

    def size(self, definition):
        return 0


def study(answer):
    return Study(CATALOG, (TEMPLATE,), FeatureSettings(), NoSamples(), Planner(answer), Sizes(CATALOG))


def pairs():
    (asked,) = (c for c in conjunctions((TEMPLATE,), CATALOG) if not c.newest)
    return {pair.rule: pair for pair in restricted(asked, CATALOG)}


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (RestrictionRule.CONJUNCT, "AND (n > 10)"),
        (RestrictionRule.NOT_NULL, "AND (note IS NOT NULL)"),
        (RestrictionRule.RANGE, "AND (n <= '99')"),
        (RestrictionRule.IN, "status IN ('a', 'b')"),
        (RestrictionRule.LIMIT, "LIMIT 10"),
        (RestrictionRule.DISTINCT, "SELECT DISTINCT status"),
        (RestrictionRule.HAVING, "HAVING count(*) > 1"),
        (RestrictionRule.INNER_JOIN, "INNER JOIN public.customers"),
    ],
)
def test_each_rule_restricts_a_statement(rule, what):
    pair = pairs()[rule]
    assert what in pair.restricted and what not in pair.base
    assert not any(isinstance(parse(text), Unparsed) for text in (pair.base, pair.restricted))


def test_an_estimate_that_grows_by_a_restriction_is_found():
    odd = study(lambda q: PlannedStatement(1.0, 500.0 if "DISTINCT" in q.statement.sql else 100.0))
    found = list(broken(odd, conjunctions((TEMPLATE,), CATALOG)))
    assert {one.pair.rule for one in found} == {RestrictionRule.DISTINCT}
    assert not list(broken(study(lambda q: PlannedStatement(1.0, 100.0)), conjunctions((TEMPLATE,), CATALOG)))


def contradicted(without, with_it):
    def answer(question):
        cost, rows = with_it if question.indexes else without
        return PlannedStatement(cost, rows, hypothetical=question.indexes)

    effect = TemplateEffect("q-1", 100.0, 50.0, 1.0)
    chosen = ChosenIndex(Candidate(INDEX, "equality", frozenset({"q-1"})), 0.5, (effect,))
    plans = {("q-1", "as_written"): PlannedStatement(50.0, 10.0, hypothetical=frozenset({INDEX}))}
    choice = PresentChoice((chosen,), plans)
    found = {}
    for one in contradictions(study(answer), choice):
        found.setdefault(one.index.candidate.definition, []).append(one)
    return found, tuple(without_worth(found, choice))


def test_a_cheaper_plan_of_the_same_rows_is_believed():
    assert contradicted((100.0, 10.0), (50.0, 10.0)) == ({}, ())
    assert contradicted((100.0, 10.0), (101.9, 10.0)) == ({}, ())  # the planner's own blur


def test_an_index_that_makes_its_only_statement_dearer_or_changes_its_rows_is_worth_nothing():
    for with_it in ((103.0, 10.0), (50.0, 4.0)):
        found, worthless = contradicted((100.0, 10.0), with_it)
        assert set(found) == {INDEX} and worthless == (INDEX,)
