"""Outcomes counted and bounded; a risk by cost that is used with evidence only."""

import threading

import pytest

from indexpilot_cli.algorithms.query_risk import RiskCurve, RiskOutcome, train
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.host.interceptor.learning import KnowledgeKeeper, OutcomeBook, RiskKnowledge, SlowTemplate
from indexpilot_cli.host.interceptor.plan_risk import PlanFacts, judge, rules_of, with_learned
from indexpilot_cli.host.interceptor.verdict import QueryVerdict, SafetyLevel, SafetyReason
from indexpilot_cli.settings.features import InterceptorSettings
from tests.waiting import LIMIT


def outcomes(number=400, templates=40, bad=lambda cost: 8 if cost > 2000 else 0):
    kinds = [i % templates for i in range(number)]
    return [RiskOutcome(f"t{kind}", kind * 100.0, 10, bad(kind * 100.0)) for kind in kinds]


def test_a_curve_that_foretells_later_outcomes_is_kept_and_never_falls():
    found = train(outcomes())
    assert found.why == ""
    assert found.skill > 0.5
    shares = [found.curve.share(cost) for cost in (0, 100, 1000, 1990, 2100, 3000, 1e9)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "0 outcomes, 200 are needed"),
        (outcomes(10), "100 outcomes, 200 are needed"),
        (outcomes(bad=lambda _: 0), "0 bad and 4000 good"),
        (outcomes(bad=lambda _: 10), "4000 bad and 0 good"),
        (outcomes(templates=5, bad=lambda cost: cost > 200), "5 templates, 10 are needed"),
        ([RiskOutcome(f"t{i}", i, 10, 5 if i < 50 else 0) for i in range(200)], "all of one kind"),
        (outcomes(bad=lambda _: 3), "skill"),
    ],
)
def test_without_evidence_there_is_no_curve(rows, words):
    found = train(rows)
    assert found.curve is None
    assert found.why.startswith("not enough evidence: ")
    assert words in found.why


def test_between_points_the_curve_is_straight_and_beyond_them_flat():
    curve = RiskCurve((9.0, 99.0), (0.0, 1.0))
    assert [curve.share(cost) for cost in (0, 9, 99, 1e6)] == [0.0, 0.0, 1.0, 1.0]
    assert curve.share(10**1.5 - 1) == pytest.approx(0.5)


def verdict(number=1):
    return QueryVerdict(True, SafetyLevel.SAFE, template=f"select {number}", template_id=str(number), cost=10.0)


def test_eight_threads_lose_no_outcome():
    written = {}
    book = OutcomeBook(written.update)

    def work():
        for number in range(1000):
            book.note(verdict(number % 10), 1.0, slow=number % 2 == 0, cancelled=False)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert book.flush()
    assert sum(row.calls for row in written.values()) == 8000
    assert sum(row.slow for row in written.values()) == 4000


def test_outcomes_are_bounded_and_wait_for_a_server():
    written, failing = [], [True]

    def write(counts):
        if failing:
            raise PrerequisiteError("no tables")
        written.append(sum(row.calls for row in counts.values()))

    book = OutcomeBook(write)
    for number in range(1500):
        book.note(verdict(number), 1.0, slow=False, cancelled=False)
    assert book.dropped == 500
    assert not book.flush()
    book.note(verdict(1), 1.0, slow=False, cancelled=True)
    failing.clear()
    assert book.flush()
    assert written == [1001]


def test_a_flush_returns_when_what_another_thread_took_is_written():
    begun, released, written = threading.Event(), threading.Event(), []

    def write(counts):
        begun.set()
        released.wait(LIMIT)
        written.extend(counts)

    book = OutcomeBook(write)
    book.note(verdict(), 1.0, slow=False, cancelled=False)
    threads = [threading.Thread(target=book.flush) for _ in range(2)]
    threads[0].start()
    assert begun.wait(LIMIT)
    threads[1].start()
    threads[1].join(0.1)
    assert threads[1].is_alive() and not written
    released.set()
    for thread in threads:
        thread.join(LIMIT)
    assert len(written) == 1


def test_what_was_learned_warns_and_blocks_only_when_told_to():
    rules = rules_of(InterceptorSettings())
    judged = judge(PlanFacts(cost=1.0), rules)
    slow = [SafetyReason("slow_share", 0.9, 0.5)]
    assert with_learned(judged, slow, rules, block=False) == (0.5, SafetyLevel.WARNING, tuple(slow))
    score, level, _ = with_learned(judged, slow, rules, block=True)
    assert (level, score) == (SafetyLevel.UNSAFE, pytest.approx(1 / 2.8))
    assert with_learned(judged, [], rules, block=True) == judged


def test_knowledge_is_read_in_the_background_and_kept_when_it_cannot_be():
    asked, now = threading.Event(), [0.0]
    known = RiskKnowledge({"t": SlowTemplate("select ?", 50, SafetyReason("mean_ms", 9.0, 5.0))})

    def load():
        assert asked.wait(20)
        return known

    keeper = KnowledgeKeeper(load, lambda: now[0])
    assert keeper.current().slow == {}
    asked.set()
    keeper.refresh()
    assert [r.code for r in keeper.current().reasons("t", 5.0)] == ["mean_ms"]
    assert keeper.current().reasons("other", 5.0) == ()
