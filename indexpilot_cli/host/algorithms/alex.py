"""ALEX's word on a key: where new ones land, and how full to build its index."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.host.algorithms.study import TableStudy, table_study


@dataclass(frozen=True, slots=True)
class KeyStrategy:
    """Whether an index of the field is to be built with room, and the measures behind it.

    Shares are 0-1: ``write_share`` of the table's statements, ``growth`` of its rows until it is looked at again (None:
    not seen), ``appended`` of the newest keys beyond all older ones, ``crowded`` of them in the fullest hundredth.
    ``distance`` is that of both distributions (Kolmogorov-Smirnov). None: no sample, or too few rows.
    """

    use: bool
    reason: str
    fillfactor: int
    write_share: float
    growth: float | None
    landing: str | None
    appended: float | None
    crowded: float | None
    distance: float | None


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """A B-tree of the field as it is to be built."""

    ddl: str
    fillfactor: int
    size_bytes: int
    reason: str


def should_use_alex_strategy(table_name: str, field_name: str) -> KeyStrategy:
    """Whether new keys of the field are spread among the old ones of a growing table, by ``features.alex``.

    At most 300 pages of the table are read. Raises UsageError for a table or field that is not there.
    """
    with table_study("should_use_alex_strategy", table_name, (field_name,)) as found:
        return _strategy(found)


def get_alex_index_recommendation(table_name: str, field_name: str) -> KeyIndex | None:
    """The B-tree of the field, with its fillfactor; None where one that is there begins with the field.

    Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.core.ddl import create_index
    from indexpilot_cli.core.index import IndexDefinition, IndexKey
    from indexpilot_cli.methods.existing import covered_by
    from indexpilot_cli.methods.kinds.btree import FILL

    with table_study("get_alex_index_recommendation", table_name, (field_name,)) as found:
        strategy = _strategy(found)
        options = (("fillfactor", str(strategy.fillfactor)),) if strategy.fillfactor != FILL else ()
        definition = IndexDefinition(found.table.name, (IndexKey(found.columns[0].name),), options=options)
        if covered_by(definition, found.table.indexes) is not None:
            return None
        size = found.study.sizes.of(definition).bytes
        return KeyIndex(create_index(definition), strategy.fillfactor, size, strategy.reason)


def _strategy(found: TableStudy) -> KeyStrategy:
    from indexpilot_cli.algorithms.alex import growing, growth, room, write_share
    from indexpilot_cli.core.index import IndexDefinition, IndexKey
    from indexpilot_cli.methods.kinds.btree import FILL

    study, table = found.study, found.table
    settings = study.features.alex
    grown, share = growth(study, table), write_share(study, table)
    definition = IndexDefinition(table.name, (IndexKey(found.columns[0].name),))
    asked = growing(study, table) if settings.enabled else None
    wanted = room(study, table, definition, asked) if asked is not None else None
    reason = "new rows are few, or the table is hardly written: a default build has room enough"
    if not settings.enabled:
        reason = "features.alex is off"
    elif asked is not None and wanted is None:
        reason = "too few rows to see where new keys land, or no right to read them"
    seen = wanted.arrivals if wanted is not None else None
    return KeyStrategy(
        wanted is not None and wanted.fill is not None,
        wanted.why if wanted is not None else reason,
        wanted.fill if wanted is not None and wanted.fill is not None else FILL,
        share,
        grown.share if grown is not None else None,
        str(seen.landing(settings.dynamic_workload_threshold)) if seen is not None else None,
        seen.append if seen is not None else None,
        seen.hot if seen is not None else None,
        seen.distance if seen is not None else None,
    )
