"""GiST: ranges and shapes that overlap, and what is nearest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.catalog import Column, Table
from indexpilot_cli.core.index import GIST, IndexDefinition, Reason
from indexpilot_cli.core.workload import AtomKind
from indexpilot_cli.methods.fields import tree_pages
from indexpilot_cli.methods.kind import BuiltSize, IndexBuild, IndexKind, KeyCondition, NoService, Service
from indexpilot_cli.methods.kinds.gin import word_count
from indexpilot_cli.methods.rates import EntryClass

_RANGES = {"int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"}
_RANGES |= {r.replace("range", "multirange") for r in _RANGES}
_SHAPES = {"point", "box", "polygon", "circle", "geometry", "geography", "cube", "ltree"}
# Bytes of what stands for the value (its box; of inet that of IPv4), and how full pages are: of 13 and 15 to 18;
# PostGIS 3.3 on 15.
_BOXES = {"point": (32, 0.65), "geometry": (16, 0.68), "geography": (28, 0.62)}
_STAND_INS = {**_BOXES, "inet": (8, 0.76), "cidr": (8, 0.76), "hstore": (24, 0.76)}
_SIGNATURE, _LISTED_FILL = 132, 0.76  # bytes of a long text's signature; shorter ones are lists of hashes or trigrams
_BETTER_BY_GIN = {"tsvector", "hstore", "jsonb", "text", "varchar", "bpchar", "citext"}
_VECTORS = ("vector", "halfvec", "sparsevec")
_INSIDE = (AtomKind.CONTAINS, AtomKind.CONTAINED, AtomKind.OVERLAPS, AtomKind.HAS_KEY, AtomKind.JSON_PATH)


class GistKind(IndexKind):
    """See the module."""

    name = GIST
    assumed = True

    def built(self, build: IndexBuild) -> BuiltSize:
        """See IndexKind."""
        key, fields = build.definition.keys[0], build.fields
        column = build.table.column(key.column or "")
        fill = _fill(column, build.catalog.major)
        width = _stand_in(column, key.operator_class) if len(fields) == 1 else None
        if width is not None:
            fields = (replace(fields[0], widths=(width,)),)
        return BuiltSize(tree_pages(build.rows * (1.0 - build.fields[0].nulls), fields, fill))

    def entry_class(self, _definition: IndexDefinition, _table: Table) -> EntryClass:
        """See IndexKind."""
        return EntryClass.GIST

    def serves(self, condition: KeyCondition) -> Iterator[Service | NoService]:
        """See IndexKind."""
        if condition.atom.kind is AtomKind.DISTANCE:
            if not condition.catalog.classes("hnsw", condition.type):
                yield _nearest(condition)
        elif condition.atom.kind in (*_INSIDE, AtomKind.TEXT_SEARCH) and condition.atom.operator.upper() != "= ANY":
            what = _what(condition)
            if what is not None:
                reason = Reason("overlap", f"{what} compared with {condition.atom.operator}")
                yield Service(condition.key, "gist", reason)
            else:
                yield from _by_class(condition)
        elif condition.atom.kind is AtomKind.MATCHES:
            yield from _by_class(condition)


def _by_class(condition: KeyCondition) -> Iterator[Service]:
    """The first class of the type that has the operator; functions with an index form of their own want the default."""
    operator, kind, catalog = condition.atom.operator, condition.type, condition.catalog
    if kind in _BETTER_BY_GIN or kind.startswith("_"):
        return
    for found in catalog.classes(GIST, kind):
        if operator in found.searches or (found.is_default and operator in catalog.supported):
            key = condition.key if found.is_default else replace(condition.key, operator_class=found.name)
            yield Service(key, "gist", Reason("overlap", f"{kind} compared with {operator}"))
            return


def _what(condition: KeyCondition) -> str | None:
    if condition.type in _RANGES or (condition.column is not None and condition.column.category == "R"):
        return "ranges"
    return "shapes" if condition.type in _SHAPES else None


def _nearest(condition: KeyCondition) -> Service | NoService:
    kind, key, operator = condition.type, condition.key, condition.atom.operator
    if kind in _VECTORS:
        detail = "nearest neighbours of vectors need an approximate index (hnsw, ivfflat), which may miss rows"
        return NoService("not_modelled", detail)
    if kind in ("text", "varchar", "bpchar"):
        if not condition.catalog.has_extension("pg_trgm"):
            detail = "distance of texts needs trigrams: CREATE EXTENSION pg_trgm; then ask again"
            return NoService("extension_missing", detail)
        trigrams = replace(key, operator_class="gist_trgm_ops")
        return Service(trigrams, "gist", Reason("nearest", f"nearest first by {operator}"))
    if kind in _SHAPES:
        return Service(key, "gist", Reason("overlap", f"nearest first by {operator}: GiST gives that order"))
    if not condition.catalog.has_extension("btree_gist"):
        detail = f"nearest {kind} by <-> needs an operator class: CREATE EXTENSION btree_gist; then ask again"
        return NoService("extension_missing", detail)
    return Service(key, "gist", Reason("overlap", f"nearest first by {operator}"))


def _stand_in(column: Column | None, operator_class: str | None) -> int | None:
    """Bytes of what stands for a value in a leaf; None: the value itself."""
    if column is None or column.statistics is None:
        return None
    if operator_class == "gist_trgm_ops":
        return 5 + 3 * (column.statistics.avg_width + 2)  # nearly as many trigrams as letters
    if column.base_type == "tsvector":
        return min(_SIGNATURE, 8 + 4 * round(word_count(column.statistics)))
    return _STAND_INS[column.base_type][0] if column.base_type in _STAND_INS else None


def _fill(column: Column | None, major: int) -> float:
    """How full pages are: measured on 13 to 18, where sorted builds of points (14) and ranges (18) came."""
    if column is None:
        return 0.5
    if column.base_type in _STAND_INS:
        return 0.9 if (column.base_type, major) == ("point", 14) else _STAND_INS[column.base_type][1]
    if column.category == "R":
        return 0.9 if major >= 18 else 0.5
    return _LISTED_FILL if column.base_type == "tsvector" else 0.65 if column.category in "NSD" else 0.5


KIND = GistKind()
