"""How large an index would be just after it was built."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import BLOCK, Catalog, Column, ColumnStatistics, Table
from indexpilot_cli.core.index import BRIN, BTREE, GIN, GIST, HASH, SPGIST, IndexDefinition, IndexKey
from indexpilot_cli.methods.fields import Field, column_field, key_field
from indexpilot_cli.methods.kinds.btree import Tree, btree_size
from indexpilot_cli.methods.kinds.gin import (
    Keys,
    element_keys,
    gin_pages,
    json_keys,
    json_paths,
    lexemes,
    sampled_keys,
    trigrams,
)
from indexpilot_cli.methods.kinds.hash import brin_pages, gist_pages, hash_pages
from indexpilot_cli.sql.normal import columns, conjuncts, normal, tree_of
from indexpilot_cli.sql.selectivity import predicate_selectivity, row_count

_SPREAD = 1.3  # pages with independent over pages with fully dependent columns, from which we are unsure
_FILLFACTOR = {BTREE: 90, HASH: 75, GIST: 90, SPGIST: 80}


@dataclass(frozen=True, slots=True)
class SizeEstimate:
    """The size of an index that does not exist. ``height`` is the level of a B-tree's root, None for others.

    ``confidence`` is high when all keys have statistics, medium when something had to be assumed (expressions,
    predicates, elements), low without statistics and where it matters whether the columns depend on each other:
    they are taken as independent, and where they are not the index may be half as large.
    """

    pages: int
    tuples: float
    height: int | None
    bytes: int
    method: str
    confidence: str


def estimate(definition: IndexDefinition, table: Table, catalog: Catalog) -> SizeEstimate:
    """The size just after CREATE INDEX, from the table's statistics; a partitioned table counts all leaves.

    Measured on freshly built indexes of 200,000 rows: B-trees within 20 per cent, GIN within 50.
    """
    leaves = _leaves(table, catalog) if table.kind == "p" else (table,)
    parts = [_one(definition, _dressed(leaf, table), catalog) for leaf in leaves] or [_one(definition, table, catalog)]
    pages = sum(p.pages for p in parts)
    heights = [p.height for p in parts if p.height is not None]
    worst = max((p.confidence for p in parts), key=("high", "medium", "low").index)
    height = max(heights) if heights else None
    return SizeEstimate(pages, sum(p.tuples for p in parts), height, pages * BLOCK, definition.method, worst)


def _leaves(table: Table, catalog: Catalog) -> tuple[Table, ...]:
    children = [t for t in catalog.tables if t.parent == table.name and t.is_partition]
    return tuple(leaf for c in children for leaf in (_leaves(c, catalog) if c.kind == "p" else (c,)))


def _dressed(leaf: Table, parent: Table) -> Table:
    """A leaf with its parent's statistics where it has none of its own."""
    if leaf is parent:
        return leaf
    dressed = tuple(
        replace(c, statistics=other.statistics)
        if c.statistics is None and (other := parent.column(c.name)) is not None
        else c
        for c in leaf.columns
    )
    return replace(leaf, columns=dressed)


def _one(definition: IndexDefinition, table: Table, catalog: Catalog) -> SizeEstimate:
    share = 1.0
    if definition.predicate is not None:
        share = predicate_selectivity(definition.predicate, table) or 0.0
    rows = row_count(table) * share
    whole = [key_field(k, table, row_count(table), catalog.version) for k in definition.keys]
    fields = [_narrowed(f, k, definition, table, share) for f, k in zip(whole, definition.keys, strict=True)]
    confidence = _confidence(definition, fields)
    options = dict(definition.options)
    fillfactor = int(options.get("fillfactor", _FILLFACTOR.get(definition.method, 90)))
    if definition.method == BTREE:
        include = [
            column_field(c, rows, catalog.version) for n in definition.include if (c := table.column(n)) is not None
        ]

        def built(groups: float) -> Tree:
            return btree_size(
                fields, include, rows, unique=definition.unique, fillfactor=fillfactor, major=catalog.major,
                most_groups=groups,
            )  # fmt: skip

        tree = built(_most_groups(definition, table, catalog, fields))
        if len(fields) > 1 and tree.pages > _SPREAD * built(max(f.distinct for f in fields)).pages:
            confidence = "low"
        return SizeEstimate(tree.pages, rows, tree.height, tree.pages * BLOCK, BTREE, confidence)
    pages = _other(definition, table, catalog, fields, rows, fillfactor)
    return SizeEstimate(pages, rows, None, pages * BLOCK, definition.method, confidence)


