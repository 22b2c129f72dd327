"""RadixStringSpline's word on a string field: a hash index, or a B-tree, and what else would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexpilot_cli.host.algorithms.study import TableStudy, table_study

if TYPE_CHECKING:
    from indexpilot_cli.algorithms.radix_string_spline import StringUse


@dataclass(frozen=True, slots=True)
class StringStrategy:
    """Whether a hash index of the field is worth it, and the measures behind it.

    Lengths are bytes, shares 0-1. ``distinguishing_prefix`` is how many characters from the beginning tell the strings
    apart (None: more than 128, or not known), ``saved_share`` what the hash index saves of a B-tree's size. Without a
    sample ``sampled`` is 0, and lengths are those of pg_stats (None: never analyzed).
    """

    use: bool
    reason: str
    rows: float
    average_length: float | None
    longest: int | None
    distinct_share: float | None
    shared_prefix: int | None
    distinguishing_prefix: int | None
    saved_share: float
    sampled: int


@dataclass(frozen=True, slots=True)
class StringExpression:
    """An index of an expression of the field, the condition that an application must send for it, its bytes."""

    expression: str
    condition: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StringIndex:
    """The index to build for equality on the field, its size, and that of the B-tree. ``forms`` need other queries."""

    method: str
    ddl: str
    size_bytes: int
    btree_bytes: int
    reason: str
    forms: tuple[StringExpression, ...]


def should_use_rss_strategy(table_name: str, field_name: str) -> StringStrategy:
    """Whether the strings are long and different enough for a hash index, by ``features.radix_string_spline``.

    At most 300 pages of the table are read. Raises UsageError for a table or field that is not there.
    """
    with table_study("should_use_rss_strategy", table_name, (field_name,)) as found:
        return _strategy(found)


def get_rss_index_recommendation(table_name: str, field_name: str) -> StringIndex | None:
    """The index for equality on the field; None where it is no string, or an index that is there does it already.

    Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.algorithms.radix_string_spline import seen_strings, string_forms
    from indexpilot_cli.core.ddl import create_index
    from indexpilot_cli.core.index import BTREE, HASH
    from indexpilot_cli.methods.existing import covered_by
    from indexpilot_cli.methods.kinds.hash import LONG_TYPES

    with table_study("get_rss_index_recommendation", table_name, (field_name,)) as found:
        strategy, use = _strategy(found), _use(found)
        definition = use.definition(HASH if strategy.use else BTREE)
        if found.columns[0].base_type not in LONG_TYPES or covered_by(definition, found.table.indexes) is not None:
            return None
        sizes = found.study.sizes
        forms = string_forms(use, seen_strings(found.study, use)) if strategy.use else ()
        return StringIndex(
            definition.method,
            create_index(definition),
            sizes.of(definition).bytes,
            sizes.of(use.definition(BTREE)).bytes,
            strategy.reason,
            tuple(StringExpression(f.expression, f.condition, f.bytes) for f in forms),
        )


def _use(found: TableStudy) -> StringUse:
    from indexpilot_cli.algorithms.radix_string_spline import StringUse, string_uses

    column = found.columns[0]
    same = (u for u in string_uses(found.study) if (u.table.name, u.column.name) == (found.table.name, column.name))
    return next(same, StringUse(found.table, column, frozenset(), ordered=False))


def _strategy(found: TableStudy) -> StringStrategy:
    from indexpilot_cli.algorithms.radix_string_spline import saving, seen_strings, speaks_against
    from indexpilot_cli.methods.kinds.hash import LONG_TYPES
    from indexpilot_cli.sql.selectivity import row_count

    use, column = _use(found), found.columns[0]
    is_string = column.base_type in LONG_TYPES
    seen = seen_strings(found.study, use) if is_string else None
    against = speaks_against(found.study, use, seen) if is_string else f"{column.type} is no string"
    if seen is not None and seen.overlong:
        against = None  # a B-tree could not be built: some strings are longer than an entry of it may be
    elif against is None and use.ordered:
        against = "statements need the order of the strings, which a hash index does not keep"
    if not found.study.features.radix_string_spline.enabled:
        against = "features.radix_string_spline is off"
    statistics = column.statistics
    return StringStrategy(
        against is None,
        against or "long strings, nearly all different, compared for equality: a hash keeps 4 bytes of each",
        row_count(found.table),
        seen.width if seen is not None else statistics.avg_width if statistics is not None else None,
        seen.longest if seen is not None else None,
        seen.distinct if seen is not None else None,
        seen.shared if seen is not None else None,
        seen.head if seen is not None else None,
        saving(found.study, use) if is_string else 0.0,
        seen.seen if seen is not None else 0,
    )
