"""The demo's database: how many rows of what, and how they get there.

Every table is generated on the server by ``INSERT ... SELECT`` from hashed row numbers: the same seed and size give
the same rows, whatever the order or the number of connections. A table, its rows and its keys are one transaction,
which writes no WAL under ``wal_level = minimal``
(https://www.postgresql.org/docs/current/populate.html#POPULATE-PITR).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

from indexpilot_cli.core.command import Progress
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import UsageError
from indexpilot_cli.simulate.connections import ReplayConnections, SqlStep, named_steps, sql_steps

DEFAULT_ROWS = 1_200_000  # of events, the biggest table
LEAST_ROWS = 6_000
MOST_ROWS = 100_000_000
_BYTES_PER_EVENT = 900  # of the database, its copy and their indexes, measured

# How many events there are for one row of each table.
_EVENTS_PER_ROW = {
    "events": 1.0,
    "invoice_lines": 3,
    "contacts": 6,
    "invoices": 10,
    "webhooks": 10,
    "deals": 12,
    "tasks": 12,
    "payments": 12,
    "tickets": 15,
    "sessions": 20,
    "companies": 24,
    "users": 30,
    "documents": 40,
    "accounts": 600,
}


@dataclass(frozen=True, slots=True)
class DemoSizes:
    """Rows per table, derived from the number of events. Users are approximate (Zipf's shares are rounded)."""

    events: int = DEFAULT_ROWS

    def __post_init__(self) -> None:
        if not LEAST_ROWS <= self.events <= MOST_ROWS:
            raise UsageError(
                f"the biggest table can have {LEAST_ROWS:,} to {MOST_ROWS:,} rows, not {self.events:,}",
                hint=f"leave --rows out for {DEFAULT_ROWS:,}",
            )

    def of(self, table: str) -> int:
        """Rows of one table."""
        return int(self.events / _EVENTS_PER_ROW[table])

    def tables(self) -> dict[str, int]:
        """Rows of every table, the biggest first."""
        return {table: self.of(table) for table in _EVENTS_PER_ROW}

    @property
    def total(self) -> int:
        """Rows of all tables together."""
        return sum(self.tables().values())

    @property
    def disk_bytes(self) -> int:
        """Space the server needs at its most, roughly."""
        return 400_000_000 + self.events * _BYTES_PER_EVENT


def build(dsn: str, sizes: DemoSizes, seed: int, connections: int, progress: Progress) -> None:
    """Create and fill all tables in the (empty) database, then its foreign keys and statistics.

    Raises IndexPilotError when the server refuses or goes away.
    """
    greeting = _greeting(sizes, seed)
    with ReplayConnections(dsn, connections, greeting) as pool:
        _alone(pool, _prepare)
        progress.stage("building the tables", sizes.total)
        order = {step.name: step.words[1:] for step in sql_steps("rows")}
        pool.run(order, _fill, lambda table: progress.advance(sizes.of(table)))
        _alone(pool, lambda member: member.script(named_steps("helpers")["clean"].statements))
    # New connections: the counters of those that inserted would arrive after ANALYZE and make its statistics look old.
    with ReplayConnections(dsn, connections, greeting) as pool:
        _finish(pool, progress)


def _finish(pool: ReplayConnections, progress: Progress) -> None:
    references = named_steps("references")
    vacuums = named_steps("vacuum")
    progress.stage("checking foreign keys and gathering statistics", len(references) + len(vacuums))
    for group in (references, vacuums):
        pool.run(dict.fromkeys(group, ()), partial(_each, group), lambda _: progress.advance())


def _alone(pool: ReplayConnections, task: Callable[[Replay], None]) -> None:
    pool.submit(task).result()


def _prepare(member: Replay) -> None:
    helpers = named_steps("helpers")
    member.script(helpers["dice"].statements + helpers["people"].statements + helpers["schemas"].statements)


def _greeting(sizes: DemoSizes, seed: int) -> tuple[str, ...]:
    counts = {"seed": seed, **sizes.tables()}
    own = tuple(f"SET demo.{name} = {int(value)}" for name, value in counts.items())
    return ("SET work_mem = '128MB'", "SET maintenance_work_mem = '256MB'", *own)


def _fill(member: Replay, table: str) -> None:
    parts = (named_steps(file)[table].statements for file in ("schema", "rows", "keys"))
    member.script(chain.from_iterable(parts))


def _each(group: Mapping[str, SqlStep], member: Replay, name: str) -> None:
    for statement in group[name].statements:
        member.run(statement)
