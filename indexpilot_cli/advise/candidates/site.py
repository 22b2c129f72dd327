"""A table, everything the workload wants of it, and whether it and its keys may be indexed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.catalog import UNKNOWN_DISTINCT, Catalog, Column, ColumnStatistics, Table
from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey, Reason, Rejection, TenantUse
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.workload import Atom, AtomKind, QueryTemplate, RelationUse, StatementKind
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.methods.size import leaves
from indexpilot_cli.sql.expressions import CALL, CAST, COLUMN, CONSTANT, read_expression
from indexpilot_cli.sql.failing import can_fail
from indexpilot_cli.sql.normal import columns, normal, type_name
from indexpilot_cli.sql.selectivity import carried, row_count
from indexpilot_cli.sql.volatility import result_type, unsafe

EQUALITY = (AtomKind.EQUAL, AtomKind.IN, AtomKind.IS_NULL)


@dataclass(frozen=True, slots=True)
class Demand:
    """One use of the table by one template. ``weight`` is the template's milliseconds, or calls."""

    template: str
    weight: float
    kind: StatementKind
    use: RelationUse
    samples: tuple[tuple[str | None, ...], ...] = ()

    def atoms(self, *kinds: AtomKind) -> tuple[Atom, ...]:
        """Conjunctive atoms of these kinds on a column or expression."""
        return self._compared(kinds, conjunctive=True)

    def alternatives(self, *kinds: AtomKind) -> tuple[Atom, ...]:
        """Those that stand under OR: a bitmap can join what an index gives for each."""
        return self._compared(kinds, conjunctive=False)

    def _compared(self, kinds: Collection[AtomKind], *, conjunctive: bool) -> tuple[Atom, ...]:
        atoms = (a for a in self.use.atoms if a.conjunctive == conjunctive and a.kind in kinds)
        return tuple(a for a in atoms if (a.column or a.expression) is not None)


@dataclass(frozen=True, slots=True)
class Draft:
    """A candidate in the making. ``free`` leading keys are only compared for equality (order is ours to choose)."""

    definition: IndexDefinition
    kind: str
    demands: tuple[Demand, ...]
    free: int = 0
    reasons: tuple[Reason, ...] = field(default=(), compare=False)

    @property
    def weight(self) -> float:
        """Weight of the templates that asked for it, each once."""
        return sum({d.template: d.weight for d in self.demands}.values())

    @property
    def templates(self) -> frozenset[str]:
        """Ids of the templates that asked for it."""
        return frozenset(d.template for d in self.demands)


Proposed = Draft | Rejection


@dataclass(frozen=True, slots=True)
class Site:
    """A table with its demands. ``rows`` and ``pages`` count all partitions; ``tenant`` is its tenant column.

    ``shared`` is the weight of the demands that compare each column or expression for equality, ``compared`` how each
    is compared anywhere.
    """

    table: Table
    catalog: Catalog
    options: CandidateOptions
    demands: tuple[Demand, ...]
    rows: float
    pages: int
    visible: float
    tenant: str | None
    shared: dict[str, float]
    compared: dict[str, set[AtomKind]]

    @property
    def name(self) -> QualifiedName:
        """The table's name."""
        return self.table.name

    def statistics(self, key: IndexKey) -> ColumnStatistics | None:
        """Statistics of the key's column, or those its expression takes over from its column."""
        if key.column is not None:
            column = self.table.column(key.column)
            return column.statistics if column else None
        return carried(key.expression or "", self.table)

    def distinct(self, key: IndexKey) -> float:
        """Estimated distinct values of a key; 200 (the planner's default) when nothing is known."""
        statistics = self.statistics(key)
        return statistics.distinct(self.rows) if statistics else min(UNKNOWN_DISTINCT, max(self.rows, 1.0))

    def rank(self, key: IndexKey) -> tuple[bool, float, float, str]:
        """Sort key of equality columns: the tenant, then what most of the workload shares, then distinct values."""
        return (
            key.column is None or key.column != self.tenant,
            -self.shared.get(label(key), 0.0),
            -self.distinct(key),
            key.text,
        )

    def definition(self, keys: Sequence[IndexKey], **more: object) -> IndexDefinition:
        """A definition on this table."""
        return IndexDefinition(self.name, tuple(keys), **more)  # type: ignore[arg-type]

    def subject(self, keys: Sequence[IndexKey]) -> str:
        """How a rejection names an index: ``orders (status)``."""
        return subject(self.name, keys)


def subject(table: QualifiedName, keys: Sequence[IndexKey]) -> str:
    """``orders (status, created_at)``, quoted as SQL."""
    texts = (quote_identifier(k.column) if k.column is not None else k.expression or "" for k in keys)
    return f"{table.short} ({', '.join(texts)})"


def label(key: IndexKey) -> str:
    """What identifies a key whatever its direction and operator class."""
    return quote_identifier(key.column) if key.column is not None else normal(key.expression or "")


