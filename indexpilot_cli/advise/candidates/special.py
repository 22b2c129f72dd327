"""GIN for jsonb, arrays and text search; GiST for ranges and distances; BRIN for tables in physical order."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.advise.candidates.fitness import key_type, unfit_key
from indexpilot_cli.advise.candidates.site import Demand, Draft, Proposed, Site, key_of, label
from indexpilot_cli.core.candidate import Reason, Rejection
from indexpilot_cli.core.index import BRIN, GIN, GIST, IndexKey
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.sql.normal import columns

_JSON_KINDS = (AtomKind.CONTAINS, AtomKind.HAS_KEY, AtomKind.JSON_PATH)
_SET_KINDS = (AtomKind.CONTAINS, AtomKind.CONTAINED, AtomKind.OVERLAPS)
_RANGES = {"int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"}
_RANGES |= {r.replace("range", "multirange") for r in _RANGES}
_SHAPES = {"point", "box", "polygon", "circle", "geometry", "geography", "cube", "ltree"}
_VECTORS = ("vector", "halfvec", "sparsevec")
_BRIN_TYPES = {"int2", "int4", "int8", "date", "timestamp", "timestamptz", "numeric", "float8", "float4", "oid", "uuid"}
_PAGES_PER_RANGE = 32


def propose_special(site: Site, demand: Demand) -> Iterator[Proposed]:
    """Drafts of other methods than B-tree and hash that serve this use."""
    for atom in demand.atoms(*_JSON_KINDS, *_SET_KINDS, AtomKind.TEXT_SEARCH):
        yield from _contained(site, demand, atom)
    for atom in demand.atoms(AtomKind.DISTANCE):
        yield from _nearest(site, demand, atom)
    for atom in demand.atoms(AtomKind.RANGE, AtomKind.EQUAL):
        yield from _physical(site, demand, atom)


def _contained(site: Site, demand: Demand, atom: Atom) -> Iterator[Proposed]:
    kind = key_type(site, key_of(atom)) or ""
    column = site.table.column(atom.column) if atom.column is not None else None
    if atom.operator.upper() == "= ANY":
        yield _any_of_array(site, demand, key_of(atom))
    elif kind == "jsonb" and atom.kind in _JSON_KINDS:
        yield from _json(site, demand, atom)
    elif kind in _RANGES or (column is not None and column.category == "R"):
        yield from _gist(site, demand, atom, f"ranges compared with {atom.operator}")
    elif kind == "hstore":
        yield from _gin(site, demand, atom, "json", f"hstore compared with {atom.operator}")
    elif kind in _SHAPES:
        yield from _gist(site, demand, atom, f"shapes compared with {atom.operator}")
    elif kind == "tsvector" or atom.kind is AtomKind.TEXT_SEARCH:
        yield from _gin(site, demand, atom, "text_search", f"text search in {key_of(atom).text}")
    elif (column is not None and column.category == "A") or kind.endswith("[]") or kind.startswith("_"):
        yield from _gin(site, demand, atom, "array", f"arrays compared with {atom.operator}")
    elif kind == "json":
        yield from _refused(site, demand, key_of(atom), GIN)


def _refused(site: Site, demand: Demand, key: IndexKey, method: str) -> Iterator[Rejection]:
    detail = f"{key_type(site, key)} has no {method} operator class; store it as jsonb"
    yield Rejection(site.subject((key,)), "no_operator_class", detail, templates=frozenset({demand.template}))


def _any_of_array(site: Site, demand: Demand, key: IndexKey) -> Rejection:
    detail = f"value = ANY ({key.text}) is not an indexable condition; {key.text} @> ARRAY[value] is, by a GIN index"
    return Rejection(site.subject((key,)), "function_mismatch", detail, templates=frozenset({demand.template}))


def _json(site: Site, demand: Demand, atom: Atom) -> Iterator[Proposed]:
    key = key_of(atom)
    used = {a.kind for d in site.demands for a in d.atoms(*_JSON_KINDS) if label(key_of(a)) == label(key)}
    path = AtomKind.HAS_KEY not in used
    operator_class = "jsonb_path_ops" if path else None
    why = "only @>, @? and @@ are used, which the smaller jsonb_path_ops serves" if path else "keys are asked for too"
    yield from _gin(site, demand, atom, "json", f"jsonb compared with {atom.operator}; {why}", operator_class)


def _gin(
    site: Site, demand: Demand, atom: Atom, kind: str, text: str, operator_class: str | None = None
) -> Iterator[Proposed]:
    key = key_of(atom)
    refused = unfit_key(site, key, method=GIN, demand=demand)
    if refused is not None:
        yield refused
        return
    chosen = IndexKey(key.column, key.expression, operator_class=operator_class)
    codes = {"json": "json_contains", "array": "array_contains", "text_search": "text_search"}
    yield Draft(site.definition((chosen,), method=GIN), kind, (demand,), 1, (Reason(codes[kind], text),))


def _gist(site: Site, demand: Demand, atom: Atom, text: str) -> Iterator[Proposed]:
    key = key_of(atom)
    refused = unfit_key(site, key, method=GIST, demand=demand)
    if refused is not None:
        yield refused
        return
    yield Draft(site.definition((key,), method=GIST), "gist", (demand,), 1, (Reason("overlap", text),))


def _nearest(site: Site, demand: Demand, atom: Atom) -> Iterator[Proposed]:
    key = key_of(atom)
    kind = key_type(site, key) or ""
    subject = site.subject((key,))
    templates = frozenset({demand.template})
    if kind in _VECTORS:
        detail = "nearest neighbours of vectors need an approximate index (hnsw, ivfflat), which may miss rows"
        yield Rejection(subject, "not_modelled", detail, templates=templates)
    elif kind in ("text", "varchar", "bpchar"):
        if not site.catalog.has_extension("pg_trgm"):
            detail = "distance of texts needs trigrams: CREATE EXTENSION pg_trgm; then ask again"
            yield Rejection(subject, "extension_missing", detail, templates=templates)
            return
        trigram = IndexKey(key.column, key.expression, operator_class="gist_trgm_ops")
        reason = Reason("nearest", f"nearest first by {atom.operator}")
        yield Draft(site.definition((trigram,), method=GIST), "gist", (demand,), 1, (reason,))
    elif kind == "hstore":
        yield from _gin(site, demand, atom, "json", f"hstore compared with {atom.operator}")
    elif kind in _SHAPES:
        yield from _gist(site, demand, atom, f"nearest first by {atom.operator}: GiST gives that order")
    elif not site.catalog.has_extension("btree_gist"):
        detail = f"nearest {kind} by <-> needs an operator class: CREATE EXTENSION btree_gist; then ask again"
        yield Rejection(subject, "extension_missing", detail, templates=templates)
    else:
        yield from _gist(site, demand, atom, f"nearest first by {atom.operator}")


def _physical(site: Site, demand: Demand, atom: Atom) -> Iterator[Draft]:
    column = site.table.column(atom.column) if atom.column is not None else None
    if column is None or column.statistics is None or not column.indexable or column.base_type not in _BRIN_TYPES:
        return
    correlation = column.statistics.correlation
    options = site.options
    if site.pages < options.brin_pages or correlation is None or abs(correlation) < options.brin_correlation:
        return
    if atom.kind is AtomKind.EQUAL and column.statistics.distinct(site.rows) > site.rows / 50:
        return
    text = f"{column.name} follows the table's physical order (correlation {correlation:.2f})"
    reason = Reason("physical_order", text, "pg_stats")
    pages = min(128, max(8, _PAGES_PER_RANGE if site.pages > 8 * _PAGES_PER_RANGE else 8))
    definition = site.definition(
        (IndexKey(column=column.name),), method=BRIN, options=(("pages_per_range", str(pages)),)
    )
    yield Draft(definition, "brin", (demand,), 1, (reason,))


def mismatches(site: Site, demand: Demand) -> Iterator[Rejection]:
    """Existing indexes that look right but stand on the bare column while the queries use an expression of it."""
    for atom in demand.use.atoms:
        if atom.expression is None or atom.kind in (AtomKind.JOIN, AtomKind.DISTANCE):
            continue
        names = columns(atom.expression)
        for index in site.table.indexes:
            first = index.definition.keys[0]
            if first.column is not None and names == {first.column} and index.valid:
                detail = (
                    f"the queries compare {atom.expression}, not {first.column}: {index.name.name} cannot serve them;"
                    " index the expression, or compare the column itself"
                )
                subject = site.subject((first,))
                templates = frozenset({demand.template})
                yield Rejection(subject, "function_mismatch", detail, index.definition, index.name.name, templates)
                break
