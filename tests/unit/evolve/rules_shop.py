"""A little shop as a Catalog, and files reviewed against it by rules."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog, Column, ForeignKey, Index, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import MigrationObservation
from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.findings import findings
from indexpilot_cli.evolve.review.fix import FixedMigration, fix
from indexpilot_cli.evolve.review.judge import Bench, RelationSizes, judge
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.offline.observe import observe_by_rules
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.values import Finding, StatementVerdict, TemplateImpact
from indexpilot_cli.sql.ddl.action import Migration

EMPTY = Catalog(180000, "", ())


def name(text: str) -> QualifiedName:
    return QualifiedName("public", text)


def column(label: str, number: int, type_: str, base: str, *, not_null: bool = False) -> Column:
    return Column(label, number, type_, base, "S", not_null=not_null)


def index(table: str, label: str, *keys: str, **more) -> Index:
    parts = tuple(IndexKey(column=k) if k.isidentifier() else IndexKey(expression=k) for k in keys)
    shape = IndexDefinition(name(table), parts, predicate=more.pop("predicate", None), unique=more.pop("unique", False))
    return Index(name(label), shape, f"CREATE INDEX {label}", **more)


ORDERS = Table(
    name("orders"),
    "r",
    (
        column("id", 1, "integer", "int4", not_null=True),
        column("ref", 2, "character varying(20)", "varchar"),
        column("buyer", 3, "integer", "int4", not_null=True),
        column("at", 4, "timestamp without time zone", "timestamp"),
        column("amount", 5, "numeric(10,2)", "numeric"),
        column("note", 6, "text", "text"),
        column("mail", 7, "email", "text"),
    ),
    (
        index("orders", "orders_pkey", "id", unique=True, primary=True, constraint="p"),
        index("orders", "orders_ref_idx", "ref"),
        index("orders", "orders_buyer_at", "buyer", "at"),
        index("orders", "orders_note_part", "amount", predicate="note IS NOT NULL"),
        index("orders", "orders_bad", "note", valid=False),
    ),
    pages=1_400_000,
    tuples=48_000_000.0,
)
PEOPLE = Table(
    name("people"),
    "r",
    (column("id", 1, "integer", "int4", not_null=True), column("name", 2, "text", "text")),
    (index("people", "people_pkey", "id", unique=True, primary=True, constraint="p"),),
    pages=80_000,
    tuples=2_000_000.0,
)
SMALL = Table(name("small"), "r", (column("id", 1, "integer", "int4", not_null=True),), pages=1, tuples=10.0)
EVENTS = Table(
    name("events"),
    "p",
    (column("id", 1, "integer", "int4"), column("at", 2, "timestamp with time zone", "timestamptz", not_null=True)),
    (index("events", "events_at", "at"),),
    partition_key="RANGE (at)",
)
EVENTS_1 = replace(
    EVENTS,
    name=name("events_1"),
    kind="r",
    indexes=(index("events_1", "events_1_at", "at"),),
    pages=100_000,
    tuples=9_000_000.0,
    parent=name("events"),
    is_partition=True,
    partition_key=None,
)
LATER = replace(EVENTS_1, name=name("later"), indexes=(index("later", "later_at", "at"),), parent=None)
TOTALS = Table(
    name("totals"),
    "m",
    (column("id", 1, "integer", "int4"),),
    (index("totals", "totals_id", "id", unique=True),),
    pages=50_000,
    tuples=3_000_000.0,
)
CATALOG = Catalog(
    150004,
    "shop",
    (ORDERS, PEOPLE, SMALL, EVENTS, EVENTS_1, LATER, TOTALS),
    foreign_keys=(ForeignKey("orders_buyer_fkey", name("orders"), ("buyer",), name("people"), ("id",)),),
)


def seen(
    text: str, catalog: Catalog | None = CATALOG, *, one_transaction: bool = False, version: int | None = None
) -> tuple[Migration, MigrationObservation, tuple[StatementVerdict, ...]]:
    migration = read_migration("m.sql", text, one_transaction=one_transaction)
    number = version if version is not None else catalog.version if catalog else 0
    observation = observe_by_rules(migration, catalog, number)
    return migration, observation, judge(observation, Bench(RelationSizes(catalog or EMPTY)))


def found(
    text: str,
    catalog: Catalog | None = CATALOG,
    *,
    one_transaction: bool = False,
    probes: Sequence[ProbeAnswer] = (),
    templates: Sequence[TemplateImpact] = (),
    ignore: Collection[str] = (),
) -> tuple[Finding, ...]:
    migration, observation, verdicts = seen(text, catalog, one_transaction=one_transaction)
    if probes:
        verdicts = judge(observation, Bench(RelationSizes(catalog or EMPTY)), probes)
    review = Review(migration, observation, verdicts, tuple(probes), tuple(templates), catalog)
    return findings(review, ignore=ignore)


def ids(text: str, catalog: Catalog | None = CATALOG, **more) -> list[str]:
    """Ids that are not ignored and no advice, in order."""
    return [f.id for f in found(text, catalog, **more) if f.ignored is None and f.id[0] not in "DTN"]


def fixed(
    text: str,
    catalog: Catalog | None = CATALOG,
    *,
    one_transaction: bool = False,
    version: int | None = None,
    fired: Collection[QualifiedName] = (),
) -> FixedMigration:
    given = seen(text, catalog, one_transaction=one_transaction, version=version)
    return fix(Review(*given, catalog=catalog, server=version or 0, fired=frozenset(fired)))
