"""A schema review made by hand: every verdict, every kind of file, every field of a finding."""

from dataclasses import replace

from indexpilot_cli.core.hazard import Hazard, Severity
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    CatalogChange,
    CatalogObject,
    ChangeKind,
    Lock,
    LockMode,
    Relation,
    RunState,
    SqlError,
    StatementObservation,
    Work,
    WorkKind,
)
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeAnswer, ProbeKind
from indexpilot_cli.evolve.review.values import (
    Blocked,
    CheckResult,
    Duration,
    FileReport,
    Finding,
    Impact,
    Queue,
    Rates,
    StatementReport,
    StatementVerdict,
    TemplateImpact,
    UnparsedFile,
)

ORDERS = QualifiedName("public", "orders")
RELATION = Relation(ORDERS)
GB = 1 << 30

INDEX_SQL = "CREATE INDEX orders_ref_idx ON orders (ref)"
DROP_SQL = "ALTER TABLE orders DROP COLUMN customer_id"
TYPE_SQL = "ALTER TABLE orders\n    ALTER COLUMN total TYPE bigint,\n    ALTER COLUMN note TYPE jsonb USING note::jsonb"
CHECK_SQL = "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total > 0)"
VIEW_SQL = "CREATE VIEW open_orders AS\n  SELECT id, referrence FROM orders WHERE status = 'open'"
COPY_SQL = "COPY orders TO PROGRAM 'cat'"

HAZARDS = {
    h.id: h
    for h in (
        Hazard(
            "L01",
            "index-not-concurrent",
            Severity.ERROR,
            "An index built without CONCURRENTLY",
            "CREATE INDEX takes a SHARE lock: writes wait until the whole index is built.",
            "Build it with CONCURRENTLY, outside a transaction block.",
            "CREATE INDEX i ON t (a);",
            "CREATE INDEX CONCURRENTLY i ON t (a);",
            "https://www.postgresql.org/docs/current/sql-createindex.html",
        ),
        Hazard("W02", "index-lost", Severity.WARNING, "An index goes with its column", "It is dropped too.", "Say so."),
        Hazard("F01", "data-violates", Severity.ERROR, "The data violates the constraint", "It fails.", "Clean first."),
    )
}


def report(number, line, sql, impact, **more):
    state = more.pop("state", RunState.RAN)
    seen = StatementObservation(number, state, more.pop("transaction", 1), reason=more.pop("reason", ""))
    seen = replace(seen, locks=more.pop("locks", ()), held=more.pop("held", ()), work=more.pop("did", ()))
    probes, lost = more.pop("probes", ()), more.pop("lost", ())
    return StatementReport(number, sql, line, 1, StatementVerdict(impact, **more), seen, probes, lost)


