"""What index entries and builds cost on a server: measured defaults, or what ``indexpilot calibrate`` found there.

An entry belongs to a class by method, type and order of its leading key. The defaults are measurements on PostgreSQL
15 with everything in memory (tests/benchmarks/writes.py, tests/benchmarks/algorithms/fractal_tree.py): a slower disk
makes them larger, hardly their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from statistics import median
from typing import Annotated

from indexpilot_cli.core.codec import UNPUBLISHED, Amount, Count


class EntryClass(StrEnum):
    """Entries that cost about the same."""

    APPEND = "append"
    FEW = "few values"
    RANDOM = "random"
    UUID = "uuid"
    TEXT = "text"
    HASH = "hash"
    BRIN = "brin"
    GIN = "gin"
    GIN_AT_ONCE = "gin, fastupdate off"
    GIST = "gist"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class EntryRate:
    """A class of index entries."""

    kind: EntryClass
    us: Annotated[Amount, "microseconds of an entry that a single-row statement writes"]
    wal: Annotated[Amount, "bytes of WAL of it, for a B-tree beside the entry itself, without images of whole pages"]
    build_us: Annotated[Amount, "microseconds of an entry that CREATE INDEX writes, beside reading the table"]


_SHIPPED = (
    EntryRate(EntryClass.APPEND, 0.7, 48.0, 0.2),
    EntryRate(EntryClass.FEW, 1.7, 73.0, 0.5),
    EntryRate(EntryClass.RANDOM, 3.0, 73.0, 0.4),
    EntryRate(EntryClass.UUID, 3.0, 73.0, 0.5),
    EntryRate(EntryClass.TEXT, 4.1, 73.0, 1.4),
    EntryRate(EntryClass.HASH, 2.3, 73.0, 1.2),
    EntryRate(EntryClass.BRIN, 0.4, 3.0, 0.1),
    EntryRate(EntryClass.GIN, 5.0, 1354.0, 0.8),
    EntryRate(EntryClass.GIN_AT_ONCE, 9.3, 1000.0, 0.8),
    EntryRate(EntryClass.GIST, 9.3, 1000.0, 2.2),
    EntryRate(EntryClass.OTHER, 9.3, 1000.0, 2.2),  # not measured: taken as GIN without its pending list
)


# Of an entry's microseconds the second row of a statement and the next take so much, with as many bytes of WAL: the
# index is open, and the processor's caches hold the few pages that equal keys go to (tests/benchmarks/writes.py).
_FURTHER = {EntryClass.FEW: 0.6, EntryClass.HASH: 0.75}
_USUALLY_FURTHER = 0.9


def further_share(kind: EntryClass) -> float:
    """The share of an entry's microseconds that rows beside the first of a statement take."""
    return _FURTHER.get(kind, _USUALLY_FURTHER)


def _usual(kind: EntryClass) -> EntryRate:
    return next(rate for rate in _SHIPPED if rate.kind is kind)


@dataclass(frozen=True, slots=True)
class WriteRates:
    """What writes and builds cost, in microseconds.

    ``statement_us`` of a planned statement that writes, whatever it writes, as pg_stat_statements counts it; ``row_us``
    of a row inserted, ``update_us`` and ``delete_us`` likewise; ``not_hot_us`` what an update costs more that needs
    entries, beside the entries; ``foreign_key_us`` of the look-up of an inserted row's parent; ``page_image_us`` of a
    whole page written to the WAL; ``scan_us`` of a page of a table read for a build. ``basis`` says where they are
    from.
    """

    entries: Annotated[tuple[EntryRate, ...], "those measured; others go at the same pace"] = _SHIPPED
    statement_us: Amount = 9.0
    row_us: Amount = 3.1
    update_us: Amount = 2.0
    delete_us: Amount = 2.0
    not_hot_us: Annotated[Amount, "of an update that is not HOT, beside the entries"] = 2.7
    foreign_key_us: Amount = 7.5
    page_image_us: Annotated[Amount, "of a whole page in the WAL"] = 5.5
    scan_us: Annotated[Amount, "of a page of a table that is read for a build"] = 4.0
    basis: Annotated[str, UNPUBLISHED] = "model"

    def of(self, kind: EntryClass) -> EntryRate:
        """The rate of a class."""
        known = next((rate for rate in self.entries if rate.kind is kind), None)
        if known is not None:
            return known
        usual, pace = _usual(kind), self.pace
        return EntryRate(kind, usual.us * pace, usual.wal, usual.build_us * pace)

    @property
    def pace(self) -> float:
        """How many times the microseconds of the defaults this server takes for an entry."""
        return median([rate.us / _usual(rate.kind).us for rate in self.entries] or [1.0])

    @property
    def plausible(self) -> bool:
        """Whether a measurement can have given these: nothing missing, below zero, infinite or of seconds a row."""
        times = chain.from_iterable((rate.us, rate.build_us, rate.wal / 1000) for rate in self.entries)
        own = (self.statement_us, self.row_us, self.update_us, self.delete_us, self.not_hot_us, self.foreign_key_us)
        return bool(self.entries) and all(0 <= t < 1e6 for t in (*times, *own, self.page_image_us, self.scan_us))


SHIPPED = WriteRates()


@dataclass(frozen=True, slots=True)
class Calibration:
    """One run.

    Rates measured on a server: when, its ``server_version_num``, its settings that matter (``fsync = on``), rows of the
    table.
    """

    taken_at: datetime
    server_version: Annotated[int, "such as 150020"]
    settings: Annotated[tuple[str, ...], "those that matter, such as fsync = on"]
    rows: Annotated[Count, "of the table that was written to"]
    rates: WriteRates

    @property
    def origin(self) -> str:
        """Where the numbers are from, for a person."""
        return f"calibrated on this server on {self.taken_at:%Y-%m-%d}"
