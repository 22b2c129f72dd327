"""Verdicts over two windows, by example and over simulated windows."""

import numpy as np
import pytest

from indexpilot_cli.apply.verify.verdict import IndexVerdict, MeasuredEffect
from indexpilot_cli.apply.verify.windows import StatWindow, drift, judge

CALLS = 100
QUERIES = 20
CONTROLS = 20
WINDOWS = 300


def given_window(name, times, blocks=None):
    total = float(np.sum(times))
    return StatWindow(name, len(times), total, float(np.sum((times - times.mean()) ** 2)), blocks)


def drawn(rng, name, scale=1.0, calls=CALLS, blocks=None):
    return given_window(name, rng.lognormal(0, 1, calls) * scale, None if blocks is None else blocks * calls)


def simulated(rng, slower=1.0, load=1.0, calls=CALLS, faster=0.3):
    """Pairs of an index that makes q0 faster, q1 ``slower``, and leaves the others; controls see the load only."""
    effects = {"q0": faster, "q1": slower}
    affected = [
        (drawn(rng, f"q{n}", calls=calls), drawn(rng, f"q{n}", load * effects.get(f"q{n}", 1.0), calls))
        for n in range(QUERIES)
    ]
    controls = [(drawn(rng, f"c{n}", calls=calls), drawn(rng, f"c{n}", load, calls)) for n in range(CONTROLS)]
    return affected, controls


@pytest.mark.parametrize("calls", [100, 1000])
@pytest.mark.parametrize("drifting", [False, True])
def test_a_harmless_index_is_seldom_reverted(calls, drifting):
    rng = np.random.default_rng(2024)
    reverted = 0
    for _ in range(WINDOWS):
        load = rng.uniform(0.7, 1.6) if drifting else 1.0
        reverted += judge(*simulated(rng, load=load, calls=calls)).verdict is IndexVerdict.REVERT
    assert reverted <= 0.05 * WINDOWS


@pytest.mark.parametrize("drifting", [False, True])
def test_a_real_slowdown_is_found(drifting):
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(WINDOWS):
        load = rng.uniform(0.7, 1.6) if drifting else 1.0
        answer = judge(*simulated(rng, slower=2.0, load=load))
        found += answer.verdict is IndexVerdict.REVERT and "q1" in {t.template for t in answer.slower}
    assert found >= 0.75 * WINDOWS


def test_too_little_is_called_that():
    rng = np.random.default_rng(1)
    answer = judge(*simulated(rng, slower=5.0, calls=99))
    assert answer.verdict is IndexVerdict.NOT_ENOUGH
    assert "not enough evidence yet" in answer.text
    assert {t.effect for t in answer.templates} == {MeasuredEffect.UNKNOWN}
    assert judge([]).verdict is IndexVerdict.NOT_ENOUGH


def test_a_missing_bystander_does_not_hide_harm():
    rng = np.random.default_rng(2)
    rare = (drawn(rng, "rare", calls=3), drawn(rng, "rare", calls=2))
    bad = (drawn(rng, "bad", calls=400), drawn(rng, "bad", 4.0, 400))
    assert judge([rare, bad]).verdict is IndexVerdict.REVERT


def test_nothing_gained_is_said():
    rng = np.random.default_rng(3)
    same = [(drawn(rng, f"q{n}", calls=500), drawn(rng, f"q{n}", calls=500)) for n in range(4)]
    assert judge(same).verdict is IndexVerdict.NO_GAIN


def test_gain_keeps():
    rng = np.random.default_rng(4)
    answer = judge([(drawn(rng, "q", calls=500), drawn(rng, "q", 0.2, 500))])
    assert answer.verdict is IndexVerdict.KEPT
    assert answer.templates[0].ratio == pytest.approx(0.2, rel=0.3)


def test_slower_without_reading_more_is_not_the_index():
    rng = np.random.default_rng(5)
    slow = (drawn(rng, "q", calls=900, blocks=50), drawn(rng, "q", 3.0, 900, blocks=51))
    answer = judge([slow])
    assert answer.verdict is not IndexVerdict.REVERT
    assert any("without reading more" in note for note in answer.notes)
    more = (slow[0], drawn(rng, "q", 3.0, 900, blocks=90))
    assert judge([more]).verdict is IndexVerdict.REVERT


def test_fewer_blocks_are_a_gain_even_when_times_are_noisy():
    rng = np.random.default_rng(6)
    pair = (drawn(rng, "q", calls=120, blocks=400), drawn(rng, "q", 0.6, 120, blocks=12))
    assert judge([pair]).verdict is IndexVerdict.KEPT


def test_common_load_is_not_held_against_the_index():
    rng = np.random.default_rng(8)
    affected = [(drawn(rng, "q", calls=2000), drawn(rng, "q", 2.0, 2000))]
    controls = [(drawn(rng, f"c{n}", calls=2000), drawn(rng, f"c{n}", 2.0, 2000)) for n in range(5)]
    assert judge(affected).verdict is IndexVerdict.REVERT
    assert judge(affected, controls).verdict is IndexVerdict.NO_GAIN
    assert drift(controls).factor == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize(("slower", "faster"), [(5.0, 0.1), (1.0, 0.1), (5.0, 1.0)])
def test_an_index_that_was_never_scanned_did_nothing(slower, faster):
    answer = judge(*simulated(np.random.default_rng(5), slower=slower, faster=faster), idle=True)
    assert answer.verdict is IndexVerdict.NO_GAIN and "not scanned once" in answer.text
    assert {t.effect for t in answer.templates} == {MeasuredEffect.SAME}
    assert judge(*simulated(np.random.default_rng(5), calls=99), idle=True).verdict is IndexVerdict.NOT_ENOUGH
