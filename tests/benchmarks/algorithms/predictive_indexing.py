"""Section 4: seventy days of forty templates replayed in cost space, each with one index that could serve it.

    python -m tests.benchmarks.algorithms.predictive_indexing [--seed 1] [--days 70]

Policies decide each morning whether the index is there that day: static (once, by the first four weeks), reactive (by
the last 24 hours), predictive (by the forecast, at its 20 % quantile to build and its 80 % to drop) and the oracle (who
knows the rest). Costs count from day 28. A call costs 1 without the index and 0.1 with it; upkeep and building are
drawn around what makes the decision hard. Traces are synthetic and seeded: nothing here is a measurement of a server.
"""

import argparse
import calendar
import math
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from indexpilot_cli.algorithms.forecasting import NoForecast, forecast
from indexpilot_cli.algorithms.predictive_indexing import explained
from indexpilot_cli.log import metadata
from tests.benchmarks.algorithms.cases import Case

FIRST = date(2026, 1, 5)
WARM, HORIZON, SAVED = 28, 30, 0.9
KINDS = ("diurnal", "weekly", "month_end", "launch", "decay", "noise")
POLICIES = ("static", "reactive", "predictive", "oracle")

# An index that the planner finds a tenth cheaper, for it prices pages that wide rows fill; read from memory they take
# a hundredth part or three of the time (1.2 of 98 to 135 ms, by two workers, when measured): 0 to 2 % saved.
WIDE = f"""
CREATE TABLE notes (id int, kind int, day int, body text);
ALTER TABLE notes ALTER body SET STORAGE PLAIN;
INSERT INTO notes SELECT n, n % 100, n / 20, repeat('x', 7000) FROM generate_series(1, 800) n;
CREATE TABLE lines AS SELECT n AS id, n % 977 AS amount, n % 13 AS tax FROM generate_series(1, 280000) n;
ALTER TABLE lines SET (parallel_workers = 0);
ANALYZE notes, lines;
{";".join(metadata.statements(metadata.MetadataStatus(metadata.SCHEMA, False, None, metadata.latest_version())))};
INSERT INTO indexpilot.mutation_log (mutation_type, schema_name, table_name, field_name, details_json)
SELECT 'CREATE_INDEX', 'public', 'notes', field, jsonb_build_object('improvement_pct', n % 3)
FROM generate_series(1, 20) n, unnest(ARRAY['id', 'kind', 'day']) field;
"""
REST = "UNION ALL SELECT sum(amount + tax * 2) FROM lines"
CASES = tuple(
    Case(name, "predictive_indexing", WIDE, ((f"SELECT count(*) FROM notes WHERE {condition} {REST}", 10.0),))
    for name, condition in (
        ("rows of a kind", "kind = 7"),
        ("rows of a day", "day = 7"),
        ("one row", "id = 5"),
        ("rows of some days", "day BETWEEN 3 AND 5"),
    )
)


@dataclass(frozen=True)
class Trace:
    """Calls a day of one template; ``upkeep`` and ``build`` in calls' costs."""

    kind: str
    calls: tuple
    upkeep: float
    build: float


def traces(count, days, seed):
    draw = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        level = 10 ** draw.uniform(2, 4)
        calls = tuple(_day(kind, level, n, draw) for n in range(days + HORIZON))
        # Around the level, so that to have the index is neither always right nor never.
        upkeep = level * SAVED * (0.15 if kind == "month_end" else draw.uniform(0.4, 0.95))
        upkeep = upkeep * 0.1 if kind == "month_end" else upkeep
        build = upkeep * (60 if kind == "month_end" else draw.uniform(1, 10))
        yield Trace(kind, calls, upkeep, build)


def _day(kind, level, n, draw):
    day = FIRST + timedelta(days=n)
    shape = {
        "diurnal": 1.0,
        "weekly": 1.5 if day.weekday() < 5 else 0.2,
        "month_end": 8.0 if day.day > calendar.monthrange(day.year, day.month)[1] - 2 else 0.0,
        "launch": 0.1 if n < 40 else 1.6,
        "decay": 2.0 * math.exp(-n / 25),
        "noise": 1.0,
    }[kind]
    spread = 0.8 if kind == "noise" else 0.25
    return float(round(level * shape * math.exp(draw.gauss(-(spread**2) / 2, spread))))


