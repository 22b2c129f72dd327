"""What writes and builds cost on a server, beside what is taken where nothing was measured."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.admin.calibrate import CalibrateAction, CalibrateResult
from indexpilot_cli.core import units
from indexpilot_cli.methods.rates import SHIPPED, EntryRate, WriteRates
from indexpilot_cli.render.document import Block, Document, Facts, Lines, TableBlock, columns
from indexpilot_cli.render.units import plural

_RATES = columns("index entries", "us|number", "usual|number", "WAL B|number", "build rows/s|number")


def calibrate_view(result: CalibrateResult) -> Document:
    """A table of the classes, and what else was measured."""
    return Document(tuple(_blocks(result)), result, CalibrateResult)


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
