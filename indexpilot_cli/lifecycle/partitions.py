"""``query_stats`` in parts by time: which there must be, which may go, and the statements that make them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.core.codec import Count
from indexpilot_cli.db.queries import SQL, Composed, Identifier, Literal

_TABLE = "query_stats"
_FALLBACK = "query_stats_default"
UNTIL = "query_stats_until"
# Copies of the table's own indexes: (name, how it is made). https://www.postgresql.org/docs/current/sql-altertable.html:
# a part that has an equivalent index keeps it when it is attached, another is indexed under the lock.
_INDEXES = {
    "query_stats_field_idx": SQL("(table_name, field_name, created_at)"),
    "query_stats_created_at_idx": SQL("USING brin (created_at)"),
}
# The end of the first part: a host's clock may be fast, and where a run was killed behind its first step the daily job
# must come before that time, since it takes the constraint away again.
_SOONEST = timedelta(days=1)


class PartitionPeriod(StrEnum):
    """How long a part lasts, in UTC; a week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def ahead(self) -> int:
        """How many periods after this one have their part already, for the case that nobody makes new ones."""
        return {"day": 7, "week": 3, "month": 2}[self.value]

    def next(self, moment: datetime) -> datetime:
        """The first begin of a period after the moment."""
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        match self:
            case PartitionPeriod.DAY:
                return day + timedelta(days=1)
            case PartitionPeriod.WEEK:
                return day + timedelta(days=7 - day.weekday())
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class StatisticsPart:
    """A part of the table, or all of it."""

    name: str
    whole: Annotated[bool, "true: the table has no parts"]
    fallback: Annotated[bool, "true: it takes the rows that belong to no other part"]
    since: Annotated[datetime | None, "null: no bound"]
    until: Annotated[datetime | None, "null: no bound"]
    rows: Annotated[Count | None, "estimated; null: never analyzed"]
    bytes: Annotated[Count, "with indexes"]

    def expired(self, cutoff: datetime) -> bool:
        """Whether all its rows are older."""
        return self.until is not None and self.until <= cutoff

    def mixed(self, cutoff: datetime) -> bool:
        """Whether it may hold older and younger rows, and is not one that goes as a whole soon."""
        return not self.expired(cutoff) and self.since is None


def period_of(parts: Sequence[StatisticsPart]) -> PartitionPeriod:
    """The longest period that one of the parts lasts: the first one made may have begun within a period."""
    lengths = [p.until - p.since for p in parts if p.since is not None and p.until is not None]
    longest = max(lengths, default=timedelta(days=30))
    if longest <= timedelta(days=1):
        return PartitionPeriod.DAY
    return PartitionPeriod.WEEK if longest <= timedelta(days=7) else PartitionPeriod.MONTH


