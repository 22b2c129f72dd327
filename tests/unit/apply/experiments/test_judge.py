"""How often an experiment calls one of two equal variants better, and how often it finds the one that is."""

import itertools
from collections import Counter

import numpy as np
import pytest

from indexpilot_cli.apply.experiments.judge import (
    FIRST_LOOK,
    ExperimentAnswer,
    MeasuredWindow,
    judge_outcomes,
    judge_windows,
    pooled,
)
from indexpilot_cli.apply.verify.windows import StatWindow
from indexpilot_cli.host.experiments import variant_of
from indexpilot_cli.log.experiments import OutcomeSample

SEEDS = 600
LOOKS = 4  # 100, 200, 400 and 800 outcomes of each


def samples(chance, ratio, spread=1.0):
    """Outcomes as the database sums them up: b takes ``ratio`` times as long as a."""
    found = []
    for variant, factor in (("a", 1.0), ("b", ratio)):
        values = factor * chance.lognormal(1.0, spread, FIRST_LOOK * 2 ** (LOOKS - 1))
        edges = [0, *(FIRST_LOOK * 2**look for look in range(LOOKS))]
        for look, (low, high) in enumerate(itertools.pairwise(edges)):
            own = values[low:high]
            found.append(OutcomeSample(variant, "ms", look, len(own), own.mean(), own.var()))
    return found


def answers(ratio, **more):
    made = (samples(np.random.default_rng(seed), ratio, **more) for seed in range(SEEDS))
    return Counter(judge_outcomes(found, "ms").answer for found in made)


def test_t9_two_equal_variants_are_told_apart_in_at_most_five_of_a_hundred_experiments():
    found = answers(1.0)
    assert (found[ExperimentAnswer.A] + found[ExperimentAnswer.B]) / SEEDS <= 0.05
    assert found[ExperimentAnswer.UNDECIDED] / SEEDS >= 0.95


def test_t9_a_known_effect_is_found():
    found = answers(0.75, spread=0.6)
    assert found[ExperimentAnswer.B] / SEEDS >= 0.99
    assert found[ExperimentAnswer.A] == 0


def test_higher_may_be_better_and_too_little_is_no_answer():
    found = samples(np.random.default_rng(1), 0.5)
    assert judge_outcomes(found, "ms", higher_is_better=True).answer is ExperimentAnswer.A
    few = [s for s in found if (s.variant, s.look) != ("b", 0)]
    assert judge_outcomes(few, "ms").answer is ExperimentAnswer.NOT_ENOUGH
    assert judge_outcomes(found, "others").answer is ExperimentAnswer.NOT_ENOUGH


def test_asking_between_two_looks_changes_nothing():
    found = samples(np.random.default_rng(5), 1.0)
    part = OutcomeSample("a", "ms", LOOKS, 17, 1e9, 0.0)  # a look that is not whole yet
    assert judge_outcomes([*found, part], "ms") == judge_outcomes(found, "ms")


def window(chance, variant, ratios, load=1.0, calls=300):
    """What one window of a variant shows of five templates, and of two on other tables; all by one load."""

    def one(name, factor):
        values = load * factor * chance.lognormal(0.0, 1.0, calls)
        return StatWindow(name, calls, values.sum(), calls * values.var(), calls * 10.0)

    affected = tuple(one(f"q{number}", ratio) for number, ratio in enumerate(ratios))
    return MeasuredWindow(variant, affected, (one("c1", 1.0), one("c2", 1.0)))


def experiment(seed, ratio, rounds=2):
    """The answer of an experiment that is looked at after each pair of windows, under a load that changes."""
    chance = np.random.default_rng(seed)
    seen = []
    for number in range(rounds):
        for variant in ("ab", "ba")[number % 2]:
            ratios = [ratio if variant == "b" else 1.0, 1.0, 1.0, 1.0, 1.0]
            seen.append(window(chance, variant, ratios, load=float(chance.uniform(0.7, 1.4))))
        verdict = judge_windows(seen, rounds)
        if verdict.decided:
            break
    return verdict.answer


@pytest.mark.parametrize(("ratio", "least", "most"), [(1.0, 0.0, 0.05), (0.5, 0.95, 1.0)])
def test_t9_windows_find_a_faster_variant_and_seldom_one_that_is_not(ratio, least, most):
    found = Counter(experiment(seed, ratio) for seed in range(200))
    decided = (found[ExperimentAnswer.A] + found[ExperimentAnswer.B]) / 200
    assert least <= decided <= most
    assert ratio == 1.0 or found[ExperimentAnswer.A] == 0


def test_each_variant_may_be_better_for_some():
    chance = np.random.default_rng(3)
    seen = [window(chance, "a", [1.0, 3.0]), window(chance, "b", [3.0, 1.0])]
    found = judge_windows(seen, 1)
    assert (found.answer, found.text) == (ExperimentAnswer.UNDECIDED, "each is better for some templates")


def test_pooled_windows_are_as_one():
    values = np.random.default_rng(2).lognormal(size=900)
    parts = [StatWindow("q", len(p), p.sum(), len(p) * p.var(), 5.0) for p in (values[:200], values[200:])]
    whole = pooled("q", parts)
    assert (whole.calls, whole.blocks) == (900, 10.0)
    assert whole.variance == pytest.approx(900 * values.var())


def test_keys_are_split_by_the_share_and_not_alike_in_two_experiments():
    one = [variant_of("one", key, 0.3) for key in range(4000)]
    two = [variant_of("two", key, 0.3) for key in range(4000)]
    assert 0.27 < one.count("b") / 4000 < 0.33
    both = sum(pair == ("b", "b") for pair in zip(one, two, strict=True)) / 4000
    assert 0.07 < both < 0.11  # 0.3 * 0.3: independent
    assert {variant_of("x", key, 0.0) + variant_of("x", key, 1.0) for key in range(100)} == {"ab"}
