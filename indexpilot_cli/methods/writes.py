"""The write bill: what each index would add to the writes of its table, lost HOT updates included.

The per-row costs are measurements on PostgreSQL 15 with everything cached (tests/benchmarks/writes.py): a slower disk
makes them larger, hardly their order. WAL is without the images of whole pages that follow a checkpoint. HOT: an
update that changes no indexed column may stay on its page and touch no index at all; from version 16 BRIN indexes do
not count. https://www.postgresql.org/docs/current/storage-hot.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.index import IndexDefinition, SpareIndex
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.methods.rates import SHIPPED, WriteRates, further_share
from indexpilot_cli.methods.written import TableWrites

US_PER_UNIT = 10.0  # of planner cost, where no times are known: cached pages and plain operators on current machines
SUMMARIZING_HOT_FROM = 16
_PREDICATE_US = 0.3
_NEARLY = 0.9  # counters and statements are of different times


@dataclass(frozen=True, slots=True)
class WriteCost:
    """What one index adds to writes. ``total_us`` is over the workload's window, the others are per row.

    ``relative`` is that total over what the table's write statements take now (0-1 and more). HOT shares are of all
    updates of the table, None without updates. ``kind`` says of what statements, ``basis`` where the costs of rows are
    from: model, or a calibration; ``text`` reads like ``+3.0 us and
    +190 B of WAL per inserted row, +4.1 us and +160 B per updated row, HOT 85 -> 20 %``.
    """

    total_us: float = 0.0
    per_insert_us: float = 0.0
    per_update_us: float = 0.0
    wal_bytes: float = 0.0
    update_wal_bytes: float = 0.0
    relative: float = 0.0
    hot_before: float | None = None
    hot_after: float | None = None
    kind: str = ""
    text: str = "no writes seen"
    basis: str = "model"

    @property
    def hot_loss(self) -> float:
        """The share of the table's updates that stop being HOT."""
        if self.hot_before is None or self.hot_after is None:
            return 0.0
        return max(0.0, self.hot_before - self.hot_after)


@dataclass(frozen=True, slots=True)
class WriteModel:
    """Write costs of indexes, and of each table's writes now (``base_us``), over the workload's window.

    ``us_per_unit`` converts microseconds to the objective's unit: 1000 for ms, else planner cost, where it is a
    convention (``US_PER_UNIT``).
    """

    costs: Mapping[IndexDefinition, WriteCost] = field(default_factory=lambda: MappingProxyType({}))
    base_us: Mapping[QualifiedName, float] = field(default_factory=lambda: MappingProxyType({}))
    us_per_unit: float = US_PER_UNIT
    notes: tuple[str, ...] = ()

    def of(self, definition: IndexDefinition) -> WriteCost:
        """The write cost of an index; free when nothing is known."""
        return self.costs.get(definition, WriteCost())

    @property
    def uncounted(self) -> WriteModel:
        """The same, told but not part of any objective."""
        return replace(self, us_per_unit=math.inf, notes=("what indexes add to writes is not counted",))

    def units(self, definition: IndexDefinition) -> float:
        """The same in the objective's unit."""
        return self.of(definition).total_us / self.us_per_unit


def write_model(
    catalog: Catalog,
    writes: Mapping[QualifiedName, TableWrites],
    definitions: Iterable[IndexDefinition],
    unit: str,
    tuples: Mapping[IndexDefinition, float] | None = None,
    spare: Iterable[SpareIndex] = (),
) -> WriteModel:
    """Write costs of all definitions. ``tuples`` are estimated entries of partial indexes; ``unit`` ms or cost.

    ``spare`` are indexes that are there and may go.
    """
    known = {table.name: table for table in catalog.tables}
    base = {name: table_write_us(known[name], seen, catalog) for name, seen in writes.items() if name in known}
    costs = {}
    for definition in definitions:
        table, seen = known.get(definition.table), writes.get(definition.table)
        if table is not None and seen is not None:
            entries = None if tuples is None else tuples.get(definition)
            costs[definition] = write_cost(definition, table, seen, base[table.name], catalog.major, entries)
    for item in spare:
        table, seen = known.get(item.definition.table), writes.get(item.definition.table)
        if table is not None and seen is not None:
            costs[item.definition] = upkeep_cost(item.definition, table, seen, base[table.name], item.entries)
    notes = tuple(sorted({seen.origin for seen in writes.values() if seen.origin}))
    measured = {seen.rates.basis for seen in writes.values()} - {SHIPPED.basis}
    notes += tuple(f"what rows and index entries cost is {basis}" for basis in measured)
    if unit == "ms":
        return WriteModel(costs, base, 1000.0, notes)
    stated = f"write costs are set against planner cost at {US_PER_UNIT:g} us per unit"
    return WriteModel(costs, base, US_PER_UNIT, (*notes, stated) if costs else notes)


