"""The last look of a trial at all builds together, with timings given instead of measured."""

from types import SimpleNamespace

import pytest

from indexpilot_cli.apply.verify.replay import ReplayTrial
from indexpilot_cli.apply.verify.trial import Timing, TrialRun, TrialStatement
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.signals import Stop

ASKED = tuple(TrialStatement(name, f"select {name}", 1.0) for name in ("suspect", "c1", "c2", "c3"))


def timing(statement, ms):
    return Timing(statement.template, statement.sql, (TrialRun(ms, 100.0, ms),))


class Given(ReplayTrial):
    """A trial whose statements take as long now as the test says."""

    took: dict

    def _affected(self, operation):
        return ASKED

    def _measure(self, statements, title):
        self.now.update((s.sql, timing(s, self.took[s.template])) for s in statements)


def final(**took):
    """What is said when the suspect took 10 ms before the build, 15 ms after it, and ``took`` when looked at again."""
    ctx = RunContext(Connection(), Record(), Silent(), Stop(), log=None, look=None)
    trial = Given(ctx, None, Catalog(150000, "shop", ()), ())
    trial.took = took
    first = {s.sql: timing(s, 10.0) for s in ASKED}
    trial.now = {**first, ASKED[0].sql: timing(ASKED[0], 15.0)}
    trial.states = [first, dict(trial.now)]
    trial.built = [SimpleNamespace(name="the index")]
    return trial.final()


@pytest.mark.parametrize(
    ("took", "guilty"),
    [
        ({"suspect": 15.0, "c1": 10.0, "c2": 10.0, "c3": 10.0}, True),
        ({"suspect": 15.0, "c1": 15.0, "c2": 14.5, "c3": 15.5}, False),  # the machine is as much slower
        ({"suspect": 10.2, "c1": 10.0, "c2": 10.0, "c3": 10.0}, False),  # somebody was in the way
    ],
)
def test_what_seems_slower_is_run_once_more_beside_others(took, guilty):
    found = final(**took)
    assert [operation.name for operation, _ in found] == (["the index"] if guilty else [])
