"""All findings of a database, made so that no two of them undo each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.core.catalog import Index, Table
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.workload import QueryTemplate
from indexpilot_cli.lifecycle.findings.invalid import invalid_findings
from indexpilot_cli.lifecycle.findings.references import reference_findings
from indexpilot_cli.lifecycle.findings.statistics import statistics_findings
from indexpilot_cli.lifecycle.findings.structure import overlapping_findings, redundant_findings, remark
from indexpilot_cli.lifecycle.findings.unused import unused_findings
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleSeverity,
    LifecycleState,
)
from indexpilot_cli.methods.existing import must_stay, redundant_indexes
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.methods.writes import SUMMARIZING_HOT_FROM
from indexpilot_cli.methods.written import hot_share
from indexpilot_cli.sql.normal import columns


def find(facts: LifecycleFacts) -> tuple[LifecycleFinding, ...]:
    """Findings in no order; an index that is offered to be dropped is offered once."""
    return tuple(_all(facts))


def by_gravity(finding: LifecycleFinding) -> tuple[object, ...]:
    """The gravest and largest first."""
    return finding.severity.rank, -(finding.size_bytes or 0), finding.table, finding.index or finding.table, finding.id


def _all(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    yield from invalid_findings(facts)
    redundant = redundant_indexes(facts.catalog.tables)
    needless = list(redundant_findings(redundant, facts))
    unused = list(unused_findings(facts, {found.by for found in redundant}))
    yield from _once(needless, unused)
    gone = {f.index for f in (*needless, *unused) if f.index is not None and f.ddl is not None}
    yield from overlapping_findings(facts, gone)
    yield from reference_findings(facts)
    yield from statistics_findings(facts)
    yield from hot_findings(facts)
    yield from wraparound_findings(facts)
    yield from dead_row_findings(facts)
    yield from view_findings(facts)
    yield from metadata_findings(facts)


def _once(needless: Sequence[LifecycleFinding], unused: Sequence[LifecycleFinding]) -> Iterator[LifecycleFinding]:
    """What is both needless and unused is told once, as the former, with the latter's evidence."""
    silent: dict[QualifiedName | None, tuple[Reason, ...]] = {f.index: f.evidence[:1] for f in unused}
    for finding in needless:
        yield replace(finding, evidence=(*finding.evidence, *silent.get(finding.index, ())))
    told = {finding.index for finding in needless}
    yield from (f for f in unused if f.index not in told)


# The defaults of autovacuum_vacuum_threshold and _scale_factor; twice that, for it may be on its way.
# https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
_DEAD_ROWS, _DEAD_SHARE, _DEAD_TIMES, _DEAD_PAGES = 50, 0.2, 2, 128
_UPDATES = 1000  # fewer say little about a table
_COLD = 0.5  # share of HOT updates below which it is worth a look
# Of the two thousand million ids there are. From the second on ``apply`` refuses, as its guard says.
# https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
_OLD, _GRAVE = 1_000_000_000, 1_500_000_000


