"""Verdicts over trials and planner costs."""

import math

import pytest

from indexpilot_cli.apply.verify.trial import Timing, TrialRun, culprit, judge_trial, time_of
from indexpilot_cli.apply.verify.verdict import IndexVerdict, MeasuredEffect
from indexpilot_cli.apply.verify.verify import Cost, judge_costs


def timing(template, *ms, blocks=100.0, cpu=True, share=1.0, sql=None):
    runs = tuple(TrialRun(m * 1.5, blocks, m if cpu else None) for m in ms)
    return Timing(template, sql or f"select {template}", runs, share)


def stopped(template, limit=60_000.0):
    return Timing(template, f"select {template}", failed="timeout", over=True, limit_ms=limit)


def test_slower_in_time_and_blocks():
    answer = judge_trial([timing("q", 100, 101, 99)], [timing("q", 120, 118, 125, blocks=150)])
    assert answer.verdict is IndexVerdict.REVERT
    assert answer.slower[0].template == "q"
    assert "blocks" in answer.text


def test_slower_beyond_noise_needs_no_blocks():
    answer = judge_trial([timing("q", 100, 101, 99)], [timing("q", 320, 318, 325, blocks=90)])
    assert answer.verdict is IndexVerdict.REVERT


def test_the_same_pages_in_a_little_more_time_are_the_machine():
    before = [timing("q", 361, 365, 362, blocks=217_276)]
    assert judge_trial(before, [timing("q", 422, 425, 430, blocks=217_796)]).verdict is not IndexVerdict.REVERT
    assert judge_trial(before, [timing("q", 422, 425, 430, blocks=190_000)]).verdict is IndexVerdict.REVERT
    assert judge_trial(before, [timing("q", 470, 475, 480, blocks=217_796)]).verdict is IndexVerdict.REVERT
    assert judge_trial(before, [timing("q", 422, 425, 430, blocks=221_300)]).verdict is IndexVerdict.REVERT


def test_the_least_disturbed_run_counts():
    assert judge_trial([timing("q", 140, 102, 99)], [timing("q", 105, 190, 200)]).verdict is IndexVerdict.NO_GAIN
    busy_before = judge_trial([timing("q", 100, 170, 160)], [timing("q", 130, 131, 129, blocks=10)])
    assert busy_before.verdict is IndexVerdict.REVERT


def test_less_than_a_millisecond_is_no_harm():
    answer = judge_trial([timing("q", 0.1, 0.1, 0.1)], [timing("q", 0.4, 0.4, 0.4, blocks=900)])
    assert answer.verdict is not IndexVerdict.REVERT


def test_gain():
    answer = judge_trial([timing("q", 100, 101, 110)], [timing("q", 3, 3, 4, blocks=5)])
    assert answer.verdict is IndexVerdict.KEPT
    assert answer.templates[0].ratio == pytest.approx(0.03)


def test_one_slower_template_outweighs_gains():
    before = [timing("a", 900, 900, 900), timing("b", 50, 50, 50)]
    after = [timing("a", 10, 10, 10), timing("b", 300, 300, 300, blocks=900)]
    answer = judge_trial(before, after)
    assert answer.verdict is IndexVerdict.REVERT
    assert [t.template for t in answer.templates] == ["b", "a"]


def test_controls_take_the_machine_out():
    before = [timing("q", 100, 101, 99), timing("c", 50, 50, 50), timing("d", 70, 70, 70)]
    after = [timing("q", 150, 151, 149), timing("c", 75, 75, 75), timing("d", 105, 105, 105)]
    assert judge_trial(before, after, ["c", "d"]).verdict is IndexVerdict.NO_GAIN
    assert judge_trial(before[:1], after[:1]).verdict is IndexVerdict.REVERT


def test_statements_of_a_template_weigh_by_their_share():
    before = [timing("q", 100, 100, 100, share=0.9, sql="x"), timing("q", 100, 100, 100, share=0.1, sql="y")]
    after = [timing("q", 10, 10, 10, share=0.9, sql="x"), timing("q", 130, 130, 130, share=0.1, sql="y")]
    answer = judge_trial(before, after)
    assert answer.verdict is IndexVerdict.KEPT
    assert answer.templates[0].after == pytest.approx(22)


def test_processor_time_only_where_both_sides_have_it():
    answer = judge_trial([timing("q", 100, 100, 100, cpu=False)], [timing("q", 120, 120, 120)])
    assert answer.templates[0].before == 150
    assert answer.templates[0].after == 180


def test_stopped_at_the_limit():
    assert judge_trial([timing("q", 5, 5, 5)], [stopped("q")]).verdict is IndexVerdict.REVERT
    assert judge_trial([stopped("q")], [timing("q", 5, 5, 5)]).verdict is IndexVerdict.KEPT
    assert judge_trial([stopped("q")], [stopped("q")]).verdict is IndexVerdict.NOT_ENOUGH
    assert time_of(stopped("q")) == 60_000


def test_failures_are_no_evidence():
    broken = Timing("q", "select q", failed="cannot execute UPDATE in a read-only transaction")
    answer = judge_trial([broken], [broken])
    assert answer.verdict is IndexVerdict.NOT_ENOUGH
    assert answer.templates[0].why.startswith("cannot execute")


def test_the_guilty_build_is_the_one_with_the_largest_step():
    states = [[timing("q", ms, ms, ms)] for ms in (100, 104, 190, 197)]
    assert culprit(states, "q") == 1
    assert culprit([states[0], states[0]], "q") is None
    assert culprit(states, "other") is None


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (100, 106, IndexVerdict.REVERT),
        (100, 104, IndexVerdict.NO_GAIN),
        (100, 50, IndexVerdict.KEPT),
        (math.nan, 50, IndexVerdict.NOT_ENOUGH),
    ],
)
def test_planner_costs(before, after, word):
    assert judge_costs([Cost("q", before, after)]).verdict is word


def test_a_dearer_template_outweighs_cheaper_ones():
    answer = judge_costs([Cost("a", 1e6, 10), Cost("b", 10, 12)])
    assert answer.verdict is IndexVerdict.REVERT
    assert answer.slower[0].template == "b"
    assert {t.effect for t in answer.templates} == {MeasuredEffect.SLOWER, MeasuredEffect.FASTER}
