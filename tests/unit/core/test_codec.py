"""Values survive the way to JSON and back."""

import json
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, ForeignKey, Index, Table
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import (
    Atom,
    AtomKind,
    PlanMode,
    Plannable,
    QueryTemplate,
    RelationUse,
    Scenario,
    StatementKind,
)

ORDERS = QualifiedName("public", "orders")
INDEX = IndexDefinition(ORDERS, (IndexKey("a"), IndexKey(expression="lower(b)")), options=(("fillfactor", "90"),))


def through(value):
    return from_json(type(value), json.loads(json.dumps(to_json(value), allow_nan=False)))


def test_catalog():
    statistics = ColumnStatistics(0.1, 8, -0.5, ("1", "x"), (0.5, 0.25), correlation=None)
    column = Column("a", 1, "integer", "int4", "N", statistics=statistics)
    index = Index(QualifiedName("public", "i"), INDEX, "CREATE INDEX …", tree_height=2)
    table = Table(ORDERS, "r", (column,), (index,), pages=10, tuples=5.0, parent=ORDERS)
    catalog = Catalog(
        150020,
        "shop",
        (table,),
        (ForeignKey("f", ORDERS, ("a",), ORDERS, ("a",)),),
        settings=MappingProxyType({"work_mem": "4MB"}),
        views=MappingProxyType({ORDERS: "select 1"}),
        taken_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    back = through(catalog)
    assert back == catalog
    assert back.tables[0].columns[0].statistics == statistics


def test_template():
    use = RelationUse(
        ORDERS, "o", (Atom(AtomKind.JOIN, "=", "a", join_to=(ORDERS, "b")),), columns=frozenset({"a", "b"})
    )
    template = QueryTemplate(
        "q-1",
        "ff",
        "select",
        StatementKind.SELECT,
        3.0,
        None,
        (ORDERS,),
        (use,),
        (Scenario(Plannable("select 1", PlanMode.GENERIC, 1), 1.0, "generic"),),
    )
    back = through(template)
    assert (back, back.uses, back.scenarios) == (template, template.uses, template.scenarios)


def test_numbers_json_cannot_hold():
    plan = PlannedStatement(float("inf"), hypothetical=frozenset({INDEX}))
    assert through(plan) == plan


def test_wrong_data_is_a_value_error():
    with pytest.raises(ValueError, match="not a QualifiedName"):
        from_json(QualifiedName, {"schema": "public"})
    with pytest.raises(ValueError, match="not a QualifiedName"):
        from_json(QualifiedName, {"schema": 1, "name": "x"})


def test_added_fields_are_ignored():
    assert from_json(QualifiedName, {"schema": "a", "name": "b", "new": 1}) == QualifiedName("a", "b")