BUILD = report(
    1,
    3,
    INDEX_SQL,
    Impact.LONG_BLOCKS_WRITES,
    blocked=(Blocked(ORDERS, LockMode.SHARE, False, True, round(11.4 * GB), 48.2e6),),
    work=("builds orders_ref_idx from public.orders (11.4 GB)",),
    duration=Duration(130, 360, "calibrated"),
    queue=(Queue(ORDERS, 4711, "reporting", "metabase", 7300.0, "idle in transaction"),),
    why="writes wait while the index is built",
    locks=(Lock(RELATION, LockMode.SHARE),),
    held=(Lock(RELATION, LockMode.SHARE),),
    did=(Work(WorkKind.BUILD_INDEX, RELATION, "orders_ref_idx"),),
)
LOST = CatalogChange(
    ChangeKind.DROPPED,
    CatalogObject("index", "index:1", ("public", "orders_customer_id_idx"), "CREATE INDEX …", ORDERS),
    None,
    ORDERS,
    silent=True,
)
DROP = report(
    2,
    7,
    DROP_SQL,
    Impact.BRIEF_LOCK,
    blocked=(Blocked(ORDERS, LockMode.ACCESS_EXCLUSIVE, True, True, round(11.4 * GB), 48.2e6),),
    locks=(Lock(RELATION, LockMode.ACCESS_EXCLUSIVE),),
    lost=(LOST,),
)
REWRITE = report(
    3,
    9,
    TYPE_SQL,
    Impact.LONG_BLOCKS_READS,
    blocked=(Blocked(ORDERS, LockMode.ACCESS_EXCLUSIVE, True, True, round(11.4 * GB), 48.2e6),),
    work=("rewrites public.orders (11.4 GB)", "builds 2 indexes again"),
    duration=Duration(480, 1500, "calibrated"),
    why="the whole table is rewritten",
)
VIOLATED = report(
    4,
    13,
    CHECK_SQL,
    Impact.FAILS,
    error=SqlError("23514", 'check constraint "total_positive" of relation "orders" is violated by some row'),
    why="rows in the table violate it",
    probes=(
        ProbeAnswer(Probe(4, ProbeKind.CHECK, "23514", ORDERS, "rows that violate total_positive", "SELECT 1"), True),
        ProbeAnswer(
            Probe(4, ProbeKind.NULLS, "23502", ORDERS, "NULLs stand in total", None, ("total",), why_not="a domain"),
            None,
        ),
    ),
)
BROKEN = report(
    5,
    15,
    VIEW_SQL,
    Impact.FAILS,
    error=SqlError("42703", 'column "referrence" does not exist', None, 'Perhaps you meant "orders.ref".', 41),
    certain=False,
    state=RunState.FAILED,
)
REFUSED = report(6, 18, COPY_SQL, Impact.NO_BLOCK, state=RunState.NOT_RUN, reason="COPY … PROGRAM starts a program")
BEHIND = report(7, 19, "SELECT 1", Impact.NO_BLOCK, state=RunState.SKIPPED)
ONLINE = report(
    1,
    1,
    "CREATE INDEX CONCURRENTLY a ON orders (a)",
    Impact.LONG_ONLINE,
    duration=Duration(200, 700),
    work=("builds a from public.orders (11.4 GB)",),
)
QUIET = report(1, 1, "COMMENT ON TABLE orders IS 'x'", Impact.NO_BLOCK)


def finding(hazard, statement, message, path="0042_orders.sql", **more):
    found = HAZARDS[hazard]
    return Finding(
        hazard, found.name, found.severity, path, statement.number, statement.line, 1, statement.sql, message, **more
    )


FINDINGS = (
    finding(
        "L01",
        BUILD,
        "writes to public.orders wait until the index is built",
        lock=LockMode.SHARE,
        blocks=("INSERT", "UPDATE", "DELETE"),
        table=ORDERS,
        table_bytes=round(11.4 * GB),
        duration=Duration(130, 360, "calibrated"),
        instead="CREATE INDEX CONCURRENTLY orders_ref_idx ON orders (ref);",
    ),
    finding(
        "W02",
        DROP,
        "two indexes go with the column",
        loses=("orders_customer_id_idx", "orders_customer_id_created_at_ip_idx"),
        templates=("q-2b91c0", "q-77aa01"),
        table=ORDERS,
        details=(("data", "the values are lost; keep them first: --save"),),
    ),
    finding("F01", VIOLATED, "17 of 20,000 sampled rows violate total_positive", table=ORDERS),
    finding("W02", REWRITE, "nobody minds", ignored="the table is empty"),
)
TEXT = f"""-- 0042
BEGIN;
{INDEX_SQL};

-- the column nobody reads

{DROP_SQL};

{TYPE_SQL};

{CHECK_SQL};

{VIEW_SQL};

{COPY_SQL};
SELECT 1;
"""
FIXED = TEXT.replace("BEGIN;\n", "").replace(INDEX_SQL, INDEX_SQL.replace("INDEX", "INDEX CONCURRENTLY", 1))
FILE = FileReport(
    "0042_orders.sql",
    "clone/18.4",
    Impact.FAILS,
    (BUILD, DROP, REWRITE, VIOLATED, BROKEN, REFUSED, BEHIND),
    FINDINGS,
    Duration(610, 1860, "calibrated"),
    FIXED,
    Impact.FAILS,
    ("statement 6 was left as it is",),
    ("the file ends inside a transaction",),
    text=TEXT,
)
TEMPLATES = (
    TemplateImpact(
        "q-2b91c0",
        "SELECT * FROM orders\nWHERE customer_id = $1",
        "breaks",
        0.41,
        SqlError("42703", 'column "customer_id" does not exist'),
        file="0042_orders.sql",
        statement=2,
    ),
    TemplateImpact("q-77aa01", "SELECT sum(total) FROM orders", "slower", 0.02, None, 400.0, 90000.0),
    TemplateImpact(
        "q-3c3c3c",
        "SELECT * FROM orders WHERE id = $1",
        "columns_change",
        0.1,
        columns_before=("id", "customer_id"),
        columns_after=("id",),
    ),
    TemplateImpact("q-000001", "SELECT 1", "unknown", note="no parameters were recorded"),
)
RESULT = CheckResult(
    (FILE,), TEMPLATES, 142, Severity.ERROR, Rates(basis="calibrated"), ("replication lag was not looked at",)
)

