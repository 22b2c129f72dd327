"""iDistance's word on a table: what statements ask of several dimensions, and the index that serves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.host.algorithms.study import TableStudy, table_study


@dataclass(frozen=True, slots=True)
class MultiDimensionalPattern:
    """What a statement asks: ``pattern`` is nearest, box, inside or vector, ``fields`` the columns it is about."""

    pattern: str
    table_name: str
    fields: tuple[str, ...]
    query: str


@dataclass(frozen=True, slots=True)
class SpatialSuitability:
    """Whether an index of several dimensions is worth it; ``findings`` say what was seen and decided, in clauses."""

    suitable: bool
    reason: str
    patterns: tuple[MultiDimensionalPattern, ...]
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpatialIndex:
    """An index to build, and why. ``approximate``: it may miss rows (hnsw, ivfflat)."""

    ddl: str
    method: str
    size_bytes: int
    reason: str
    approximate: bool


def detect_multi_dimensional_pattern(
    table_name: str, queries: Sequence[str] = ()
) -> tuple[MultiDimensionalPattern, ...]:
    """What the statements (without any: those of pg_stat_statements) ask of the table in several dimensions.

    Raises UsageError for a table that is not there.
    """
    with table_study("detect_multi_dimensional_pattern", table_name, queries=queries) as found:
        return _patterns(found)


def analyze_idistance_suitability(table_name: str, queries: Sequence[str] = ()) -> SpatialSuitability:
    """Whether the statements' boxes and nearest rows are worth an index, by ``features.idistance``.

    At most 300 pages of the table are read. Raises UsageError for a table that is not there.
    """
    with table_study("analyze_idistance_suitability", table_name, queries=queries) as found:
        patterns, (added, findings) = _patterns(found), _advised(found)
        reason = "an index of several dimensions spares most of what is read"
        if not patterns:
            reason = "no statement asks for nearest rows, or compares several columns by ranges"
        elif not added:
            reason = findings[0] if findings else "one range alone leaves as few rows, or an index is there"
        return SpatialSuitability(bool(added), reason, patterns, findings)


def get_idistance_index_recommendation(table_name: str, queries: Sequence[str] = ()) -> tuple[SpatialIndex, ...]:
    """The indexes for the statements' boxes and nearest rows; empty where none is worth it.

    Raises UsageError for a table that is not there.
    """
    with table_study("get_idistance_index_recommendation", table_name, queries=queries) as found:
        return _advised(found)[0]


def _patterns(found: TableStudy) -> tuple[MultiDimensionalPattern, ...]:
    from indexpilot_cli.algorithms.idistance import spatial_uses

    uses = (u for u in spatial_uses(found.study) if u.use.table == found.table.name)
    seen = (MultiDimensionalPattern(str(u.pattern), str(found.table.name), u.columns, u.template.text) for u in uses)
    return tuple(dict.fromkeys(seen))


def _advised(found: TableStudy) -> tuple[tuple[SpatialIndex, ...], tuple[str, ...]]:
    """The indexes that the algorithm adds or keeps, and its findings as text."""
    from indexpilot_cli.advise.candidates import propose
    from indexpilot_cli.algorithms.idistance import IDistance
    from indexpilot_cli.core.ddl import create_index
    from indexpilot_cli.core.plan import Effect

    study = found.study
    if not study.features.idistance.enabled:
        return (), ("features.idistance is off",)
    done = IDistance().propose(study, propose(study.templates, study.catalog, sizes=study.sizes))
    own = [f for f in done.findings if f.definition is None or f.definition.table == found.table.name]
    added: dict[str, SpatialIndex] = {}
    for finding in own:
        definition = finding.definition
        if finding.effect is Effect.ADDED and definition is not None:
            ddl = create_index(definition)
            size, approximate = study.sizes.of(definition).bytes, definition.method in ("hnsw", "ivfflat")
            added[ddl] = SpatialIndex(ddl, definition.method, size, finding.decision, approximate)
    texts = tuple("; ".join((*(r.text for r in f.evidence), f.decision)) for f in own)
    return tuple(added.values()), texts
