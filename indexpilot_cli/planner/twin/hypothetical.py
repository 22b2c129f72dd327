"""Which hypothetical indexes there are to be, of what size, in which order; what the server refuses of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, Table
from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import AnsweredError
from indexpilot_cli.methods.partitioned import upwards
from indexpilot_cli.methods.size import estimate, height_of
from indexpilot_cli.planner.twin.worker import IndexBuild, IndexSize, Worker
from indexpilot_cli.sql.expressions import CALL, CAST, COLUMN, read_expression
from indexpilot_cli.sql.selectivity import carried, remainders


class HypotheticalIndexes:
    """Those of one twin. ``refusals`` has the server's words, None for one that it takes; ``sizes`` what was given."""

    def __init__(self, catalog: Catalog):
        self._catalog = catalog
        self._wanted: dict[QualifiedName, dict[IndexDefinition, None]] = {}
        self.sizes: dict[IndexDefinition, IndexSize] = {}
        self.refusals: dict[IndexDefinition, str | None] = {}
        self._statistics: dict[tuple[QualifiedName, str], ColumnStatistics | None] = {}

    def want(self, definitions: Sequence[IndexDefinition]) -> None:
        """Give indexes that come for the first time their place: behind those of the same table that came before."""
        for definition in definitions:
            self._wanted.setdefault(self.root(definition.table), {}).setdefault(definition)

    def know(self, table: QualifiedName, expression: str, statistics: ColumnStatistics) -> None:
        """Statistics of an expression in place of what would be made of its column's."""
        self._statistics[table, expression] = statistics

    def root(self, table: QualifiedName) -> QualifiedName:
        """The topmost of the tables that this one is a part of."""
        *_, root = upwards(table, self._catalog)
        return root

    def build(self, worker: Worker, indexes: Collection[IndexDefinition]) -> str | None:
        """Make those that the worker lacks and those with places before them; why the server refuses one.

        Of paths within a hundredth of each other's cost the planner keeps the first it meets, and it meets indexes by
        oid (add_path, get_relation_info): in one order on all workers, a plan depends on neither worker nor history.
        """
        lacking = {d: self.root(d.table) for d in indexes if not worker.built(d)}
        wanted: list[IndexDefinition] = []
        for root in dict.fromkeys(lacking.values()):
            places = list(self._wanted[root])
            last = max(n for n, definition in enumerate(places) if definition in lacking)
            wanted += [d for d in places[: last + 1] if not worker.built(d) and self.refusals.get(d) is None]
        if wanted:
            self._make(worker, wanted)
        return min((self.refusals[d] or "" for d in indexes if not worker.built(d)), default=None)

    def _make(self, worker: Worker, definitions: Sequence[IndexDefinition]) -> None:
        """All at once; halves of them when the server refuses one, until that one is found."""
        try:
            builds = [self._as_build(worker, definition) for definition in definitions]
            worker.build(builds)
        except AnsweredError as error:
            half = len(definitions) // 2
            if not half:
                self.refusals[definitions[0]] = error.detail or error.message
                return
            self._make(worker, definitions[:half])
            self._make(worker, definitions[half:])
        else:
            self.sizes.update({build.definition: build.size for build in builds})
            self.refusals.update(dict.fromkeys(definitions))

    def _as_build(self, worker: Worker, definition: IndexDefinition) -> IndexBuild:
        statistics = tuple(self._of_key(worker, definition, key) for key in definition.keys)
        size = self.sizes.get(definition)
        return IndexBuild(definition, self._model(definition) if size is None else size, statistics)

    def _of_key(self, worker: Worker, definition: IndexDefinition, key: IndexKey) -> ColumnStatistics | None:
        """Statistics of a key that is an expression: of an analyzed index, computed, or carried over."""
        table = self._catalog.table(definition.table)
        if key.expression is None or table is None:
            return None
        asked = (definition.table, key.expression)
        if asked not in self._statistics:
            known = expression_statistics(self._catalog, definition, key)
            if known is None or not known.most_common_vals + known.histogram_bounds:
                known = worker.computed(key.expression, table, known) or known
            self._statistics[asked] = known
        return self._statistics[asked]

    def _model(self, definition: IndexDefinition) -> IndexSize:
        """The size nobody gave, from the catalog's statistics."""
        table = self._catalog.table(definition.table)
        if table is None:
            return IndexSize(1, 0.0)
        size = estimate(definition, table, self._catalog)
        return IndexSize(max(1, size.pages), size.tuples, size.height or 0)

    def height(self, definition: IndexDefinition, pages: int) -> int:
        """Root level of a B-tree of so many pages; 0 for the other methods."""
        return height_of(definition, pages, self._catalog) if definition.method == BTREE else 0


