"""Whether a table may have indexes and a key may stand in one."""

from __future__ import annotations

from indexpilot_cli.advise.candidates.site import Demand, Site
from indexpilot_cli.core.candidate import Rejection
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.index import BTREE, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.sql.normal import columns, type_name
from indexpilot_cli.sql.volatility import result_type, unsafe

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
    return _unfit_type(site, key, method, subject, templates)


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
