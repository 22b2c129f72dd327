"""Advice for some tenants of many that share tables: their part of the load, with their values, and what is theirs.

Where values are known (literals, recorded parameters), a statement is a tenant's when it compares the tenant column
with it. Where only ``$1`` is known (pg_stat_statements), the tenant has as much of the statement as it has of the rows,
by the statistics, and the statement is planned with its value. Recorded statistics say themselves whose they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.advise.assemble import Priceable
from indexpilot_cli.advise.candidates.propose import detect, nearest_scheme
from indexpilot_cli.advise.candidates.tenants import tenant_columns
from indexpilot_cli.advise.select.limits import Limits
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import WorkloadRequest
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName, quote_literal
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.core.workload import (
    AtomKind,
    FoldedWorkload,
    ObservedStatement,
    QueryTemplate,
    Skipped,
    SourceKind,
    Stage,
    Workload,
)
from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome import table as genome
from indexpilot_cli.settings.features import ConstraintOptimizerSettings
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.sql.ddl.words import constant
from indexpilot_cli.sql.expressions import CONSTANT
from indexpilot_cli.sql.normal import tree_of
from indexpilot_cli.sql.parser import (
    Node,
    Statement,
    bind,
    deparse,
    parameters,
    parse,
    renumber,
)
from indexpilot_cli.sql.selectivity import row_count, value_share
from indexpilot_cli.workload.predicates.blocks import relation_uses
from indexpilot_cli.workload.recorded import recorded_workload
from indexpilot_cli.workload.templates import fold_read

OTHER_TENANT = "other_tenant"
_NUMBER = re.compile(r"-?\d+")
_COMPARED = (AtomKind.EQUAL, AtomKind.IN)
_KINDS = frozenset(("AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY"))

Columns = Mapping[QualifiedName, str]


@dataclass(frozen=True, slots=True)
class TenantChoice:
    """The tenants advice is for, as they are written, and the tenant column of each table that has one."""

    tenants: tuple[str, ...]
    columns: Columns
    catalog: Catalog

    @property
    def names(self) -> frozenset[str]:
        """The names of tenant columns."""
        return frozenset(self.columns.values())

    def literal(self, table: QualifiedName, tenant: str) -> str:
        """The tenant as SQL text to compare the table's column with. Raises UsageError for what cannot be one."""
        column = self.catalog.table(table)
        found = column.column(self.columns[table]) if column is not None else None
        if found is not None and found.category == "N":
            if not _NUMBER.fullmatch(tenant):  # it stands in the statement without quotes
                raise UsageError(f"{found.name} of {table.short} is a number, not {tenant[:40]!r}", code="bad_tenant")
            return tenant
        return quote_literal(tenant)

    def share(self, table: QualifiedName, tenant: str) -> float:
        """Which share of the table's rows is the tenant's, by the statistics; 1 where there are none."""
        found = self.catalog.table(table)
        column = found.column(self.columns[table]) if found is not None else None
        if found is None or column is None or column.statistics is None:
            return 1.0
        return value_share(tenant, column.statistics, row_count(found))


def columns_of(templates: Sequence[QueryTemplate], catalog: Catalog, *, asked: bool = False) -> Columns:
    """The tenant column of each table that has one, by the workload, by foreign keys or by its name; where somebody
    ``asked`` for tenants, else what comes nearest.
    """
    found = detect(templates, catalog)
    columns = tenant_columns(found.columns if found is not None else {}, catalog)
    return columns or (tenant_columns(nearest_scheme(templates, catalog), catalog) if asked else {})


@dataclass(frozen=True, slots=True)
class TenantWorkload:
    """The tenants' part of a workload: ``workloads`` as they were read, ``everything`` the whole of them, folded."""

    source: Source
    asked: WorkloadRequest
    tenants: tuple[str, ...]
    workloads: Sequence[Workload]
    everything: FoldedWorkload

    def folded(self) -> tuple[FoldedWorkload, bool]:
        """The part, and whether some of it is known by their share of the rows only. Raises as ``choose_tenants``."""
        catalog = self.source.catalog
        choice = choose_tenants(self.workloads, self.everything.templates, catalog, self.tenants)
        recorded = [self._recorded(w) for w in self.workloads]
        own, unknown = (fold_read(w, catalog, self.asked) for w in split_by_values(recorded, choice))
        guessed = with_tenants_values(unknown, choice)
        return tenants_together(own, guessed), bool(guessed.templates)

    def _recorded(self, workload: Workload) -> Workload:
        if workload.source is not SourceKind.QUERY_STATS:
            return workload
        numbers = [int(t) for t in self.tenants if t.lstrip("-").isdecimal()]
        return recorded_workload(self.source, since=self.asked.since, tenants=numbers)

    def note(self, mine: FoldedWorkload, *, guessed: bool) -> str:
        """How much of the recorded load is the tenants'."""
        timed = all(t.total_ms is not None for t in chain(mine.templates, self.everything.templates))
        total = load_of(self.everything, timed=timed) or 1.0
        share = min(1.0, load_of(mine, timed=timed) / total)
        names = self.tenants
        who = f"tenant {names[0]} has" if len(names) == 1 else f"tenants {', '.join(names)} have"
        how = "; where values are not recorded, as much as of the rows" if guessed else ""
        return f"{who} {share:.2%} of the recorded {'time' if timed else 'calls'}{how}: benefits are shares of that"


