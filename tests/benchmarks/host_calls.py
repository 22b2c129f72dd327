"""What one call of ``log_query_stat`` costs the host's thread, in ns of its CPU time and of the clock.

Four cases: rows that are taken, the same from eight threads, rows that a full buffer drops (the database does not
answer), and bad rows. The writing thread works meanwhile, as in a host; nothing is asked of a database.
Exits with 1 when a case takes more CPU time than the limit. Usage: python tests/benchmarks/host_calls.py [calls]
"""

import sys
import threading
import time
from collections.abc import Callable

from indexpilot_cli.host import stats
from indexpilot_cli.host.buffer import StatBuffer

LIMIT = 10_000  # ns
BLOCKED = threading.Event()


def measure(calls: int, duration: float = 1.5) -> tuple[float, float]:
    """ns per call: this thread's CPU, and the clock."""
    cpu, clock = time.thread_time_ns(), time.perf_counter_ns()
    for _ in range(calls):
        stats.log_query_stat(1, "orders", "status", "READ", duration)
    return (time.thread_time_ns() - cpu) / calls, (time.perf_counter_ns() - clock) / calls


def threads(calls: int) -> tuple[float, float]:
    """The same, from eight threads at once; the mean of them."""
    found: list[tuple[float, float]] = []
    running = [threading.Thread(target=lambda: found.append(measure(calls // 8))) for _ in range(8)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(cpu for cpu, _ in found) / 8, sum(clock for _, clock in found) / 8


def block(rows: object) -> tuple[int, int]:
    """A database that does not answer."""
    BLOCKED.wait()
    return 0, 0


def main() -> int:
    """Print one line per case; 1 when one is above the limit."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    taking: Callable[[], StatBuffer[object]] = lambda: StatBuffer(lambda rows: (len(rows), 0), bound=calls * 2)  # noqa: E731
    worst = 0.0
    for name, buffer, run in (
        ("taken", taking(), lambda: measure(calls)),
        ("taken, eight threads", taking(), lambda: threads(calls)),
        ("dropped", StatBuffer(block), lambda: measure(calls)),
        ("bad", taking(), lambda: measure(calls, float("nan"))),
    ):
        stats._buffer = buffer
        cpu, clock = run()
        worst = max(worst, cpu)
        print(f"{name:22} {cpu:7.0f} ns of CPU {clock:7.0f} ns of the clock per call")
    BLOCKED.set()
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
