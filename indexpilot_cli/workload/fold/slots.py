"""Which column each parameter of a template is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from indexpilot_cli.core.catalog import Catalog, Column
from indexpilot_cli.core.workload import AtomKind, RelationUse
from indexpilot_cli.sql.parser import Node

_COMPARED = frozenset((AtomKind.EQUAL, AtomKind.IN, AtomKind.RANGE, AtomKind.NOT_EQUAL))
_COMPARISONS = frozenset(("=", "<>", "!=", "<", "<=", ">", ">="))


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter that stands alone on one side of a comparison with a column that has statistics.

    ``end`` is "" for equality, else low or high: the end of a range the parameter gives. ``array`` says that
    it is compared by ``= ANY``; ``paired`` that the other end of the range is bounded too.
    """

    number: int
    column: Column
    end: str = ""
    array: bool = False
    paired: bool = False
    position: int = 0


def slots(node: Node, uses: tuple[RelationUse, ...], catalog: Catalog) -> tuple[Slot, ...]:
    """The slots of a statement in order of their numbers, one per parameter."""
    direct = dict(_direct(node))
    found: dict[int, Slot] = {}
    for use in uses:
        table = catalog.table(use.table)
        for atom in use.atoms:
            column = table.column(atom.column) if table and atom.column else None
            if column is None or column.statistics is None or atom.kind not in _COMPARED:
                continue
            for position, number in enumerate(n for n in atom.parameters if n in direct):
                end = _end(atom.operator, position, atom.parameters) if atom.kind is AtomKind.RANGE else ""
                found.setdefault(number, Slot(number, column, end, direct[number], False, position))
    return tuple(_paired(found)[n] for n in sorted(found))


def _end(operator: str, position: int, numbers: tuple[int, ...]) -> str:
    if operator == "BETWEEN":
        return "low" if position == 0 and len(numbers) > 1 else "high"
    return "low" if operator.startswith(">") else "high"


def _paired(found: Mapping[int, Slot]) -> dict[int, Slot]:
    ends: dict[str, set[str]] = {}
    for slot in found.values():
        ends.setdefault(slot.column.name, set()).add(slot.end)
    return {
        n: Slot(s.number, s.column, s.end, s.array, {"low", "high"} <= ends[s.column.name], s.position)
        for n, s in found.items()
    }


def _direct(node: Node) -> Iterator[tuple[int, bool]]:
    """(number, compared by ANY) of parameters that are, casts aside, one whole side of a comparison."""
    for here in node.walk():
        if here.kind != "A_Expr":
            continue
        kind = here.enum("kind")
        plain = kind == "AEXPR_OP" and here.names("name")[-1] in _COMPARISONS
        if not plain and kind not in ("AEXPR_IN", "AEXPR_BETWEEN", "AEXPR_NOT_DISTINCT", "AEXPR_OP_ANY"):
            continue
        for side in (here.child("lexpr"), here.child("rexpr")):
            for value in _values(side):
                if value.kind == "ParamRef":
                    yield value.number("number"), kind == "AEXPR_OP_ANY"


def _values(side: Node | None) -> Iterator[Node]:
    if side is None:
        return
    if side.kind in ("List", "RowExpr"):
        for item in side.children("items" if side.kind == "List" else "args"):
            yield from _values(item)
    elif side.kind == "TypeCast":
        yield from _values(side.child("arg"))
    else:
        yield side
