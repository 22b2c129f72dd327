"""Column statistics put into a database that has no rows.

From 18 on through ``pg_restore_attribute_stats``, before that as rows of ``pg_statistic``: the twin is ours.
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-STATSMOD
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.snapshot.values import RelationSize, RelationStatistics

_BATCH = 200


def put_sizes(admin: Session, sizes: Sequence[RelationSize], source_version: int) -> None:
    """Pages and tuples of every relation as the source's catalog has them; materialized views count as filled."""
    rows = [
        {
            "relation": str(size.name),
            "pages": size.pages_at_analyze,
            "tuples": _tuples(size, source_version),
            "all_visible": size.all_visible,
        }
        for size in sizes
    ]
    admin.execute("twin/put_sizes", {"rows": json.dumps(rows)})


def put_statistics(admin: Session, statistics: Sequence[RelationStatistics]) -> list[NotModelled]:
    """Statistics of columns and index expressions; what the server refuses is given back.

    Relations the database does not have are passed over.
    """
    rows = [_row(entry) for entry in statistics]
    failures: list[NotModelled] = []
    for start in range(0, len(rows), _BATCH):
        failures += _put(admin, rows[start : start + _BATCH])
    return failures


def _tuples(size: RelationSize, source_version: int) -> float:
    """Before 14 a table never analyzed has zero tuples on zero pages; from 14 on that is -1."""
    never = source_version < 140000 and size.tuples == 0 and size.pages_at_analyze == 0
    return -1.0 if never else size.tuples


def _put(admin: Session, rows: Sequence[dict[str, Any]]) -> list[NotModelled]:
    """All rows in one statement; halves of them when one is refused, until that one is found."""
    admin.drain_notices()
    try:
        with admin.transaction():
            answers = admin.rows("twin/put_statistics", {"rows": json.dumps(rows)})
    except UnreachableError:
        raise
    except IndexPilotError as error:
        if len(rows) == 1:
            return [_refused(rows[0]["relation"], rows[0]["column"], error.detail or error.message)]
        half = len(rows) // 2
        return _put(admin, rows[:half]) + _put(admin, rows[half:])
    partly = [answer for answer in answers if not answer.taken]
    words = "; ".join(dict.fromkeys(notice.message for notice in admin.drain_notices()))
    return [_refused(answer.relation, answer.column, words or "not all of it was taken") for answer in partly]


def _refused(relation: str, column: str | None, reason: str) -> NotModelled:
    return NotModelled(f"{relation}.{column}" if column else relation, "STATISTICS", reason)


def _row(entry: RelationStatistics) -> dict[str, Any]:
    return {
        **to_json(entry.statistics),
        "relation": str(entry.relation),
        "column": entry.column,
        "number": entry.number,
        "inherited": entry.inherited,
    }
