import threading
from contextlib import suppress
from itertools import repeat
from types import SimpleNamespace

import pytest

from indexpilot_cli.simulate.open_loop import _OpenLoop
from indexpilot_cli.simulate.seeding import SeedingStopped, _Copying
from tests.waiting import LIMIT

NEVER = 10**6  # seconds until it is due


class Interrupted:
    """Connections: the first begins with its task, and then a signal comes."""

    def __init__(self):
        self.thread = None

    def submit(self, task):
        if self.thread is not None:
            raise KeyboardInterrupt
        self.thread = threading.Thread(target=task, args=(self,), daemon=True)
        self.thread.start()

    def copy(self, _statement, lines):
        with suppress(SeedingStopped):
            for _ in lines:
                pass


@pytest.mark.parametrize(
    "begin",
    [
        lambda pool: _OpenLoop([SimpleNamespace(at=NEVER)] * 2).run(pool, 2, None),
        lambda pool: _Copying({"tenants": repeat("1"), "contacts": repeat("1")}).run(pool, None),
    ],
    ids=["traffic", "rows"],
)
def test_a_signal_while_tasks_are_given_out_ends_those_that_have_begun(begin):
    pool = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        begin(pool)
    pool.thread.join(LIMIT)
    assert not pool.thread.is_alive()
