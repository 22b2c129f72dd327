"""OR between conditions of several tables, or beside a subquery: as a UNION ALL each side is asked on its own.

The planner tests such an OR on the joined rows, all of them (manual, "Combining Multiple Indexes": a bitmap OR is of
one table). Each later arm leaves out the rows of the earlier ones, so that both forms give the same rows as often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from indexpilot_cli.advise.rewrites.condition import Sargable, Tables, column_of, references_in
from indexpilot_cli.algorithms.rewriting import conjuncts_of
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.sql.parser import (
    Node,
    Statement,
    deparse,
    deparse_expression,
    from_text,
    parse,
    parse_expression,
    rewrite,
    set_child,
    without,
)

_MOST_ARMS = 4
_SYSTEM = frozenset(("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"))
_CHANGING = ("random", "nextval", "setval", "clock_timestamp", "gen_random_uuid", "uuid_generate_v4")
# What is asked of all rows together, and so not of each side on its own.
_TOGETHER = frozenset(("group_clause", "having_clause", "window_clause", "into_clause", "with_clause", "values_lists"))


def united(statement: Node, tables: Tables) -> Iterator[tuple[Sargable, Node]]:
    """The hints, each with the statement in the new form."""
    for select in (n for n in statement.walk() if n.kind == "SelectStmt"):
        where = select.child("where_clause")
        split = _split(where, tables) if where is not None and not select.children("locking_clause") else None
        text = _united(select, *split) if split is not None else None
        fresh = parse(text) if text is not None else None
        if split is None or text is None or not isinstance(fresh, Statement):
            continue
        names = sorted({t.name for t in tables.values()})
        before = " OR ".join(map(deparse_expression, split[1]))
        why = "it is tested only when all is joined or looked up: no index serves one side alone"
        hint = Sargable("union", names[0], before, text, why, others=tuple(names[1:]))
        whole = fresh.node if select is statement else _replaced(statement, select, fresh.node)
        if whole is not None:
            yield hint, whole


def _replaced(statement: Node, select: Node, fresh: Node) -> Node | None:
    before = deparse(select)
    made = rewrite(statement, lambda here, _: fresh if here.kind == "SelectStmt" and deparse(here) == before else None)
    return made if deparse(made) != deparse(statement) else None


def _split(where: Node, tables: Tables) -> tuple[tuple[Node, ...], tuple[Node, ...]] | None:
    """The conditions that hold for all rows, and the sides of the first OR whose sides ask different tables."""
    parts = conjuncts_of(where)
    if any(n.kind == "FuncCall" and n.names("funcname")[-1] in _CHANGING for n in where.walk()):
        return None
    for place, part in enumerate(parts):
        if part.kind == "BoolExpr" and part.enum("boolop") == "OR_EXPR":
            sides = _sides(part.children("args"), tables)
            if 1 < len(sides) <= _MOST_ARMS:
                return parts[:place] + parts[place + 1 :], sides
    return None


def _sides(arms: Sequence[Node], tables: Tables) -> tuple[Node, ...]:
    """The arms, those of one table together; none where one asks no table at all (``$1 IS NULL OR …``)."""
    groups: dict[frozenset[str], list[Node]] = {}
    for arm in arms:
        nested = any(n.kind == "SubLink" for n in arm.level())
        asked = frozenset((deparse_expression(arm),)) if nested else frozenset(_asked(arm, tables))
        if not asked:
            return ()
        groups.setdefault(asked, []).append(arm)
    return tuple(parse_expression(" OR ".join(_grouped(a) for a in group)) for group in groups.values())


def _asked(arm: Node, tables: Tables) -> Iterator[str]:
    for reference in references_in(arm):
        *before, name = reference.names("fields")
        found = column_of(reference, tables)
        yield before[-1] if before else str(found[0].name) if found is not None else name


def _grouped(node: Node) -> str:
    return f"({deparse_expression(node)})"


def _united(select: Node, common: Sequence[Node], sides: Sequence[Node]) -> str | None:
    conditions = []
    for number, side in enumerate(sides):
        earlier = (f"{_grouped(s)} IS NOT TRUE" for s in sides[:number])
        conditions.append(" AND ".join((*map(_grouped, common), _grouped(side), *earlier)))
    items = select.children("from_clause")
    if len(items) == 1 and items[0].kind == "RangeVar":
        return _of_one(select, items[0], conditions)
    return _of_joined(select, conditions)


def _of_one(select: Node, item: Node, conditions: Sequence[str]) -> str | None:
    """The table gives way to a subquery of its name; all else stays as it is."""
    alias = item.child("alias")
    name = alias.text("aliasname") if alias is not None else item.text("relname")
    names = [reference.names("fields") for reference in references_in(select)]
    if (alias is not None and alias.names("colnames")) or any(n[-1] in _SYSTEM or n == (name,) for n in names):
        return None
    queries = (" ".join(("SELECT * FROM", from_text(item), "WHERE", condition)) for condition in conditions)
    made = parse(f"SELECT FROM ({' UNION ALL '.join(queries)}) AS {quote_identifier(name)}")
    (fresh,) = made.node.children("from_clause") if isinstance(made, Statement) else (item,)

    def exchanged(here: Node, _parent: Node) -> Node | None:
        return fresh if here.kind == "RangeVar" and here.message == item.message else None

    return deparse(rewrite(without(select, "where_clause"), exchanged))


def _of_joined(select: Node, conditions: Sequence[str]) -> str | None:
    """One query for each side; only where nothing is asked of all rows together but their number and their order."""
    written = {field.name for field, _ in select.message.ListFields()}
    targets = select.children("target_list")
    values = [target.child("val") for target in targets]
    counted = len(values) == 1 and values[0] is not None and values[0].kind == "FuncCall" and values[0].flag("agg_star")
    called = any(n.kind in ("FuncCall", "SubLink") for target in targets for n in target.level())
    apart = select.children("distinct_clause") or ("distinct_clause" in written and counted)
    order = _ordered(select)
    if written & _TOGETHER or apart or order is None or (called and not counted) or (counted and order):
        return None
    bare = select
    for field in ("sort_clause", "limit_count", "limit_offset", "distinct_clause"):
        bare = without(bare, field)
    union = " UNION " if "distinct_clause" in written else " UNION ALL "
    text = union.join(deparse(set_child(bare, "where_clause", parse_expression(c))) for c in conditions)
    if counted:
        return " ".join(("SELECT count(*) FROM (", text.replace("SELECT count(*)", "SELECT 1"), ") AS sides"))
    return text + order


_DIRECTIONS = {"SORTBY_ASC": " ASC", "SORTBY_DESC": " DESC"}
_NULLS = {"SORTBY_NULLS_FIRST": " NULLS FIRST", "SORTBY_NULLS_LAST": " NULLS LAST"}


def _ordered(select: Node) -> str | None:
    """ORDER BY and LIMIT by the names of what is selected, all that a UNION knows; None where another is sorted by."""
    keys = []
    for item in select.children("sort_clause"):
        key = item.child("node")
        name = _output_name(select, key) if key is not None else None
        if name is None or item.enum("sortby_dir") == "SORTBY_USING":
            return None
        direction = _DIRECTIONS.get(item.enum("sortby_dir"), "")
        keys.append(name + direction + _NULLS.get(item.enum("sortby_nulls"), ""))
    count, offset = (select.child(field) for field in ("limit_count", "limit_offset"))
    if select.enum("limit_option") == "LIMIT_OPTION_WITH_TIES":
        return None
    text = f" ORDER BY {', '.join(keys)}" if keys else ""
    text += f" LIMIT {deparse_expression(count)}" if count is not None else ""
    return text + (f" OFFSET {deparse_expression(offset)}" if offset is not None else "")


def _output_name(select: Node, key: Node) -> str | None:
    if key.kind == "A_Const":
        return deparse_expression(key)
    names = key.names("fields") if key.kind == "ColumnRef" else ()
    for target in select.children("target_list"):
        value = target.child("val")
        mine = value.names("fields") if value is not None and value.kind == "ColumnRef" else ()
        if names and (mine == names or mine == (*names[:-1], "*") or names == (target.text("name"),)):
            return quote_identifier(target.text("name") or names[-1])
    return None
