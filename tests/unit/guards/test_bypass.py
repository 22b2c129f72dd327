"""Four levels of off, from three places, and what wins."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.guards.bypass import emergency_key, judge, levels, stopping
from indexpilot_cli.log.switches import Switch
from indexpilot_cli.settings.sections import (
    BypassFeatures,
    BypassModules,
    BypassSettings,
    EmergencyBypass,
    FeatureSwitch,
    StartupBypass,
    SystemBypass,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OFF = FeatureSwitch(False, "audit")
ALL_ON = BypassSettings()


def verdict(settings=ALL_ON, switches=(), now=NOW, origins=None):
    return judge(levels(settings, switches, now, origins or {}))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (BypassSettings(features=BypassFeatures(auto_indexing=OFF)), "auto indexing"),
        (BypassSettings(modules=BypassModules(OFF)), "optimization features"),
        (BypassSettings(system=SystemBypass(True, "audit")), "system"),
        (BypassSettings(startup=StartupBypass(True, "audit")), "startup"),
        (BypassSettings(emergency=EmergencyBypass(True, "audit")), "emergency"),
    ],
)
def test_each_level_stops_and_gives_its_reason(settings, name):
    found = verdict(settings)
    assert not found.allowed
    assert found.reason == f"{name} is switched off: audit"


def test_without_its_log_nothing_is_changed():
    settings = BypassSettings(features=replace(BypassFeatures(), mutation_logging=OFF))
    found = judge(levels(settings, (), NOW, {}))
    assert not found.allowed and "could not be taken back" in found.reason


@pytest.mark.parametrize("name", ["stats_collection", "expression_checks"])
def test_other_features_are_shown_off_and_stop_nothing(name):
    settings = BypassSettings(features=replace(BypassFeatures(), **{name: OFF}))
    found = levels(settings, (), NOW, {})
    assert [level.name for level in found if not level.running] == [name]
    assert judge(found).allowed


def test_the_source_is_the_place_of_the_setting():
    settings = BypassSettings(system=SystemBypass(True))
    origins = {"bypass.system.enabled": "INDEXPILOT_BYPASS_SYSTEM_ENABLED"}
    assert verdict(settings, origins=origins).origin == "bypass.system.enabled (INDEXPILOT_BYPASS_SYSTEM_ENABLED)"


def test_runtime_switch():
    off = Switch("system", True, "incident 7", "ann", NOW)
    found = verdict(switches=(off,))
    assert not found.allowed
    assert found.reason == "system is switched off: incident 7 (ann)"
    assert found.origin == "runtime switch"
    assert verdict(switches=(replace(off, is_off=False),)).allowed


def test_an_enabled_runtime_switch_does_not_override_a_file_that_says_off():
    on = Switch("system", False, "", "ann", NOW)
    assert not verdict(BypassSettings(system=SystemBypass(True, "file")), (on,)).allowed


def test_the_switch_comes_back_by_itself():
    until = NOW + timedelta(hours=1)
    off = Switch("system", True, "incident", "ann", NOW, until)
    before = verdict(switches=(off,), now=until - timedelta(seconds=1))
    assert not before.allowed and before.retry_at == until
    after = levels(ALL_ON, (off,), until, {})
    assert judge(after).allowed
    assert next(level for level in after if level.name == "system").reason == "came back by itself"


def test_a_switch_that_cannot_be_read_is_off():
    found = verdict(switches=None)
    assert not found.allowed
    assert "cannot be read" in found.reason


def test_emergency_recovers_after_its_time_since_it_was_first_seen():
    settings = BypassSettings(emergency=EmergencyBypass(True, "fire", 600))
    seen = Switch(emergency_key(settings), True, "fire", since=NOW - timedelta(seconds=599))
    assert not verdict(settings, (seen,)).allowed
    assert verdict(settings, (seen,)).retry_at == NOW + timedelta(seconds=1)
    assert verdict(settings, (seen,), NOW + timedelta(seconds=1)).allowed


def test_emergency_that_nothing_remembers_or_that_ends_by_hand_goes_on():
    timed = BypassSettings(emergency=EmergencyBypass(True, "fire", 600))
    assert not verdict(timed).allowed
    by_hand = BypassSettings(emergency=EmergencyBypass(True, "fire"))
    seen = Switch(emergency_key(by_hand), True, "fire", since=NOW - timedelta(days=300))
    assert not verdict(by_hand, (seen,)).allowed
    other = Switch(emergency_key(by_hand), True, "fire", since=NOW - timedelta(days=300))
    assert not verdict(timed, (other,)).allowed


switch = st.builds(
    Switch,
    st.just("system"),
    st.booleans(),
    st.just("why"),
    st.just(""),
    st.just(NOW),
    st.none() | st.just(NOW - timedelta(hours=1)) | st.just(NOW + timedelta(hours=1)),
)


@given(st.lists(st.booleans(), min_size=5, max_size=5), st.none() | st.lists(switch, max_size=1))
def test_anything_that_says_off_wins(on, switches):
    feature, module, system, startup, emergency = on
    settings = BypassSettings(
        features=BypassFeatures(auto_indexing=FeatureSwitch(feature)),
        modules=BypassModules(FeatureSwitch(module)),
        system=SystemBypass(not system),
        startup=StartupBypass(not startup),
        emergency=EmergencyBypass(not emergency),
    )
    runtime = switches is not None and not any(s.off_at(NOW) for s in switches)
    found = levels(settings, switches, NOW, {})
    assert judge(found).allowed is (all(on) and runtime)
    assert bool(stopping(found)) is not judge(found).allowed
