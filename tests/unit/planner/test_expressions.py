"""What is known of an expression before anybody analyzed it."""

import pytest

from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.planner.twin.hypothetical import expression_statistics
from tests.unit.snapshot.samples import EMAIL, TABLE, catalog


def known(expression):
    definition = IndexDefinition(TABLE, (IndexKey(expression=expression),))
    return expression_statistics(catalog(), definition, definition.keys[0])


@pytest.mark.parametrize(
    "expression", ["lower(email)", "lower((email)::text)", 'upper("email")', "pg_catalog.btrim(email)", "(age)::text"]
)
def test_a_function_of_one_column_keeps_its_distinct_values(expression):
    found = known(expression)
    assert (found.n_distinct, found.null_frac) == (EMAIL.n_distinct, EMAIL.null_frac)
    assert found.most_common_vals == () == found.histogram_bounds


@pytest.mark.parametrize(
    "expression",
    ["length(email)", "lower(nobody)", "date_trunc('day', seen)", "age + 1", "lower(email || 'x')", "age::date"],
)
def test_otherwise_nothing_is_known(expression):
    assert known(expression) is None


@pytest.mark.parametrize(("expression", "values"), [("age % 20", 20), ("age & 5", 4), ("age % 0", None)])
def test_no_more_values_come_of_a_remainder_than_its_divisor(expression, values):
    found = known(expression)
    assert (found.n_distinct if found is not None else None) == values


def test_the_days_of_a_timestamp_are_counted():
    assert known("date(seen)").n_distinct == known("(seen)::date").n_distinct == 366
