"""How large an index would be just after it was built, and how long CREATE INDEX takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.core.catalog import BLOCK, Catalog, Table
from indexpilot_cli.core.estimator import CostEstimator
from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import NoSamples, PageSample, Samples
from indexpilot_cli.methods.fields import Field, key_field, unknown_field
from indexpilot_cli.methods.kind import IndexBuild
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.methods.kinds.btree import btree_height, may_fold
from indexpilot_cli.methods.rates import SHIPPED, WriteRates
from indexpilot_cli.methods.sampled import joint_field, kept_share, tells
from indexpilot_cli.sql.normal import columns, conjuncts, normal
from indexpilot_cli.sql.selectivity import predicate_selectivity, row_count

ERRORS = {"high": 0.1, "medium": 0.25, "low": 0.4}  # by how much a built B-tree was larger, by confidence
TOAST_TARGET = 508  # bytes from which an index tries to compress a value (TOAST_INDEX_TARGET)
OTHERS_ERROR = 0.45  # and one of a kind whose model rests on assumptions
_SCANS = 2  # CONCURRENTLY looks a second time for what was written meanwhile
_SORTED = 17  # comparisons per entry where the rates were measured, on 100,000 rows


@dataclass(frozen=True, slots=True)
class SizeEstimate:
    """The size of an index that does not exist. ``height`` is the level of a B-tree's root, None for others.

    ``confidence`` goes by the errors measured on a grid of 100 indexes really built (tests/benchmarks/sizes.py):
    high within 10 per cent, medium within 30 (elements, expressions, several columns, predicates, common values beside
    such that come once), low without statistics and where it matters whether columns or predicate depend on each other
    and no rows were read that tell: they are taken as independent, and where they are not the index may be half as
    large, ``least_pages`` then.
    """

    pages: int
    tuples: float
    height: int | None
    bytes: int
    method: str
    confidence: str
    least_pages: int = 0

    @property
    def error(self) -> float:
        """The part of its size by which it is hardly larger when it is built, in whole pages; budgets count this."""
        error = OTHERS_ERROR if index_kind(self.method).assumed else ERRORS[self.confidence]
        return math.ceil(self.pages * error) / (self.pages or 1)


def estimate(
    definition: IndexDefinition,
    table: Table,
    catalog: Catalog,
    sample: PageSample | None = None,
    more: float = 1.0,
) -> SizeEstimate:
    """The size just after CREATE INDEX, from the table's statistics; a partitioned table counts all leaves.

    ``sample`` are rows of the table, which tell how its columns depend on each other; its predicate keeps ``more``
    times the rows that it would if its columns did not.
    Measured on freshly built indexes of 400,000 rows: B-trees of one column within 10 per cent, GIN within 30.
    """
    whole = [_dressed(leaf, table) for leaf in leaves(table, catalog)] or [table]
    parts = [_one(definition, leaf, catalog, sample if leaf is table else None, more) for leaf in whole]
    pages = sum(p.pages for p in parts)
    heights = [p.height for p in parts if p.height is not None]
    worst = max((p.confidence for p in parts), key=("high", "medium", "low").index)
    height = max(heights) if heights else None
    least = sum(p.least_pages for p in parts)
    return SizeEstimate(pages, sum(p.tuples for p in parts), height, pages * BLOCK, definition.method, worst, least)


def folds(definition: IndexDefinition, table: Table, catalog: Catalog) -> bool:
    """Whether equal keys of a B-tree share one copy of the key."""
    fields = (key_field(k, table, row_count(table), catalog.version) for k in definition.keys)
    return may_fold(definition, catalog.major) and all(f.equal_image for f in fields)


def compresses(definition: IndexDefinition, table: Table, version: int) -> bool:
    """Whether some keys are so long that the index tries to compress them, which statistics know nothing of."""
    return any(max(key_field(k, table, row_count(table), version).widths) > TOAST_TARGET for k in definition.keys)


class Sizes:
    """Sizes of the indexes of one catalog, each estimated once: by rows of its table where it matters."""

    def __init__(self, catalog: Catalog, samples: Samples | None = None):
        self._catalog = catalog
        self._samples = samples or NoSamples()
        self._known: dict[IndexDefinition, SizeEstimate] = {}
        self._more: dict[tuple[QualifiedName, str], float] = {}

    def of(self, definition: IndexDefinition) -> SizeEstimate:
        """The size of an index of a table of the catalog."""
        if definition not in self._known:
            table = self._catalog.table(definition.table)
            assert table is not None  # candidates are proposed for tables of the catalog
            more = self._more_rows(table, definition.predicate)
            found = estimate(definition, table, self._catalog, more=more)
            if found.confidence == "low" and found.least_pages < found.pages:
                found = estimate(definition, table, self._catalog, self._samples.of(table.name), more)
            self._known[definition] = found
        return self._known[definition]

    def _more_rows(self, table: Table, predicate: str | None) -> float:
        """How many times the rows that statistics, of a column each, say a predicate keeps it does keep."""
        if predicate is None or len(columns(predicate)) < 2:
            return 1.0
        known = self._more.get((table.name, predicate))
        if known is None:
            share = predicate_selectivity(predicate, table) or 0.0
            found = self._samples.matches(table.name, [predicate]) if share > 0 else None
            known = kept_share(found, share) / share if found is not None else 1.0
            self._more[table.name, predicate] = known
        return known

    def tell(self, estimator: CostEstimator, definitions: Iterable[IndexDefinition]) -> None:
        """Have the planner use these sizes for the hypothetical indexes."""
        for definition in definitions:
            size = self.of(definition)
            estimator.set_size(definition, size.pages, size.tuples, size.height)


def leaves(table: Table, catalog: Catalog) -> tuple[Table, ...]:
    """The tables that hold the rows: itself, or the parts of a partitioned table."""
    if table.kind != "p":
        return (table,)
    children = catalog.children_of(table.name)
    return tuple(chain.from_iterable(leaves(c, catalog) for c in children if c.is_partition))


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
    return replace(leaf, columns=dressed, computed=leaf.computed or parent.computed)


def _one(
    definition: IndexDefinition, table: Table, catalog: Catalog, sample: PageSample | None, more: float
) -> SizeEstimate:
    share = 1.0
    if definition.predicate is not None:
        share = min(1.0, more * (predicate_selectivity(definition.predicate, table) or 0.0))
    rows = row_count(table) * share
    whole = [key_field(k, table, row_count(table), catalog.version) for k in definition.keys]
    fields = tuple(_narrowed(f, k, definition) for f, k in zip(whole, definition.keys, strict=True))
    kind = index_kind(definition.method)
    build = IndexBuild(definition, table, catalog, fields, rows)
    if sample is not None and tells(sample, definition):
        build = replace(build, told=True, joint=joint_field(sample, definition, fields, rows))
    built = kind.built(build)
    confidence = _confidence(definition, fields, kind.assumed) if built.sure else "low"
    least, size = built.least or built.pages, built.pages * BLOCK
    return SizeEstimate(built.pages, rows, built.height, size, definition.method, confidence, least)


def height_of(definition: IndexDefinition | None, pages: int, catalog: Catalog) -> int:
    """Level of the root of a B-tree of that many pages; expressions and unknown keys count as 16 bytes.

    Trees that grew by inserts split an inner page when it is full, not at the 70 per cent of a build: a long
    expression would make the estimate one level too high.
    """
    table = catalog.table(definition.table) if definition is not None else None
    fields = [unknown_field(1.0)]
    if definition is not None and table is not None:
        fields = [
            key_field(key, table, 1.0, catalog.version) if key.column is not None else unknown_field(1.0)
            for key in definition.keys
        ]
    return btree_height(pages, fields)


def _narrowed(field: Field, key: IndexKey, definition: IndexDefinition) -> Field:
    """The key's field among the rows that a predicate keeps: shares stay, unless the predicate is about the key."""
    if definition.predicate is None:
        return field
    text = normal(key.expression) if key.expression is not None else normal(f'"{key.column}"')
    parts = conjuncts(definition.predicate)
    if any(p.startswith(f"(= {text}, '") or p == text or p == f"(not {text})" for p in parts):
        return replace(field, nulls=0.0, distinct=1.0, common=(1.0,), rare=(), listed=())
    if f"(is null {text})" in parts:
        return replace(field, nulls=1.0, distinct=1.0, common=(), rare=(), listed=())
    if f"(is not null {text})" in parts:
        grown = 1.0 / max(1.0 - field.nulls, 1e-9)
        common, rare = tuple(f * grown for f in field.common), tuple((s * grown, v) for s, v in field.rare)
        return replace(field, nulls=0.0, common=common, rare=rare)
    return field


def _confidence(definition: IndexDefinition, fields: Sequence[Field], assumed: bool) -> str:
    if not all(f.known for f in fields):
        return "low" if not any(f.known for f in fields) else "medium"
    guessed = assumed or len(fields) > 1 or definition.predicate is not None or fields[0].mixed
    return "medium" if guessed else "high"


def table_pages(table: Table, catalog: Catalog) -> int:
    """Pages that a build reads once; of a partitioned table those of all its parts."""
    return sum(leaf.pages for leaf in leaves(table, catalog))


def build_seconds(
    definition: IndexDefinition, table: Table, catalog: Catalog, size: SizeEstimate, rates: WriteRates = SHIPPED
) -> float:
    """Seconds of work for CREATE INDEX CONCURRENTLY without helpers and with everything in memory.

    What it waits for - transactions that began before it, a disk - is not in it: nothing here tells.
    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    sorts = definition.method == BTREE and size.tuples > 1
    deeper = max(1.0, math.log2(size.tuples) / _SORTED) if sorts else 1.0
    entries = size.tuples * deeper * index_kind(definition.method).build_us(definition, table, rates)
    return (_SCANS * table_pages(table, catalog) * rates.scan_us + entries) / 1e6
