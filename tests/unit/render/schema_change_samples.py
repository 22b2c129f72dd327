"""Results of schema changes for the tests of forms."""

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.evolve.change.values import (
    Affected,
    ChangeResult,
    Classified,
    ColumnChangeKind,
    ColumnImpact,
    ExpectedWait,
    Problem,
    QueryAffected,
    SchemaChange,
    Span,
    Step,
    StepReport,
    TypeWork,
    Undo,
    UndoResult,
)

ORDERS = QualifiedName("public", "orders")
SAVED = QualifiedName("indexpilot", "saved_orders_status_c1")
UNDO = Undo(("ALTER TABLE public.orders ADD COLUMN status text",), ("ANALYZE public.orders (status)",), saved=SAVED)
LOST = Undo(("ALTER TABLE public.orders ADD COLUMN status text",), loss="DATA LOSS: the values are gone", notes=("n",))
IMPACT = ColumnImpact(
    (Affected("index", "orders_status_idx", "disappears", "", "CREATE INDEX …"), Affected("view", "v", "blocks")),
    (QueryAffected("q-1", "SELECT status FROM orders", 10.0, 0.25, "breaks"),),
    3,
    ("public.orders_1",),
    ("a note",),
)
WAIT = ExpectedWait("rollback", "readers and writers", 1.5, 9.0, "calibrated", "status is put back")
DROP = SchemaChange(
    ColumnChangeKind.DROP,
    ORDERS,
    "status",
    1,
    (Step("drop status", ("ALTER TABLE …",)),),
    UNDO,
    IMPACT,
    bytes=1 << 30,
    waits=(ExpectedWait("change", "writers", 0.25, 1.5, "default", "status is copied"), WAIT),
)
TYPE = SchemaChange(
    ColumnChangeKind.TYPE,
    ORDERS,
    "id",
    1,
    (Step("change id", ("ALTER TABLE …",), span=Span.READS), Step("analyze id", ("ANALYZE",), how="analyze")),
    LOST,
    ColumnImpact(queries=None),
    Classified(TypeWork.REWRITE, "stored differently"),
    1000,
    12.0,
    type="bigint",
)
PLANNED = tuple(StepReport(s.title, "planned", s.statements, s.span.value, s.lock) for s in TYPE.steps)
DONE = (StepReport("drop status", "done", ("ALTER TABLE …",), "brief lock", "ACCESS EXCLUSIVE", 4.0, 1, 7, ("pid 3",)),)
CHANGES = (
    ChangeResult(DROP, "done", DONE, UNDO, 5, "op", waiting=("pid 7 holds a lock",), resumed=True),
    ChangeResult(TYPE, "planned", PLANNED, LOST),
    ChangeResult(DROP, "refused", DONE, UNDO, problems=(Problem("dependents", "view v needs it", "drop it", 6),)),
    ChangeResult(TYPE, "partial", (), LOST, 6, error="a lock was not free", error_code="lock_timeout"),
)
UNDONE = (
    UndoResult(5, ColumnChangeKind.DROP, ORDERS, "status", "planned", LOST, PLANNED, notes=("n",), waits=(WAIT,)),
    UndoResult(5, ColumnChangeKind.DROP, ORDERS, "status", "done", UNDO, DONE, 9),
    UndoResult(5, ColumnChangeKind.DROP, ORDERS, "status", "failed", UNDO, (), 9, "why", None),
)
