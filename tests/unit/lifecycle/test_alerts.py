"""Alerts: thresholds, levels, memory, listeners."""

from datetime import UTC, datetime

import pytest

from indexpilot_cli.lifecycle.alerts import RULES, AlertBook, AlertLevel, AlertRule, alerts
from indexpilot_cli.lifecycle.metric_families import LogFigures, MeasuredPlace, ServerFigures, down, families

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PLACE = MeasuredPlace("db1", "shop")


def measured(latency=0.001, invalid=0, blocked=0, left=0, **findings):
    log = LogFigures(findings=findings, findings_at=NOW, open_operations=left)
    return families(ServerFigures("16.4", False, latency, invalid=invalid, blocked=blocked, log=log), PLACE, "1", 2000)


def test_a_database_in_good_order_raises_none():
    assert alerts(measured()) == ()


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        ({"latency": 1.0}, []),  # at the threshold is not beyond it
        ({"latency": 1.1}, ["database_latency"]),
        ({"latency": 6.0}, ["database_slow", "database_latency"]),
        ({"invalid": 2}, ["invalid_indexes"]),
        ({"blocked": 1, "unused": 3}, ["build_blocked", "unused_indexes"]),
        ({"left": 1, "wraparound": 1}, ["wraparound", "operation_left_open"]),
    ],
)
def test_m2_thresholds_are_told_gravest_first(broken, names):
    assert [alert.rule.name for alert in alerts(measured(**broken))] == names


def test_m2_every_level_has_a_rule_and_a_database_that_is_down_is_critical():
    assert {rule.level for rule in RULES} == set(AlertLevel)
    (alert,) = alerts(down(PLACE, "1"), now=NOW)
    assert str(alert) == "critical: database_down: indexpilot_up is 0, below 1"
    assert alert.at == NOW


def test_m2_alerts_are_kept_and_told_once_until_they_were_gone():
    book, heard, grave = AlertBook(), [], []
    book.listen(heard.append)
    book.listen(grave.append, AlertLevel.ERROR)
    assert [a.rule.name for a in book.look(measured(invalid=1))] == ["invalid_indexes"]
    assert book.look(measured(invalid=3)) == ()
    assert [a.value for a in book.active] == [1]
    assert [a.rule.name for a in book.look(down(PLACE, "1"))] == ["database_down"]
    assert [a.rule.name for a in book.look(measured(invalid=1))] == ["invalid_indexes"]
    assert [a.rule.name for a in heard] == ["invalid_indexes", "database_down", "invalid_indexes"]
    assert grave == [heard[1]]
    assert book.kept() == tuple(heard) and book.kept(AlertLevel.CRITICAL) == (heard[1],)


def test_m2_memory_is_bounded_and_a_failing_listener_is_counted_and_harms_nobody():
    book, heard = AlertBook(size=2), []
    book.listen(lambda alert: 1 / 0)
    book.listen(heard.append)
    for _ in range(3):
        book.look(measured(invalid=1))
        book.look(measured())
    assert (book.failures, len(heard), len(book.kept()), book.active) == (3, 3, 2, ())


def test_m2_rules_of_ones_own_add_up_the_series_they_name():
    rule = AlertRule("many", AlertLevel.INFO, "indexpilot_findings", above=4)
    assert [a.value for a in alerts(measured(unused=2, invalid=0, duplicate=3), (rule,))] == [5]
    assert alerts(measured(), (AlertRule("x", AlertLevel.INFO, "no_such_metric", above=-1),)) == ()
