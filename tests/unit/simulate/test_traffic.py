import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.simulate.connections import named_steps
from indexpilot_cli.simulate.traffic import Template, deck, templates

ROW = {"a": "1"}
MIX = (
    Template("often", "SELECT $1", 40, ("pool.a",)),
    Template("rare", "SELECT 2", 1, ()),
    Template("empty", "SELECT $1", 5, ("missing.a",)),
)


def test_the_mix_is_wide():
    mix = templates()
    assert len(mix) == len({t.name for t in mix}) == len({t.sql for t in mix}) >= 25
    kinds = Counter(t.sql.split()[0] for t in mix)
    assert kinds["SELECT"] >= 25
    assert min(kinds["INSERT"], kinds["UPDATE"], kinds["DELETE"]) >= 3


@pytest.mark.parametrize("template", templates(), ids=lambda t: t.name)
def test_every_parameter_has_a_source(template):
    numbers = {int(n) for n in re.findall(r"\$(\d+)", template.sql)}
    assert numbers == set(range(1, len(template.sources) + 1))
    assert template.calls >= 1
    assert template.pools <= set(named_steps("pools"))


@given(st.integers(), st.floats(0.001, 1))
def test_a_deck_holds_every_template_as_often_as_it_wants(seed, share):
    counts = Counter(call.template for call in deck(MIX, {"pool": [ROW]}, seed, share))
    assert counts == {"often": max(1, round(40 * share)), "rare": 1}


@given(st.integers())
def test_the_seed_gives_the_order(seed):
    pools = {"pool": [{"a": str(n)} for n in range(100)]}
    assert deck(MIX, pools, seed) == deck(MIX, pools, seed)
    assert deck(MIX, pools, seed) != deck(MIX, pools, seed + 1)