# Functions whose results are far fewer than their arguments, and by how much we cannot tell.
_MERGING_TEXT = """
    length char_length character_length octet_length bit_length ascii abs sign floor ceil ceiling round trunc
    array_length cardinality jsonb_typeof json_typeof jsonb_array_length json_array_length date_part extract
    isfinite numeric_scale scale family masklen isempty soundex metaphone dmetaphone num_nulls num_nonnulls
    to_tsvector tsvector_to_array jsonb_object_keys bool
"""
_MERGING = frozenset(_MERGING_TEXT.split())
_KEEPING_TYPES = frozenset({"text", "varchar", "int8", "int4", "numeric", "citext", "uuid"})
_TIMES = frozenset({"timestamp", "timestamptz"})


def expression_statistics(catalog: Catalog, definition: IndexDefinition, key: IndexKey) -> ColumnStatistics | None:
    """What ANALYZE would roughly find for the expression of one key; None when nothing can be said.

    Without statistics the planner takes 0.5 % of the rows for ``lower(email) = …``; a built and analyzed index would
    know better. For a single function over one column the number of distinct values, NULLs and width are those of the
    column, unless the function is known to throw values together.
    """
    table = catalog.table(definition.table)
    if table is None or key.expression is None:
        return None
    known = _analyzed(table, key.expression)
    return known if known is not None else _carried(table, key.expression)


def _analyzed(table: Table, expression: str) -> ColumnStatistics | None:
    """Statistics of an existing index with the same expression."""
    for index in table.indexes:
        for key, statistics in zip(index.definition.keys, index.statistics, strict=False):
            if key.expression == expression and statistics is not None:
                return statistics
    return None


def _carried(table: Table, expression: str) -> ColumnStatistics | None:
    tree = read_expression(expression)
    if tree is not None and remainders(tree) is not None:
        return carried(expression, table)
    if tree is None or tree.kind not in (CALL, CAST) or len(tree.arguments) != 1:
        return None
    inside = tree.arguments[0]
    while inside.kind == CAST:
        inside = inside.arguments[0]
    column = table.column(inside.value) if inside.kind == COLUMN else None
    if column is None or column.statistics is None:
        return None
    word = tree.value.rpartition(".")[2].partition("(")[0]
    if word == "date" and column.base_type in _TIMES:
        return _by_day(column)
    if word in _MERGING if tree.kind == CALL else word not in _KEEPING_TYPES:
        return None
    return _bare(column.statistics)


def _by_day(column: Column) -> ColumnStatistics | None:
    """A timestamp's dates: at most as many as there are days between the first and last value seen."""
    statistics = column.statistics
    if statistics is None:
        return None
    try:
        days = sorted(date.fromisoformat(v[:10]) for v in (*statistics.most_common_vals, *statistics.histogram_bounds))
    except ValueError:
        return None
    if not days:
        return None
    most = (days[-1] - days[0]).days + 1
    bare = _bare(statistics)
    return replace(bare, n_distinct=float(most) if statistics.n_distinct < 0 else min(most, statistics.n_distinct))


def _bare(statistics: ColumnStatistics) -> ColumnStatistics:
    """Only what survives a function: the values themselves do not."""
    return ColumnStatistics(statistics.null_frac, statistics.avg_width, statistics.n_distinct)