def choose_tenants(
    workloads: Sequence[Workload], templates: Sequence[QueryTemplate], catalog: Catalog, tenants: Sequence[str]
) -> TenantChoice:
    """The choice. Raises UsageError where no tables share a tenant column that the statements could be told by, or a
    tenant cannot be a value of it.
    """
    columns = columns_of(templates, catalog, asked=True)
    if not columns and any(w.source is not SourceKind.QUERY_STATS for w in workloads):
        raise UsageError(
            "no tenant column was found, and no schema has the name of a tenant",
            hint="--tenant needs tables that share a column which most statements compare, or one called tenant_id",
            code="no_tenants",
        )
    choice = TenantChoice(tuple(dict.fromkeys(tenants)), columns, catalog)
    for table in columns:
        for tenant in choice.tenants:
            choice.literal(table, tenant)
    return choice


def split_by_values(workloads: Sequence[Workload], choice: TenantChoice) -> tuple[list[Workload], list[Workload]]:
    """The workloads with the tenants' own statements, and with those whose values nobody knows."""
    own, unknown = [], []
    for workload in workloads:
        if workload.source is SourceKind.QUERY_STATS:
            own.append(workload)
            continue
        mine = tuple(s for s in workload.statements if _has_values(s) and _is_of(s, choice))
        own.append(replace(workload, statements=mine, skipped=()))
        unknown.append(replace(workload, statements=tuple(s for s in workload.statements if not _has_values(s))))
    return own, unknown


_PARAMETER = re.compile(r"\$\d")


def _has_values(observed: ObservedStatement) -> bool:
    return bool(observed.parameters) or not _PARAMETER.search(observed.text)


def _is_of(observed: ObservedStatement, choice: TenantChoice) -> bool:
    """Whether the statement compares a tenant column with one of the tenants."""
    # Most are somebody else's: the text tells that soonest.
    texts = "\0".join((observed.text, *filter(None, observed.parameters)))
    if not any(tenant in texts for tenant in choice.tenants):
        return False
    statement = parse(observed.text)
    if not isinstance(statement, Statement):
        return False
    values = {n: quote_literal(v) for n, v in enumerate(observed.parameters, 1) if v is not None}
    node = bind(statement.node, {n: values[n] for n in parameters(statement.node) if n in values})
    return any(value in choice.tenants for value in _compared(node, choice.names))


def _compared(node: Node, names: frozenset[str]) -> Iterator[str]:
    """The constants with which a column of these names is compared for equality."""
    for here in node.walk():
        if here.kind != "A_Expr" or here.enum("kind") not in _KINDS or here.names("name")[-1] != "=":
            continue
        sides = here.child("lexpr"), here.child("rexpr")
        for one, other in (sides, sides[::-1]):
            if one is not None and one.kind == "ColumnRef" and one.names("fields")[-1] in names and other is not None:
                yield from _constants(other)


def _constants(node: Node) -> Iterator[str]:
    for item in node.children("items") if node.kind == "List" else (node,):
        inner: Node | None = item
        while inner is not None and inner.kind == "TypeCast":
            inner = inner.child("arg")
        text = constant(inner) if inner is not None and inner.kind == "A_Const" else None
        if text is not None:
            # An array is one constant: = ANY ('{3,7}').
            yield from text.strip("{}").split(",") if text.startswith("{") else (text,)


def with_tenants_values(folded: FoldedWorkload, choice: TenantChoice) -> FoldedWorkload:
    """The templates whose values nobody knows, as far as they are the tenants': with their share and their value.

    Those that compare no tenant column are among the skipped: whose they are cannot be told.
    """
    kept: list[QueryTemplate] = []
    left: list[Skipped] = []
    for template in folded.templates:
        found = _tenant_slot(template, choice.columns)
        if found is None:
            why = "it compares no tenant column, so whose it is cannot be told"
            left.append(Skipped(OTHER_TENANT, template.text, why, template.calls, template.total_ms or 0.0, Stage.FOLD))
        else:
            kept.append(_bound(template, choice, *found))
    return replace(folded, templates=tuple(kept), skipped=(*folded.skipped, *left))


def _tenant_slot(template: QueryTemplate, columns: Columns) -> tuple[QualifiedName, frozenset[int]] | None:
    """A table of which the template compares the tenant column, and the parameters it compares tenant columns with."""
    table: QualifiedName | None = None
    numbers: set[int] = set()
    for use in template.uses:
        for atom in use.atoms:
            if atom.kind in _COMPARED and atom.column is not None and columns.get(use.table) == atom.column:
                table = table or use.table
                numbers |= {*atom.parameters} if atom.kind is AtomKind.EQUAL else set()
    return None if table is None else (table, frozenset(numbers))


