"""From a recommendation to its operations."""

from dataclasses import replace

import pytest

from indexpilot_cli.apply.steps import task_of
from indexpilot_cli.core.catalog import Catalog, Column, Index, Table
from indexpilot_cli.core.command import Record
from indexpilot_cli.core.mutation import MutationType, OperationKind, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.execute import events
from tests.server.applying import definition, recommendation

COLUMNS = (Column("a", 1, "integer", "int4", "N"),)
PARENT = QualifiedName("app", "events")


def table(name, kind="r", parent=None, indexes=(), oid=1):
    return Table(name, kind, COLUMNS, indexes, oid=oid, parent=parent, is_partition=parent is not None)


def tasks(*tables, index=None):
    catalog = Catalog(150000, "shop", tables)
    index = index or definition("a", table=PARENT)
    return task_of(
        recommendation(index),
        "P-1",
        catalog,
        {PARENT: "print"},
    )


def test_an_ordinary_table_takes_one_concurrent_build():
    (only,) = tasks(table(PARENT, oid=7)).operations
    assert only.sql == "CREATE INDEX CONCURRENTLY events_a_ip_idx ON app.events (a)"
    assert only.undo_sql == "DROP INDEX CONCURRENTLY app.events_a_ip_idx"
    assert (only.relid, only.columns_fingerprint, only.only, only.index) == (
        7,
        "print",
        False,
        QualifiedName("app", "events_a_ip_idx"),
    )


def test_a_partitioned_table_is_built_from_below_and_attached():
    middle = QualifiedName("app", "events_m")
    task = tasks(
        table(PARENT, "p"),
        table(middle, "p", PARENT, oid=2),
        table(QualifiedName("app", "leaf"), "r", middle, oid=3),
        table(QualifiedName("app", "other"), "r", PARENT, oid=4),
    )
    assert [(o.kind.value, o.only, o.name) for o in task.operations] == [
        ("create_index", True, "events_a_ip_idx"),
        ("create_index", True, "events_m_a_ip_idx"),
        ("create_index", False, "leaf_a_ip_idx"),
        ("attach_index", False, "leaf_a_ip_idx"),
        ("attach_index", False, "events_m_a_ip_idx"),
        ("create_index", False, "other_a_ip_idx"),
        ("attach_index", False, "other_a_ip_idx"),
    ]
    assert task.operations[0].sql == "CREATE INDEX events_a_ip_idx ON ONLY app.events (a)"
    assert task.operations[0].undo_sql == "DROP INDEX app.events_a_ip_idx"
    assert task.operations[3].sql == "ALTER INDEX app.events_m_a_ip_idx ATTACH PARTITION app.leaf_a_ip_idx"
    whole, middle_op = task.operations[0].op_id, task.operations[1].op_id
    assert [o.part_of for o in task.operations] == [None, whole, middle_op, middle_op, whole, whole, whole]
    assert len({o.op_id for o in task.operations}) == 7


def test_a_partition_meets_its_own_unfinished_index_again_and_no_other():
    leaf = QualifiedName("app", "leaf")
    mine = Index(QualifiedName("app", "leaf_a_ip_idx"), definition("a", table=leaf), "", valid=False)
    again = tasks(table(PARENT, "p"), table(leaf, "r", PARENT, (mine,)))
    assert again.operations[1].name == "leaf_a_ip_idx"
    foreign = replace(mine, definition=replace(mine.definition, unique=True))
    other = tasks(table(PARENT, "p"), table(leaf, "r", PARENT, (foreign,)))
    assert other.operations[1].name.startswith("leaf_a_") and other.operations[1].name != "leaf_a_ip_idx"


@pytest.mark.parametrize(
    "tables",
    [(), (table(PARENT, "f"),), (table(PARENT, "p"), table(QualifiedName("app", "far"), "f", PARENT))],
)
def test_what_cannot_be_indexed_is_refused(tables):
    with pytest.raises(RefusedError):
        tasks(*tables)


def test_the_intent_says_everything_and_the_rows_follow_from_it():
    operation = tasks(table(PARENT)).head
    first = events.intent(operation, Record("ann", "1.0", "apply"), {"reason": "equality", "queries_analyzed": 3})
    assert {"kind", "structure", "plan", "recommendation", "sql", "rollback_sql", "actor", "version", "reason"} <= set(
        first.details
    )
    assert events.structure(first) == operation.definition
    assert (first.state, first.type, first.field) == (OperationState.INTENT, MutationType.CREATE_INDEX, "a")
    failed = events.follow(replace(first, id=3), OperationState.FAILED_CLEAN, error="no")
    assert (failed.type, failed.id, failed.error) == (MutationType.INDEX_CREATION_FAILED, None, "no")
    healed = events.follow(failed, OperationState.VALID)
    assert (healed.type, healed.error) == (MutationType.CREATE_INDEX, None)
    assert operation.kind is OperationKind.CREATE


def test_an_unreadable_structure_is_none():
    operation = tasks(table(PARENT)).head
    first = events.intent(operation, Record(), {})
    assert events.structure(replace(first, details={})) is None
    assert events.structure(replace(first, details={"structure": {"keys": 1}})) is None
