"""Filling a column in small batches, as fast as others allow, until a look at every row finds nothing left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from indexpilot_cli.core import units
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.evolve.change.online import state
from indexpilot_cli.evolve.change.online.locks import Run
from indexpilot_cli.execute import backfill
from indexpilot_cli.execute.backfill import Batch, Work

_FIRST = 64  # pages
_LOOK = 8192  # pages read at a time
_TELL = 2.0  # seconds between two notes of how far we are
_LAG = 1.0  # seconds between two looks at the standbys
_PASSES = 6
_STUBBORN = 40  # tries for one page that is always locked
_LONG = 800  # milliseconds for a page whose rows take long by themselves


@dataclass(slots=True)
class _Pass:
    run: Run
    work: Work
    told: Callable[[int], None]
    size: int = _FIRST
    last_told: float = 0.0
    last_lag: float = 0.0


def fill_all(run: Run, work: Work, start: int, blocks: Callable[[], int], told: Callable[[int], None]) -> None:
    """Write until no row meets the work's condition. ``told`` is given the page up to which everything is written.

    Raises RefusedError when rows stay locked; whatever is wrong with a value comes out as the server said it.
    """
    first = start
    for _ in range(_PASSES):
        end = blocks()
        run.ctx.progress.stage(f"filling {work.target}", float(max(end - first, 1)))
        _walk(_Pass(run, work, told), first, end)
        run.ctx.progress.stage(f"looking at every row of {work.target}", float(max(blocks(), 1)))
        if not left(run, work, blocks()):
            return
        first = 0
    raise RefusedError(
        f"{work.target} is not in step after {_PASSES} passes",
        detail="something changes rows without the trigger",
        hint="indexpilot schema-evolve rollback takes the change back",
        code="not_in_step",
    )


def left(run: Run, work: Work, blocks: int) -> int:
    """How many rows meet the work's condition; read in pieces, so that no long snapshot stays open."""
    found = 0
    for first, last in backfill.ranges(0, blocks, _LOOK if run.session.version >= 140000 else 64):
        run.check()
        found += backfill.count(run.session, work, first, last)
        run.ctx.progress.advance(last - first)
    return found


def _walk(one: _Pass, start: int, end: int) -> None:
    """From page to page; ranges in which a row stayed locked are visited again at the end."""
    waiting: list[tuple[int, int]] = []
    at = start
    while at < end:
        batch = _batch(one, at, min(at + one.size, end))
        if batch.failed is None:
            at = batch.end
            _noted(one, at if not waiting else waiting[0][0])
        elif one.size > 1:
            one.size = max(1, one.size // 4)
        else:
            waiting.append((batch.start, batch.end))
            at = batch.end
    for first, last in waiting:
        _insist(one, first, last)
    one.told(end)


def _insist(one: _Pass, first: int, last: int) -> None:
    for attempt in range(1, _STUBBORN + 1):
        batch = _batch(one, first, last, longest=_LONG)
        if batch.failed is None:
            return
        one.run.ctx.rest(min(attempt, 3))
    raise RefusedError(
        f"rows on page {first} of {one.work.table.short} stay locked",
        hint="end the transaction that holds them and run the same command again: it goes on where it stopped",
        code="rows_locked",
    )


def _batch(one: _Pass, first: int, last: int, longest: int | None = None) -> Batch:
    run = one.run
    run.check()
    _wait_for_standbys(one)
    batch = backfill.fill(run.session, one.work, first, last, longest=longest)
    run.rows += batch.rows
    if batch.failed is None:
        run.ctx.progress.advance(last - first)
        one.size = backfill.next_size(one.size, batch.seconds, run.pace.batch_ms / 1000)
    run.ctx.stop.sleep(batch.seconds * run.pace.rest)
    return batch


def _noted(one: _Pass, page: int) -> None:
    if time.monotonic() - one.last_told > _TELL:
        one.last_told = time.monotonic()
        one.told(page)


def _wait_for_standbys(one: _Pass) -> None:
    if time.monotonic() - one.last_lag < _LAG:
        return
    said = False
    while (behind := state.lag_bytes(one.run.ctx.look)) > one.run.pace.max_lag_bytes:
        one.run.check()
        if not said:
            one.run.ctx.progress.say(f"waits for a standby that is {units.size(behind)} behind")
            said = True
        one.run.ctx.stop.sleep(_LAG)
    one.last_lag = time.monotonic()