def worth_having(saved, upkeep, build, *, built):
    """Whether to have an index today: ``saved`` is what it saves on each coming day, ``upkeep`` what a day of it costs,
    ``build`` what building it does. The best sequence of builds and drops over these days begins with the answer.
    """
    without, having = 0.0, 0.0  # the least cost from the next day on, with the index there or not
    for day in reversed(saved[1:]):
        keep = upkeep - day + having
        without, having = min(without, build + keep), min(without, keep)
    today = upkeep - saved[0] + having + (0.0 if built else build)
    return today < without


class Policy:
    """What decides; a decision sees the days before ``n`` only, but for the oracle's."""

    def __init__(self, trace):
        self.trace = trace
        self.plans, self.covered = {}, []

    def static(self, n, built):
        if n > WARM:
            return built
        mean = sum(self.trace.calls[:WARM]) / WARM * SAVED
        return worth_having([mean] * HORIZON, self.trace.upkeep, self.trace.build, built=built)

    def reactive(self, n, built):
        last = self.trace.calls[n - 1] * SAVED
        return worth_having([last] * HORIZON, self.trace.upkeep, self.trace.build, built=built)

    def predictive(self, n, built):
        found = forecast(self.trace.calls[:n], FIRST, HORIZON)
        if isinstance(found, NoForecast):
            return built
        low, high = (1 + found.days[0]) * found.spread[0] - 1, (1 + found.days[0]) * found.spread[1] - 1
        self.covered.append(low <= self.trace.calls[n] <= high)
        total = found.total or 1.0
        scale = (found.high if built else found.low) / total
        saved = [d * scale * SAVED for d in found.days]
        wanted = worth_having(saved, self.trace.upkeep, self.trace.build, built=built)
        return wanted or (built and sum(self.trace.calls[n - 3 : n]) == 0 and explained(self.trace.calls[:n]).protected)

    def oracle(self, n, built):
        return worth_having([c * SAVED for c in self.trace.calls[n:]], self.trace.upkeep, self.trace.build, built=built)


def replay(trace, name):
    """What all of it costs from day 28 on, how often the index was dropped, and the intervals' coverage."""
    policy = Policy(trace)
    decide, built, cost, drops, builds = getattr(policy, name), False, 0.0, 0, 0
    if trace.kind == "month_end":
        built = True  # planted: it is there, and idle most days
    for n in range(WARM, len(trace.calls) - HORIZON):  # the oracle's last days have a future too
        wanted = decide(n, built)
        builds += wanted and not built
        cost += trace.build if wanted and not built else 0.0
        drops += built and not wanted
        built = wanted
        cost += trace.calls[n] * (1 - SAVED if built else 1.0) + (trace.upkeep if built else 0.0)
    return cost, drops, policy.covered


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=70)
    parser.add_argument("--count", type=int, default=40)
    asked = parser.parse_args()
    costs, drops, covered = defaultdict(float), defaultdict(int), []
    for trace in traces(asked.count, asked.days, asked.seed):
        scale = sum(trace.calls) or 1.0
        for name in POLICIES:
            cost, dropped, inside = replay(trace, name)
            for group in (trace.kind, "all"):
                costs[group, name] += cost / scale
                drops[group, name] += dropped
            covered += inside
    print(f"{'':12}" + "".join(f"{name:>22}" for name in POLICIES))
    for group in (*KINDS, "all"):
        cells = [f"{costs[group, n] / costs[group, 'oracle'] - 1:+9.1%} {drops[group, n]:4} drops" for n in POLICIES]
        print(f"{group:12}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"80 % intervals of a day cover {sum(covered) / len(covered):.0%} (target 75-85 %)")
    print("targets: regret predictive <= 10 %, reactive >= 25 %; month_end never dropped by predictive;")
    print("noise: predictive no worse than reactive by more than 1 %")


if __name__ == "__main__":
    main()