def _most_groups(definition: IndexDefinition, table: Table, catalog: Catalog, fields: list[Field]) -> float:
    """Distinct keys at most: columns that reference a key together have no more values than that table has rows."""
    most = math.inf
    for foreign in catalog.foreign_keys:
        parent = catalog.table(foreign.referenced)
        if foreign.table == table.name and parent is not None and set(foreign.columns) <= set(definition.columns):
            pairs = zip(definition.keys, fields, strict=True)
            others = math.prod(f.distinct for k, f in pairs if k.column not in foreign.columns)
            most = min(most, row_count(parent) * others)
    return most


def _other(
    definition: IndexDefinition, table: Table, catalog: Catalog, fields: list[Field], rows: float, fillfactor: int
) -> int:
    if definition.method == HASH:
        return hash_pages(rows, fields[0].nulls, fields[0].distinct, fillfactor)
    if definition.method == BRIN:
        return brin_pages(table.pages, int(dict(definition.options).get("pages_per_range", "128")), fields)
    if definition.method == GIN:
        return sum(gin_pages(_gin_keys(k, table, rows), table.pages) for k in definition.keys)
    column = table.column(definition.keys[0].column or "")
    if column is not None and column.base_type == "point":
        fields = [replace(f, widths=(32,)) for f in fields]  # kept as a box
    return gist_pages(rows * (1.0 - fields[0].nulls), fields, _gist_fill(column, catalog.major))


def _gist_fill(column: Column | None, major: int) -> float:
    """How full pages are: measured on 13 to 18, where sorted builds of points (14) and ranges (18) came."""
    if column is not None and column.base_type == "point":
        return 0.65 if major != 14 else 0.9
    return 0.9 if major >= 18 and column is not None and column.category == "R" else 0.5


def _gin_keys(key: IndexKey, table: Table, rows: float) -> Keys:
    names = (key.column,) if key.column is not None else tuple(columns(key.expression or ""))
    column = table.column(names[0]) if len(names) == 1 else None
    statistics = column.statistics if column is not None else None
    if column is None or statistics is None:
        return _guessed(rows, 80.0)
    found = _known_keys(key, column, statistics, rows)
    return found or _guessed(rows * (1.0 - statistics.null_frac), float(statistics.avg_width))


def _guessed(rows: float, width: float) -> Keys:
    """A key for every eight bytes, and as many distinct ones as the square root of all."""
    items = rows * max(1.0, width / 8)
    return Keys((), items, max(1.0, math.sqrt(items)), 8, False)


def _known_keys(key: IndexKey, column: Column, statistics: ColumnStatistics, rows: float) -> Keys | None:
    values = (*statistics.histogram_bounds, *statistics.most_common_vals)
    base_type, category = column.base_type, column.category
    if key.operator_class == "gin_trgm_ops":
        return sampled_keys(values, trigrams, rows * (1.0 - statistics.null_frac), width=4)
    if key.expression is not None:
        tree = tree_of(key.expression)
        words = tree is not None and tree.value == "to_tsvector" and category == "S"
        return sampled_keys(values, lexemes, rows * (1.0 - statistics.null_frac)) if words else None
    if base_type == "jsonb":
        paths = key.operator_class == "jsonb_path_ops"
        extract = json_paths if paths else json_keys
        return sampled_keys(values, extract, rows * (1.0 - statistics.null_frac), width=4 if paths else None)
    if category == "A" or base_type == "tsvector":
        return element_keys(statistics, rows, 4 if base_type in ("_int4", "_int2") else 0)
    return None


def _narrowed(field: Field, key: IndexKey, definition: IndexDefinition, table: Table, share: float) -> Field:
    """The key's field among the rows that a predicate keeps."""
    if definition.predicate is None or share >= 1.0:
        return field
    text = normal(key.expression) if key.expression is not None else normal(f'"{key.column}"')
    parts = conjuncts(definition.predicate)
    if f"(is not null {text})" in parts:
        grown = 1.0 / max(1.0 - field.nulls, 1e-9)
        field = replace(field, nulls=0.0, common=tuple(f * grown for f in field.common))
        share = share * grown
    if any(p.startswith(f"(= {text}, '") or p == text or p == f"(not {text})" for p in parts):
        return replace(field, nulls=0.0, distinct=1.0, common=(1.0,))
    if f"(is null {text})" in parts:
        return replace(field, nulls=1.0, distinct=1.0, common=())
    rows = row_count(table)
    each = rows / max(field.distinct, 1.0)
    seen = field.distinct * -math.expm1(each * math.log1p(-min(share, 1 - 1e-12)))
    return replace(field, distinct=max(1.0, min(seen, rows * share)))


def _confidence(definition: IndexDefinition, fields: list[Field]) -> str:
    if not all(f.known for f in fields):
        return "low" if not any(f.known for f in fields) else "medium"
    assumed = len(fields) > 1 or definition.predicate is not None or definition.method in (GIN, GIST, SPGIST)
    return "medium" if assumed else "high"