def key_of(atom: Atom) -> IndexKey:
    """The key an atom restricts, with default order and operator class."""
    if atom.column is not None:
        return IndexKey(column=atom.column)
    return IndexKey(expression=atom.expression)


def absent_value(site: Site, atom: Atom) -> bool:
    """Whether the atom asks for one constant while the statistics list all values, and not this one."""
    known = site.statistics(key_of(atom)) if (atom.column or atom.expression) is not None else None
    tree = read_expression(atom.constant) if atom.constant is not None and atom.kind is AtomKind.EQUAL else None
    while tree is not None and tree.kind == CAST:
        tree = tree.arguments[0]
    if known is None or tree is None or tree.kind != CONSTANT or not known.most_common_vals:
        return False
    short = {"true": "t", "false": "f"}  # as pg_stats writes them
    complete = known.distinct(site.rows) <= len(known.most_common_vals)
    return complete and short.get(tree.value, tree.value) not in known.most_common_vals


Demands = Mapping[QualifiedName, tuple[Demand, ...]]


def gather(templates: Sequence[QueryTemplate]) -> Demands:
    """All uses of each relation, in the order of the templates."""
    found: dict[QualifiedName, list[Demand]] = {}
    for template in templates:
        samples = tuple(s.parameters for s in template.samples if s.parameters)
        for use in template.uses:
            demand = Demand(template.id, template.weight, template.kind, use, samples)
            found.setdefault(use.table, []).append(demand)
    return {name: tuple(demands) for name, demands in found.items()}


def make_site(
    table: Table, demands: tuple[Demand, ...], catalog: Catalog, options: CandidateOptions, tenant: str | None
) -> Site:
    """The site of a table; a partitioned table counts the rows and pages of its leaves and borrows statistics."""
    parts = leaves(table, catalog)
    pages = sum(t.pages for t in parts)
    visible = sum(t.all_visible_pages for t in parts)
    rows = sum(row_count(t) for t in parts)
    shared: dict[str, float] = {}
    for demand in demands:
        for text in {label(key_of(a)) for a in demand.atoms(*EQUALITY, AtomKind.JOIN)}:
            shared[text] = shared.get(text, 0.0) + demand.weight
    compared: dict[str, set[AtomKind]] = {}
    for demand in demands:
        for atom in (*demand.atoms(*AtomKind), *demand.alternatives(*AtomKind)):
            compared.setdefault(label(key_of(atom)), set()).add(atom.kind)
    full = _with_statistics(table, parts, rows, pages)
    share = visible / pages if pages else 0.0
    return Site(full, catalog, options, demands, rows, pages, share, tenant, shared, compared)


def _with_statistics(table: Table, parts: Sequence[Table], rows: float, pages: int) -> Table:
    if table.kind != "p":
        return table
    largest = max(parts, key=lambda t: t.pages, default=None)

    def column(own: Column) -> Column:
        other = largest.column(own.name) if largest and own.statistics is None else None
        return own if other is None else replace(own, statistics=other.statistics)

    return replace(table, columns=tuple(column(c) for c in table.columns), tuples=rows, pages=pages)


@dataclass(frozen=True, slots=True)
class CandidateOptions:
    """Limits of candidate generation. Shares are between 0 and 1, widths in bytes, sizes in pages or rows.

    A table is too small when it has at most ``few_pages`` pages, or fewer than ``small_rows`` rows in at most
    ``small_pages`` pages; below ``medium_rows`` rows only selective plain indexes are proposed. ``tenants`` are those
    that advice was asked for, and ``tenant_columns`` then says how they are told apart. Without ``hash_width`` no hash
    index is offered, without ``nearest`` none that gives rows nearest first.
    """

    few_pages: int = 5
    small_rows: float = 1000
    small_pages: int = 64
    medium_rows: float = 10_000
    medium_selectivity: float = 0.1
    max_selectivity: float = 0.3
    max_key_columns: int = 4
    max_key_width: int = 2700  # a B-tree entry has at most a third of a page (2704 bytes)
    covering: bool = True
    max_include_columns: int = 8
    max_include_width: int = 200
    all_visible_share: float = 0.8
    partial_weight: float = 0.9
    partial_selectivity: float = 0.2
    partial_distinct: float = 30
    null_partial_selectivity: float = 0.8
    rare_value: float = 0.05
    hash_width: int | None = 40
    hash_distinct: float = 0.1
    brin_pages: int = 1280  # ten ranges of 128 pages each, which is the default
    brin_correlation: float = 0.9
    nearest: bool = True
    per_table: int = 80
    tenants: TenantUse | None = None
    tenant_columns: Mapping[QualifiedName, str] = field(default_factory=dict)


