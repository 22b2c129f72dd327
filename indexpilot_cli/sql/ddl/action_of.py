"""From a statement's parse tree to what it does, in the words of ``sql.ddl.action``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from indexpilot_cli.sql.ddl import body as ddl_body
from indexpilot_cli.sql.ddl import columns as ddl_columns
from indexpilot_cli.sql.ddl import objects as ddl_objects
from indexpilot_cli.sql.ddl import rows as ddl_dml
from indexpilot_cli.sql.ddl import table as ddl_table
from indexpilot_cli.sql.ddl import words as ddl_words
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.parser import Node

Reader = Callable[[Node, str], Iterable[Action]]

_ONE: dict[str, Callable[[Node, str], Action]] = {
    "CreateTableAsStmt": ddl_table.create_table_as,
    "RenameStmt": ddl_table.rename,
    "IndexStmt": ddl_columns.create_index,
    "ReindexStmt": ddl_columns.reindex,
    "RefreshMatViewStmt": ddl_columns.refresh,
    "ClusterStmt": ddl_columns.cluster,
    "ViewStmt": ddl_objects.create_view,
    "CreateTrigStmt": ddl_objects.create_trigger,
    "CreatePolicyStmt": ddl_objects.create_policy,
    "AlterPolicyStmt": ddl_objects.create_policy,
    "CreateEnumStmt": ddl_objects.create_enum,
    "CompositeTypeStmt": ddl_objects.create_composite,
    "CreateRangeStmt": ddl_objects.create_range,
    "AlterEnumStmt": ddl_objects.alter_enum,
    "AlterDomainStmt": ddl_objects.alter_domain,
    "CreateSeqStmt": ddl_objects.sequence,
    "AlterSeqStmt": ddl_objects.sequence,
    "CreateStatsStmt": ddl_objects.create_statistics,
    "CreateExtensionStmt": ddl_objects.named,
    "AlterObjectSchemaStmt": ddl_objects.set_schema,
    "AlterOwnerStmt": ddl_objects.owner,
    "CommentStmt": ddl_objects.comment,
    "CopyStmt": ddl_dml.copy,
    "TransactionStmt": ddl_words.transaction,
    "VariableSetStmt": ddl_words.setting,
    "CallStmt": ddl_body.call,
    "RuleStmt": ddl_body.rule,
}
_MANY: dict[str, Reader] = {
    "CreateStmt": ddl_table.create_table,
    "AlterTableStmt": ddl_table.alter_table,
    "DropStmt": ddl_objects.drop,
    "CreateDomainStmt": ddl_objects.create_domain,
    "GrantStmt": ddl_objects.grant,
    "GrantRoleStmt": ddl_objects.grant,
    "VacuumStmt": ddl_columns.vacuum,
    "LockStmt": ddl_columns.lock,
    "TruncateStmt": ddl_columns.truncate,
    "SelectStmt": ddl_dml.rows,
    "InsertStmt": ddl_dml.rows,
    "UpdateStmt": ddl_dml.rows,
    "DeleteStmt": ddl_dml.rows,
    "MergeStmt": ddl_dml.rows,
}


def read_actions(node: Node, sql: str) -> Iterator[Action]:
    """What a statement does, in its own order; at least one Action (OTHER when it touches nothing we know)."""
    if node.kind in _ONE:
        yield _ONE[node.kind](node, sql)
    elif node.kind in _MANY:
        yield from _MANY[node.kind](node, sql)
    elif node.kind == "DoStmt":
        yield from ddl_body.do_block(node, sql, read_actions)
    elif node.kind == "CreateFunctionStmt":
        yield from ddl_body.create_function(node, sql, read_actions)
    elif node.kind == "CreateSchemaStmt":
        yield ddl_objects.named(node, sql)
        for element in node.children("schema_elts"):
            yield from read_actions(element, sql)
    elif node.kind == "CreateForeignTableStmt" and (base := node.child("base_stmt")) is not None:
        yield from ddl_table.create_table(base, sql)
    elif node.kind == "ExplainStmt" and ddl_words.runs(node) and (query := node.child("query")) is not None:
        yield from read_actions(query, sql)
    else:
        yield Action(Act.OTHER, type=node.kind.removesuffix("Stmt"), sql=sql)
