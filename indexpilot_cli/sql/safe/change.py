"""INSERT, UPDATE and DELETE of a stranger in parts that may be read on production."""

from __future__ import annotations

from itertools import chain

from indexpilot_cli.sql.parser import Node, Unparsed, parse, walk_all
from indexpilot_cli.sql.parser.edit import from_text, with_prefix
from indexpilot_cli.sql.safe.expression import (
    MAX_GROWTH,
    MAX_TEXT,
    Vetting,
    ctes,
    expression_text,
    growth,
    names,
    statement_text,
)
from indexpilot_cli.sql.safe.values import SafeChange, Scope

_KINDS = {"InsertStmt": "insert", "UpdateStmt": "update", "DeleteStmt": "delete"}


def change(sql: str, scope: Scope) -> SafeChange | None:
    """The parts of an INSERT, UPDATE or DELETE, tables replaced; None when a part of it may not run."""
    statement = parse(sql) if len(sql) <= MAX_TEXT else None
    if statement is None or isinstance(statement, Unparsed) or statement.node.kind not in _KINDS:
        return None
    node = statement.node
    reading = _Reading(node, Vetting(scope, sql, ctes([node])))
    found = reading.insert() if node.kind == "InsertStmt" else reading.modification()
    return None if found is None or reading.vetting.refused or found.growth > MAX_GROWTH else found


class _Reading:
    """One statement being taken apart."""

    def __init__(self, node: Node, vetting: Vetting) -> None:
        self.node = node
        self.vetting = vetting
        self.parts: list[Node] = []

    def modification(self) -> SafeChange | None:
        """An UPDATE or DELETE."""
        node, targets = self.node, self.node.children("target_list") if self.node.kind == "UpdateStmt" else ()
        sources = node.children("from_clause" if node.kind == "UpdateStmt" else "using_clause")
        condition, prefix = node.child("where_clause"), node.child("with_clause")
        values = [(t.text("name"), t.child("val")) for t in targets if not t.children("indirection")]
        if len(values) != len(targets) or any(v is None or v.kind == "SetToDefault" for _, v in values):
            return None
        self.parts = [*(v for _, v in values if v), *sources, *([condition] if condition else [])]
        if not self.vetting.vet([p for p in [*self.parts, prefix] if p], query=True) or self._aggregates():
            return None
        texts = [(name, expression_text(self.vetting, value)) for name, value in values if value]
        if any(text is None for _, text in texts):
            return None
        return self._change(
            prefix=with_prefix(self.vetting.settle(prefix)) if prefix else "",
            assignments=tuple((name, text) for name, text in texts if text is not None),
            sources=", ".join(self._source(s) for s in sources),
            condition=(expression_text(self.vetting, condition) or "") if condition else "",
        )

    def insert(self) -> SafeChange | None:
        """An INSERT … VALUES or INSERT … SELECT."""
        node, query = self.node, self.node.child("select_stmt")
        if query is None or node.child("with_clause") or any(c.children("indirection") for c in node.children("cols")):
            return None
        self.parts = [query]
        if not self.vetting.vet(self.parts, query=True):
            return None
        clause = node.child("on_conflict_clause")
        if clause is not None and clause.enum("action") != "ONCONFLICT_NOTHING":
            return None
        conflict = None if clause is None else _arbiter(clause)
        text = statement_text(self.vetting, query)
        if text is None or (clause is not None and conflict is None):
            return None
        columns = tuple(c.text("name") for c in node.children("cols"))
        values = bool(query.children("values_lists"))
        return self._change(columns=columns, query=text, conflict=conflict, values=values, width=_width(query))

    def _change(
        self,
        *,
        prefix: str = "",
        assignments: tuple[tuple[str, str], ...] = (),
        sources: str = "",
        condition: str = "",
        columns: tuple[str, ...] = (),
        query: str = "",
        conflict: tuple[str, ...] | None = None,
        values: bool = False,
        width: int = 0,
    ) -> SafeChange | None:
        target = self.node.child("relation")
        if target is None:
            return None
        alias = target.child("alias")
        grown = 1.0
        for part in self.parts:
            grown *= growth(part)
        return SafeChange(
            kind=_KINDS[self.node.kind],
            schema=target.text("schemaname") or None,
            table=target.text("relname"),
            alias=alias.text("aliasname") if alias else target.text("relname"),
            prefix=self.vetting.finish(prefix),
            assignments=assignments,
            sources=self.vetting.finish(sources),
            condition=condition,
            columns=columns,
            query=query,
            conflict=conflict,
            names=names(self.parts),
            growth=grown,
            subquery=bool(sources or prefix or query) or any(n.kind == "SubLink" for n in walk_all(self.parts)),
            values=values,
            width=width,
        )

    def _source(self, node: Node) -> str:
        return from_text(self.vetting.settle(node))

    def _aggregates(self) -> bool:
        """Whether something that belongs into a SELECT stands outside of one."""
        level = chain.from_iterable(part.level() for part in self.parts if part.kind not in _FROM)
        return any(n.kind == "FuncCall" and (n.flag("agg_star") or n.child("over") is not None) for n in level)


_FROM = frozenset(("RangeVar", "RangeSubselect", "JoinExpr"))


def _width(query: Node) -> int:
    """How many columns a query gives, 0 when a star or a set operation hides it."""
    lists = query.children("values_lists")
    if lists:
        return len(lists[0].children("items"))
    targets = query.children("target_list")
    stars = any((t.child("val") or t).names("fields")[-1:] == ("*",) for t in targets if _is_column(t))
    return 0 if stars else len(targets)


def _is_column(target: Node) -> bool:
    value = target.child("val")
    return value is not None and value.kind == "ColumnRef"


def _arbiter(clause: Node) -> tuple[str, ...] | None:
    """The columns of ON CONFLICT (…); empty without any, None for what is no list of columns."""
    infer = clause.child("infer")
    if infer is None:
        return ()
    if infer.text("conname") or infer.child("where_clause"):
        return None
    columns = tuple(e.text("name") for e in infer.children("index_elems"))
    return columns if all(columns) else None
