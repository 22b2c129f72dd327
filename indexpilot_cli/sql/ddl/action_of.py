"""From a statement's parse tree to what it does, in the words of ``sql.ddl.action``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from indexpilot_cli.sql.ddl import body as ddl_body
from indexpilot_cli.sql.ddl import columns as ddl_columns
from indexpilot_cli.sql.ddl import objects as ddl_objects
from indexpilot_cli.sql.ddl import table as ddl_table
from indexpilot_cli.sql.ddl import words as ddl_words
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.ddl.words import constant, expression, relation, statement_text, words
from indexpilot_cli.sql.parser import Node, without

Reader = Callable[[Node, str], Iterable[Action]]

_CHANGES = {"InsertStmt": Act.INSERT, "UpdateStmt": Act.UPDATE, "DeleteStmt": Act.DELETE, "MergeStmt": Act.MERGE}


def rows(node: Node, sql: str) -> Iterator[Action]:
    """SELECT, INSERT, UPDATE, DELETE, MERGE: first what its WITH clause changes, then itself."""
    with_clause = node.child("with_clause")
    for common in with_clause.children("ctes") if with_clause else ():
        query = common.child("ctequery")
        if query is not None and query.kind in _CHANGES:
            yield from rows(query, statement_text(query) or sql)
    yield from _select(node, sql) if node.kind == "SelectStmt" else (_change(node, sql),)


def _change(node: Node, sql: str) -> Action:
    schema, table = relation(node.child("relation"))
    targets = node.children("target_list") if node.kind == "UpdateStmt" else ()
    where = node.child("where_clause") if node.kind in ("UpdateStmt", "DeleteStmt") else None
    columns = node.children("cols") if node.kind == "InsertStmt" else targets
    return Action(
        _CHANGES[node.kind],
        schema,
        table,
        columns=tuple(c.text("name") for c in columns),
        condition=expression(where),
        assignments=tuple((t.text("name"), expression(_assigned(t)) or "") for t in targets),
        options=words(_joins(node) and "from", _values_only(node) and "values"),
        sql=sql,
    )


def _assigned(target: Node) -> Node | None:
    """The expression of one column, also out of ``(a, b) = (1, 2)``; of a sub-select the whole."""
    given = target.child("val")
    if given is None or given.kind != "MultiAssignRef":
        return given
    source = given.child("source")
    if source is not None and source.kind == "RowExpr":
        return source.children("args")[given.number("colno") - 1]
    return source


def _joins(node: Node) -> bool:
    fields = {"UpdateStmt": "from_clause", "DeleteStmt": "using_clause"}
    field = fields.get(node.kind)
    if field is not None and node.children(field):
        return True
    return any(n.kind == "SubLink" for n in node.walk())


def _values_only(node: Node) -> bool:
    """Whether an INSERT brings its own rows (or DEFAULT VALUES) instead of reading them."""
    query = node.child("select_stmt") if node.kind == "InsertStmt" else None
    return node.kind == "InsertStmt" and (query is None or bool(query.children("values_lists")))


def _select(node: Node, sql: str) -> Iterator[Action]:
    into = node.child("into_clause")
    if into is not None:
        schema, table = relation(into.child("rel"))
        query = statement_text(without(node, "into_clause"))
        flags = frozenset({"with_data"})
        yield Action(Act.CREATE_TABLE_AS, schema, table, table, schema, expression=query, options=flags, sql=sql)
        return
    calls = [c for t in node.children("target_list") if (c := t.child("val")) is not None and c.kind == "FuncCall"]
    plain = not node.children("from_clause")
    for call in calls if plain else ():
        yield _call(call, sql)
    if not (plain and calls):
        places = [n for n in node.walk() if n.kind == "RangeVar"]
        schema, table = relation(places[0]) if places else (None, None)
        flags = words(bool(node.children("locking_clause")) and "for_update")
        condition = expression(node.child("where_clause"))
        yield Action(Act.SELECT, schema, table, condition=condition, options=flags, sql=sql)


def _call(node: Node, sql: str) -> Action:
    """``SELECT f(…)``: a SET for set_config with constants, else a SELECT that names the function as ``object``."""
    name = node.names("funcname")
    arguments = [constant(a) if a.kind == "A_Const" else None for a in node.children("args")]
    if name[-1] == "set_config" and len(arguments) == 3 and arguments[0] and arguments[1] is not None:
        flags = words(arguments[2] == "true" and "local")
        return Action(Act.SET, object=arguments[0], parameters=((arguments[0], arguments[1]),), options=flags, sql=sql)
    return Action(
        Act.SELECT,
        object=name[-1],
        object_schema=name[-2] if len(name) > 1 else None,
        options=frozenset({"call"}),
        sql=sql,
    )


def copy(node: Node, sql: str) -> Action:
    """COPY: options say from or to, program, file or stdin."""
    schema, table = relation(node.child("relation"))
    place = "program" if node.flag("is_program") else "file" if node.text("filename") else "stdin"
    columns = node.names("attlist")
    return Action(
        Act.COPY,
        schema,
        table,
        columns=columns,
        options=words("from" if node.flag("is_from") else "to", place),
        sql=sql,
    )


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
    "CopyStmt": copy,
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
    "SelectStmt": rows,
    "InsertStmt": rows,
    "UpdateStmt": rows,
    "DeleteStmt": rows,
    "MergeStmt": rows,
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
        yield ddl_body.create_function(node, sql, read_actions)
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
