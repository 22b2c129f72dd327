"""INSERT, UPDATE, DELETE and MERGE: what they write and how they find it."""

from __future__ import annotations

from collections.abc import Iterable

from indexpilot_cli.sql.parser import Node
from indexpilot_cli.workload.predicates.fromclause import Analyser, add_from, add_table, source_uses
from indexpilot_cli.workload.predicates.scopes import Opaque, Scope, Source, Use


def update(node: Node, scope: Scope, analyser: Analyser) -> None:
    """UPDATE … FROM."""
    for use in _target(node, scope, analyser):
        use.updated |= _names(node.children("target_list"))
    add_from(node.children("from_clause"), scope, analyser)
    _finish(node, scope, analyser)


def delete(node: Node, scope: Scope, analyser: Analyser) -> None:
    """DELETE … USING."""
    _target(node, scope, analyser)
    add_from(node.children("using_clause"), scope, analyser)
    _finish(node, scope, analyser)


def insert(node: Node, scope: Scope, analyser: Analyser) -> None:
    """INSERT … SELECT/VALUES, ON CONFLICT."""
    query = node.child("select_stmt")
    if query is not None:
        analyser.select(query, scope.inner(lateral=False), top=True)
    targets = _target(node, scope, analyser)
    conflict = node.child("on_conflict_clause")
    if conflict is not None:
        excluded = Source("excluded", {})
        excluded.columns = {c.name: (Opaque(excluded),) for u in targets for c in u.table.columns}
        inner = scope.inner()
        inner.sources.append(excluded)
        for use in targets:
            use.updated |= _names(conflict.children("target_list"))
        for item in (*conflict.children("target_list"), conflict.child("where_clause")):
            analyser.touch(item, inner)
    _returning(node, scope, analyser)


def merge(node: Node, scope: Scope, analyser: Analyser) -> None:
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


def _target(node: Node, scope: Scope, analyser: Analyser) -> list[Use]:
    relation = node.child("relation")
    if relation is None:
        return []
    source = add_table(relation, scope, analyser)
    uses = [source.use] if source.use else sorted(source_uses(source), key=lambda u: str(u.table.name))[:1]
    for use in uses:
        use.target = True
    return uses


def _names(targets: Iterable[Node]) -> set[str]:
    return {t.text("name") for t in targets if t.text("name")}


def _finish(node: Node, scope: Scope, analyser: Analyser) -> None:
    for target in node.children("target_list") if node.kind == "UpdateStmt" else ():
        analyser.touch(target, scope)
    where = node.child("where_clause")
    if where is not None:
        analyser.collector(scope).collect(where)
        analyser.touch(where, scope)
    _returning(node, scope, analyser)


def _returning(node: Node, scope: Scope, analyser: Analyser) -> None:
    clause = node.child("returning_clause")
    for item in clause.children("exprs") if clause is not None else ():
        analyser.touch(item, scope)
