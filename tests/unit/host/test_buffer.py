"""The statistics buffer: batches, bound, failures and threads, without a server."""

import asyncio
import enum
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.errors import UnreachableError
from indexpilot_cli.host.buffer import PendingStats, StatBuffer, checked
from tests.waiting import LIMIT, eventually


class Sink:
    """Takes rows; can be blocked or broken."""

    def __init__(self):
        self.batches = []
        self.open = threading.Event()
        self.open.set()
        self.broken = False

    def __call__(self, rows):
        self.open.wait(LIMIT)
        if self.broken:
            raise UnreachableError("gone", detail="really")
        self.batches.append(len(rows))
        return len(rows), 0

    @property
    def total(self):
        return sum(self.batches)


ROW = PendingStats(checked(1, "t", "f", "READ", 1.0, 0.0), False)


@pytest.fixture
def sink():
    return Sink()


def test_nothing_before_the_batch_is_full_and_everything_then(sink):
    buffer = StatBuffer(sink, interval=60)
    for _ in range(99):
        assert buffer.add(ROW)
    assert sink.total == 0
    buffer.add(ROW)
    eventually(lambda: sink.batches == [100])
    buffer.close()


def test_the_interval_writes_what_waits(sink):
    buffer = StatBuffer(sink, interval=0.05)
    buffer.add(ROW)
    eventually(lambda: sink.total == 1)
    buffer.add(ROW)
    eventually(lambda: sink.total == 2)
    buffer.close()


def test_flush_and_close(sink):
    buffer = StatBuffer(sink, interval=60)
    assert buffer.flush()
    buffer.add(ROW)
    assert buffer.flush() and sink.total == 1
    buffer.add(ROW)
    assert buffer.close() and sink.total == 2
    assert buffer.add(ROW) is False and buffer.stats().dropped == 1


def test_flush_waits_for_rows_that_are_being_written(sink):
    buffer = StatBuffer(sink, interval=0.01)
    sink.open.clear()
    buffer.add(ROW)
    eventually(lambda: buffer.stats().waiting == 0)
    assert buffer.flush(0.05) is False
    sink.open.set()
    assert buffer.flush() is True and sink.total == 1
    buffer.close()


def test_a_blocked_sink_bounds_rows_and_drops_the_rest(sink):
    buffer = StatBuffer(sink, interval=60, bound=1000)
    sink.open.clear()
    taken = sum(buffer.add(ROW) for _ in range(5000))
    assert taken == 1000 and buffer.stats().dropped == 4000
    sink.open.set()
    assert buffer.close()
    assert sink.total == taken


def test_a_full_buffer_is_written_in_steps_that_make_room(sink):
    buffer = StatBuffer(sink, interval=60, bound=5000)
    sink.broken = True
    assert sum(buffer.add(ROW) for _ in range(5001)) == 5000
    eventually(lambda: buffer.stats().failures)
    sink.broken = False
    assert buffer.flush() and sink.batches == [1000] * 5
    buffer.close()


def test_a_flush_waits_for_no_row_that_came_after_it(sink):
    buffer = StatBuffer(sink, interval=60)
    going = threading.Event()

    def log():
        while not going.is_set():
            buffer.add(ROW)

    thread = threading.Thread(target=log)
    thread.start()
    assert buffer.flush(60)
    going.set()
    thread.join()
    assert buffer.close()


def test_a_loop_never_waits_for_room(sink):
    buffer = StatBuffer(sink, interval=60, bound=10, wait=600)
    sink.open.clear()

    async def log():
        return [buffer.add(ROW) for _ in range(20)]

    assert asyncio.run(log()) == [True] * 10 + [False] * 10
    sink.open.set()
    assert buffer.close()


