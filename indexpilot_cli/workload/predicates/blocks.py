"""Query blocks: SELECT with its subqueries, WITH, set operations, grouping and order."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.workload import RelationUse
from indexpilot_cli.sql.parser import Node, Statement, deparse_expression
from indexpilot_cli.workload.predicates.clauses import (
    Collector,
    note_aggregates,
    note_limit,
    note_locks,
    note_order,
    note_order_of_arms,
    note_own_order_of_arms,
    note_sets,
    partition,
    windows,
)
from indexpilot_cli.workload.predicates.fromclause import AnalysedQuery, add_from, delete, insert, merge, update
from indexpilot_cli.workload.predicates.inline import inlined
from indexpilot_cli.workload.predicates.scopes import (
    Block,
    BoundColumn,
    Cte,
    Derived,
    FromItem,
    NameScope,
    Opaque,
    Outputs,
    Target,
    Use,
    is_aggregate,
    operands,
    target_operands,
)

_WRITES = {"InsertStmt": insert, "UpdateStmt": update, "DeleteStmt": delete, "MergeStmt": merge}


def _arms(node: Node) -> list[Node]:
    """The queries of a chain of set operations, left to right."""
    arms: list[Node] = []
    stack = [node]
    while stack:
        here = stack.pop()
        left, right = here.child("larg"), here.child("rarg")
        plain = here is node or not (here.child("limit_count") or here.child("with_clause"))
        if here.enum("op") != "SETOP_NONE" and left is not None and right is not None and plain:
            stack.extend((right, left))
        else:
            arms.append(here)
    return arms


def _movable(node: Node) -> frozenset[str] | None:
    """Output expressions that conditions from outside may be about and move in; None for all.

    Below windows those that all of them partition by, below DISTINCT ON its keys (subquery_is_pushdown_safe).
    """
    keys = [partition(window, node) for window in windows(node)]
    keys += [node.children("distinct_clause")] if node.children("distinct_clause") else []
    parts = [frozenset(map(deparse_expression, each)) for each in keys]
    return frozenset.intersection(*parts) if parts else None


class Blocks:
    """The analysis of one statement. Uses collect in the scopes' common list."""

    def __init__(self, root: Node) -> None:
        self._references: dict[str, int] = {}
        for node in root.walk():
            if node.kind == "RangeVar" and not node.text("schemaname"):
                name = node.text("relname")
                self._references[name] = self._references.get(name, 0) + 1

    def statement(self, node: Node, scope: NameScope) -> None:
        """Analyse any statement."""
        if node.kind == "SelectStmt":
            self.select(node, scope, top=True)
        elif node.kind in _WRITES:
            self.with_clause(node, scope)
            _WRITES[node.kind](node, scope, self)

    def select(self, node: Node, scope: NameScope, *, top: bool = False) -> AnalysedQuery:
        """Analyse a query; ``top`` means that all its columns are read."""
        self.with_clause(node, scope)
        if node.enum("op") != "SETOP_NONE":
            return self._set_operation(node, scope, top)
        if node.children("values_lists"):
            return self._values(node, scope)
        add_from(node.children("from_clause"), scope, self)
        where = node.child("where_clause")
        if where is not None:
            self.collector(scope).collect(where)
            self.touch(where, scope, testing=True)
        return self._tail(node, scope, top)

    def _tail(self, node: Node, scope: NameScope, top: bool) -> AnalysedQuery:
        targets = node.children("target_list")
        limited = node.child("limit_count") is not None or node.child("limit_offset") is not None
        aggregated = any(is_aggregate(t) for t in targets) or bool(node.children("group_clause"))
        distinct = bool(node.message.distinct_clause)
        outputs = self.outputs(targets, scope, movable=frozenset() if limited else _movable(node))
        for field in ("group_clause", "sort_clause", "window_clause", "distinct_clause"):
            for item in node.children(field):
                self.touch(item, scope)
        having = node.child("having_clause")
        self.touch(having, scope)
        if top or distinct:
            for target in targets:
                self.touch(target, scope)
        note_sets(node, scope)
        note_order(node, scope)
        note_limit(node, scope)
        note_order_of_arms(node, scope)
        note_locks(node, scope)
        note_aggregates(node, scope)
        simple = not (limited or aggregated or distinct or node.message.locking_clause)
        return AnalysedQuery(outputs, simple, scope)

    def _set_operation(self, node: Node, scope: NameScope, top: bool) -> AnalysedQuery:
        arms = _arms(node)
        limited = node.child("limit_count") is not None
        appended = node.enum("op") == "SETOP_UNION" and node.flag("all")
        merged: dict[str, tuple[Target, ...]] = {}
        for arm in arms:
            result = self.select(arm, scope.inner(), top=top or not node.flag("all"))
            appended = appended and (result.simple or result.appended)
            columns = list(result.outputs.values())
            if not merged:
                merged = dict(result.outputs)
                continue
            for name, targets in zip(merged, columns, strict=False):
                merged[name] = merged[name] + targets
        if appended:
            note_own_order_of_arms(node, merged)
        return AnalysedQuery({} if limited else merged, False, scope, appended and not limited)

    def _values(self, node: Node, scope: NameScope) -> AnalysedQuery:
        rows = node.children("values_lists")
        for row in rows:
            self.touch(row, scope)
        width = len(rows[0].children("items"))
        source = FromItem("", None)
        return AnalysedQuery({f"column{i + 1}": source.find("") or () for i in range(width)}, False, scope)

    def with_clause(self, node: Node, scope: NameScope) -> None:
        """Make the WITH queries of a statement known."""
        clause = node.child("with_clause")
        if clause is None:
            return
        scope.ctes = dict(scope.ctes)
        for item in clause.children("ctes"):
            self._with_query(item, scope, clause.flag("recursive"))

    def _with_query(self, item: Node, scope: NameScope, recursive: bool) -> None:
        query, name = item.child("ctequery"), item.text("ctename")
        if query is None:
            return
        recursive = recursive and any(n.kind == "RangeVar" and n.text("relname") == name for n in query.walk())
        outer = scope.inner(pulled=False, lateral=False)
        outer.parent, outer.ctes = None, dict(scope.ctes)
        cte = Cte(name, query, outer, item.names("aliascolnames"), False, recursive)
        materialized = item.enum("ctematerialized")
        if query.kind != "SelectStmt":
            self.statement(query, outer)
            scope.ctes[name] = cte
            return
        once = self._references.get(name, 0) == 1 and materialized == "CTEMaterializeDefault"
        cte.inlined = not recursive and (once or materialized == "CTEMaterializeNever")
        if recursive:
            outer.ctes[name] = cte
        if not cte.inlined:
            result = self.select(query, outer, top=True)
            names = cte.aliases or tuple(result.outputs)
            closed = FromItem(name, None)
            cte.outputs = {n: closed.find(n) or () for n in names}
        scope.ctes[name] = cte

    def outputs(self, targets: Sequence[Node], scope: NameScope, *, movable: frozenset[str] | None = None) -> Outputs:
        """What each output column stands for; ``movable`` are those that conditions may move to (None: all)."""
        found: dict[str, tuple[Target, ...]] = {}
        for position, target in enumerate(targets):
            value = target.child("val")
            if value is None:
                continue
            if value.kind == "ColumnRef" and value.names("fields")[-1] == "*":
                for name, things in star(value, scope).items():
                    pushable = movable is None or name in movable
                    found.setdefault(name, things if pushable else closed(things))
                continue
            name = target.text("name") or output_name(value) or f"?column?{position}"
            pushable = movable is None or deparse_expression(value) in movable
            found.setdefault(name, (Derived(value, scope, pushable),))
        return found

    def touch(self, node: Node | None, scope: NameScope, *, testing: bool = False) -> None:
        """Note the columns an expression reads (``testing``: as part of WHERE); analyse its subqueries once."""
        if node is None:
            return
        for here in node.level():
            if here.kind == "ColumnRef":
                self._touch_reference(here, scope, testing)
            elif here.kind == "SubLink":
                self._touch_subquery(here, scope)

    def _touch_reference(self, node: Node, scope: NameScope, testing: bool) -> None:
        parts = node.names("fields")
        if parts[-1] == "*":
            sources = [scope.reachable_source(parts[-2])] if len(parts) > 1 else list(scope.sources)
            for source in sources:
                self._touch_all(source)
            return
        targets = scope.resolve(node)
        for target in targets:
            self._touch_target(target, testing)
        if not targets and len(parts) == 1:
            self._touch_all(scope.reachable_source(parts[0]))

    def _touch_all(self, source: FromItem | None) -> None:
        if source is None:
            return
        if source.use is not None:
            source.use.whole_row = True
        for targets in (source.columns or {}).values():
            for target in targets:
                self._touch_target(target)

    def _touch_target(self, target: Target, testing: bool = False) -> None:
        if isinstance(target, BoundColumn):
            target.use.columns.add(target.column)
            if not testing:
                target.use.used.add(target.column)
        elif isinstance(target, Derived) and not target.touched:
            target.touched = True
            self.touch(target.node, target.scope)

    def _touch_subquery(self, node: Node, scope: NameScope) -> None:
        """Analyse a subquery that is no condition of its own (a value, or deep inside an expression)."""
        query = node.child("subselect")
        self.touch(node.child("testexpr"), scope)
        if query is None or node.number("location") in scope.seen:
            return
        scope.seen.add(node.number("location"))
        self.select(query, scope.inner(pulled=False), top=node.enum("sub_link_type") != "EXISTS_SUBLINK")

    def condition(self, node: Node, scope: NameScope, negated: bool) -> None:
        """EXISTS and IN subqueries used as conditions: semi-joins, so both sides may be looked up."""
        query = node.child("subselect")
        if query is None or node.number("location") in scope.seen:
            return
        scope.seen.add(node.number("location"))
        kind = node.enum("sub_link_type")
        inner = scope.inner(pulled=kind in ("EXISTS_SUBLINK", "ANY_SUBLINK") and not negated)
        result = self.select(query, inner, top=kind != "EXISTS_SUBLINK")
        test = node.child("testexpr")
        if kind != "ANY_SUBLINK" or test is None or negated:
            return
        tests = test.children("args") if test.kind == "RowExpr" else (test,)
        name = (node.names("oper_name") or ("=",))[-1]
        for left, targets in zip(tests, result.outputs.values(), strict=False):
            self._semi_join(left, scope, targets, inner, name)

    def _semi_join(
        self, left: Node, scope: NameScope, targets: tuple[Target, ...], inner: NameScope, name: str
    ) -> None:
        collector = self.collector(inner)
        for side in operands(left, scope):
            for target in targets:
                for other in target_operands(left, target):
                    collector.pair(side, other, name)

    def collector(self, scope: NameScope, only: frozenset[Use] | None = None) -> Collector:
        """A collector that analyses subquery conditions with us."""
        return Collector(scope, self.condition, only)


