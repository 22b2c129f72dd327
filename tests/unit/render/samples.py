"""Results made by hand, one of each kind, with awkward names and texts in them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from indexpilot_cli.admin.analyze import AnalyzeResult
from indexpilot_cli.admin.calibrate import CalibrateAction, CalibrateResult
from indexpilot_cli.admin.discover import DiscoverResult, IndexReport, TableReport
from indexpilot_cli.admin.doctor import DoctorResult
from indexpilot_cli.admin.doctor_checks import Check
from indexpilot_cli.admin.genome import FieldChange, FieldReport, GenomeResult, GenomeSetResult
from indexpilot_cli.admin.history import HistoryResult, UsageResult, VersionsResult
from indexpilot_cli.admin.init import InitResult
from indexpilot_cli.admin.model import ModelCard, ModelResult
from indexpilot_cli.admin.schema_sync import SchemaSyncResult
from indexpilot_cli.admin.snapshot import SnapshotResult
from indexpilot_cli.admin.tenant import TenantChange, TenantResult, TenantsResult
from indexpilot_cli.admin.types import TypesResult
from indexpilot_cli.advise.ablate import AblationResult, AlgorithmAblation, ChangedIndex, PlanDifference
from indexpilot_cli.advise.values import Alternative, Evidence, ExplainResult, PlanView
from indexpilot_cli.algorithms.xgboost.model import BenefitKind
from indexpilot_cli.algorithms.xgboost.training import CrossValidated
from indexpilot_cli.apply.experiments.judge import ExperimentAnswer, ExperimentVerdict
from indexpilot_cli.apply.experiments.values import ExperimentReport, ExperimentResult, ExperimentsResult
from indexpilot_cli.apply.values import ApplyResult, ApproveResult, BypassResult
from indexpilot_cli.apply.verify.verdict import MeasuredEffect, TemplateVerdict
from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.estimator import Fidelity, TwinDifference
from indexpilot_cli.core.hazard import Hazard, Severity
from indexpilot_cli.core.index import IndexDefinition, IndexKey, Reason, Rejection
from indexpilot_cli.core.mutation import Blocker, Mutation, MutationReport, MutationType, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import (
    AlgorithmFinding,
    Bound,
    Effect,
    Plan,
    PlanAction,
    Recommendation,
    ReplacedIndex,
    Risk,
    TemplateEffect,
    Warn,
)
from indexpilot_cli.core.workload import Skipped, SkippedReport, SourceKind, StatementKind, TemplateReport
from indexpilot_cli.genome.fields import FieldKey
from indexpilot_cli.genome.sync import GenomeChange, GenomeChangeKind
from indexpilot_cli.genome.table import TenantField, TenantProfile
from indexpilot_cli.genome.typed_source import TypeStyle
from indexpilot_cli.guards.bypass import BypassLevel
from indexpilot_cli.guards.context import Verdict
from indexpilot_cli.lifecycle.builds import BuildsResult, RunningBuild, UnfinishedIndex
from indexpilot_cli.lifecycle.forecast import BuildForecast, BuildLook, EndsBetween
from indexpilot_cli.lifecycle.metric_families import MeasuredIndex, MeasuredPlace, ServerFigures, down, families
from indexpilot_cli.lifecycle.metrics import MetricsResult
from indexpilot_cli.lifecycle.snapshots import CountedServer, CounterSnapshotResult
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFinding,
    LifecycleResult,
    LifecycleSeverity,
    LifecycleState,
    SlowerTemplate,
)
from indexpilot_cli.log.plans import AlgorithmDecisions
from indexpilot_cli.log.versions import IndexVersion
from indexpilot_cli.methods.rates import SHIPPED, Calibration
from indexpilot_cli.render.views.serve import ServeResult, serve_view
from indexpilot_cli.simulate.kept import KeptSimulation, SimulationHistory
from indexpilot_cli.simulate.proof import DemoLatency, DemoResult, DemoStep
from indexpilot_cli.simulate.scenarios import Pattern, Scenario
from indexpilot_cli.simulate.values import (
    LatencyGroup,
    PhaseResult,
    SimulatedIndex,
    SimulatedPlan,
    SimulatedWorkload,
    SimulationCheck,
    SimulationMode,
    SimulationResult,
)

NOW = datetime(2026, 11, 20, 2, 0, 7, tzinfo=UTC)
SERVED = ServeResult("http://127.0.0.1:8080/", NOW, NOW + timedelta(minutes=3), "SIGTERM")
SERVER = Server("16.4", 160004, "shop", "db1", 5432, "dba")
ORDERS = QualifiedName("public", "orders")
ODD = QualifiedName("Mixed Case", "select|group")
LONG = QualifiedName("public", "a_table_with_a_name_of_sixty_three_bytes_which_is_the_longest_ok")

BY_CUSTOMER = IndexDefinition(ORDERS, (IndexKey("customer_id"), IndexKey("created_at", descending=True)))
OPEN = IndexDefinition(ORDERS, (IndexKey("status"),), predicate="(status <> 'done'::text)")
ITEMS = IndexDefinition(QualifiedName("public", "order_items"), (IndexKey("product_id"),), include=("quantity",))


def recommendation(definition, name, size, benefit, reduction, write_cost, **more):
    from indexpilot_cli.core.ddl import create_index, drop_index, summary

    return Recommendation(
        definition.id,
        definition,
        name,
        create_index(definition, name),
        drop_index(QualifiedName(definition.table.schema, name)),
        summary(definition),
        "equality",
        size,
        "model",
        benefit,
        reduction,
        write_cost,
        templates=(TemplateEffect("q-2b91c0", 41230.1, 3120.4, 0.41),),
        reasons=(Reason("equality", "equality on customer_id"), Reason("sort", "order by created_at")),
        **more,
    )


FIRST = recommendation(BY_CUSTOMER, "orders_customer_id_created_at_ip_idx", 1503238553, 0.378, 0.92, 0.019)
SECOND = recommendation(
    OPEN,
    "orders_status_part_ip_idx",
    62914560,
    0.071,
    0.81,
    0.002,
    risks=(Risk("stale", "customers was last analyzed 6 days ago", "ANALYZE customers;"),),
    confidence="low",
    confidence_why="one observed call",
)
THIRD = recommendation(ITEMS, "order_items_product_id_incl_ip_idx", 3328599654, 0.03, 0.64, 0.028)

PLAN = Plan(
    "P-7c1e",
    NOW,
    SERVER,
    "twin/16",
    142,
    1870,
    61,
    1.0,
    0.538,
    "cost",
    (FIRST, SECOND, THIRD),
    (
        Rejection("orders (status)", "covered_by", "an index on (status, id) serves it", OPEN, by=FIRST.id),
        Rejection("customers (is_active)", "low_selectivity", "98 % of the rows are true"),
        Rejection("customers (email)", "exists", "customers_email_key does the same"),
    ),
    Bound(0.538, 0.52, 0.0334),
    budget_bytes=5 << 30,
    size_bytes=4894752767,
    write_cost=0.049,
    skipped=(Skipped("utility", "VACUUM orders", "not a query", 3, 12.5),),
    skipped_share=0.002,
    calls=3120,
    cache_hits=811,
    seconds=12.3,
    schema_digest="9f31",
    notes=("costs are planner costs, not times",),
    budget_curve=((0, 1.0), (5 << 30, 0.538)),
    budget_sets=((), (FIRST.id, SECOND.id, THIRD.id)),
)
_OLD = IndexDefinition(ORDERS, (IndexKey("customer_id"),))
REPLACING = replace(
    FIRST,
    action=PlanAction.REPLACE,
    summary="orders (customer_id, created_at DESC) instead of orders_old",
    replaces=(
        ReplacedIndex(
            "orders_old",
            _OLD,
            "DROP INDEX CONCURRENTLY public.orders_old",
            "CREATE INDEX CONCURRENTLY orders_old ON public.orders USING btree (customer_id)",
            9 << 20,
        ),
    ),
    write_cost=-0.004,
)
DROPPING = replace(
    FIRST,
    id="F-0f1e2d3c",
    definition=OPEN,
    name="orders_unread",
    ddl="DROP INDEX CONCURRENTLY public.orders_unread",
    undo="CREATE INDEX CONCURRENTLY orders_unread ON public.orders USING btree (status)",
    summary="drop orders_unread",
    kind="unused",
    size_bytes=3 << 20,
    size_method="measured",
    benefit=0.0,
    reduction=0.0,
    write_cost=-0.02,
    templates=(),
    reasons=(Reason("no_scan", "no scan here since 2026-10-01 00:00Z", "pg_stat_user_indexes"),),
    action=PlanAction.DROP,
    needs=(FIRST.id,),
)
SEEN = AlgorithmFinding(
    "cert",
    "stale_statistics",
    "orders (status)",
    Effect.HELD,
    "held until the table is analyzed",
    (Reason("rows", "the planner expects 10 rows, the sample says 4,200 to 5,100", "sample"),),
    confidence="99 %",
    cannot_tell="how values of other tables go with it",
    statements=1,
    pages=250,
    definition=OPEN,
    analyze=ORDERS,
)
DROPPING_PLAN = replace(PLAN, recommendations=(REPLACING, DROPPING), findings=(SEEN,), analyze=(ORDERS,))
EMPTY_PLAN = Plan(
    "P-0000", NOW, None, "twin/16", 0, 0, 0, 0.0, 0.0, "cost", (), (), Bound(0.0, None, None, note="nothing to select")
)

TEMPLATE = TemplateReport(
    id="q-2b91c0",
    kind=StatementKind.SELECT,
    calls=912000,
    total_ms=50036400.0,
    mean_ms=54.9,
    share=0.41,
    reads="seq scan",
    blocks=1.2e9,
    relations=(ORDERS,),
    text="SELECT id, total FROM orders\nWHERE customer_id = $1 AND note = 'a|b' ORDER BY created_at DESC LIMIT 20",
)
WRITE = TemplateReport(
    id="q-88d17e",
    kind=StatementKind.UPDATE,
    calls=4.1e6,
    share=0.17,
    is_write=True,
    text='UPDATE "Mixed Case"."select|group" SET n = n + 1',
)

DISCOVER = DiscoverResult(
    (
        TableReport(
            ORDERS,
            48.2e6,
            12241000000,
            (9.8e9).__int__(),
            (
                IndexReport(
                    QualifiedName("public", "orders_pkey"), "CREATE UNIQUE INDEX …", 1080000000, 88123, True, "primary"
                ),
            ),
            1204.2,
            310.0,
            datetime(2026, 11, 20, 0, 0, tzinfo=UTC),
        ),
        TableReport(ODD, None, 0, 0, (), None, None, None, "partitioned"),
        TableReport(LONG, 12, 8192, 16384, (IndexReport(LONG, "CREATE INDEX x", 16384, None, False),), 0.0, 0.0, NOW),
    ),
    datetime(2026, 11, 1, 4, 12, tzinfo=UTC),
    NOW,
    2,
)
ANALYZE = AnalyzeResult(
    source=SourceKind.STATEMENTS,
    since=datetime(2026, 11, 1, 4, 12, tzinfo=UTC),
    total_ms=122040000.0,
    statement_count=1870,
    template_count=142,
    shown_share=0.58,
    templates=(TEMPLATE, WRITE),
    skipped=(
        SkippedReport(reason="utility", count=8, share=0.01, detail="not a query", example="VACUUM orders"),
        SkippedReport(reason="unparsed", count=3),
    ),
    notes=("times include lock waits",),
)
EXPLAIN_QUERY = ExplainResult(
    "query",
    title="SELECT * FROM orders WHERE status = 'open'",
    verdict="rejected",
    verdict_text="not recommended: benefit 1.4 % is under the 5 % you asked for",
    reason="benefit_below_minimum",
    minimum=0.05,
    benefit=0.014,
    estimator="twin/16",
    plans=(
        PlanView("now", 1204331.0, 44e6, None, "Seq Scan on orders", ("Seq Scan on orders",)),
        PlanView("with", 1187002.0, 44e6, None, "Index Scan", ("Index Scan",), ("<hypothetical>",)),
        PlanView("without", None, error="no plan: relation is gone"),
    ),
    evidence=(Evidence("pg_stats", "'open' is 93 % of the table", column="status"),),
    alternatives=(Alternative("R-b0021e", "orders (status) WHERE status <> 'done'", "serves q-0c4f55, 60 MB"),),
)
EXPLAIN_INDEX = ExplainResult(
    "recommendation", FIRST.id, "orders (customer_id, created_at DESC)", "recommended", recommendation=FIRST
)
EXPLAIN_MUTATION = ExplainResult(
    "mutation",
    "M-118",
    "index built",
    sql="CREATE INDEX x ON t (a);\nDROP INDEX x;",
    mutation=Mutation(MutationType.CREATE_INDEX, {"actor": "dba"}, table_name="orders", id=118, created_at=NOW),
    facts=(("When", "2026-11-20"),),
    notes=("kept",),
)
EXPLAIN_TEMPLATE = ExplainResult("template", "q-2b91c0", template=TEMPLATE, templates=(TEMPLATE, WRITE))
EXPLAIN_HAZARD = ExplainResult(
    "hazard",
    "L01",
    "An index built without CONCURRENTLY",
    hazard=Hazard(
        "L01",
        "index-not-concurrent",
        Severity.ERROR,
        "An index built without CONCURRENTLY",
        "Writes wait until\nit is built.\n\nReads go on.",
        "Build it with CONCURRENTLY.",
        "CREATE INDEX i ON t (a);",
        "CREATE INDEX CONCURRENTLY i ON t (a);",
        "https://www.postgresql.org/docs/current/sql-createindex.html",
    ),
)
CALIBRATIONS = (
    CalibrateResult(
        CalibrateAction.MEASURE,
        Calibration(NOW, 150020, ("fsync = on",), 100_000, SHIPPED),
        "indexpilot.calibrations",
        swept=1,
        wal_bytes=305 << 20,
    ),
    CalibrateResult(CalibrateAction.PLAN, wal_bytes=305 << 20),
    CalibrateResult(CalibrateAction.SHOW, None, "a.json", "the calibration in a.json cannot be read"),
    CalibrateResult(CalibrateAction.FORGET, forgotten=2),
)
SNAPSHOT = SnapshotResult(
    "shop.ipsnap", 3 << 20, "sha256:ab", NOW, 14, 37, 1870, True, "ranges are exact, values are not.", ("x",)
)
DOCTOR = DoctorResult(
    (
        Check("ok", "connection", "db1:5432/shop as dba, TLS", code="connection"),
        Check("missing", "hypopg", "available 1.4.1", "CREATE EXTENSION hypopg;", "hypopg"),
        Check("warning", "statistics", "customers: last analyzed 6 d ago", "ANALYZE customers;", "statistics"),
        Check(
            "error", "leftover", "M-097 never closed; invalid index items_sku_ip_idx", "indexpilot history", "leftover"
        ),
    ),
    Fidelity("twin/16", 142, 141, 0.0, 0.0001, 0.12, 3, (TwinDifference("q-2b91c0", 100.0, 112.0, 0.12, "SELECT 1"),)),
)
_MEASURED = ExperimentVerdict(
    ExperimentAnswer.B,
    "1 of 1 templates faster with b: q-1a2b 3.2 -> 0.4 ms per call",
    (TemplateVerdict("q-1a2b", MeasuredEffect.FASTER, 3.2, 0.4, "ms", 340.0, 4.0, 2e-9, (1200.0, 1180.0)),),
    ("no control templates: a change of the server's load cannot be told from the index's effect",),
)
_EXPERIMENT = ExperimentReport(
    *("status-first", ORDERS, "index", "running"),
    {"a": ("orders (status, customer_id)",), "b": ()},
    *(NOW, _MEASURED, None, "b", 3, 6, NOW, None, "the planner finds 80% less cost"),
)
EXPERIMENTS = (
    ExperimentsResult((_EXPERIMENT,)),
    ExperimentsResult(
        (
            _EXPERIMENT,
            ExperimentReport(
                *("checkout", ORDERS, "host", "stopped", {"a": ("query: old",), "b": ("query: new",)}, NOW),
                ExperimentVerdict(ExperimentAnswer.UNDECIDED, "no difference beyond chance in 400 outcomes of each"),
                winner="undecided",
                ended_at=NOW,
                split=0.25,
                metrics={"duration_ms": ExperimentVerdict(ExperimentAnswer.UNDECIDED, "no difference")},
            ),
        )
    ),
    ExperimentsResult(()),
)
EXPERIMENT_KINDS = ("experiment_start", "experiment_step", "experiment_stop")
EXPERIMENT_CHANGES = (
    ExperimentResult(None, (), (), experiments=(_EXPERIMENT,), what=("status-first: window 3 is not over",)),
    ExperimentResult(None, (), (), dry_run=True),
)
VERSIONS = VersionsResult(
    (
        IndexVersion(
            *(3, 2, ORDERS, QualifiedName("public", "orders_status_part_ip_idx")),
            "CREATE INDEX orders_status_part_ip_idx ON public.orders USING btree (status) WHERE (id > 7)",
            *("0d9a3c58-4a30-4b4e-9f3f-0c6a1f6f9a11", True, NOW, 118, "R-7f3a1c09"),
        ),
        IndexVersion(
            *(3, 1, ORDERS, QualifiedName("public", "by hand")),
            'CREATE INDEX "by hand" ON public.orders USING btree (status)',
            *(None, False, NOW),
        ),
    ),
    5,
)
USAGE = UsageResult(
    (
        AlgorithmDecisions("cert", Effect.REPRICED, 12, 3, 0, 0, 0, NOW),
        AlgorithmDecisions("pgm_index", Effect.ADDED, 4, 4, 1, 1, 1, NOW),
    )
)
HISTORY = HistoryResult(
    (
        Mutation(
            MutationType.CREATE_INDEX,
            {"actor": "dba", "index": "orders_x_ip_idx", "reason": "planner\nbenefit"},
            None,
            "orders",
            "customer_id",
            118,
            NOW,
        ),
        Mutation(MutationType.DISCOVER, {}, 7, None, None, 117, NOW),
    ),
    300,
)
INIT_PREVIEW = InitResult(
    "indexpilot",
    None,
    True,
    (
        Check("ok", "pg_stat_statements 1.10", "track = top"),
        Check("missing", "hypopg", "available 1.4.1", "CREATE EXTENSION hypopg;"),
    ),
    ("CREATE SCHEMA indexpilot; 4 tables", "write indexpilot.yaml"),
    (),
    ("CREATE SCHEMA indexpilot", "CREATE TABLE indexpilot.plan (id text)"),
    "indexpilot.yaml",
)
INIT_DONE = InitResult("indexpilot", 1, False, created=("schema", "config"), tables_count=4, fields_count=31)
DEMO = DemoResult(
    "running",
    (DemoStep("server", "PostgreSQL 16 in a private directory", 812.0),),
    "host=/tmp/x dbname=demo",
    PLAN,
    812.0,
    33.0,
    latencies=(DemoLatency("orders of a customer", 40, 20.3, 0.8),),
)

VERDICTS = (
    Verdict("window", False, "the window 22:00-05:00 Europe/Berlin is closed", "./indexpilot.yaml:3", retry_at=NOW),
    Verdict("write_performance", True, "8 indexes, warned from 7", "settings", warning=True, table=ODD),
    Verdict("disk", True, "212 GB free", "statvfs"),
    Verdict("plan_fresh", True, "as it was", "columns"),
)
BUILT = MutationReport(
    "done",
    OperationKind.CREATE,
    ORDERS,
    FIRST.name,
    FIRST.ddl,
    FIRST.undo,
    118,
    FIRST.id,
    FIRST.summary,
    401220.0,
    1610612736,
    verification="kept",
    verification_text="4 templates faster, none slower",
    started_at=NOW,
    notes=("4 templates",),
)
FAILED = MutationReport(
    "failed",
    OperationKind.CREATE,
    ODD,
    "odd_ip_idx",
    THIRD.ddl,
    THIRD.undo,
    120,
    THIRD.id,
    THIRD.summary,
    tries=5,
    error_code="lock_timeout",
    error="lock timeout",
    notes=("remnant dropped",),
)
PLANNED = MutationReport(
    "planned",
    OperationKind.CREATE,
    ORDERS,
    SECOND.name,
    SECOND.ddl,
    SECOND.undo,
    None,
    SECOND.id,
    SECOND.summary,
    None,
    60 << 20,
)
APPLIED = ApplyResult("P-7c1e", VERDICTS, (BUILT, FAILED), reconciled=(FAILED,))
APPLY_DRY = ApplyResult("P-7c1e", VERDICTS, (PLANNED,), dry_run=True)
APPLY_SKIPPED = ApplyResult("P-7c1e", VERDICTS, (), skipped="window", next_opening=NOW)
DROPPED = MutationReport(
    "done",
    OperationKind.DROP,
    ORDERS,
    FIRST.name,
    FIRST.undo,
    FIRST.ddl,
    121,
    None,
    FIRST.summary,
    12.0,
    started_at=NOW,
)
BYPASS = BypassResult(
    "disable",
    False,
    (
        BypassLevel("feature", "auto_indexing", True, "default"),
        BypassLevel("system", "system", False, "runtime switch", "release | tonight", NOW, NOW),
    ),
    True,
    ("still off by a file",),
)
APPROVED = ApproveResult("P-7c1e", "0011aabb22cc33dd", "dba", NOW, 3, "reviewed")

WARNINGS = (Warn("stats_stale", "public.customers", "never analyzed"),)


LIFECYCLE = LifecycleResult(
    (
        LifecycleFinding(
            LifecycleState.UNUSED,
            LifecycleSeverity.WARNING,
            LifecycleAction.DROP,
            ODD,
            QualifiedName("Mixed Case", "By, select|group"),
            2_362_232_012,
            0,
            datetime(2026, 8, 28, tzinfo=UTC),
            (Reason("no_scan", "no scan here since 2026-08-28 00:00Z", "pg_stat_user_indexes"),),
            'DROP INDEX CONCURRENTLY "Mixed Case"."By, select|group";',
            'CREATE INDEX CONCURRENTLY "By, select|group" ON "Mixed Case"."select|group" USING btree (a);',
            (SlowerTemplate("q-2b91c0", 4.5, 8.44, 38.0, "Seq Scan on select|group"),),
        ),
        LifecycleFinding(
            LifecycleState.FK_MISSING, LifecycleSeverity.INFO, LifecycleAction.CREATE, ORDERS, about="customer_id"
        ),
    ),
    NOW,
    datetime(2026, 8, 1, tzinfo=UTC),
    None,
    1,
    12,
    "P-7c1e",
    ("5 indexes without a scan were not watched for 30 d yet",),
)
QUIET = LifecycleResult((), NOW)

COUNTERS = CounterSnapshotResult(
    (CountedServer("primary", NOW, NOW, 13, 90_123), CountedServer("db2:5432", NOW, None, 13, 4)), True, 2, NOW
)
COUNTERS_LOST = CounterSnapshotResult((CountedServer("primary", NOW, None, 1, 0),), False, 0, None, ("on a standby",))
FIELD = FieldReport(ORDERS, "status", "character varying(20)", True, False, True, "core", NOW, NOW)
GENOME = GenomeResult((FIELD, replace(FIELD, field="Select", group=None, required=False, indexable=True)), 3)
MODELS = (
    ModelResult(
        "train",
        (
            ModelCard(
                "index_benefit",
                3,
                NOW,
                361,
                96,
                True,
                "xgboost",
                "its error is 31% less than the planner's and 12% than the line's",
                (
                    CrossValidated(BenefitKind.PLANNER, 0.611),
                    CrossValidated(BenefitKind.LINE, 0.48, 0.21, 0.12, 0.3, 0.82),
                    CrossValidated(BenefitKind.TREES, 0.42, 0.31, 0.2, 0.41, 0.8),
                ),
            ),
        ),
        364,
        notes=("3 outcomes have no planner costs",),
    ),
    ModelResult("show", (ModelCard("index_benefit", None, None, 0, 0, False, "none", "not trained | yet"),), 0),
    ModelResult("forget", (), 12, 2),
    ModelResult("forget", (), 1),
)
GENOME_SET = GenomeSetResult(
    changes=(
        FieldChange(ORDERS, "status", "is_indexable", True, False),
        FieldChange(ORDERS, "status", "feature_group", None, "workflow"),
    ),
    written=True,
    fields=1,
)
TYPES = (
    TypesResult(TypeStyle.TYPEDDICT, (ORDERS,), "class OrdersRow(TypedDict):\n    id: int\n"),
    TypesResult(TypeStyle.PYDANTIC, (ORDERS,), "", "rows.py", ("--- rows.py", "+++ the database", "+x: int")),
    TypesResult(TypeStyle.DATACLASS, (), "", "rows.py"),
)
SYNCED = SchemaSyncResult(
    applied=True,
    tables=2,
    fields=9,
    changes=(
        GenomeChange(GenomeChangeKind.TYPE_CHANGED, ORDERS, "id", "integer", "bigint"),
        GenomeChange(GenomeChangeKind.TABLE_REMOVED, QualifiedName("public", "old")),
    ),
)
TENANTS = TenantsResult((TenantProfile(7, 12, 10, NOW),), 12, QualifiedName("public", "tenants"))
TENANT = TenantResult(
    7,
    (
        TenantField(FieldKey(ORDERS, "status"), "text", "core", True),
        TenantField(FieldKey(ORDERS, "note"), "text", None, False, False),
    ),
    *(1, 1, True, True),
)
TENANT_CHANGES = (
    TenantChange("init", 7, (), 12, False, True),
    TenantChange("disable", 7, ((ORDERS, "note"), (ORDERS, "status")), 1, True, None),
    TenantChange("enable", 7, ((ORDERS, "note"),), 0, False, None),
)

_PLACE = MeasuredPlace("db1:5432", "shop")
_FIGURES = ServerFigures("16.4", False, 0.004, (MeasuredIndex("Mixed Case", "a|b", 'x"y', 8192, 3, 4),), 2, 16384)
METRICS = MetricsResult(families(_FIGURES, _PLACE, "0.1.0", 100), _FIGURES)
METRICS_DOWN = MetricsResult(down(_PLACE, "0.1.0"))
METRICS_SHOWN = ((METRICS, None), (METRICS_DOWN, None), (METRICS, "/var/lib/shop.prom"))
_LATER = Blocker(4712, "anna", "psql", "idle in transaction", 3600.0)
BUILDS = BuildsResult(
    (
        RunningBuild(
            BuildLook(
                4711,
                NOW,
                NOW - timedelta(minutes=4),
                "CREATE INDEX CONCURRENTLY",
                "index validation: scanning table",
                "blocks",
                750,
                1000,
                database="shop",
                role="dba",
                application="psql",
                table=ORDERS,
                relid=16384,
                index=QualifiedName("public", "orders_note"),
                later=(_LATER,),
                mutation=7,
            ),
            BuildForecast(
                EndsBetween(NOW + timedelta(seconds=20), NOW + timedelta(seconds=90)),
                EndsBetween(NOW + timedelta(seconds=20)),
                "it will then wait for pid 4712",
                ("waiting for old snapshots",),
            ),
        ),
        RunningBuild(
            BuildLook(
                4713,
                NOW,
                command="REINDEX CONCURRENTLY",
                phase="waiting for readers before dropping",
                database="crm",
                here=False,
                partitions_done=1,
                partitions_total=4,
                blockers=(_LATER, Blocker(0, application="a prepared transaction x1", seconds=5.0)),
            ),
            BuildForecast(why="it waits for pid 4712, a prepared transaction x1"),
        ),
        RunningBuild(
            BuildLook(
                4714,
                NOW,
                NOW - timedelta(seconds=9),
                "CREATE INDEX",
                "building index: loading tuples in tree",
                "tuples",
                10,
                40,
                database="shop",
                table=ORDERS,
            ),
            BuildForecast(ends=EndsBetween(NOW + timedelta(seconds=3), NOW + timedelta(seconds=30))),
        ),
    ),
    (
        UnfinishedIndex(QualifiedName("public", "orders_ccnew"), ORDERS, 81920, refuses=True),
        UnfinishedIndex(QualifiedName("sales", "Odd one"), ORDERS, 8192, holder=4715),
    ),
    NOW,
    False,
    ("the role app sees its own builds",),
)
NO_BUILDS = BuildsResult((), (), NOW)

ABLATION = AblationResult(
    (
        AlgorithmAblation("cert", "estimates against samples", True, PlanDifference()),
        AlgorithmAblation(
            "pgm_index",
            "how far keys follow the order of rows",
            False,
            PlanDifference(
                ("orders (created_at)",), ("orders (id)",), (ChangedIndex("a (b)", "a (c)"),), -12.5, -8192, 3
            ),
        ),
    ),
    "ms",
    1000.0,
    310.5,
    81920,
    "twin/15.20",
)

SIMULATED = SimulatedWorkload(
    Scenario.SMALL, 1, Pattern.MIXED, 10, 500, 50, 20_000, 200, 100.0, 0.1, 3.0, 94, 19.7, "138337184f6e" + 52 * "0"
)
SLOW, QUICK = (
    PhaseResult(
        name,
        2_000,
        2_000,
        1,
        19.7,
        101.5,
        ms,
        1_999,
        26,
        (
            LatencyGroup("all", "all", 1_999, ms, ms / 2, ms, 2 * ms, 3 * ms),
            LatencyGroup("load", "spike", 94, ms, ms, ms, 1234.5, 2000.0),
            LatencyGroup("statement", "lookup_email", 387, ms, ms / 2, ms, ms, ms),
        ),
        ("1x timeline: canceling statement due to statement timeout",),
    )
    for name, ms in ((SimulationMode.BASELINE, 12.5), (SimulationMode.AUTOINDEX, 0.8))
)
ADVISED = SimulatedPlan(
    "2f6c250b1a99" + 52 * "0",
    "twin/18.4",
    8,
    26,
    ("pgm_index", "alex"),
    ("alex",),
    (
        SimulatedIndex(FIRST.id, str(ORDERS), FIRST.ddl, "done", 81_920, 12.5),
        SimulatedIndex("R-1", str(ODD), "CREATE INDEX CONCURRENTLY b ON b (c)", "not_applied"),
    ),
    81_920,
    1000.0,
    310.5,
)
COMPARED = SimulationResult(
    "S-4a27e1",
    SimulationMode.COMPARE,
    NOW,
    "private PostgreSQL 18.4",
    SIMULATED,
    (SLOW, QUICK),
    ADVISED,
    (SimulationCheck("p95", True, "p95 12.50 ms without, 0.80 ms with indexes"),),
    205_510,
    4.3,
    "0.1.0",
    ("tables of more than 3,000,000 rows are sampled",),
)
UNPROVEN = SimulationResult(
    "S-000000",
    SimulationMode.BASELINE,
    NOW,
    "PostgreSQL 15.20 beside scratch",
    SIMULATED,
    (SLOW,),
    None,
    (SimulationCheck("baseline queries", False, "1,999 of 2,000 statements were answered"),),
    205_510,
    4.3,
)
KEPT_SIMULATIONS = SimulationHistory(
    (KeptSimulation(COMPARED, 0.8, "S-1", -0.25, True), KeptSimulation(UNPROVEN, 12.5)), "/tmp/x", ("a.json",)
)


def outcomes():
    """Every result as (schema name, outcome, document)."""
    from indexpilot_cli.render import prometheus
    from indexpilot_cli.render.views import (
        ablate,
        apply,
        builds,
        calibrate,
        config,
        demo,
        discover,
        doctor,
        experiment,
        explain,
        genome,
        history,
        lifecycle,
        model,
        recommend,
        schema_change,
        simulate,
    )
    from indexpilot_cli.render.views import lifecycle_schedules as schedules
    from indexpilot_cli.render.views.review import view as schema_evolve
    from tests.unit.render import schedule_samples as jobs
    from tests.unit.render import schema_change_samples as changes
    from tests.unit.render import schema_evolve_samples as evolve

    settings = (
        config.Setting("advisor.budget", None, "default", False, "INDEXPILOT_ADVISOR_BUDGET"),
        config.Setting(
            "connection.dsn", "postgresql://u:s3cret@h/d", "INDEXPILOT_DSN", True, "INDEXPILOT_CONNECTION_DSN"
        ),
        config.Setting(
            "features.constraint_optimizer.enabled",
            True,
            "./indexpilot.yaml:3",
            False,
            "INDEXPILOT_FEATURES_CONSTRAINT_OPTIMIZER_ENABLED",
        ),
        config.Setting("production_safeguards.maintenance_window.days_of_week", (0, 6), "default", False, "X"),
    )
    pairs = [
        ("discover", DISCOVER, discover.discover_view(DISCOVER)),
        ("discover", DISCOVER, discover.discover_view(DISCOVER, verbose=True)),
        ("discover", DiscoverResult(()), discover.discover_view(DiscoverResult(()))),
        ("analyze", ANALYZE, discover.analyze_view(ANALYZE)),
        ("analyze", ANALYZE, discover.analyze_view(ANALYZE, verbose=True)),
        ("recommend", PLAN, recommend.view(PLAN)),
        ("recommend", PLAN, recommend.view(PLAN, show_rejected=True, verbose=True)),
        ("recommend", DROPPING_PLAN, recommend.view(DROPPING_PLAN, verbose=True)),
        ("recommend", EMPTY_PLAN, recommend.view(EMPTY_PLAN)),
        *(
            ("explain", r, explain.view(r, verbose=True))
            for r in (EXPLAIN_QUERY, EXPLAIN_INDEX, EXPLAIN_MUTATION, EXPLAIN_TEMPLATE, EXPLAIN_HAZARD)
        ),
        ("snapshot", SNAPSHOT, discover.snapshot_view(SNAPSHOT, verbose=True)),
        *(("calibrate", r, calibrate.calibrate_view(r)) for r in CALIBRATIONS),
        ("doctor", DOCTOR, doctor.doctor_view(DOCTOR)),
        ("doctor", DoctorResult(()), doctor.doctor_view(DoctorResult(()))),
        ("history", HISTORY, history.history_view(HISTORY)),
        ("ablate", ABLATION, ablate.view(ABLATION)),
        *(("experiments", r, experiment.status_view(r, verbose=v)) for r in EXPERIMENTS for v in (False, True)),
        *((kind, r, experiment.change_view(r)) for r in EXPERIMENT_CHANGES for kind in EXPERIMENT_KINDS),
        *(("versions", r, history.versions_view(r)) for r in (VERSIONS, VersionsResult((), 0))),
        *(("algorithm_usage", r, history.usage_view(r)) for r in (USAGE, UsageResult(()))),
        *(("genome", r, genome.genome_view(r)) for r in (GENOME, GenomeResult((), 4), GenomeResult(()))),
        *(
            ("genome_set", r, genome.genome_set_view(r))
            for r in (GENOME_SET, GenomeSetResult(changes=(), written=False, fields=1))
        ),
        *(
            ("schema_sync", r, genome.schema_sync_view(r))
            for r in (SYNCED, SchemaSyncResult(changes=(), applied=False, tables=2, fields=9))
        ),
        *(("types", r, genome.types_view(r)) for r in TYPES),
        *(("tenants", r, genome.tenants_view(r)) for r in (TENANTS, TenantsResult((), 4))),
        *(("tenant", r, genome.tenant_view(r)) for r in (TENANT, TenantResult(9, (), 0, 0, False, None))),
        *(("tenant_change", r, genome.tenant_change_view(r)) for r in TENANT_CHANGES),
        *(("lifecycle", r, lifecycle.lifecycle_view(r, verbose=v)) for r in (LIFECYCLE, QUIET) for v in (False, True)),
        *(("lifecycle_builds", r, builds.builds_view(r)) for r in (BUILDS, NO_BUILDS)),
        *(("lifecycle_run", r, schedules.run_view(r, verbose=v)) for r in (jobs.RUN, jobs.IDLE) for v in (False, True)),
        *(("lifecycle_policy", r, schedules.policy_view(r)) for r in jobs.POLICIES),
        ("lifecycle_watch", jobs.WATCHED, schedules.watch_view(jobs.WATCHED)),
        *(("lifecycle_install", r, schedules.units_view(r)) for r in jobs.UNITS),
        ("lifecycle_status", jobs.STATUS, schedules.status_view(jobs.STATUS)),
        *(("lifecycle_metrics", r, prometheus.metrics_view(r, path)) for r, path in METRICS_SHOWN),
        *(("lifecycle_snapshot", r, lifecycle.snapshot_view(r)) for r in (COUNTERS, COUNTERS_LOST)),
        *(("model", r, model.model_view(r)) for r in MODELS),
        *(("lifecycle_query_stats", r, lifecycle.statistics_view(r)) for r in jobs.STATISTICS),
        ("serve", SERVED, serve_view(SERVED)),
        ("init", INIT_PREVIEW, doctor.init_view(INIT_PREVIEW, server=SERVER)),
        ("init", INIT_DONE, doctor.init_view(INIT_DONE, server=SERVER)),
        ("config", settings, config.config_view(settings, ("./indexpilot.yaml",))),
        ("config", settings, config.config_view(settings, ("./indexpilot.yaml",), origins=True)),
        ("config_check", settings, config.checked(("a.yaml",), 3, ("a note",))),
        ("demo", DEMO, demo.view(DEMO)),
        *(("simulate", r, simulate.view(r, verbose=v)) for r in (COMPARED, UNPROVEN) for v in (False, True)),
        ("simulate_history", KEPT_SIMULATIONS, simulate.history_view(KEPT_SIMULATIONS)),
        *(("apply", r, apply.view(r, verbose=v)) for r in (APPLIED, APPLY_DRY, APPLY_SKIPPED) for v in (False, True)),
        *(
            ("rollback", r, apply.rollback_view(r, verbose=v))
            for r in (ApplyResult(None, (), (DROPPED,)), ApplyResult("P-7c1e", (), (PLANNED,), dry_run=True))
            for v in (False, True)
        ),
        ("bypass", BYPASS, config.bypass_view(BYPASS)),
        ("bypass", BypassResult("status", True, ()), config.bypass_view(BypassResult("status", True, ()))),
        ("plan_approve", APPROVED, config.approved(APPROVED)),
        *(("schema-evolve", r, schema_evolve.view(r, verbose=True, fix=True)) for r in evolve.PLAIN.values()),
        *(("schema_evolve_change", r, schema_change.view(r, verbose=True)) for r in changes.CHANGES),
        *(("schema_evolve_rollback", r, schema_change.undo_view(r)) for r in changes.UNDONE),
    ]
    return [
        (name, Outcome(name, result, server=SERVER, warnings=WARNINGS, next=("indexpilot doctor",)), doc)
        for name, result, doc in pairs
    ]
