from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.simulate.traffic import TODAY, Values

POOLS = {"pair": [{"a": str(n), "b": str(-n)} for n in range(1, 50)]}


@given(st.integers())
def test_columns_of_one_pool_come_from_one_row(seed):
    a, b = Values(POOLS, seed).draw(("pair.a", "pair.b"))
    assert int(a) == -int(b)


@given(st.integers())
def test_the_same_seed_draws_the_same(seed):
    sources = ("pair.a", "ago(30)", "day(7)", "one(x,y,z)", "int(3,9)", "hex", "serial")
    assert Values(POOLS, seed).draw(sources) == Values(POOLS, seed).draw(sources)


@given(st.integers())
def test_dice_stay_in_their_range(seed):
    moment, day, word, number, token = Values(POOLS, seed).draw(("ago(30)", "day(7)", "one(x,y)", "int(3,9)", "hex"))
    assert TODAY - timedelta(days=30) <= datetime.fromisoformat(moment) <= TODAY
    assert TODAY.date() - timedelta(days=7) < date.fromisoformat(day) <= TODAY.date()
    assert word in ("x", "y")
    assert 3 <= int(number) <= 9
    assert len(token) == 32


def test_serials_never_repeat():
    values = Values(POOLS, 1)
    assert [values.draw(("serial",))[0] for _ in range(5)] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("source", ["later(3)", "one(a", "", "AGO(3)"])
def test_an_unknown_source_is_an_error(source):
    with pytest.raises(ValueError, match="source"):
        Values(POOLS, 1).draw((source,))
