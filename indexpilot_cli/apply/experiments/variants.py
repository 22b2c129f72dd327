"""The two variants of an experiment: what they are, what the planner says of them, and the plan that swaps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from indexpilot_cli.advise.explain.query import read_create_index
from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.apply.plan import existing
from indexpilot_cli.apply.undo_steps import ADVICE_ID
from indexpilot_cli.apply.values import VerificationRequest
from indexpilot_cli.apply.verify.trial import family, reads_on, templates_of
from indexpilot_cli.apply.verify.verdict import Verification
from indexpilot_cli.apply.verify.verify import Indexed, compared
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.ddl import index_name, summary
from indexpilot_cli.core.index import IndexDefinition, Reason
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.plan import EXPERIMENT, Plan, PlanAction, Recommendation, schema_digest, unpriced_plan
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log import plans
from indexpilot_cli.methods.existing import same_structure
from indexpilot_cli.methods.partitioned import build_sql, drop_sql
from indexpilot_cli.methods.size import estimate
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import Source

Indexes = tuple[IndexDefinition, ...]


def read_variant(texts: Sequence[str], source: Source, schema: str) -> Indexes:
    """The definitions that statements and R- ids stand for; raises UsageError for one that is neither."""
    return tuple(_definition(text.strip(), source, schema) for text in texts if text.strip())


def _definition(text: str, source: Source, schema: str) -> IndexDefinition:
    if ADVICE_ID.fullmatch(text) is None:
        return read_create_index(text, source.catalog)
    assert source.session is not None
    found = plans.find_recommendation(source.session, text, schema=schema).recommendation
    if found is None or not found.action.builds:
        raise UsageError(f"{text} is no advice to build an index", hint="indexpilot recommend", code="rejected")
    return found.definition


def check_variants(a: Indexes, b: Indexes) -> QualifiedName:
    """The one table that both are about. Raises UsageError for two tables, or two variants that are the same."""
    tables = sorted({d.table for d in (*a, *b)})
    if len(tables) != 1:
        what = "on one table" if tables else "to compare: give --a, --b or both"
        raise UsageError(f"an experiment needs indexes {what}", hint="indexpilot experiment start --help")
    if all(_among(d, b) for d in a) and all(_among(d, a) for d in b):
        raise UsageError("both variants are the same indexes", hint="indexpilot experiment start --help")
    return tables[0]


def missing_from(these: Iterable[IndexDefinition], others: Indexes) -> Indexes:
    """Those that are not among the others."""
    return tuple(d for d in these if not _among(d, others))


def _among(wanted: IndexDefinition, others: Indexes) -> bool:
    return any(same_structure(wanted, other) for other in others)


def there(catalog: Catalog, wanted: Iterable[IndexDefinition]) -> Indexes:
    """Those of which a usable index is there."""
    return tuple(d for d in wanted if existing(catalog, d) is not None)


def impossible(catalog: Catalog, definition: IndexDefinition) -> str | None:
    """Why the index cannot be built any more, as a clause; what its expressions need only the server knows."""
    table = catalog.table(definition.table)
    if table is None:
        return f"table {definition.table.short} is gone"
    columns = (*definition.columns, *definition.include)
    gone = next((name for name in columns if table.column(name) is None), None)
    return None if gone is None else f"column {quote_identifier(gone)} of {definition.table.short} is gone"


def in_place(catalog: Catalog, to: Indexes, away: Indexes) -> bool:
    """Whether all of the one variant is there and nothing that only the other one has."""
    return len(there(catalog, to)) == len(to) and not there(catalog, missing_from(away, to))


def predict(source: Source, asked: VerificationRequest, a: Indexes, b: Indexes, progress: Progress) -> Verification:
    """What the planner says of the table's recorded reads with b against a. Raises PrerequisiteError without either."""
    folded = templates_of(source, asked.workload)
    table = check_variants(a, b)
    with open_estimator(source, asked.planner, progress) as estimator:
        ready = prepared(folded, source.catalog, types_from(estimator))
        affected = reads_on(ready.templates, family(source.catalog, table))
        progress.stage(f"planning {len(affected)} templates with both variants")
        return compared(estimator, affected, _seen(source.catalog, a, b), _seen(source.catalog, b, a))


def _seen(catalog: Catalog, own: Indexes, other: Indexes) -> Indexed:
    names = (existing(catalog, d) for d in missing_from(other, own))
    hidden = frozenset(QualifiedName(other[0].table.schema, name) for name in names if name is not None)
    return Indexed(frozenset(d for d in own if existing(catalog, d) is None), hidden)


def swap_plan(source: Source, to: Indexes, away: Indexes, why: str, database: str, now: datetime) -> Plan:
    """What is missing of ``to`` is built first, then goes what only ``away`` has; empty where all is so already."""
    catalog = source.catalog
    needed = tuple(_builds(catalog, to, why))
    found = (*needed, *_drops(catalog, missing_from(away, to), why, tuple(r.id for r in needed)))
    plan = replace(
        unpriced_plan((why, *(f"{r.id} {r.ddl}" for r in found)), now, source.server, EXPERIMENT),
        recommendations=found,
        size_bytes=sum(r.size_bytes for r in needed),
        database=database,
    )
    return replace(plan, schema_digest=schema_digest(catalog, plan.tables))


def _builds(catalog: Catalog, to: Indexes, why: str) -> Iterator[Recommendation]:
    taken = {i.name.name for i in catalog.indexes()} | {t.name.name for t in catalog.tables}
    for definition in missing_from(to, there(catalog, to)):
        name = index_name(definition, taken)
        taken.add(name)
        table = catalog.table(definition.table)
        assert table is not None  # impossible() was asked
        built = estimate(definition, table, catalog)
        yield _recommendation(
            definition,
            name,
            PlanAction.CREATE,
            (build_sql(definition, name, catalog), drop_sql(definition, name, catalog)),
            (built.bytes, built.method),
            why,
        )


def _drops(catalog: Catalog, away: Indexes, why: str, needs: tuple[str, ...]) -> Iterator[Recommendation]:
    for index in catalog.indexes():
        if _among(index.definition, away) and index.valid and index.parent is None:
            name = index.name.name
            sql = (drop_sql(index.definition, name, catalog), build_sql(index.definition, name, catalog))
            size = (index.size_bytes, "measured")
            drop = _recommendation(index.definition, name, PlanAction.DROP, sql, size, why)
            yield replace(drop, needs=needs)


def _recommendation(
    definition: IndexDefinition, name: str, action: PlanAction, sql: tuple[str, str], size: tuple[int, str], why: str
) -> Recommendation:
    drop = action is PlanAction.DROP
    return Recommendation(
        id=f"F-{definition.id[2:]}" if drop else definition.id,
        definition=definition,
        name=name,
        ddl=sql[0],
        undo=sql[1],
        summary=f"drop {name}" if drop else summary(definition),
        kind="experiment",
        size_bytes=size[0],
        size_method=size[1],
        reasons=(Reason("experiment", why, "settings"),),
        action=action,
    )
