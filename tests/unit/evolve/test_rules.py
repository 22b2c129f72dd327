"""Every rule's own examples are reviewed: the bad one raises it, the good one does not."""

import itertools
import re
from dataclasses import replace
from types import ModuleType

import pytest

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.evolve.review.findings import failing_rule
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeAnswer
from indexpilot_cli.evolve.review.registry import RULES, collect
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import TemplateImpact
from tests.unit.evolve.rules_shop import column, found, index, name


def big(label: str, *columns: str, kind: str = "r", **more) -> Table:
    made = (column(c, n, t, t) for n, (c, _, t) in enumerate((c.partition(" ") for c in columns), 1))
    return Table(name(label), kind, tuple(made), pages=100_000, tuples=9_000_000.0, **more)


ORDERS = big(
    "orders", "id integer", "ref text", "buyer integer", "day date", "at timestamp without time zone", "mail email",
    "amount integer", "note text", "region text", "price numeric", "total numeric", "a integer", "b integer",
)  # fmt: skip
ORDERS = replace(
    ORDERS,
    columns=tuple(replace(c, generated="s") if c.name == "total" else c for c in ORDERS.columns),
    indexes=(
        index("orders", "orders_ref_idx", "ref", unique=True),
        index("orders", "orders_region", "region", "day"),
        index("orders", "orders_pkey", "id", unique=True),
    ),
)
EVENTS = big("events", "id integer", "at timestamp with time zone", kind="p", partition_key="RANGE (at)")
PARTS = tuple(big(t, "id integer", "at timestamp with time zone") for t in ("events_2020", "events_default"))
TOTALS = replace(big("totals", "id integer", kind="m"), indexes=(index("totals", "totals_id", "id", unique=True),))
SHOP = Catalog(
    180000,
    "shop",
    (ORDERS, EVENTS, *(replace(p, parent=name("events")) for p in PARTS), big("events_2026", "id integer"), TOTALS,
     big("people", "id integer", "b integer"), big("stays", "id integer", "span tstzrange")),
)  # fmt: skip

# The offline walk does not see enough of these; the tests of findings raise them by what a clone shows.
ONLY_BY_A_SERVER = {"L02", "L32", "L37", "L39", "F20", "W03", "W04", "W08", "W13", "N01", "N03"}
# What the good example says is true, but nothing less than running it shows that.
SAFE_BY_A_SERVER = {"L11", "L30", "L31", "L38"}
# The safer way loses the column too, but keeps what is worth keeping first.
STILL_LOST = {"W01", "W02"}


def shop(text: str) -> Catalog:
    """The catalog before the file: without the columns that it adds."""
    new = set(re.findall(r"ADD COLUMN (\w+)", text))
    tables = (replace(t, columns=tuple(c for c in t.columns if c.name not in new)) for t in SHOP.tables)
    return replace(SHOP, tables=tuple(tables))


def raised(text: str, **evidence) -> set[str]:
    return {f.id for f in found(text, shop(text), **evidence) if f.ignored is None}


def last(text: str) -> int:
    return len(read_migration("m.sql", text).statements)


def answered(rule: HazardRule, text: str, *, violated: bool) -> set[str]:
    probe = Probe(last(text), rule.probes[0], "23502", name("orders"), "a question", "SELECT 1")
    return raised(text, probes=(ProbeAnswer(probe, violated, "data"),))


def by_trigger(kind: str) -> list:
    return [pytest.param(rule, id=rule.id) for rule in RULES.values() if getattr(rule, kind)]


ALONE = [rule for rule in RULES.values() if not rule.probes and not rule.fails and rule.id[:2] != "W0"]


@pytest.mark.parametrize("rule", [pytest.param(r, id=r.id) for r in ALONE if r.id not in ONLY_BY_A_SERVER])
def test_the_bad_example_raises_its_rule(rule):
    assert rule.id in raised(rule.example)


@pytest.mark.parametrize("rule", by_trigger("probes"))
def test_rows_that_are_in_the_way_raise_the_rule(rule):
    assert rule.id in answered(rule, rule.example, violated=True)
    assert rule.id not in answered(rule, rule.safe_example, violated=False)


@pytest.mark.parametrize("rule", by_trigger("fails"))
def test_an_error_that_the_explanation_names_raises_the_rule(rule):
    states = re.findall(r"\b(?=\w*\d)[0-9A-Z]{5}\b", rule.explanation)
    messages = ("", "violates partition constraint", "used by a view", "referenced in a foreign key constraint")
    told = [failing_rule(SqlError(s, m)) for s, m in itertools.product(states, messages)]
    assert rule in told


@pytest.mark.parametrize(("status", "key"), [("breaks", "W05"), ("columns_change", "W06"), ("slower", "W07")])
def test_a_recorded_query_raises_the_rule(status, key):
    text = RULES[key].example
    impact = TemplateImpact("q-1", "SELECT 1", status, 0.5, statement=1)
    assert key in raised(text, templates=(impact,))
    assert key not in raised(text)


@pytest.mark.parametrize("rule", [pytest.param(r, id=r.id) for r in RULES.values()])
def test_the_good_example_does_not_raise_its_rule(rule):
    if rule.id not in SAFE_BY_A_SERVER | STILL_LOST:
        assert rule.id not in raised(rule.safe_example)


def module(*rules: HazardRule) -> ModuleType:
    made = ModuleType("made")
    vars(made).update({f"RULE_{n}": rule for n, rule in enumerate(rules)})
    return made


def rule(key: str = "L99 made-up", **more) -> HazardRule:
    texts = {"title": "t", "explanation": "e.", "instead": "i", "example": "SELECT 1;", "safe_example": "SELECT 2;"}
    return HazardRule(key, **{**texts, "causes": lambda action, works: False, **more})


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ((module(),), "no rule"),
        ((module(rule()), module(rule())), "twice"),
        ((module(rule(example="")),), "lacks"),
        ((module(rule(explanation="")),), "lacks"),
        ((module(rule(causes=None)),), "lacks"),
        ((module(rule("X01 made-up")),), "lacks"),
    ],
)
def test_a_rule_that_is_not_complete_is_refused(modules, problem):
    with pytest.raises(ValueError, match=problem):
        collect(modules)