def output_name(node: Node) -> str | None:
    """The name the server gives an unnamed output column, or None (``?column?``)."""
    if node.kind == "ColumnRef":
        return node.names("fields")[-1]
    if node.kind == "FuncCall":
        return node.names("funcname")[-1]
    if node.kind == "TypeCast":
        inner, kind = node.child("arg"), node.child("type_name")
        return (output_name(inner) if inner else None) or (kind.names("names")[-1] if kind else None)
    return {"CoalesceExpr": "coalesce", "CaseExpr": "case", "A_ArrayExpr": "array"}.get(node.kind)


def star(node: Node, scope: NameScope) -> dict[str, tuple[Target, ...]]:
    """The columns of ``*`` or ``alias.*``, first of each name."""
    parts = node.names("fields")
    sources = [scope.reachable_source(parts[-2])] if len(parts) > 1 else list(scope.sources)
    found: dict[str, tuple[Target, ...]] = {}
    for source in sources:
        for name, targets in (source.columns or {}).items() if source else ():
            found.setdefault(name, targets)
    return found


def closed(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """The same columns where conditions from outside may not move in (below LIMIT or a window)."""
    return tuple(Opaque(t) for t in targets)


def relation_uses(statement: Statement | Node, catalog: Catalog) -> tuple[RelationUse, ...]:
    """How a SELECT, INSERT, UPDATE, DELETE or MERGE uses each relation, one value per relation and block.

    Names are resolved as the server does it: aliases, search_path, WITH queries, views (by their definition),
    enclosing blocks. Conditions on columns of subqueries, views and inlined WITH queries are attributed to the
    tables below wherever the planner can move them there. Tables that the catalog does not have are left out.
    """
    node = statement.node if isinstance(statement, Statement) else statement
    node = inlined(node, catalog)
    scope = NameScope(Block(None), None, catalog, [])
    Blocks(node).statement(node, scope)
    return tuple(use.frozen() for use in scope.uses)
