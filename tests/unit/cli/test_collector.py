"""Large trees of values are read and made without looking through all of them for cycles again and again."""

import gc

from indexpilot_cli import __main__ as entry
from indexpilot_cli.cli import app, interrupts

VALUES = 200_000


def test_values_that_stay_are_seldom_looked_through(monkeypatch):
    begun, ended = [], []

    def collections():
        return sum(generation["collections"] for generation in gc.get_stats())

    def run():
        begun.append(collections())
        kept = [[number] for number in range(VALUES)]
        ended.append(collections())
        assert len(kept) == VALUES

    monkeypatch.setattr(app, "run", run)
    monkeypatch.setattr(interrupts, "heed", lambda: None)
    before = gc.get_threshold()
    try:
        entry.main()
    finally:
        gc.set_threshold(*before)
    assert ended[0] - begun[0] < 10  # 285 with the interpreter's own thresholds
