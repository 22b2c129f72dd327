"""Templates made from recorded fields beside templates of real statements: one execution counts once.

A host records the queries that the server counts as well. Where real statements ask for a field (or write it), its
recorded rows are these statements again: they are left out, and only give the statements their weight where their
source has none, as an SQL file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import QueryTemplate, RelationUse, Skipped, Stage, StatementKind

COVERED = "covered"
UNKNOWN = (
    "statements are made from recorded fields: which fields are asked for together, with which values and in which "
    "order is not known; a range is taken as open, an order as that of the first 100 rows, another kind as a lookup"
)


@dataclass(frozen=True, slots=True)
class _FieldUse:
    """What is done to a field; ``field`` None: to the table, whatever the field."""

    table: QualifiedName
    field: str | None
    kind: StatementKind


@dataclass(slots=True)
class _Weight:
    """What recorded rows say of a template: its part of the most frequent field, as a query may be recorded by each."""

    calls: float = 0.0
    total_ms: float = 0.0


def counted_once(templates: Sequence[QueryTemplate]) -> tuple[list[QueryTemplate], list[Skipped]]:
    """The templates without recorded rows that real statements cover, and those rows."""
    real = [t for t in templates if not t.assumed]
    covering: dict[_FieldUse, list[QueryTemplate]] = {}
    for template in real:
        for use in set(_uses(template)):
            covering.setdefault(use, []).append(template)
    weights: dict[str, _Weight] = {}
    alone: list[QueryTemplate] = []
    covered: list[Skipped] = []
    for recorded in (t for t in templates if t.assumed):
        by = covering.get(_asked(recorded), [])
        if not by:
            alone.append(recorded)
            continue
        _weigh(weights, recorded, by)
        text = f"recorded rows of a field that {len(by)} real statement{'s' if len(by) > 1 else ''} ask for"
        covered.append(Skipped(COVERED, recorded.text, text, recorded.calls, recorded.total_ms or 0.0, Stage.FOLD))
    return [*(_weighed(t, weights) for t in real), *alone], covered


def _weigh(weights: dict[str, _Weight], recorded: QueryTemplate, by: Sequence[QueryTemplate]) -> None:
    total = sum(t.calls for t in by)
    for template in by:
        weight = weights.setdefault(template.fingerprint, _Weight())
        part = template.calls / total if total else 1 / len(by)
        weight.calls = max(weight.calls, recorded.calls * part)
        weight.total_ms = max(weight.total_ms, (recorded.total_ms or 0.0) * part)


def _weighed(template: QueryTemplate, weights: Mapping[str, _Weight]) -> QueryTemplate:
    weight = weights.get(template.fingerprint)
    if weight is None or template.total_ms is not None:
        return template
    return replace(template, calls=weight.calls, total_ms=weight.total_ms)


def _asked(recorded: QueryTemplate) -> _FieldUse:
    """What one made statement does to its one field."""
    uses = list(_uses(recorded))
    return next((use for use in uses if use.field is not None), uses[0])


def _uses(template: QueryTemplate) -> Iterator[_FieldUse]:
    for use in template.uses:
        kind = use.write or StatementKind.SELECT
        yield _FieldUse(use.table, None, kind)
        # An INSERT fills a row, whichever of its fields the host has named.
        if kind is not StatementKind.INSERT:
            yield from (_FieldUse(use.table, field, kind) for field in _fields(use))


def _fields(use: RelationUse) -> Iterable[str]:
    """The fields it writes, else those it asks for or sorts by."""
    if use.write is StatementKind.UPDATE:
        return sorted(use.updated)
    sorted_by = (*use.order_by, *use.group_by, *use.distinct)
    named = {*use.tested, *(atom.column for atom in use.atoms), *(key.column for key in sorted_by)}
    return sorted(name for name in named if name not in (None, "ctid"))