def test_without_threads_a_flush_writes_by_itself(sink, monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    buffer = StatBuffer(sink, interval=60)
    assert all(buffer.add(ROW) for _ in range(1500)) and sink.total == 0
    assert buffer.close() and sink.batches == [1000, 500]


def test_a_row_logged_while_a_row_is_logged(sink):
    """As a signal handler of the host would, in the thread that holds the lock."""
    buffer = StatBuffer(sink, interval=60)
    with buffer._change:
        assert buffer.add(ROW)
    assert buffer.close() and sink.total == 1


def test_a_broken_sink_keeps_rows_and_tries_again(sink):
    buffer = StatBuffer(sink, interval=0.05, bound=150)
    sink.broken = True
    for _ in range(100):
        buffer.add(ROW)
    eventually(lambda: buffer.stats().failures >= 1)
    for _ in range(100):
        buffer.add(ROW)
    eventually(lambda: buffer.stats().dropped == 50)
    sink.broken = False
    eventually(lambda: buffer.stats().written == sink.total == 150)
    stats = buffer.stats()
    assert stats.last_error == "gone: really" and stats.dropped == 50
    buffer.close()


def test_a_host_that_waits_loses_nothing_to_failed_writes_and_a_slow_sink(sink):
    buffer = StatBuffer(sink, interval=0.01, bound=150, wait=60)
    sink.broken = True
    sink.open.clear()
    threads = [threading.Thread(target=lambda: [buffer.add(ROW) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: buffer._is_full())
    sink.open.set()
    eventually(lambda: buffer.stats().failures >= 2)
    assert buffer.stats().logged == 150
    sink.broken = False
    for thread in threads:
        thread.join()
    assert buffer.close()
    assert (buffer.stats().dropped, sink.total) == (0, 2000)


def test_a_wait_in_vain_drops_and_nobody_waits_again_before_a_write_succeeds(sink):
    buffer = StatBuffer(sink, interval=0.01, bound=10, wait=0.05)
    sink.broken = True
    assert [buffer.add(ROW) for _ in range(11)] == [True] * 10 + [False]
    assert buffer._waited_in_vain
    buffer.wait = 600  # a call that waited again would outlast the test
    assert [buffer.add(ROW) for _ in range(100)] == [False] * 100
    assert buffer.stats().dropped == 101
    sink.broken = False
    eventually(lambda: sink.total == 10 and not buffer._waited_in_vain)
    buffer.close()


def test_closing_ends_the_waiting(sink):
    buffer = StatBuffer(sink, interval=0.01, bound=10, wait=600)
    sink.broken = True
    taken = []
    thread = threading.Thread(target=lambda: taken.extend(buffer.add(ROW) for _ in range(11)))
    thread.start()
    eventually(lambda: buffer.stats().logged == 10)
    assert buffer.close(0.05) is False
    thread.join(60)
    assert taken == [True] * 10 + [False] and buffer.stats().dropped == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_replaced_and_its_rows_stay(sink):
    failing = [True]

    def write(rows):
        if failing.pop():
            failing.append(False)
            raise ZeroDivisionError
        failing.append(False)
        return sink(rows)

    buffer = StatBuffer(write, interval=60)
    for _ in range(100):
        buffer.add(ROW)
    eventually(lambda: buffer.stats().failures == 1)
    assert buffer.stats().waiting == 100
    buffer.add(ROW)
    assert buffer.flush() and sink.total == 101
    buffer.close()


def test_many_threads_that_wait_lose_nothing(sink):
    buffer = StatBuffer(sink, interval=0.5, wait=60)
    threads = [threading.Thread(target=lambda: [buffer.add(ROW) for _ in range(5000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert buffer.close()
    stats = buffer.stats()
    assert (stats.logged, stats.dropped, sink.total) == (40_000, 0, 40_000)


def test_what_the_sink_leaves_out_is_rejected(sink):
    buffer = StatBuffer(lambda rows: (len(rows) - 1, 1), interval=60)
    for _ in range(100):
        buffer.add(ROW)
    assert buffer.close()
    assert (buffer.stats().written, buffer.stats().rejected) == (99, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        (1, "t", "f", "READ", float("nan")),
        (1, "t", "f", "READ", float("inf")),
        (1, "t", "f", "READ", -0.001),
        (1, "t", "f", "READ", None),
        (1, "t", "f", "READ", "5"),
        (1, "t", "f", "READ", True),
        ("1", "t", "f", "READ", 1.0),
        (2**31, "t", "f", "READ", 1.0),
        (True, "t", "f", "READ", 1.0),
        (1, "", "f", "READ", 1.0),
        (1, None, "f", "READ", 1.0),
        (1, "t\0", "f", "READ", 1.0),
        (1, "t", 3, "READ", 1.0),
        (1, "t", "f", None, 1.0),
        (1, "\ud800", "f", "READ", 1.0),
        (1, "t" * 1000, "f", "READ", 1.0),
        (1, "t", "f", "READ", 10**400),
        (1, "t", "", "READ", 1.0),
    ],
)
def test_bad_rows(arguments):
    assert checked(*arguments, 0.0) is None


class Table(enum.StrEnum):
    ORDERS = "orders"


class Tenant(enum.IntEnum):
    ACME = 7


def test_a_checked_row_is_of_plain_types():
    row = checked(Tenant.ACME, Table.ORDERS, Table.ORDERS, "READ", 3, 0.0)
    assert [type(v) for v in (row.tenant_id, row.table_name, row.field_name, row.duration_ms)] == [int, str, str, float]
    assert (row.tenant_id, row.table_name) == (7, "orders")


@given(
    tenant=st.none() | st.integers() | st.text(max_size=3),
    name=st.text(max_size=300),
    ms=st.none() | st.floats() | st.integers(),
)
def test_a_checked_row_can_be_written(tenant, name, ms):
    row = checked(tenant, name, name or None, "READ", ms, 0.0)
    if row is not None:
        assert 0 <= row.duration_ms < float("inf") and "\0" not in row.table_name and row.table_name.encode()
