"""Names of output columns, and what a star stands for."""

from __future__ import annotations

from indexpilot_cli.sql.parser import Node
from indexpilot_cli.workload.predicates.scopes import Opaque, Scope, Target


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


def star(node: Node, scope: Scope) -> dict[str, tuple[Target, ...]]:
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