def _bound(
    template: QueryTemplate, choice: TenantChoice, table: QualifiedName, numbers: frozenset[int]
) -> QueryTemplate:
    shares = {tenant: choice.share(table, tenant) for tenant in choice.tenants}
    part = min(1.0, sum(shares.values()))  # of tenants that are no common values the shares are guesses
    statement = parse(template.text)
    assert isinstance(statement, Statement)  # a template's text has been parsed

    def bound(tenant: str) -> Node:
        value = choice.literal(table, tenant)
        return renumber(bind(statement.node, dict.fromkeys(numbers, value)))

    scaled = replace(
        template,
        calls=template.calls * part,
        total_ms=None if template.total_ms is None else template.total_ms * part,
        variance=None if template.variance is None else template.variance * part,
        blocks=None if template.blocks is None else template.blocks * part,
    )
    if len(choice.tenants) > 1:
        variants = ((deparse(bound(t)), template.calls * share) for t, share in shares.items())
        return replace(scaled, variants=tuple(variants))
    (only,) = choice.tenants
    node = bound(only)
    return replace(scaled, text=deparse(node), uses=relation_uses(node, choice.catalog), variants=())


def tenants_together(own: FoldedWorkload, unknown: FoldedWorkload) -> FoldedWorkload:
    """Both as one workload; of a template in both the known values are planned, and the calls add up."""
    more = {t.id: t for t in unknown.templates}
    merged = [_added(t, more.pop(t.id)) if t.id in more else t for t in own.templates]
    templates = sorted((*merged, *more.values()), key=lambda t: -(t.total_ms or 0.0))
    notes = dict.fromkeys((*own.notes, *unknown.notes))
    return replace(own, templates=tuple(templates), skipped=(*own.skipped, *unknown.skipped), notes=tuple(notes))


def _added(one: QueryTemplate, other: QueryTemplate) -> QueryTemplate:
    timed = one.total_ms is not None and other.total_ms is not None
    total = one.total_ms + other.total_ms if timed else one.total_ms  # type: ignore[operator]
    return replace(one, calls=one.calls + other.calls, total_ms=total)


def load_of(folded: FoldedWorkload, *, timed: bool) -> float:
    """Milliseconds where they are known, else calls."""
    return sum((t.total_ms or 0.0) if timed else t.calls for t in folded.templates)


def sizes_by_tenant(priceable: Priceable, columns: Columns) -> dict[str, list[tuple[IndexDefinition, float]]]:
    """By tenant the indexes that are its own, with their bytes: those of its schema, and those over its rows alone.

    One over the rows of several tenants counts for each with an equal part.
    """
    found: dict[str, list[tuple[IndexDefinition, float]]] = {}
    for definition, size in priceable.sizes.items():
        for place in priceable.places.get(definition, ()):
            found.setdefault(place.table.name.schema, []).append((definition, float(place.bytes)))
        if definition.predicate is not None and definition.table in columns:
            owners = _owners(definition.predicate, columns[definition.table])
            for tenant in owners:
                found.setdefault(tenant, []).append((definition, size.bytes / len(owners)))
    return found


def _owners(predicate: str, column: str) -> tuple[str, ...]:
    """The tenants to whose rows the predicate keeps an index; none where it keeps it to others."""
    tree = tree_of(predicate)
    parts = () if tree is None else tree.arguments if tree.value == "and" else (tree,)
    for part in parts:
        if part.value in ("=", "in") and part.arguments and part.arguments[0].value == column:
            values = part.arguments[1:]
            return tuple(v.value for v in values) if all(v.kind == CONSTANT for v in values) else ()
    return ()


def within_tenants(limits: Limits, priceable: Priceable, columns: Columns) -> Limits:
    """The limits with what each tenant's own indexes take, where that is limited."""
    if limits.tenant_bytes is None and limits.tenant_indexes is None:
        return limits
    return replace(limits, tenant_sizes=sizes_by_tenant(priceable, columns))


def for_all_tenants(
    source: Source, limits: ConstraintOptimizerSettings
) -> tuple[ConstraintOptimizerSettings, tuple[Warn, ...]]:
    """The storage for each tenant as one limit for all of them, or a warning that nobody can count them."""
    each = limits.max_storage_per_tenant
    if each is None:
        return limits, ()
    tenants = _tenants(source)
    if tenants is None:
        text = "max_storage_per_tenant is not applied: there is no table tenants with rows and no tenant has a profile"
        return limits, (Warn("tenants_unknown", _PER_TENANT, text),)
    most = min(each * tenants, each * tenants if limits.max_storage is None else limits.max_storage)
    return replace(limits, max_storage=most), ()


_PER_TENANT = "features.constraint_optimizer.max_storage_per_tenant"


def _tenants(source: Source) -> int | None:
    """How many tenants there are: schemas with the same tables, rows of the host's table ``tenants``, else profiles of
    ours; None: not known.
    """
    if source.siblings is not None:
        return max(len(group.schemas) for group in source.siblings.groups)
    for table in source.catalog.tables:
        if table.name.name == "tenants" and table.rows >= 1:
            return round(table.rows)
    if source.session is None or not source.is_initialised:
        return None
    return len(genome.profile_tenants(source.session, schema=source.connection.metadata_schema)) or None
