"""FROM items: tables, views, WITH queries, subqueries, functions, joins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.workload import StatementKind
from indexpilot_cli.sql.parser import Node, Statement, parse, parse_expression
from indexpilot_cli.workload.predicates.clauses import Collector
from indexpilot_cli.workload.predicates.scopes import (
    BoundColumn,
    Cte,
    Derived,
    FromItem,
    NameScope,
    Opaque,
    Outputs,
    Target,
    Use,
)

_MAX_VIEW_DEPTH = 8


class Analyser(Protocol):
    """What FROM needs of the block analysis."""

    def select(self, node: Node, scope: NameScope, *, top: bool = False) -> AnalysedQuery:
        """Analyse a query in its own scope."""
        ...

    def touch(self, node: Node | None, scope: NameScope) -> None:
        """Note the columns an expression reads and analyse its subqueries."""
        ...

    def collector(self, scope: NameScope, only: frozenset[Use] | None = None) -> Collector:
        """A collector of conditions for the scope."""
        ...

    def statement(self, node: Node, scope: NameScope) -> None:
        """Analyse a data-modifying statement inside WITH."""
        ...


@dataclass(frozen=True, slots=True)
class AnalysedQuery:
    """An analysed query: its columns, whether it dissolves into its parent, and whether it is a UNION ALL."""

    outputs: Outputs
    simple: bool
    scope: NameScope
    appended: bool = False


def add_from(items: Sequence[Node], scope: NameScope, analyser: Analyser) -> None:
    """Put FROM items into the scope and collect the conditions of their joins."""
    for item in items:
        _add(item, scope, analyser)


def _add(item: Node, scope: NameScope, analyser: Analyser) -> list[FromItem]:
    if item.kind == "RangeVar":
        return [add_table(item, scope, analyser)]
    if item.kind == "JoinExpr":
        return _join(item, scope, analyser)
    if item.kind == "RangeSubselect":
        return [_subselect(item, scope, analyser)]
    if item.kind == "RangeTableSample":
        relation = item.child("relation")
        return _add(relation, scope, analyser) if relation else []
    for inner in item.below():
        if inner.kind != "Alias":
            analyser.touch(inner, scope)
    alias, names = _alias(item)
    source = FromItem(alias, None)
    if names and item.kind != "RangeTableFunc":
        source.columns = {n: (Opaque(source),) for n in names}
    scope.sources.append(source)
    return [source]


def _alias(item: Node) -> tuple[str, tuple[str, ...]]:
    alias = item.child("alias")
    if alias is not None:
        return alias.text("aliasname"), alias.names("colnames")
    if item.kind == "RangeFunction":
        calls = [n for n in item.walk() if n.kind == "FuncCall"]
        return (calls[0].names("funcname")[-1] if calls else ""), ()
    return "", ()


def add_table(item: Node, scope: NameScope, analyser: Analyser) -> FromItem:
    """The FROM item of a plain name: WITH query, table, view, or something unknown."""
    name, schema = item.text("relname"), item.text("schemaname") or None
    alias, names = _alias(item)
    cte = scope.cte(name) if schema is None else None
    if cte is not None:
        source = _cte_source(cte, alias or name, scope, analyser)
    else:
        source = _relation_source(name, schema, alias or name, scope, analyser)
    source.columns = _renamed(source.columns, names)
    scope.sources.append(source)
    return source


def _relation_source(name: str, schema: str | None, alias: str, scope: NameScope, analyser: Analyser) -> FromItem:
    table = scope.catalog.resolve(name, schema)
    if table is not None:
        use = Use(table, alias, scope.block)
        scope.uses.append(use)
        columns = {c.name: (BoundColumn(use, c.name),) for c in table.columns}
        return FromItem(alias, columns, use, table.name.schema)
    for candidate in (schema,) if schema else scope.catalog.search_path:
        definition = scope.catalog.views.get(QualifiedName(candidate, name))
        if definition is not None and len(scope.views) < _MAX_VIEW_DEPTH:
            return _view_source(definition, f"{candidate}.{name}", alias, scope, analyser)
    return FromItem(alias, None, schema=schema)


def _view_source(definition: str, view: str, alias: str, scope: NameScope, analyser: Analyser) -> FromItem:
    statement = parse(definition)
    if not isinstance(statement, Statement) or statement.node.kind != "SelectStmt" or view in scope.views:
        return FromItem(alias, None)
    inner = scope.inner(lateral=False)
    inner.parent, inner.ctes, inner.views, inner.seen = None, {}, (*scope.views, view), set()
    result = analyser.select(statement.node, inner)
    if result.simple:
        scope.simple.append(result.scope)
    return FromItem(alias, result.outputs, appended=result.appended)


def _cte_source(cte: Cte, alias: str, scope: NameScope, analyser: Analyser) -> FromItem:
    if cte.inlined:
        inner = cte.scope.inner()
        inner.seen = set()
        result = analyser.select(cte.node, inner)
        if result.simple:
            scope.simple.append(result.scope)
        return FromItem(alias, _renamed(result.outputs, cte.aliases), appended=result.appended)
    if cte.outputs is None:
        return FromItem(alias, None)
    return FromItem(alias, cte.outputs)


def _subselect(item: Node, scope: NameScope, analyser: Analyser) -> FromItem:
    alias, names = _alias(item)
    query = item.child("subquery")
    source = FromItem(alias, None)
    if query is not None:
        inner = scope.inner(lateral=item.flag("lateral"))
        result = analyser.select(query, inner)
        source.columns, source.appended = _renamed(result.outputs, names), result.appended
        if result.simple:
            scope.simple.append(result.scope)
    scope.sources.append(source)
    return source


def _renamed(columns: Outputs | None, names: Sequence[str]) -> Outputs | None:
    if not names or columns is None:
        return columns
    old = list(columns.items())
    renamed = {new: targets for new, (_, targets) in zip(names, old, strict=False)}
    return renamed | dict(old[len(names) :])


def _join(item: Node, scope: NameScope, analyser: Analyser) -> list[FromItem]:
    sides = [item.child("larg"), item.child("rarg")]
    left, right = (_add(s, scope, analyser) if s is not None else [] for s in sides)
    kind = item.enum("jointype")
    only = _restrictable(kind, left, right)
    collector = analyser.collector(scope, only)
    quals = item.child("quals")
    if quals is not None:
        collector.collect(quals)
        analyser.touch(quals, scope)
    for name in item.names("using_clause") or (_common(left, right) if item.flag("is_natural") else ()):
        _equate(name, left, right, collector, analyser)
    sources = left + right
    alias = item.child("alias")
    if alias is not None:
        scope.sources.append(FromItem(alias.text("aliasname"), _union(sources)))
    return sources


def _restrictable(kind: str, left: list[FromItem], right: list[FromItem]) -> frozenset[Use] | None:
    """Which relations the join condition restricts; marks the nullable side."""
    if kind == "JOIN_INNER":
        return None
    inner = {"JOIN_LEFT": right, "JOIN_RIGHT": left, "JOIN_FULL": left + right}.get(kind, [])
    uses = set(chain.from_iterable(map(source_uses, inner)))
    for use in uses:
        use.nullable = True
    return frozenset() if kind == "JOIN_FULL" else frozenset(uses)


def source_uses(source: FromItem) -> set[Use]:
    """The relations a FROM item gives columns of."""
    found = {source.use} if source.use else set()
    for targets in (source.columns or {}).values():
        found.update(chain.from_iterable(map(_target_uses, targets)))
    return found


def _target_uses(target: Target) -> set[Use]:
    if isinstance(target, BoundColumn):
        return {target.use}
    if isinstance(target, Derived):
        return set(target.scope.members())
    return set()


def _common(left: list[FromItem], right: list[FromItem]) -> tuple[str, ...]:
    names = _union(right)
    return tuple(n for n in _union(left) if n in names)


def _union(sources: Sequence[FromItem]) -> dict[str, tuple[Target, ...]]:
    columns: dict[str, tuple[Target, ...]] = {}
    for source in sources:
        for name, targets in (source.columns or {}).items():
            columns.setdefault(name, targets)
    return columns


def _equate(name: str, left: list[FromItem], right: list[FromItem], collector: Collector, analyser: Analyser) -> None:
    """The condition a USING column stands for."""
    pair = [
        FromItem(alias, {name: next((t for t in (s.find(name) for s in sources) if t), ())})
        for alias, sources in (("l", left), ("r", right))
    ]
    scope = collector.scope
    both = NameScope(scope.block, None, scope.catalog, scope.uses, pair)
    condition = parse_expression(f"l.{quote_identifier(name)} = r.{quote_identifier(name)}")
    Collector(both, collector.subquery, collector.only).collect(condition)
    analyser.touch(condition, both)


def update(node: Node, scope: NameScope, analyser: Analyser) -> None:
    """UPDATE … FROM."""
    for use in _target(node, scope, analyser):
        use.updated |= _names(node.children("target_list"))
    add_from(node.children("from_clause"), scope, analyser)
    _finish(node, scope, analyser)


def delete(node: Node, scope: NameScope, analyser: Analyser) -> None:
    """DELETE … USING."""
    _target(node, scope, analyser)
    add_from(node.children("using_clause"), scope, analyser)
    _finish(node, scope, analyser)


def insert(node: Node, scope: NameScope, analyser: Analyser) -> None:
    """INSERT … SELECT/VALUES, ON CONFLICT."""
    query = node.child("select_stmt")
    if query is not None:
        analyser.select(query, scope.inner(lateral=False), top=True)
    targets = _target(node, scope, analyser)
    conflict = node.child("on_conflict_clause")
    if conflict is not None:
        excluded = FromItem("excluded", {})
        columns = chain.from_iterable(use.table.columns for use in targets)
        excluded.columns = {column.name: (Opaque(excluded),) for column in columns}
        inner = scope.inner()
        inner.sources.append(excluded)
        for use in targets:
            use.updated |= _names(conflict.children("target_list"))
        for item in (*conflict.children("target_list"), conflict.child("where_clause")):
            analyser.touch(item, inner)
    _returning(node, scope, analyser)


def merge(node: Node, scope: NameScope, analyser: Analyser) -> None:
    """MERGE: a join of target and source, then actions."""
    targets = _target(node, scope, analyser)
    source = node.child("source_relation")
    add_from((source,) if source else (), scope, analyser)
    condition = node.child("join_condition")
    if condition is not None:
        analyser.collector(scope).collect(condition)
        analyser.touch(condition, scope)
    for clause in node.children("merge_when_clauses"):
        if clause.enum("command_type") == "CMD_UPDATE":
            for use in targets:
                use.updated |= _names(clause.children("target_list"))
        for item in clause.below():
            analyser.touch(item, scope)
    _returning(node, scope, analyser)


_KINDS = {
    "InsertStmt": StatementKind.INSERT,
    "UpdateStmt": StatementKind.UPDATE,
    "DeleteStmt": StatementKind.DELETE,
    "MergeStmt": StatementKind.MERGE,
}


def _target(node: Node, scope: NameScope, analyser: Analyser) -> list[Use]:
    relation = node.child("relation")
    if relation is None:
        return []
    source = add_table(relation, scope, analyser)
    uses = [source.use] if source.use else sorted(source_uses(source), key=lambda u: str(u.table.name))[:1]
    for use in uses:
        use.write = _KINDS[node.kind]
    return uses


def _names(targets: Iterable[Node]) -> set[str]:
    return {t.text("name") for t in targets if t.text("name")}


def _finish(node: Node, scope: NameScope, analyser: Analyser) -> None:
    for target in node.children("target_list") if node.kind == "UpdateStmt" else ():
        analyser.touch(target, scope)
    where = node.child("where_clause")
    if where is not None:
        analyser.collector(scope).collect(where)
        analyser.touch(where, scope)
    _returning(node, scope, analyser)


def _returning(node: Node, scope: NameScope, analyser: Analyser) -> None:
    clause = node.child("returning_clause")
    for item in clause.children("exprs") if clause is not None else ():
        analyser.touch(item, scope)
