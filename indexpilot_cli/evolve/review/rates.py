"""How fast this server works, measured in at most a second and without writing anything.

A scan and a sort are timed; everything else is derived from them by the ratios that were measured when whole
migrations ran on 2 million rows (255 MB): scan 0.15 s, index 1.0-1.7 s, rewrite with two indexes 3.3-4.4 s,
foreign key 0.45-0.52 s.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from indexpilot_cli.db.compose import SQL, Identifier, Literal
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve.review.values import Rates

SORTED_ROWS = 100_000
_SAMPLE_BYTES = 64 * 2**20  # of the table that is read
_DEFAULT = Rates()
_BOUNDS = (0.1, 10.0)  # a measured rate is believed within these factors of the usual one
_SORT_TO_BUILD = 0.35  # an index is sorted, written and logged; the sort alone is timed


def calibrate(session: Session, *, limit_ms: int = 300) -> Rates:
    """Rates of this server; ``basis`` is default when nothing could be timed. Raises UnreachableError.

    Each of the measurements is cut off after ``limit_ms``; what is cut off keeps its usual rate.
    """
    scan = _scan(session, limit_ms)
    sort = _rate(session, "review/rates_sort", SORTED_ROWS, limit_ms)
    if scan is None and sort is None:
        return _DEFAULT
    return Rates(
        scan=_bounded(scan, _DEFAULT.scan),
        rewrite=_DEFAULT.rewrite * _speed(scan, _DEFAULT.scan),
        sort=_bounded(sort * _SORT_TO_BUILD if sort else None, _DEFAULT.sort),
        join=_DEFAULT.join * _speed(sort, _DEFAULT.sort / _SORT_TO_BUILD),
        write=_DEFAULT.write * _speed(sort, _DEFAULT.sort / _SORT_TO_BUILD),
        basis="calibrated",
    )


def _speed(measured: float | None, usual: float) -> float:
    """How much faster than usual what is written goes: the square root, for it depends on other things too."""
    return math.sqrt(_bounded(measured, usual) / usual)


def _bounded(measured: float | None, usual: float) -> float:
    if measured is None:
        return usual
    return max(usual * _BOUNDS[0], min(usual * _BOUNDS[1], measured))


def _scan(session: Session, limit_ms: int) -> float | None:
    """Bytes of heap counted through in a second."""
    table = session.one("review/rates_table")
    if table is None:
        return None
    share = min(100.0, 100.0 * _SAMPLE_BYTES / max(table.bytes, 1))
    name = Identifier(table.schema, table.name)
    sample = SQL(" TABLESAMPLE SYSTEM ({})").format(Literal(share)) if share < 100 else SQL("")
    # SYSTEM takes whole pages, so that only the share is read; ONLY leaves partitions and children out of it.
    # https://www.postgresql.org/docs/current/sql-select.html
    question = SQL("SELECT count(*) FROM ONLY {}{}").format(name, sample)
    seconds = _timed(session, limit_ms, lambda: session.value(question))
    return None if seconds is None else table.bytes * share / 100 / max(seconds, 1e-4)


def _rate(session: Session, question: str, rows: int, limit_ms: int) -> float | None:
    seconds = _timed(session, limit_ms, lambda: session.value(question))
    return None if seconds is None else rows / max(seconds, 1e-4)


def _timed(session: Session, limit_ms: int, run: Callable[[], object]) -> float | None:
    """Seconds, None when it was cut off or refused."""
    try:
        with session.transaction(rollback=True):
            session.execute("SELECT set_config('statement_timeout', %s, true)", [str(limit_ms)])
            begun = time.perf_counter()
            run()
            return time.perf_counter() - begun
    except IndexPilotError as error:
        if isinstance(error, UnreachableError) and error.code != "timeout":
            raise
        return None