def write_cost(
    definition: IndexDefinition,
    table: Table,
    seen: TableWrites,
    base_us: float,
    major: int = 17,
    entries: float | None = None,
) -> WriteCost:
    """What this index adds to the writes of its table, which take ``base_us`` now."""
    share = _entry_share(definition, table, entries)
    own = _entry(definition, table, seen).of(share, _PREDICATE_US if definition.predicate else 0.0)
    hot_before = seen.hot_share
    stays_hot = major >= SUMMARIZING_HOT_FROM and _summarizes(definition)
    touched = 0.0 if stays_hot else lost_share(definition, table, seen, major)
    hot_after = hot_before * (1 - touched)
    # Every update that is not HOT adds an entry to every index; those that were HOT until now, to the old ones too.
    others = [_entry(i.definition, table, seen) for i in table.indexes]
    lost, moved = hot_before - hot_after, 1 - hot_after
    updated = Entry(
        moved * own.us + lost * (seen.rates.not_hot_us + sum(other.us for other in others)),
        moved * own.wal + lost * sum(other.wal for other in others),
    )
    total = seen.inserts * own.us + seen.updates * updated.us
    relative = total / base_us if base_us > 0 else 0.0
    return WriteCost(
        total_us=total,
        per_insert_us=own.us,
        per_update_us=updated.us,
        wal_bytes=own.wal,
        update_wal_bytes=updated.wal,
        relative=relative,
        hot_before=hot_before if seen.updates else None,
        hot_after=hot_after if seen.updates else None,
        kind=seen.kind,
        text=_text(seen, own, updated, (hot_before, hot_after), relative),
        basis=seen.rates.basis,
    )


