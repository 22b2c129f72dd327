"""Text columns: pattern operator classes for prefixes, trigrams for infixes, hash for long keys.

Only an index in collation C serves LIKE with the default operator class (manual, "Operator Classes and
Operator Families"); C.UTF-8 does not qualify on the versions where it was measured, so it is not trusted.
"""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.advise.candidates.fitness import key_type, unfit_key
from indexpilot_cli.advise.candidates.site import EQUALITY, Demand, Draft, Proposed, Site, key_of
from indexpilot_cli.core.candidate import Reason, Rejection
from indexpilot_cli.core.index import GIN, HASH, IndexKey
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.sql.normal import type_name

_PATTERN_CLASS = {"text": "text_pattern_ops", "varchar": "varchar_pattern_ops", "bpchar": "bpchar_pattern_ops"}
_LONG_TYPES = ("text", "varchar", "bpchar", "citext", "bytea")


def propose_strings(site: Site, demand: Demand) -> Iterator[Proposed]:
    """Drafts for LIKE, ILIKE, regular expressions, similarity and long strings compared for equality."""
    for atom in demand.atoms(AtomKind.LIKE_PREFIX):
        yield from _prefix(site, demand, atom)
    for atom in demand.atoms(AtomKind.LIKE_INFIX, AtomKind.SIMILAR):
        yield from _infix(site, demand, atom)
    for atom in demand.atoms(AtomKind.EQUAL):
        yield from _long(site, demand, atom)


def _prefix(site: Site, demand: Demand, atom: Atom) -> Iterator[Proposed]:
    key = key_of(atom)
    refused = unfit_key(site, key, demand=demand)
    if refused is not None:
        yield refused
        return
    kind = type_name(key_type(site, key) or "text")
    plain = _bytewise(site, key) or kind == "name"
    if not plain and kind not in _PATTERN_CLASS:
        return
    pattern = key if plain else IndexKey(key.column, key.expression, operator_class=_PATTERN_CLASS[kind])
    text = f"{key.text} LIKE 'prefix%'" + (
        "" if plain else "; collation is not C, so a pattern operator class is needed"
    )
    reasons = (Reason("pattern", text),)
    yield Draft(site.definition((pattern,)), "pattern", (demand,), 1, reasons)
    head = sorted((key_of(a) for a in demand.atoms(*EQUALITY) if a.column is not None), key=site.rank)
    head = [k for k in head if k != key and unfit_key(site, k) is None][: site.options.max_key_columns - 1]
    if head:
        yield Draft(site.definition((*head, pattern)), "pattern", (demand,), len(head), reasons)


def _bytewise(site: Site, key: IndexKey) -> bool:
    column = site.table.column(key.column) if key.column is not None else None
    collation = (column.collation if column else None) or site.catalog.default_collation
    return collation.rpartition(".")[2].strip('"') in ("C", "POSIX") and not collation.lower().startswith("c.utf")


def _infix(site: Site, demand: Demand, atom: Atom) -> Iterator[Proposed]:
    key = key_of(atom)
    refused = unfit_key(site, key, method=GIN, demand=demand)
    if refused is not None:
        yield refused
        return
    kind = key_type(site, key)
    if kind in ("citext", "bpchar", "name"):
        detail = f"trigrams need text and {key.text} is {kind}; queries that cast it to text could use an index"
        yield _no_trigrams(site, demand, key, "no_operator_class", detail)
        return
    if not site.catalog.has_extension("pg_trgm"):
        detail = "patterns without a fixed beginning need trigrams: CREATE EXTENSION pg_trgm; then ask again"
        yield _no_trigrams(site, demand, key, "extension_missing", detail)
        return
    known = _trigram_length(atom)
    if known is not None and known < 3:
        detail = f"the pattern {atom.constant} has fewer than three letters in a row, so no trigram can find it"
        yield _no_trigrams(site, demand, key, "not_used", detail)
        return
    trigram = IndexKey(key.column, key.expression, operator_class="gin_trgm_ops")
    reason = Reason("trigram", f"{key.text} {atom.operator} with a pattern that may start anywhere")
    yield Draft(site.definition((trigram,), method=GIN), "trigram", (demand,), 1, (reason,))


def _no_trigrams(site: Site, demand: Demand, key: IndexKey, reason: str, detail: str) -> Rejection:
    subject = site.subject((key,)) + " gin_trgm_ops"
    return Rejection(subject, reason, detail, templates=frozenset({demand.template}))


def _trigram_length(atom: Atom) -> int | None:
    """Longest run of letters in a known LIKE pattern."""
    if atom.constant is None or atom.operator.upper() not in ("~~", "~~*", "LIKE", "ILIKE"):
        return None
    runs = "".join(c if c.isalnum() else " " for c in atom.constant.split("::")[0].replace("_", " ")).split()
    return max((len(r) for r in runs), default=0)


def _long(site: Site, demand: Demand, atom: Atom) -> Iterator[Draft]:
    key = key_of(atom)
    column = site.table.column(key.column) if key.column is not None else None
    if column is None or column.statistics is None or not column.indexable or column.base_type not in _LONG_TYPES:
        return
    statistics = column.statistics
    if statistics.avg_width < site.options.hash_width or statistics.distinct(site.rows) < 0.1 * site.rows:
        return
    if _ordered_elsewhere(site, column.name):
        return
    text = f"{column.name} is {statistics.avg_width} bytes long and only compared for equality: a hash keeps 4 of them"
    reason = Reason("hash", text, "pg_stats")
    yield Draft(site.definition((IndexKey(column=column.name),), method=HASH), "hash", (demand,), 1, (reason,))


def _ordered_elsewhere(site: Site, name: str) -> bool:
    kinds = (AtomKind.RANGE, AtomKind.LIKE_PREFIX)
    return any(
        any(a.column == name for a in d.atoms(*kinds)) or any(k.column == name for k in d.use.order_by)
        for d in site.demands
    )
