"""The write bill of a table: whether its writes ask for cheaper indexes, and which that would be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexpilot_cli.host.algorithms.study import TableStudy, table_study

if TYPE_CHECKING:
    from indexpilot_cli.algorithms.fractal_tree import WriteLoad


@dataclass(frozen=True, slots=True)
class WriteStrategy:
    """Whether a table is written so much that kinds of index are to be preferred whose entries are cheap.

    ``write_share`` of its statements write (0-1); ``statements`` are those, in the time that is known; ``index_share``
    of their time goes into the indexes that are there. All 0 where no writes are known.
    """

    use: bool
    reason: str
    write_share: float
    statements: float
    index_share: float


@dataclass(frozen=True, slots=True)
class WrittenIndex:
    """An index of the field whose entries are cheapest to write, of the kinds that serve what is asked of it.

    ``insert_us`` and ``insert_wal_bytes`` are what a row inserted pays for it; ``btree_us`` what it would for a B-tree.
    """

    ddl: str
    method: str
    insert_us: float
    insert_wal_bytes: float
    btree_us: float
    reason: str


def should_use_fractal_tree_strategy(table_name: str) -> WriteStrategy:
    """Whether the table's writes ask for cheaper indexes, by ``features.fractal_tree``. No row is read.

    Raises UsageError for a table that is not there.
    """
    with table_study("should_use_fractal_tree_strategy", table_name) as found:
        return _strategy(found)


def get_fractal_tree_index_recommendation(table_name: str, field_name: str) -> WrittenIndex | None:
    """The index of the field that the table's writes pay least for; None where one that is there begins with the field.

    Where the table is read more than written, that is the B-tree. Raises UsageError for a table or field that is not
    there.
    """
    from indexpilot_cli.algorithms.fractal_tree import cheaper_kinds
    from indexpilot_cli.core.ddl import create_index
    from indexpilot_cli.core.index import Candidate, IndexDefinition, IndexKey
    from indexpilot_cli.methods.existing import covered_by
    from indexpilot_cli.methods.writes import entry_cost

    with table_study("get_fractal_tree_index_recommendation", table_name, (field_name,)) as found:
        tree = IndexDefinition(found.table.name, (IndexKey(found.columns[0].name),))
        if covered_by(tree, found.table.indexes) is not None:
            return None
        strategy, load = _strategy(found), _load(found)
        best, reason = tree, strategy.reason
        candidate = Candidate(tree, "equality", frozenset(t.id for t in found.study.templates))
        for other in cheaper_kinds(found.study, load, candidate) if load is not None and strategy.use else ():
            if entry_cost(other.definition, found.table) < entry_cost(best, found.table):
                best, reason = other.definition, other.reasons[0].text
        rates = load.writes.rates if load is not None else None
        costs = [entry_cost(d, found.table, *([rates] if rates is not None else [])) for d in (best, tree)]
        ddl = create_index(best)
        return WrittenIndex(ddl, best.method, costs[0][0], costs[0][1], costs[1][0], reason)


def _load(found: TableStudy) -> WriteLoad | None:
    """From the statements that are known, else from the server's counters."""
    from indexpilot_cli.algorithms.fractal_tree import load_of_table, write_load
    from indexpilot_cli.methods.written import counted_writes

    known = load_of_table(found.study, found.table.name)
    if known is not None:
        return known
    activity, counted = found.table.activity, counted_writes(found.table)
    scans = activity.seq_scans + activity.index_scans
    return write_load(found.table, counted, scans) if counted.rows > 0 else None


def _strategy(found: TableStudy) -> WriteStrategy:
    from indexpilot_cli.algorithms.fractal_tree import is_write_heavy

    settings, load = found.study.features.fractal_tree, _load(found)
    if load is None:
        return WriteStrategy(False, "no writes of it are known", 0.0, 0.0, 0.0)
    use = settings.enabled and is_write_heavy(load, settings)
    reason = load.text if settings.enabled else "features.fractal_tree is off"
    return WriteStrategy(use, reason, load.share, load.writes.statements, load.index_share)