def upkeep_cost(
    definition: IndexDefinition, table: Table, seen: TableWrites, base_us: float, entries: float | None = None
) -> WriteCost:
    """What an index that is there adds to the writes of its table, which take ``base_us`` now and all of it.

    An update that is not HOT writes an entry. How many would be HOT without the index is not guessed: it saves more.
    """
    share = _entry_share(definition, table, entries)
    own = _entry(definition, table, seen).of(share, _PREDICATE_US if definition.predicate else 0.0)
    moved = 1 - seen.hot_share
    updated = Entry(moved * own.us, moved * own.wal)
    total = seen.inserts * own.us + seen.updates * updated.us
    relative = total / base_us if base_us > 0 else 0.0
    text = f"it takes {own.us:.1f} us and {own.wal:.0f} B of WAL per inserted row"
    return WriteCost(
        total, own.us, updated.us, own.wal, updated.wal, relative, kind=seen.kind, text=f"{text}: {relative:.0%}"
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """Microseconds and WAL bytes of index entries written."""

    us: float
    wal: float

    def of(self, share: float, more_us: float) -> Entry:
        """The same where only a share of rows has an entry and each row takes so much to find out."""
        return Entry(self.us * share + more_us, self.wal * share)


def entry_us(definition: IndexDefinition, table: Table, seen: TableWrites) -> float:
    """Microseconds of an entry, in the mean over the rows that the statements write."""
    return _entry(definition, table, seen).us


def _entry(definition: IndexDefinition, table: Table, seen: TableWrites) -> Entry:
    us, wal = entry_cost(definition, table, seen.rates)
    further = further_share(index_kind(definition.method).entry_class(definition, table))
    return Entry(us * seen.entry_share(further), wal)


def table_write_us(table: Table, seen: TableWrites, catalog: Catalog | None = None) -> float:
    """Microseconds the table's write statements take now: as the workload has it, else by the model.

    The model counts statements, rows, existing indexes and the look-ups of foreign keys.
    """
    if seen.measured_us is not None:
        return seen.measured_us
    rates = seen.rates
    indexes = sum(_entry(i.definition, table, seen).us for i in table.indexes)
    keys = len(catalog.keys_of(table.name)) if catalog is not None else 0
    inserted = rates.row_us + indexes + keys * rates.foreign_key_us
    updated = rates.update_us + (1 - seen.hot_share) * (rates.not_hot_us + indexes)
    rows = seen.inserts * inserted + seen.updates * updated + seen.deletes * rates.delete_us
    return seen.statements * rates.statement_us + rows


def entry_cost(definition: IndexDefinition, table: Table, rates: WriteRates = SHIPPED) -> tuple[float, float]:
    """Microseconds and WAL bytes per index entry, by method, type and order of the leading key."""
    return index_kind(definition.method).entry_cost(definition, table, rates)


def touch_share(definition: IndexDefinition, table: Table, seen: TableWrites) -> float:
    """The share of updates that change a column of the index.

    From the workload's UPDATE statements; where there are none, every column that no existing index holds is
    taken as equally likely to change.
    """
    columns = _columns(definition, table)
    known = sum(count for _, count in seen.updated)
    if known > 0:
        return sum(count for names, count in seen.updated if names & columns) / known
    held = set().union(*(_columns(i.definition, table) for i in table.indexes))
    free = [c.name for c in table.columns if c.name not in held]
    return min(1.0, len(columns - held) / len(free)) if free else 0.0


def lost_share(definition: IndexDefinition, table: Table, seen: TableWrites, major: int = 17) -> float:
    """The share of the updates that are HOT now which the index would make others: they change a column of it.

    Updates that change what an index there holds are not HOT, unless more are than would be left: then the statements
    set columns to what they are, as those that write whole rows do, and every update counts alike.
    """
    counting = (i.definition for i in table.indexes if major < SUMMARIZING_HOT_FROM or not _summarizes(i.definition))
    held = frozenset[str]().union(*(_columns(other, table) for other in counting))
    known = sum(count for _, count in seen.updated)
    free = tuple((names, count) for names, count in seen.updated if not names & held)
    left = sum(count for _, count in free)
    among_free = 0 < left >= _NEARLY * seen.hot_share * known
    return touch_share(definition, table, replace(seen, updated=free) if among_free else seen)


def _summarizes(definition: IndexDefinition) -> bool:
    return index_kind(definition.method).summarizing


def _columns(definition: IndexDefinition, table: Table) -> frozenset[str]:
    """Columns whose change the index notices; names inside expressions and predicates by their text."""
    texts = [k.expression for k in definition.keys if k.expression is not None]
    if definition.predicate is not None:
        texts.append(definition.predicate)
    words = set(chain.from_iterable(map(_words, texts)))
    inside = {c.name for c in table.columns if c.name in words}
    return frozenset({*definition.columns, *definition.include, *inside})


def _words(text: str) -> Sequence[str]:
    return "".join(c if c.isalnum() or c in "_$" else " " for c in text).split()


def _entry_share(definition: IndexDefinition, table: Table, entries: float | None) -> float:
    if definition.predicate is None or entries is None or table.rows <= 0:
        return 1.0
    return min(1.0, entries / table.rows)


def _text(seen: TableWrites, own: Entry, updated: Entry, hot: tuple[float, float], relative: float) -> str:
    parts = []
    if seen.inserts:
        parts.append(f"+{own.us:.1f} us and +{own.wal:.0f} B of WAL per inserted row")
    if seen.updates:
        parts.append(f"+{updated.us:.1f} us and +{updated.wal:.0f} B per updated row")
        parts.append(f"HOT {hot[0] * 100:.0f} -> {hot[1] * 100:.0f} %")
    if not parts:
        return "no writes seen"
    return f"{', '.join(parts)}: {relative * 100:+.0f} % of the table's present write time ({seen.kind})"
