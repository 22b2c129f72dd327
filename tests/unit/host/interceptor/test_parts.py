"""The circuit breaker, token buckets, the journal of refusals, and the error."""

import enum
import pickle
import threading
from datetime import UTC, datetime

import pytest

from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.errors import PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.host import interceptor as interception
from indexpilot_cli.host.interceptor import engine
from indexpilot_cli.host.interceptor import journal as journal_file
from indexpilot_cli.host.interceptor.ask import AskedPlan, CircuitBreaker, PlanFailedError
from indexpilot_cli.host.interceptor.engine import Interceptor, asked_query
from indexpilot_cli.host.interceptor.journal import RefusalJournal, RefusalKey, Refusals
from indexpilot_cli.host.interceptor.learning import KnowledgeKeeper, RiskKnowledge
from indexpilot_cli.host.interceptor.rates import TokenBuckets
from indexpilot_cli.host.interceptor.verdict import QueryBlockedError, QueryVerdict, SafetyLevel, SafetyReason
from indexpilot_cli.settings.features import InterceptorSettings
from tests.waiting import LIMIT


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Who is refused waits for the row as long as a busy machine needs to write it."""
    monkeypatch.setattr(journal_file, "_PATIENCE", LIMIT)


KEY = RefusalKey(MutationType.QUERY_BLOCKED, "t1")
CHEAP = AskedPlan({"Node Type": "Result", "Total Cost": 1.0, "Plan Rows": 1.0}, {})


def test_after_a_failure_one_caller_asks_in_each_cool_down():
    clock = Clock()
    breaker = CircuitBreaker(30, clock)
    assert breaker.lets_pass()
    breaker.failed()
    assert not breaker.lets_pass()
    clock.now += 30
    assert [breaker.lets_pass() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert breaker.lets_pass()
    assert not breaker.open


def test_buckets_fill_evenly_and_apart():
    clock = Clock()
    buckets = TokenBuckets(2, clock)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 30]
    assert buckets.take("b") == 0
    clock.now += 15
    assert buckets.take("a") == pytest.approx(15)
    clock.now += 15
    assert buckets.take("a") == 0


def journal(written, **how):
    return RefusalJournal(lambda rows: written.extend((row.key.template_id, row.count) for row in rows), **how)


def test_a_flood_is_a_row_at_once_and_a_row_a_window():
    written = []
    book = journal(written, window=3600)
    for _ in range(1000):
        book.add(KEY, {})
    assert written == [("t1", 1)]
    assert book.flush()
    assert written == [("t1", 1), ("t1", 999)]


def test_many_templates_are_counted_in_one_row():
    written = []
    book = journal(written, window=3600)
    for number in range(1100):
        book.add(RefusalKey(MutationType.QUERY_BLOCKED, str(number)), {})
    assert book.flush()
    assert sum(count for _, count in written) == 1100
    assert len(written) <= 1002


def test_a_log_that_fails_keeps_its_rows_and_nobody_waits_twice():
    written, broken = [], threading.Event()
    broken.set()

    def write(rows):
        if broken.is_set():
            raise PrerequisiteError("no log")
        written.extend(row.count for row in rows)

    book = RefusalJournal(write, window=3600)
    for _ in range(5):
        book.add(KEY, {})
    assert not book.flush()
    assert book.failures == 2
    broken.clear()
    assert book.flush()
    assert written == [5]


def test_a_log_that_does_not_answer_costs_one_wait(monkeypatch):
    monkeypatch.setattr(journal_file, "_PATIENCE", 0.01)
    released = threading.Event()
    book = RefusalJournal(lambda _: released.wait(20), window=3600)
    waits = []
    monkeypatch.setattr(book._change, "wait_for", lambda _ready, seconds: waits.append(seconds))
    for number in range(5):
        book.add(RefusalKey(MutationType.QUERY_BLOCKED, str(number)), {})
    assert waits == [0.01]
    released.set()


def test_eight_threads_lose_no_refusal():
    written = []
    book = journal(written, window=0.01)
    threads = [threading.Thread(target=lambda: [book.add(KEY, {}) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert book.flush()
    assert sum(count for _, count in written) == 4000


class Tenant(enum.IntEnum):
    ACME = 7


@pytest.mark.parametrize(
    ("tenant", "number", "word"), [(Tenant.ACME, 7, None), (True, None, "True"), ("acme", None, "acme")]
)
def test_a_tenant_is_a_plain_number_in_the_log_or_a_word_in_its_details(tenant, number, word):
    now = datetime.now(UTC)
    row = interception._mutation(Refusals(RefusalKey(MutationType.QUERY_BLOCKED, "t1", tenant), {}, 1, now, now))
    assert (row.tenant_id, type(row.tenant_id), row.details.get("tenant")) == (number, type(number), word)


def asking(monkeypatch, answer, **settings):
    """An interceptor whose server gives that answer, and the statements it was asked about."""
    asked = []

    def ask(sql, *_):
        asked.append(sql)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(engine, "ask_plan", ask)
    learned = KnowledgeKeeper(RiskKnowledge)
    return Interceptor(InterceptorSettings(**settings), journal([]), learned), asked


def ask(interceptor, sql, params=None):
    return interceptor.verdict(asked_query(sql, params, None, None))


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_a_dead_server_is_asked_once_in_a_cool_down(monkeypatch, mode):
    dead = PlanFailedError("no server", server_down=True)
    interceptor, asked = asking(monkeypatch, dead, on_failure=mode, cooldown_seconds=3600)
    assert {ask(interceptor, f"SELECT {n}").allowed for n in range(50)} == {mode == "open"}
    assert len(asked) == 1
    found = interceptor.metrics()
    assert (found["server_failures"], found["circuit_open"], found[f"failed_{mode}"]) == (1, True, 50)


def test_what_takes_too_long_to_plan_is_not_tried_again_at_once(monkeypatch):
    slow = PlanFailedError("cancelled", slow=True)
    interceptor, asked = asking(monkeypatch, slow)
    assert [ask(interceptor, "SELECT 1").cached for _ in range(3)] == [False, True, True]
    ask(interceptor, "SELECT 2")
    assert asked == ["SELECT 1", "SELECT 2"]


def test_exact_parameters_share_no_plan(monkeypatch):
    for exact, questions in ((False, 1), (True, 2)):
        interceptor, asked = asking(monkeypatch, CHEAP, exact_parameters=exact)
        for number in (9000, 9001, 9000):
            ask(interceptor, "SELECT %s", [number])
        assert len(asked) == questions


def test_without_blocking_what_is_unsafe_runs_and_is_counted(monkeypatch):
    interceptor, _ = asking(monkeypatch, CHEAP, block=False, max_cost=0.5)
    verdict = ask(interceptor, "SELECT 1")
    assert (verdict.allowed, verdict.level) == (True, SafetyLevel.UNSAFE)
    assert interceptor.metrics()["would_block"] == 1


def test_the_error_travels_between_processes():
    reason = SafetyReason("max_cost", 10.0, 5.0, "public.t")
    verdict = QueryVerdict(False, SafetyLevel.UNSAFE, 1 / 3, (reason,), template="select ?", template_id="x")
    error = pickle.loads(pickle.dumps(QueryBlockedError(verdict)))
    assert isinstance(error, RefusedError)
    assert (error.score, error.reasons, error.sql, error.code) == (1 / 3, (reason,), "select ?", "query_blocked")
    assert "max_cost on public.t: 10, the limit is 5" in str(error)


def test_what_is_no_text_is_refused():
    with pytest.raises(UsageError, match="not int"):
        asked_query(5, None, None, None)
