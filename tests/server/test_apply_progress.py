"""What the user sees of a running build: real phases, and who is in the way."""

import pytest

from indexpilot_cli.apply import apply
from tests.server import applying
from tests.server.applying import definition, keep_plan, look, outcomes
from tests.server.test_apply_faults import BUILDER, SNAPSHOT, alongside, holding, seen
from tests.waiting import eventually


class Heard:
    """Progress that remembers."""

    def __init__(self):
        self.stages, self.amount, self.said = [], 0.0, []

    def stage(self, title, total=None):
        self.stages.append(title)

    def advance(self, amount=1):
        self.amount += amount

    def say(self, text):
        self.said.append(text)


pytestmark = pytest.mark.rows(60_000)


def test_phases_are_the_servers_and_the_blocker_is_named(shop):
    plan = keep_plan(shop, definition("note", "status"))
    name = plan.recommendations[0].name
    heard = Heard()
    asked = applying.request(shop, plan.id, force=True)
    with holding(shop, *SNAPSHOT) as blocker:
        pid = blocker.info.backend_pid
        with alongside(apply.run, asked, heard, applying.refuse) as results:
            seen(shop, BUILDER + " AND p.phase = 'waiting for old snapshots'")
            named = lambda: any(f"pid {pid}" in text for text in heard.said)  # noqa: E731
            eventually(lambda: named() or results)
            assert not results
            blocker.rollback()
    assert outcomes(results[0]) == ["done"]
    assert named()
    assert f"{name}: waiting for old snapshots" in heard.stages
    assert look(shop).invalid == []
