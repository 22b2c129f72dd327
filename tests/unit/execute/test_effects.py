"""Which templates lose by a drop, from what the log holds."""

import pytest

from indexpilot_cli.apply.undo_steps import loss_of
from tests.unit.execute.test_decide import event

FASTER, SAME = {"template": "q-1", "effect": "faster"}, {"template": "q-2", "effect": "same"}


@pytest.mark.parametrize(
    ("details", "number", "words"),
    [
        ({}, None, "which templates it serves is not recorded"),
        ({"queries_helped": 0}, 0, "no template gets slower (planner estimate)"),
        ({"queries_helped": 4}, 4, "4 templates get slower (planner estimate)"),
        (
            {"queries_helped": 4, "verification": {"templates": [FASTER, SAME]}},
            1,
            "1 template gets slower (as measured when it was built)",
        ),
        ({"queries_helped": 2, "verification": {"templates": [SAME]}}, 2, "2 templates get slower (planner estimate)"),
        (
            {"queries_helped": "many", "verification": {"templates": None}},
            None,
            "which templates it serves is not recorded",
        ),
        ({"verification": "odd"}, None, "which templates it serves is not recorded"),
    ],
)
def test_measured_before_estimated_before_unknown(details, number, words):
    found = loss_of(event(**details))
    assert (found.templates, found.text) == (number, words)
