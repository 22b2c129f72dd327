"""What --force may overrule: only what a guard itself says may be overruled; and that every guard is found."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import indexpilot_cli.guards
from indexpilot_cli.guards import (
    approval,
    budget,
    bypass,
    cpu,
    direct_connection,
    disk,
    lock,
    plan_fresh,
    privileges,
    rate,
    replication,
    transactions,
    vacuum,
    window,
    wraparound,
    writable,
    write_performance,
)
from indexpilot_cli.guards.calendar import parse_window
from indexpilot_cli.guards.context import Verdict, refused
from indexpilot_cli.guards.lock import LockFacts
from indexpilot_cli.guards.replication import StandbyFacts
from indexpilot_cli.guards.run import all_guards
from indexpilot_cli.guards.transactions import TransactionFacts
from indexpilot_cli.guards.vacuum import VacuumFacts
from indexpilot_cli.guards.write_performance import TableLoad
from indexpilot_cli.settings.sections import (
    BypassSettings,
    CpuThrottleSettings,
    LockManagerSettings,
    RateLimiterSettings,
    SystemBypass,
    WritePerformanceSettings,
)
from tests.unit.guards.test_approval import PLAN
from tests.unit.guards.test_guards import GIB, HERE, NAMES, NOW, ORDERS, SERVER, TABLE, built

OFF = BypassSettings(system=SystemBypass(True, "night"))
BUSY = replace(SERVER, running=900)
WINDOW = parse_window("22:00-05:00 UTC", None)
REFUSED = {
    "bypass": [bypass.judge(bypass.levels(OFF, (), NOW, {}))],
    "direct_connection": [direct_connection.judge(replace(SERVER, pooled=True))],
    "writable": [writable.judge(replace(SERVER, **{flag: True})) for flag in ("in_recovery", "read_only")],
    "privileges": [
        *privileges.judge(replace(SERVER, may_use_tablespace=False), [], [built()]),
        *privileges.judge(SERVER, [replace(TABLE, kind="v", owned=False, may_create=False)], []),
    ],
    "lock": lock.judge(
        LockManagerSettings(), [LockFacts(7, 1, "x", ours=True), LockFacts(7, 2, "x", building=True)], NAMES
    ),
    "approval": [approval.judge(True, *given) for given in ((None, ()), (PLAN, None), (PLAN, ()))],
    "plan_fresh": [plan_fresh.judge(PLAN, "another")],
    "disk": [disk.judge(replace(HERE, disk_free=0), [GIB])],
    "wraparound": [wraparound.judge(replace(SERVER, xid_age=2_000_000_000), [])],
    "window": [window.judge(WINDOW, "", NOW), window.judge(WINDOW, "", NOW.replace(hour=23), timedelta(hours=5))],
    "rate": [
        *rate.judge(RateLimiterSettings(), None, [ORDERS], NOW),
        *rate.judge(RateLimiterSettings(max_indexes_per_hour=1), [rate.LoggedBuild(ORDERS, NOW)] * 4, [ORDERS], NOW),
    ],
    "cpu": [
        cpu.judge(CpuThrottleSettings(min_delay_seconds=60), HERE, SERVER, [NOW], NOW),
        cpu.judge(CpuThrottleSettings(), replace(HERE, cpu_percent=100.0), SERVER, (), NOW),
        cpu.judge(CpuThrottleSettings(), replace(HERE, local=False), BUSY, (), NOW),
    ],
    "write_performance": write_performance.judge(WritePerformanceSettings(), (TableLoad(ORDERS, 50, 1),)),
    "budget": [budget.judge(0, [GIB])],
    "replication": [replication.judge([StandbyFacts("a", seconds=600.0)])],
    "transactions": [transactions.judge([TransactionFacts(1, 9e5)], NAMES, NOW)],
    "vacuum": vacuum.judge([(ORDERS, VacuumFacts(5))]),
}  # fmt: skip
FORCEABLE = {"window", "rate", "cpu", "write_performance", "budget", "replication", "transactions", "vacuum"}


@pytest.mark.parametrize("guard", REFUSED)
def test_every_no_of_a_guard_can_be_overruled_or_none(guard):
    verdicts = REFUSED[guard]
    assert verdicts and all((v.guard, v.allowed) == (guard, False) for v in verdicts)
    assert refused(verdicts) == tuple(verdicts)
    assert refused(verdicts, force=True) == (() if guard in FORCEABLE else tuple(verdicts))


def test_a_guard_that_does_not_say_so_cannot_be_overruled():
    new = Verdict("moon", False, "it is full", "the sky")
    assert refused([new], force=True) == (new,)


def test_every_guard_stands_in_the_table_or_has_tests_of_its_own():
    own = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert set(REFUSED) <= {guard.name for guard in all_guards()} <= set(REFUSED) | own
    places = [guard.place for guard in all_guards()]
    assert places == sorted(set(places)), "two guards of one place would change places by their names"


@pytest.fixture
def guards_with_moon(tmp_path, monkeypatch):
    """Finds the guards with one file more, ``moon.py``, of the given text."""

    def find(text):
        (tmp_path / "moon.py").write_text(text)
        monkeypatch.setattr(indexpilot_cli.guards, "__path__", [*indexpilot_cli.guards.__path__, str(tmp_path)])
        return all_guards.__wrapped__()

    yield find
    sys.modules.pop("indexpilot_cli.guards.moon", None)


@pytest.mark.parametrize("text", ["", "GUARD = 'moon'\n", "from indexpilot_cli.guards.lock import GUARD\n"])
def test_a_file_that_does_not_say_its_guard_is_an_error(guards_with_moon, text):
    """Not a guard less: a run with it does not begin."""
    with pytest.raises(TypeError, match=r"guards/moon\.py"):
        guards_with_moon(text)


def test_a_new_guard_is_one_file(guards_with_moon):
    text = Path(budget.__file__).read_text().replace('"budget", 7', '"moon", 99')
    assert guards_with_moon(text)[-1].name == "moon"
