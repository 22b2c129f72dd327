import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.errors import UsageError
from indexpilot_cli.simulate.connections import sql_steps
from indexpilot_cli.simulate.data import LEAST_ROWS, MOST_ROWS, DemoSizes


def test_the_biggest_table_has_a_million_rows_by_default():
    sizes = DemoSizes()
    assert max(sizes.tables(), key=sizes.of) == "events"
    assert sizes.of("events") >= 1_000_000
    assert sizes.of("accounts") >= 1_000


def test_every_table_of_the_schema_has_a_size():
    assert set(DemoSizes().tables()) == {step.name for step in sql_steps("schema")}


@given(st.integers(LEAST_ROWS, MOST_ROWS))
def test_every_size_leaves_rows_everywhere(events):
    sizes = DemoSizes(events)
    assert min(sizes.tables().values()) >= 10
    assert sizes.total < sizes.disk_bytes / 100


@pytest.mark.parametrize("events", [-1, 0, LEAST_ROWS - 1, MOST_ROWS + 1])
def test_other_sizes_are_refused(events):
    with pytest.raises(UsageError, match="rows"):
        DemoSizes(events)
