"""Rows of a table as the keys of one of its indexes: read in bounds, and nothing of anybody else is called for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexpilot_cli.core.catalog import Index, Table
from indexpilot_cli.core.command import Progress
from indexpilot_cli.db.queries import SQL, Composable, Identifier, Literal, composed, raw
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.methods.sampled import KeySample
from indexpilot_cli.methods.size import TOAST_TARGET

PAGES = 10_000  # 80 MB of the table; ANALYZE reads three times as many
_SHORT = 127  # bytes of the longest value whose header is one byte and which is not aligned
_ALIGN = {"c": 1, "s": 2, "i": 4, "d": 8}


def key_samples(session: Session, wanted: Sequence[tuple[Index, Table]], progress: Progress) -> Mapping[int, KeySample]:
    """By oid the keys of the indexes' rows, without those that cannot be had: no right to the rows, a policy in front
    of them, an expression that calls somebody's function.
    """
    found: dict[int, KeySample] = {}
    for index, table in wanted:
        progress.advance()
        try:
            with session.transaction(rollback=True):
                session.rows("lifecycle/sampling_limits")
                sample = _read(session, index, table)
        except IndexPilotError:
            continue
        if sample is not None:
            found[index.oid] = sample
    return found


def sample_clauses(share: float, thin: float) -> tuple[Composable, Composable]:
    """What stands behind the table's name to read a share of its pages, and the condition for a share of their rows."""
    # SYSTEM takes whole pages, so that only the share is read.
    pages = SQL("TABLESAMPLE SYSTEM ({})").format(Literal(100 * share)) if share < 1 else SQL("")
    return pages, SQL("random() < {}").format(Literal(thin)) if thin < 1 else SQL("true")


def _read(session: Session, index: Index, table: Table) -> KeySample | None:
    """A table of up to 80 MB is read as a whole, of a larger one about one row from each of 10,000 pages, as ANALYZE
    does: rows of one page are often alike. No index is used, so that none looks used.
    """
    columns = session.rows("lifecycle/index_columns", {"index": index.oid})
    if not columns or any(column.calls for column in columns):
        return None
    share = min(1.0, PAGES / max(1, table.pages))
    kept = min(1.0, max(index.tuples, 1.0) / max(table.rows, 1.0))
    thin = 1.0 if share == 1.0 else min(1.0, table.pages / max(table.rows * kept, 1.0))
    rows = session.rows(_question(session, table, columns, share, thin))
    groups = tuple((row.times, row.bytes, row.keys) for row in rows)
    seen = sum(times * keys for times, _, keys in groups)
    whole = share == thin == 1.0
    partial = index.definition.predicate is not None
    wide = any(row.widest > TOAST_TARGET for row in rows)
    return KeySample(groups, seen / (share * thin) if whole or partial else table.rows, whole, wide)


def _question(session: Session, table: Table, columns: Sequence[Row], share: float, thin: float) -> Composable:
    pages, thinned = sample_clauses(share, thin)
    condition = SQL("{} AND ({})").format(thinned, raw(columns[0].predicate)) if columns[0].predicate else thinned
    keys = [Identifier(f"k{number}") for number, column in enumerate(columns) if column.is_key]
    sizes = [SQL("coalesce(pg_column_size({}), 0)").format(Identifier(f"k{n}")) for n in range(len(columns))]
    values = (
        SQL("({}) AS {}").format(raw(column.expression), Identifier(f"k{number}"))
        for number, column in enumerate(columns)
    )
    return composed(
        "lifecycle/key_sample",
        session.version,
        columns=SQL(", ").join(values),
        table=Identifier(table.name.schema, table.name.name),
        sample=pages,
        condition=condition,
        keys=SQL(", ").join(keys),
        bytes=_tuple_bytes(columns),
        widest=SQL("greatest({})").format(SQL(", ").join(sizes)),
    )


def _tuple_bytes(columns: Sequence[Row]) -> Composable:
    """Bytes of an index tuple: header, bitmap where something is null, values each at its alignment."""
    end: Composable = SQL("0")
    for number, column in enumerate(columns):
        width, align = _stored(Identifier(f"k{number}"), column)
        end = SQL("((({} + {align}) & ~({align})) + {})").format(end, width, align=align)
    nulls = SQL(" OR ").join(SQL("{} IS NULL").format(Identifier(f"k{number}")) for number in range(len(columns)))
    return SQL("CASE WHEN {} THEN 16 ELSE 8 END + (({} + 7) & ~7)").format(nulls, end)


def _stored(name: Identifier, column: Row) -> tuple[Composable, Composable]:
    """Bytes of the value in the index, and one less than its alignment."""
    align = Literal(_ALIGN[column.alignment] - 1)
    if column.length > 0:
        here = SQL("CASE WHEN {name} IS NULL THEN 0 ELSE {value} END")
        return here.format(name=name, value=Literal(column.length)), here.format(name=name, value=align)
    size = SQL("coalesce(pg_column_size({}), 0)").format(name)
    if column.computed:  # fresh from a function: its header is four bytes until it is stored
        size = SQL("({size} - CASE WHEN {size} BETWEEN 4 AND 130 THEN 3 ELSE 0 END)").format(size=size)
    return size, SQL("CASE WHEN {} > {} THEN {} ELSE 0 END").format(size, Literal(_SHORT), align)
