"""What the index kinds offer for each condition of a use, and prefix patterns for B-trees.

Only an index in collation C serves LIKE with the default operator class (manual, "Operator Classes and
Operator Families"); C.UTF-8 does not qualify on the versions where it was measured, so it is not trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from indexpilot_cli.advise.candidates.partial import own_guard
from indexpilot_cli.advise.candidates.site import (
    EQUALITY,
    Demand,
    Draft,
    Proposed,
    Site,
    key_of,
    key_type,
    label,
    unfit_key,
)
from indexpilot_cli.core.index import GIN, GIST, IndexDefinition, IndexKey, Reason, Rejection
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.methods.kind import IndexKind, KeyCondition, KindThresholds, NoService, Service
from indexpilot_cli.methods.kinds import index_kinds
from indexpilot_cli.methods.kinds.btree import PATTERN_CLASSES
from indexpilot_cli.sql.expressions import PARAMETER, read_expression
from indexpilot_cli.sql.normal import columns, type_name
from indexpilot_cli.workload.predicates.scopes import ARITHMETIC

_NEAREST = (AtomKind.DISTANCE,)
_SCALAR = (AtomKind.RANGE, AtomKind.EQUAL)
# In this order refusals are printed.
_ASKED = (
    (AtomKind.LIKE_INFIX, AtomKind.SIMILAR),
    (
        *(AtomKind.CONTAINS, AtomKind.HAS_KEY, AtomKind.JSON_PATH, AtomKind.CONTAINED, AtomKind.OVERLAPS),
        *(AtomKind.TEXT_SEARCH, AtomKind.MATCHES),
    ),
    _NEAREST,
    _SCALAR,
)


def propose_kinds(site: Site, demand: Demand) -> Iterator[Proposed]:
    """Drafts of other kinds than B-tree that serve this use, and of B-trees for prefix patterns."""
    for atom in (*demand.atoms(AtomKind.LIKE_PREFIX), *demand.alternatives(AtomKind.LIKE_PREFIX)):
        yield from _prefix(site, demand, atom)
    for asked in _ASKED:
        alone = asked in (_NEAREST, _SCALAR)  # B-trees of alternatives serve scalars as well
        atoms = (*demand.atoms(*asked), *(() if alone else demand.alternatives(*asked)))
        for atom in atoms if site.options.nearest or asked != _NEAREST else ():
            condition = _condition(site, atom)
            for kind in index_kinds().values():
                yield from _offers(site, demand, condition, kind)


def _condition(site: Site, atom: Atom) -> KeyCondition:
    key = key_of(atom)
    alike = site.compared[label(key)]
    column = site.table.column(atom.column) if atom.column is not None else None
    options = site.options
    return KeyCondition(
        atom,
        key,
        key_type(site, key) or "",
        column,
        site.catalog,
        site.rows,
        site.pages,
        frozenset(alike),
        _ordered(site, alike, atom.column),
        KindThresholds(options.hash_width, options.hash_distinct, options.brin_pages, options.brin_correlation),
    )


def _ordered(site: Site, alike: set[AtomKind], name: str | None) -> bool:
    keys = chain.from_iterable(demand.use.order_by for demand in site.demands)
    return bool(alike & {AtomKind.RANGE, AtomKind.LIKE_PREFIX}) or any(key.column == name for key in keys)


def _offers(site: Site, demand: Demand, condition: KeyCondition, kind: IndexKind) -> Iterator[Proposed]:
    templates = frozenset({demand.template})
    for answer in kind.serves(condition):
        refused = unfit_key(site, condition.key, method=kind.name, demand=demand)
        guard = own_guard(site, demand, condition.key) if refused and refused.reason == "can_fail" else None
        if refused is not None and guard is None:
            yield refused
        elif isinstance(answer, NoService):
            subject = f"{site.subject((condition.key,))} {answer.operator_class}".rstrip()
            yield Rejection(subject, answer.reason, answer.detail, templates=templates)
        else:
            definition = site.definition((answer.key,), method=kind.name, options=answer.options, predicate=guard)
            yield Draft(definition, answer.purpose, (demand,), 1, (answer.reason,))
            if condition.atom.conjunctive:
                yield from _together(site, demand, definition, answer)


_SCALARS = {GIST: "btree_gist", GIN: "btree_gin"}


def _together(site: Site, demand: Demand, alone: IndexDefinition, answer: Service) -> Iterator[Proposed]:
    """One index for an equality and what GiST or GIN serves, where an extension gives scalars a class of theirs."""
    extension = _SCALARS.get(alone.method)
    others = (key_of(a) for a in demand.atoms(AtomKind.EQUAL) if a.column is not None)
    equal = sorted((k for k in others if unfit_key(site, k) is None and k != answer.key), key=site.rank)[:2]
    if extension is None or not equal or answer.purpose == "trigram":
        return
    fitting = tuple(k for k in equal if _compares(site, alone.method, k))
    if fitting:
        names = ", ".join(k.column or "" for k in fitting)
        reason = Reason("together", f"one index for {names} = and {answer.key.text} ({extension})")
        keys = (*fitting, answer.key)
        yield Draft(replace(alone, keys=keys), answer.purpose, (demand,), len(keys), (answer.reason, reason))
    elif site.catalog.operator_classes and not site.catalog.has_extension(extension):
        subject = site.subject((*equal, answer.key))
        detail = f"one index for both needs operator classes of scalars: CREATE EXTENSION {extension}; then ask again"
        yield Rejection(subject, "extension_missing", detail, templates=frozenset({demand.template}))


def _compares(site: Site, method: str, key: IndexKey) -> bool:
    classes = site.catalog.classes(method, key_type(site, key) or "")
    return any(c.is_default and "=" in c.searches for c in classes)


def _prefix(site: Site, demand: Demand, atom: Atom) -> Iterator[Proposed]:
    key = key_of(atom)
    refused = unfit_key(site, key, demand=demand)
    if refused is not None:
        yield refused
        return
    kind = type_name(key_type(site, key) or "text")
    plain = _bytewise(site, key) or kind == "name"
    if not plain and kind not in PATTERN_CLASSES:
        return
    pattern = key if plain else IndexKey(key.column, key.expression, operator_class=PATTERN_CLASSES[kind])
    text = f"{key.text} LIKE 'prefix%'" + (
        "" if plain else "; collation is not C, so a pattern operator class is needed"
    )
    reasons = (Reason("pattern", text),)
    yield Draft(site.definition((pattern,)), "pattern", (demand,), 1, reasons)
    equal = demand.atoms(*EQUALITY) if atom.conjunctive else ()
    head = sorted((key_of(a) for a in equal if a.column is not None), key=site.rank)
    head = [k for k in head if k != key and unfit_key(site, k) is None][: site.options.max_key_columns - 1]
    if head:
        yield Draft(site.definition((*head, pattern)), "pattern", (demand,), len(head), reasons)


def _bytewise(site: Site, key: IndexKey) -> bool:
    column = site.table.column(key.column) if key.column is not None else None
    collation = (column.collation if column else None) or site.catalog.default_collation
    return collation.rpartition(".")[2].strip('"') in ("C", "POSIX") and not collation.lower().startswith("c.utf")


def unknown_constants(site: Site, demand: Demand) -> Iterator[Rejection]:
    """Expressions with a parameter inside (``data ->> $1``): no index can be made as long as it is not known."""
    for atom in demand.use.atoms:
        tree = read_expression(atom.expression) if atom.kind is AtomKind.OTHER and atom.expression is not None else None
        if tree is None or tree.value in ARITHMETIC or all(node.kind != PARAMETER for node in tree.walk()):
            continue
        detail = (
            f"{atom.expression} has a constant inside that is not known, and an index needs it: pg_stat_statements has"
            " none; ask with a log, or with the statement as it is sent (--query)"
        )
        subject = site.subject((IndexKey(expression=atom.expression),))
        yield Rejection(subject, "unknown_constant", detail, templates=frozenset({demand.template}))


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
