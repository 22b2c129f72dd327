"""What --force may overrule: only what a guard itself says may be overruled."""

import ast
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import indexpilot_cli
from indexpilot_cli.core.facts import LockFacts, StandbyFacts, TransactionFacts, VacuumFacts
from indexpilot_cli.core.verdict import Verdict
from indexpilot_cli.guards import approval, bypass, rate, server, space, tables
from indexpilot_cli.guards import cpu as load
from indexpilot_cli.guards import run as guards
from indexpilot_cli.guards import window as when
from indexpilot_cli.guards import write_performance as writes
from indexpilot_cli.guards.calendar import parse_window
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
from tests.unit.guards.test_guards import GIB, HERE, NAMES, NOW, ORDERS, SERVER, TABLE, target

OFF = BypassSettings(system=SystemBypass(True, "night"))
BUSY = replace(SERVER, running=900)
WINDOW = parse_window("22:00-05:00 UTC", None)
REFUSED = {
    "bypass": [bypass.judge(bypass.levels(OFF, (), NOW, {}))],
    "direct_connection": [server.direct_connection(replace(SERVER, pooled=True))],
    "writable": [server.writable(replace(SERVER, **{flag: True})) for flag in ("in_recovery", "read_only")],
    "privileges": [
        *tables.privileges(replace(SERVER, may_use_tablespace=False), [], [target(1)]),
        *tables.privileges(SERVER, [replace(TABLE, kind="v", owned=False, may_create=False)], []),
    ],
    "lock": tables.lock(
        LockManagerSettings(), [LockFacts(7, 1, "x", ours=True), LockFacts(7, 2, "x", building=True)], NAMES
    ),
    "approval": [approval.approved(True, *given) for given in ((None, ()), (PLAN, None), (PLAN, ()))],
    "plan_fresh": [approval.plan_fresh(PLAN, "another")],
    "disk": [space.disk(replace(HERE, disk_free=0), [target(GIB)])],
    "wraparound": [server.wraparound(replace(SERVER, xid_age=2_000_000_000), [])],
    "window": [when.judge(WINDOW, "", NOW), when.judge(WINDOW, "", NOW.replace(hour=23), timedelta(hours=5))],
    "rate": [
        *rate.judge(RateLimiterSettings(), None, [ORDERS], NOW),
        *rate.judge(RateLimiterSettings(max_indexes_per_hour=1), [rate.Build(ORDERS, NOW)] * 4, [ORDERS], NOW),
    ],
    "cpu": [
        load.judge(CpuThrottleSettings(min_delay_seconds=60), HERE, SERVER, [rate.Build(ORDERS, NOW)], NOW),
        load.judge(CpuThrottleSettings(), replace(HERE, cpu_percent=100.0), SERVER, (), NOW),
        load.judge(CpuThrottleSettings(), replace(HERE, local=False), BUSY, (), NOW),
    ],
    "write_performance": writes.judge(WritePerformanceSettings(), (TableLoad(ORDERS, 50, 1),)),
    "budget": [space.budget(0, [target(GIB)])],
    "replication": [server.replication([StandbyFacts("a", seconds=600.0)])],
    "transactions": [tables.transactions([TransactionFacts(1, 9e5)], NAMES, NOW)],
    "vacuum": tables.vacuum([replace(TABLE, vacuum=VacuumFacts(5))]),
}  # fmt: skip
FORCEABLE = {"window", "rate", "cpu", "write_performance", "budget", "replication", "transactions", "vacuum"}


@pytest.mark.parametrize("guard", REFUSED)
def test_every_no_of_a_guard_can_be_overruled_or_none(guard):
    verdicts = REFUSED[guard]
    assert verdicts and all((v.guard, v.allowed) == (guard, False) for v in verdicts)
    assert guards.refused(verdicts) == tuple(verdicts)
    assert guards.refused(verdicts, force=True) == (() if guard in FORCEABLE else tuple(verdicts))


def test_a_guard_that_does_not_say_so_cannot_be_overruled():
    new = Verdict("moon", False, "it is full", "the sky")
    assert guards.refused([new], force=True) == (new,)


def test_the_table_holds_every_guard_there_is():
    """The guards' names are the first argument of each Verdict, as a text or as the constant ``_GUARD``."""
    found = set()
    for path in (Path(indexpilot_cli.__file__).parent / "guards").glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Verdict":
                name = node.args[0]
                found.add(name.value if isinstance(name, ast.Constant) else writes._GUARD)
    assert found == set(REFUSED)
