"""One advice for many schemas with the same tables: where each index is missing, how large it gets there, its entries.

The representative is the largest, so an index that pays for the statements of all is built wherever it is missing, also
where the table is small: schemas that are to stay alike get alike indexes, and a small index costs little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import BLOCK, Table
from indexpilot_cli.core.ddl import index_name, summary
from indexpilot_cli.core.index import BTREE, Candidate, IndexDefinition, Reason, Rejection
from indexpilot_cli.core.plan import Recommendation, schema_digest
from indexpilot_cli.core.siblings import Siblings, moved
from indexpilot_cli.methods.existing import covered_by
from indexpilot_cli.methods.partitioned import build_sql, drop_sql, unfinished
from indexpilot_cli.methods.size import SizeEstimate

_LEAST = {BTREE: 2}  # pages: the first page of a B-tree says where its root is


@dataclass(frozen=True, slots=True)
class SiblingPlace:
    """A table on which the index is missing: the definition for it, and about how large it gets there."""

    table: Table
    definition: IndexDefinition
    bytes: int


Places = Mapping[IndexDefinition, tuple[SiblingPlace, ...]]


def places_of(sizes: Mapping[IndexDefinition, SizeEstimate], siblings: Siblings | None) -> Places:
    """For each definition on a table that stands for others, where it is missing."""
    if siblings is None:
        return {}
    return {d: tuple(_places(d, size, siblings)) for d, size in sizes.items() if siblings.tables(d.table)}


def _places(definition: IndexDefinition, size: SizeEstimate, siblings: Siblings) -> Iterator[SiblingPlace]:
    members = siblings.tables(definition.table)
    known = [t for t in members if t.tuples >= 0 and t.pages]
    in_known, pages_of_known = sum(t.tuples for t in known), sum(t.pages for t in known) or 1

    def rows_of(table: Table) -> float:
        """As far as they are known; of a table never analyzed by its pages, as dense as the others."""
        return table.tuples if table.tuples >= 0 else table.pages * in_known / pages_of_known

    rows = next(rows_of(t) for t in members if t.name == definition.table) or 1.0
    for table in members:
        own = moved(definition, table.name.schema)
        if covered_by(own, table.indexes) is None:
            pages = max(_LEAST.get(own.method, 1), math.ceil(size.pages * rows_of(table) / rows))
            yield SiblingPlace(table, own, pages * BLOCK)


def wanted_somewhere(
    candidates: Sequence[Candidate], places: Places
) -> tuple[tuple[Candidate, ...], tuple[Rejection, ...]]:
    """The candidates that some schema lacks, and those that all have as rejections."""
    told = (
        Rejection(summary(c.definition), "exists", "every schema has it", c.definition, templates=c.templates)
        for c in candidates
        if places.get(c.definition) == ()
    )
    return tuple(c for c in candidates if places.get(c.definition) != ()), tuple(told)


def in_each(
    advised: Recommendation, places: Sequence[SiblingPlace], siblings: Siblings, taken: dict[str, set[str]]
) -> Iterator[Recommendation]:
    """The recommendation for each schema; the first carries what was found out, the others say so (``same_as``).

    ``taken`` are names in use by schema, where those given are added.
    """
    ordered = sorted(places, key=lambda p: (p.definition.table != advised.definition.table, p.table.name))
    entries = [_entry(advised, place, siblings, taken) for place in ordered]
    first, rest = entries[0], entries[1:]
    schemas = len(siblings.tables(advised.definition.table))
    text = f"{len(entries):,} of the {schemas:,} schemas with this table lack it; it is built in each of them"
    reasons = (*first.reasons, Reason("schemas", text, "catalog"))
    yield replace(first, reasons=reasons, copies=len(entries))
    same = f"as {first.id}, in another schema"
    for entry in rest:
        reasons = (Reason("schemas", same, "catalog"),)
        yield replace(
            entry, same_as=first.id, templates=(), reasons=reasons, risks=(), confidence_why=same, writes=None
        )


def _entry(
    advised: Recommendation, place: SiblingPlace, siblings: Siblings, taken: dict[str, set[str]]
) -> Recommendation:
    definition, whole = place.definition, siblings.whole
    names = taken[definition.table.schema]
    begun = unfinished(definition, whole)
    if begun is not None:
        name = begun.name.name
    elif definition == advised.definition or advised.name not in names:
        name = advised.name
    else:
        name = index_name(definition, names)
    built = build_sql(definition, name, whole, names)
    names.add(name)
    return replace(
        advised,
        id=definition.id,
        definition=definition,
        name=name,
        ddl=built,
        undo=drop_sql(definition, name, whole),
        summary=summary(definition),
        size_bytes=place.bytes,
        table_digest=schema_digest(whole, {definition.table}),
    )