_INSTEAD = {
    "json": "store it as jsonb, or index an expression such as data ->> 'key'",
    "point": "GiST serves @>, <@ and <->",
    "box": "GiST serves &&, @> and <@",
    "polygon": "GiST serves &&, @> and <@",
    "circle": "GiST serves &&, @> and <@",
    "xml": "index an expression of it",
}
_SYSTEM = ("pg_catalog", "information_schema", "pg_toast")


def unfit_relation(name: QualifiedName, catalog: Catalog) -> str | None:
    """Why no index can be proposed on the relation, or None."""
    if name.schema in _SYSTEM or name.schema.startswith("pg_temp"):
        return "is a system or temporary relation"
    table = catalog.table(name)
    if table is None:
        return "is a view; indexes go on the tables it reads" if name in catalog.views else "is not in the catalog"
    if table.kind == "f":
        return "is a foreign table; index it on its own server"
    if table.kind not in ("r", "p", "m"):
        return "cannot have indexes"
    if table.persistence == "t":
        return "is a temporary table and ends with its session"
    return None


def too_small(site: Site) -> str | None:
    """Why an index on the table cannot pay, or None."""
    options = site.options
    if site.pages <= options.few_pages:
        return f"the table has {site.pages} pages: reading all of it costs no more than an index"
    if site.rows < options.small_rows and site.pages <= options.small_pages:
        return f"the table has {site.rows:.0f} rows in {site.pages} pages: reading all of it is cheap"
    return None


def unfit_key(site: Site, key: IndexKey, method: str = BTREE, demand: Demand | None = None) -> Rejection | None:
    """Why the key cannot stand in an index of the method, or None. Names the templates of ``demand``."""
    templates = frozenset({demand.template}) if demand else frozenset()
    subject = site.subject((key,))
    for name in sorted(columns(key.expression)) if key.expression is not None else [key.column or ""]:
        column = site.table.column(name)
        if column is None and key.column is not None:
            return Rejection(subject, "not_indexable", f"{name} is not a column of the table", templates=templates)
        if column is not None and not column.indexable:
            why = column.not_indexable_why or "the genome catalog forbids indexing it"
            return Rejection(subject, "not_indexable", f"{name} is not to be indexed: {why}", templates=templates)
    if key.expression is not None:
        danger = unsafe(key.expression, site.table, site.catalog)
        if danger is not None:
            return Rejection(subject, "volatile", danger.sentence, templates=templates)
        searched = _searched(key.expression)
        if searched is not None:
            return Rejection(subject, "function_mismatch", searched, templates=templates)
        failure = can_fail(key.expression, site.table, site.catalog)
        if failure is not None:
            detail = f"{failure}: with the index, rows with such values could not be written"
            return Rejection(subject, "can_fail", detail, templates=templates)
    return _unfit_type(site, key, method, subject, templates)


# How near a value is to one that is searched for, and what an index serves in its place.
_NEARNESS = {
    "similarity": "% and pg_trgm.similarity_threshold",
    "word_similarity": "<% and pg_trgm.word_similarity_threshold",
    "strict_word_similarity": "<<% and pg_trgm.strict_word_similarity_threshold",
    "levenshtein": "% of pg_trgm before it",
    "levenshtein_less_equal": "% of pg_trgm before it",
    "ts_rank": "@@ before it",
    "ts_rank_cd": "@@ before it",
    "st_distance": "st_dwithin, or <-> in an order",
    "strpos": "LIKE",
    "position": "LIKE",
}


def _searched(expression: str) -> str | None:
    """Why an index over how near values are to the one searched for is none for the next search; None: it is not so."""
    tree = read_expression(expression)
    for node in tree.walk() if tree is not None else ():
        name = node.value.rpartition(".")[2] if node.kind == CALL else ""
        given = [a for a in node.arguments if all(part.kind != COLUMN for part in a.walk())]
        if name in _NEARNESS and given:
            return f"an index of {name} to one value serves no search for another: ask with {_NEARNESS[name]}"
    return None


def key_type(site: Site, key: IndexKey) -> str | None:
    """Short type name of the key, or None when an expression's type cannot be told."""
    if key.column is not None:
        column = site.table.column(key.column)
        return column.base_type if column else None
    return result_type(key.expression or "", site.table)


def _unfit_type(site: Site, key: IndexKey, method: str, subject: str, templates: frozenset[str]) -> Rejection | None:
    kind = key_type(site, key)
    without = index_kind(method).without_class
    if kind is not None and key.operator_class is None and type_name(kind) in without:
        detail = f"{kind} has no {method} operator class"
        detail += f"; {_INSTEAD[kind]}" if kind in _INSTEAD else ""
        return Rejection(subject, "no_operator_class", detail, templates=templates)
    statistics = site.statistics(key)
    width = statistics.avg_width if statistics else 0
    if method == BTREE and width > site.options.max_key_width:
        detail = f"values are {width} bytes on average, a B-tree entry holds about 2,700; hash or md5() of it would do"
        return Rejection(subject, "too_wide", detail, templates=templates)
    return None