SIMPLE_FILE = replace(
    FILE,
    verdict=Impact.LONG_BLOCKS_WRITES,
    statements=(BUILD, DROP),
    findings=FINDINGS[:2],
    fixed=None,
    notes=(),
    fixed_verdict=None,
    fixed_notes=(),
)
SIMPLE = CheckResult((SIMPLE_FILE,), TEMPLATES[:2], 142, rates=Rates(basis="calibrated"))
CLEAN_FILE = FileReport("0041_comment.sql", "clone/18.4", Impact.NO_BLOCK, (QUIET,), text=QUIET.sql + ";\n")
CLEAN = CheckResult((CLEAN_FILE,))
ONLINE_FILE = FileReport("0043_a.sql", "clone/18.4", Impact.LONG_ONLINE, (ONLINE,), duration=Duration(200, 700))
BAD_TEXT = "CREATE TABLE t (id int);\nALTER TABLE\tt ADD COLUMM x int;\nSELECT 'a;\n"
UNPARSED_FILE = FileReport(
    "0044_bad.sql",
    "rules",
    Impact.FAILS,
    unparsed=UnparsedFile(
        'syntax error at or near "x"',
        2,
        26,
        (UnparsedFile("unterminated string", 3, 8),),
        "is it a template? render it",
    ),
    text=BAD_TEXT,
)
UNPARSED = CheckResult((UNPARSED_FILE,))
SEVERAL = CheckResult((CLEAN_FILE, SIMPLE_FILE, ONLINE_FILE, UNPARSED_FILE), TEMPLATES, 142)
NOTHING = CheckResult(())

EVIL = "x\x1b[31m[red]|`*_@all<b>\n::error file=a,line=1::owned%0A\r\n]]>"
EVIL_SQL = f'ALTER TABLE "{EVIL}" DROP COLUMN a'
EVIL_STATEMENT = report(
    1,
    1,
    EVIL_SQL,
    Impact.LONG_BLOCKS_READS,
    blocked=(Blocked(QualifiedName("public", EVIL), LockMode.ACCESS_EXCLUSIVE, True, True, 5 * GB, 1e6),),
    work=(f"rewrites {EVIL}",),
    duration=Duration(5, 20),
    queue=(Queue(QualifiedName("public", EVIL), 1, EVIL, EVIL, 3.0, EVIL),),
    error=SqlError("XX000", EVIL, EVIL, EVIL, 3),
    why=EVIL,
)
EVIL_FINDING = Finding(
    "L01",
    "index-not-concurrent",
    Severity.ERROR,
    EVIL,
    1,
    1,
    1,
    EVIL_SQL,
    EVIL,
    (("label", EVIL),),
    LockMode.SHARE,
    ("INSERT",),
    True,
    QualifiedName("public", EVIL),
    1,
    templates=("q-1",),
    loses=(EVIL,),
    instead=EVIL_SQL,
)
EVIL_RESULT = CheckResult(
    (
        FileReport(
            EVIL, "rules", Impact.LONG_BLOCKS_READS, (EVIL_STATEMENT,), (EVIL_FINDING,), notes=(EVIL,), text=EVIL_SQL
        ),
        FileReport(EVIL, "rules", Impact.FAILS, unparsed=UnparsedFile(EVIL, 1, 2), text=EVIL),
    ),
    (TemplateImpact("q-1", EVIL, "breaks", 0.5, SqlError("42P01", EVIL)),),
    1,
    not_checked=(EVIL,),
)
ALL = {
    "full": RESULT,
    "simple": SIMPLE,
    "clean": CLEAN,
    "unparsed": UNPARSED,
    "several": SEVERAL,
    "nothing": NOTHING,
    "evil": EVIL_RESULT,
}
PLAIN = {name: result for name, result in ALL.items() if name != "evil"}