def missing(
    parts: Sequence[StatisticsPart], period: PartitionPeriod, now: datetime, stray: datetime | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """The times of the parts to make, so that rows of now and of the periods ahead have theirs.

    ``stray`` is the newest row that no part would take: a part for its time would have to be emptied of it first.
    """
    begin = max((p.until for p in parts if p.until is not None), default=now)
    while period.next(begin) <= now:
        begin = period.next(begin)
    if stray is not None and stray >= begin:
        begin = period.next(stray)
    while begin < horizon(period, now):
        end = period.next(begin)
        yield begin, end
        begin = end


def horizon(period: PartitionPeriod, now: datetime) -> datetime:
    """Until when there must be parts."""
    end = period.next(now)
    for _ in range(period.ahead):
        end = period.next(end)
    return end


def part_name(since: datetime) -> str:
    """What a part is called: by the day on which it begins."""
    return f"{_TABLE}_p{since.astimezone(UTC):%Y%m%d}"


def first_end(period: PartitionPeriod, now: datetime) -> datetime:
    """Until when the rows go into what was the table: far enough that nobody writes rows of a later time yet."""
    return period.next(now + _SOONEST)


@dataclass(frozen=True, slots=True)
class StatisticsOwner:
    """Whose the table is, and who runs us; what is granted on it: privilege, grantee (None: all), whether grantable."""

    owner: str
    role: str
    sequence: str
    indexes: tuple[str, ...]
    grants: tuple[tuple[str, str | None, bool], ...] = ()


def part_statements(schema: str, since: datetime, until: datetime, owner: StatisticsOwner) -> Iterator[Composed]:
    """What makes a part. Attached, as CREATE … PARTITION OF would stop all who read and write the table."""
    name = part_name(since)
    yield from _made(schema, name, owner)
    yield _attach(schema, name, SQL("FROM ({since}) TO ({until})").format(since=_time(since), until=_time(until)))


def drop_statement(schema: str, part: str) -> Composed:
    """What drops a part. Everybody waits for that moment: a table with a fallback part detaches none concurrently."""
    return SQL("DROP TABLE {}").format(Identifier(schema, part))


def guard_statements(schema: str, until: datetime) -> tuple[Composed, Composed]:
    """A constraint that makes the rows known to be older, and its check, which lets everybody go on.

    So the table is attached without being read under its lock.
    """
    table, name = Identifier(schema, _TABLE), Identifier(UNTIL)
    add = SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK (created_at IS NOT NULL AND created_at < {}) NOT VALID")
    return add.format(table, name, _time(until)), SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(table, name)


def release_statement(schema: str, table: str = _TABLE) -> Composed:
    """What takes the constraint away again, if it is there."""
    return SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(Identifier(schema, table), Identifier(UNTIL))


def swap_statements(schema: str, until: datetime, owner: StatisticsOwner) -> Iterator[Composed]:
    """What makes the table the first part of a partitioned one of its name: one short transaction, no row is moved."""
    old = f"{_TABLE}_until_{until.astimezone(UTC):%Y%m%d}"
    table, before = Identifier(schema, _TABLE), Identifier(schema, old)
    yield SQL("ALTER TABLE {} RENAME TO {}").format(table, Identifier(old))
    kept = [name for name in _INDEXES if name in owner.indexes]
    for name in kept:
        renamed = Identifier(name.replace(_TABLE, old, 1))
        yield SQL("ALTER INDEX {} RENAME TO {}").format(Identifier(schema, name), renamed)
    yield SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING COMMENTS) PARTITION BY RANGE (created_at)").format(
        table, before
    )
    # The sequence went with the table, and would go with it when that part is dropped.
    yield SQL("ALTER SEQUENCE {} OWNED BY {}").format(
        Identifier(schema, owner.sequence), Identifier(schema, _TABLE, "id")
    )
    for name in kept:
        yield SQL("CREATE INDEX {} ON {} {}").format(Identifier(name), table, _INDEXES[name])
    yield from _owned(schema, _TABLE, owner)
    for privilege, grantee, grantable in owner.grants:
        to = SQL("PUBLIC") if grantee is None else Identifier(grantee)
        more = SQL(" WITH GRANT OPTION") if grantable else SQL("")
        # The words of aclexplode(): SELECT, INSERT …
        yield SQL("GRANT {} ON {} TO {}{}").format(SQL(privilege), table, to, more)
    yield _attach(schema, old, SQL("FROM (MINVALUE) TO ({})").format(_time(until)))
    yield release_statement(schema, old)
    yield from _made(schema, _FALLBACK, owner)
    yield SQL("ALTER TABLE {} ATTACH PARTITION {} DEFAULT").format(table, Identifier(schema, _FALLBACK))


def _made(schema: str, name: str, owner: StatisticsOwner) -> Iterator[Composed]:
    # A key of each part's own: batches are deleted by it, and a publication needs one. The table itself could only
    # have one with created_at in it, which the first part does not have.
    yield SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS, PRIMARY KEY (id))").format(
        Identifier(schema, name), Identifier(schema, _TABLE)
    )
    yield from _owned(schema, name, owner)


def _owned(schema: str, name: str, owner: StatisticsOwner) -> Iterator[Composed]:
    if owner.owner != owner.role:
        yield SQL("ALTER TABLE {} OWNER TO {}").format(Identifier(schema, name), Identifier(owner.owner))


def _attach(schema: str, name: str, bounds: Composed) -> Composed:
    form = SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES {}")
    return form.format(Identifier(schema, _TABLE), Identifier(schema, name), bounds)


def _time(moment: datetime) -> Literal:
    return Literal(moment.astimezone(UTC))