def hot_findings(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """One for each index that alone keeps updates of a busy table from being HOT, by what statements set.

    Without a recorded UPDATE of the table nothing is known of the columns, and nothing is said.
    https://www.postgresql.org/docs/current/storage-hot.html
    """
    for table in facts.catalog.tables:
        if table.activity.updates >= _UPDATES and hot_share(table) < _COLD:
            yield from _cold(table, facts)


def _cold(table: Table, facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    updates = list(_updates(table, facts.templates))
    calls = sum(number for _, number in updates)
    guilty: Counter[Index] = Counter()
    touching = [(i, _columns(i)) for i in table.indexes if i.valid and not _stays_hot(i, facts)]
    for updated, number in updates:
        hit = [index for index, own in touching if own & updated]
        if len(hit) == 1:
            guilty[hit[0]] += round(number)
    for index, number in guilty.items():
        if must_stay(index, table) is None and number > 0:
            yield _defeating(table, index, number / calls, facts)


def _updates(table: Table, templates: Iterable[QueryTemplate]) -> Iterator[tuple[frozenset[str], float]]:
    for template in templates:
        for use in template.uses:
            if use.table == table.name and use.updated:
                yield use.updated, template.calls


def _columns(index: Index) -> frozenset[str]:
    definition = index.definition
    texts = [k.expression for k in definition.keys if k.expression is not None]
    texts += [definition.predicate] if definition.predicate is not None else []
    return frozenset({*definition.columns, *definition.include}).union(*map(columns, texts))


def _stays_hot(index: Index, facts: LifecycleFacts) -> bool:
    return facts.catalog.major >= SUMMARIZING_HOT_FROM and index_kind(index.definition.method).summarizing


def _defeating(table: Table, index: Index, share: float, facts: LifecycleFacts) -> LifecycleFinding:
    text = f"{table.activity.updates:,} updates, {hot_share(table):.0%} of them HOT: the others write to every index"
    alone = f"{share:.0%} of the recorded updates set a column of this index and of no other"
    reasons = Reason("not_hot", text, "pg_stat_user_tables"), Reason("alone", alone, "workload")
    return remark(index, facts, LifecycleState.HOT_DEFEATING, *reasons)


def wraparound_findings(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """One for each table whose oldest row is too old for comfort, in transactions or in multixacts."""
    for table in facts.catalog.tables:
        upkeep = facts.upkeep.get(table.oid)
        age = max(upkeep.xid_age, upkeep.multixact_age) if upkeep is not None else 0
        if upkeep is None or age < _OLD:
            continue
        unit = "transactions" if upkeep.xid_age >= upkeep.multixact_age else "multixacts"
        text = f"{age / 1e6:,.0f} million {unit} old: the server takes no writes from about two thousand million on"
        yield LifecycleFinding(
            LifecycleState.WRAPAROUND,
            LifecycleSeverity.ERROR if age >= _GRAVE else LifecycleSeverity.WARNING,
            LifecycleAction.VACUUM,
            table.name,
            size_bytes=table.size_bytes,
            evidence=(Reason("age", text, "pg_class"),),
            ddl=f"VACUUM (FREEZE) {table.name};",
        )


def dead_row_findings(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """One for each table with so many rows that nobody sees any more that autovacuum should have come twice by now."""
    for table in facts.catalog.tables:
        upkeep = facts.upkeep.get(table.oid)
        if (
            upkeep is None
            or table.pages < _DEAD_PAGES
            or upkeep.dead < _DEAD_TIMES * (_DEAD_ROWS + _DEAD_SHARE * table.rows)
        ):
            continue
        since = f"since {upkeep.last_vacuum:%Y-%m-%d}" if upkeep.last_vacuum is not None else "yet"
        text = f"{upkeep.dead:,} rows are dead beside {table.rows:,.0f}, and no vacuum came by {since}"
        yield LifecycleFinding(
            LifecycleState.BLOATED,
            LifecycleSeverity.WARNING,
            LifecycleAction.VACUUM,
            table.name,
            size_bytes=table.size_bytes,
            since=upkeep.last_vacuum,
            evidence=(Reason("dead_rows", text, "pg_stat_user_tables"),),
            ddl=f"VACUUM (ANALYZE) {table.name};",
            about="dead_rows",
        )


def view_findings(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """Materialized views that were never filled, and those that can only be refreshed while nobody reads them."""
    for table in facts.catalog.tables:
        if table.kind != "m":
            continue
        upkeep = facts.upkeep.get(table.oid)
        if upkeep is not None and not upkeep.populated:
            text = "it was never filled: queries of it fail"
            fill = f"REFRESH MATERIALIZED VIEW {table.name};"
            yield _view(table, LifecycleSeverity.WARNING, (Reason("not_populated", text, "pg_class"),), fill, "filled")
        elif not any(_identifies(index) for index in table.indexes):
            yield _view(table, LifecycleSeverity.INFO, tuple(_blocking(table)), None, "concurrently")


def _identifies(index: Index) -> bool:
    """Whether REFRESH MATERIALIZED VIEW CONCURRENTLY can tell rows apart by it: whole rows, plain columns only.

    https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
    """
    definition = index.definition
    plain = definition.predicate is None and all(k.column is not None for k in definition.keys)
    return definition.unique and plain and index.valid and index.ready


def _blocking(table: Table) -> Iterator[Reason]:
    text = "no unique index on plain columns of all its rows, so REFRESH CONCURRENTLY is refused and readers wait"
    yield Reason("no_unique", text, "catalog")
    for column in table.columns:
        # -1: as many values as rows in the sample that ANALYZE took.
        if column.statistics is not None and column.statistics.n_distinct == -1 and not column.statistics.null_frac:
            name = quote_identifier(column.name)
            yield Reason("candidate", f"{name} has as many values as there are rows, by its statistics", "pg_stats")
            return


def _view(
    table: Table, severity: LifecycleSeverity, evidence: tuple[Reason, ...], ddl: str | None, about: str
) -> LifecycleFinding:
    return LifecycleFinding(
        LifecycleState.MATERIALIZED_VIEW,
        severity,
        LifecycleAction.REPORT,
        table.name,
        size_bytes=table.size_bytes,
        evidence=(*evidence, *([Reason("settled_by", ddl.rstrip(";"), "catalog")] if ddl else [])),
        about=about,
    )


def metadata_findings(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """What the log says and the catalog does not, and the other way round; profiles of columns that are gone."""
    known = facts.metadata
    if known is None:
        return
    there = {index.name: index for index in facts.catalog.indexes()}
    for logged in known.logged:
        if logged.made and logged.index not in there and logged.index not in facts.known:
            text = f"M-{logged.mutation} says that {logged.index.short} was built; it is not there any more"
            yield _mismatch(logged.table, logged.index, Reason("logged_missing", text, "log"))
    for index in there.values():
        operation = _tag(index)
        if operation is not None and operation not in known.operations:
            text = f"{index.name.short} bears the mark of operation {operation}, which the log does not know"
            yield _mismatch(index.definition.table, index.name, Reason("not_logged", text, "catalog"))
    for table, field in known.profiles:
        text = f"profiles or the genome catalog name column {quote_identifier(field)}, which is not there any more"
        yield _mismatch(table, None, Reason("orphaned_profile", text, "log"), field)


def _tag(index: Index) -> str | None:
    words = (index.comment or "").removeprefix("indexpilot:").split()
    return words[0] if words and (index.comment or "").startswith("indexpilot:") else None


def _mismatch(table: QualifiedName, index: QualifiedName | None, why: Reason, about: str = "") -> LifecycleFinding:
    return LifecycleFinding(
        LifecycleState.METADATA_MISMATCH,
        LifecycleSeverity.WARNING,
        LifecycleAction.REPORT,
        table,
        index,
        evidence=(why,),
        about=about or why.code,
    )
