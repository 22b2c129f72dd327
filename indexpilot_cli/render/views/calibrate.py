"""What writes and builds cost on a server, beside what is taken where nothing was measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from indexpilot_cli.admin.calibrate import CalibrateAction, CalibrateResult
from indexpilot_cli.core import units
from indexpilot_cli.core.codec import Amount, Count, DocumentShape
from indexpilot_cli.methods.rates import SHIPPED, EntryClass, EntryRate, WriteRates
from indexpilot_cli.render.document import Block, Document, Facts, Lines, TableBlock, columns
from indexpilot_cli.render.units import plural


class EntryRateDocument(DocumentShape):
    """A class of index entries."""

    kind: EntryClass
    us: Annotated[Amount, "microseconds of an entry that a single-row statement writes"]
    wal: Annotated[Amount, "bytes of WAL of it, for a B-tree beside the entry itself, without images of whole pages"]
    build_us: Annotated[Amount, "microseconds of an entry that CREATE INDEX writes, beside reading the table"]


class WriteRatesDocument(DocumentShape):
    """What writes and builds cost, in microseconds."""

    entries: Annotated[tuple[EntryRateDocument, ...], "those measured; others go at the same pace"]
    statement_us: Amount
    row_us: Amount
    update_us: Amount
    delete_us: Amount
    not_hot_us: Annotated[Amount, "of an update that is not HOT, beside the entries"]
    foreign_key_us: Amount
    page_image_us: Annotated[Amount, "of a whole page in the WAL"]
    scan_us: Annotated[Amount, "of a page of a table that is read for a build"]


class CalibrationDocument(DocumentShape):
    """One run."""

    taken_at: datetime
    server_version: Annotated[int, "such as 150020"]
    settings: Annotated[tuple[str, ...], "those that matter, such as fsync = on"]
    rows: Annotated[Count, "of the table that was written to"]
    rates: WriteRatesDocument


class CalibrateDocument(DocumentShape):
    """What counts from now on, and where it is kept."""

    action: CalibrateAction
    calibration: Annotated[CalibrationDocument | None, "null: the defaults count"]
    place: str
    problem: Annotated[str, "why what is kept cannot be used; empty: nothing is wrong"]
    swept: Annotated[Count, "schemas of runs that were killed, now gone"]
    forgotten: Count
    wal_bytes: Annotated[Count, "that are written, about; 0: nothing is"]


_RATES = columns("index entries", "us|number", "usual|number", "WAL B|number", "build rows/s|number")


def calibrate_view(result: CalibrateResult) -> Document:
    """A table of the classes, and what else was measured."""
    return Document(tuple(_blocks(result)), result, CalibrateDocument)


def _blocks(result: CalibrateResult) -> Iterator[Block]:
    if result.action is CalibrateAction.PLAN:
        yield Lines((f"would make a schema for itself, write about {units.size(result.wal_bytes)} of WAL and drop it",))
        return
    if result.action is CalibrateAction.FORGET:
        yield Lines((f"{plural(result.forgotten, 'calibration')} forgotten: the defaults count",))
    elif result.calibration is None:
        yield Lines(("nothing was measured here: the defaults count; to measure: indexpilot calibrate",))
    else:
        rates = result.calibration.rates
        yield TableBlock(_RATES, tuple(map(_row, rates.entries)))
        yield Facts(tuple(_facts(result, rates)))
    if result.swept:
        yield Lines((f"{plural(result.swept, 'schema')} of earlier runs dropped",))


def _row(rate: EntryRate) -> tuple[str, ...]:
    built = 1e6 / max(rate.build_us, 0.01)
    usual = SHIPPED.of(rate.kind)
    return rate.kind.value, f"{rate.us:.1f}", f"{usual.us:.1f}", units.count(rate.wal), units.count(built)


def _facts(result: CalibrateResult, rates: WriteRates) -> Iterator[tuple[str, str]]:
    taken = result.calibration
    assert taken is not None  # without one there are no rates
    on = f"{taken.rows:,} rows, version {taken.server_version // 10000}"
    yield "Measured", f"{taken.taken_at:%Y-%m-%d %H:%M} UTC on {on}"
    yield "Rows", f"{rates.row_us:.1f} us inserted, {rates.not_hot_us:.1f} us more where an update is not HOT"
    yield "Pages", f"{rates.scan_us:.1f} us read for a build, {rates.page_image_us:.1f} us written whole to the WAL"
    yield "Kept", result.place or "nowhere"
