"""Templates to statements the planner accepts, one per class of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.workload import (
    AtomKind,
    ObservedStatement,
    PlanMode,
    Plannable,
    QueryTemplate,
    RelationUse,
    Scenario,
)
from indexpilot_cli.sql.parser import Node, Unparsed, bind, cast, deparse, parameters, parse, renumber, rewrite

TypesOf = Callable[[str], Sequence[str] | None]
"""The types of ``$1``, ``$2`` … in a text, as the server resolves them; None where it cannot."""

MAX_SCENARIOS = 4
_UNTYPED = frozenset(("unknown", "text", "record", "anyarray", "anyelement", ""))
GENERIC_FROM = 160000  # EXPLAIN (GENERIC_PLAN) came with 16
ROWS_WANTED = "1000"  # what an unknown LIMIT is taken for
ROWS_EACH = "10"  # and one for each row of another query, which takes the newest or best few


def scenarios(template: QueryTemplate, catalog: Catalog, types_of: TypesOf | None = None) -> tuple[Scenario, ...]:
    """Up to four statements that stand for the template, with the shares of its calls; shares sum to 1.

    Real statements and parameter vectors first; else literals from the statistics of the compared columns
    (common, typical, rare, newest); else a generic plan (``GENERIC`` on 16+, ``PREPARED`` before). A parameter
    is never NULL: ``x = NULL`` plans well and says nothing. Empty when the text does not parse.
    ``types_of`` is asked only where parameters stay: each answer is a round trip.
    """
    sampled = _sampled(template.samples)
    if sampled:
        return sampled
    if template.variants:
        return _of_variants(template, catalog)
    statement = parse(template.text)
    if isinstance(statement, Unparsed):
        return ()
    node = without_unknown_limits(statement.node)
    numbers = parameters(node)
    if not numbers:
        return (Scenario(Plannable(deparse(node)), 1.0, "as_written"),)
    found = slots(node, template.uses, catalog)
    classes = class_shares(found)
    if not classes:
        return (Scenario(_open(node, template.text, catalog, types_of), 1.0, "generic"),)
    return tuple(
        Scenario(_open(bind(node, _literals(found, label)), template.text, catalog, types_of), share, label)
        for label, share in classes
    )


def _of_variants(template: QueryTemplate, catalog: Catalog) -> tuple[Scenario, ...]:
    """Lengths of IN lists, weighted by their calls, each with its own parameter classes as far as there is room."""
    from indexpilot_cli.workload.predicates.blocks import relation_uses

    total = sum(calls for _, calls in template.variants) or 1.0
    room = max(1, MAX_SCENARIOS // len(template.variants))
    found: list[Scenario] = []
    for text, calls in template.variants:
        statement = parse(text)
        if isinstance(statement, Unparsed):
            continue
        one = replace(template, text=text, uses=relation_uses(statement.node, catalog), variants=())
        parts = sorted(scenarios(one, catalog), key=lambda s: -s.share)[:room]
        whole = sum(s.share for s in parts) or 1.0
        found += [replace(s, share=s.share / whole * calls / total) for s in parts]
    return tuple(found)


def _literals(found: Sequence[ParameterSlot], label: str) -> Mapping[int, str]:
    values = ((slot.number, class_value(slot, label)) for slot in found)
    return {number: value for number, value in values if value is not None}


def _open(node: Node, text: str, catalog: Catalog, types_of: TypesOf | None) -> Plannable:
    """The statement with the parameters it still has: numbers without gaps, as PREPARE wants them, and cast to
    their known types, because those may hang on parameters that are literals now."""
    numbers = parameters(node)
    if not numbers:
        return Plannable(deparse(node))
    mode = PlanMode.GENERIC if catalog.version >= GENERIC_FROM else PlanMode.PREPARED
    types = types_of(text) if types_of is not None else None
    return Plannable(deparse(renumber(_typed(node, types or ()))), mode, len(numbers))


def _typed(node: Node, types: Sequence[str]) -> Node:
    def known(here: Node, _parent: Node) -> Node | None:
        number = here.number("number") if here.kind == "ParamRef" else 0
        plain = 0 < number <= len(types) and types[number - 1] not in _UNTYPED
        return cast(here, types[number - 1]) if plain else None

    return rewrite(node, known) if types else node


def _sampled(samples: Sequence[ObservedStatement]) -> tuple[Scenario, ...]:
    texts = ((_bound(sample), sample.calls) for sample in samples)
    bound = [(text, calls) for text, calls in texts if text is not None][:MAX_SCENARIOS]
    total = sum(calls for _, calls in bound)
    label = "sample" if len(samples) > 1 or (samples and samples[0].parameters) else "as_written"
    return tuple(
        Scenario(Plannable(text), calls / total if total > 0 else 1 / len(bound), label) for text, calls in bound
    )


def _bound(sample: ObservedStatement) -> str | None:
    """The sample as a statement without parameters, None when one of them is missing or NULL."""
    statement = parse(sample.text)
    if isinstance(statement, Unparsed):
        return None
    numbers = parameters(statement.node)
    if not numbers:
        return sample.text
    values = {i: quote_literal(v) for i, v in enumerate(sample.parameters, 1) if v is not None}
    return deparse(bind(statement.node, values)) if all(n in values for n in numbers) else None


def without_unknown_limits(node: Node) -> Node:
    """LIMIT and OFFSET parameters as numbers: a generic plan would take a tenth of the rows for them."""
    wanted = {id(query): rows for query, rows in _rows_of_subqueries(node)}  # nodes of one tree are kept by it
    values: dict[int, str] = {}
    for select in (n for n in node.walk() if n.kind == "SelectStmt"):
        for field, value in (("limit_count", wanted.get(id(select), ROWS_WANTED)), ("limit_offset", "0")):
            number = _parameter(select.child(field))
            if number is not None:
                values[number] = value
    return bind(node, values) if values else node


def _rows_of_subqueries(node: Node) -> Iterator[tuple[Node, str]]:
    """What is asked for each row of another query: one row where only one may come, else the first few."""
    for here in node.walk():
        field, wanted = {"SubLink": ("subselect", "1"), "RangeSubselect": ("subquery", ROWS_EACH)}.get(
            here.kind, ("", "")
        )
        apart = here.kind == "RangeSubselect" and not here.flag("lateral")
        if here.kind == "SubLink" and here.enum("sub_link_type") not in ("EXPR_SUBLINK", "EXISTS_SUBLINK"):
            wanted = ROWS_EACH if here.enum("sub_link_type") == "ARRAY_SUBLINK" else ROWS_WANTED
        query = here.child(field) if field and not apart else None
        if query is not None:
            yield query, wanted


def _parameter(node: Node | None) -> int | None:
    while node is not None and node.kind == "TypeCast":
        node = node.child("arg")
    return node.number("number") if node is not None and node.kind == "ParamRef" else None


def with_scenarios(template: QueryTemplate, catalog: Catalog, types_of: TypesOf | None = None) -> QueryTemplate:
    """The template with its scenarios in place."""
    return replace(template, scenarios=scenarios(template, catalog, types_of))


_COMPARED = frozenset((AtomKind.EQUAL, AtomKind.IN, AtomKind.RANGE, AtomKind.NOT_EQUAL))
_COMPARISONS = frozenset(("=", "<>", "!=", "<", "<=", ">", ">="))


@dataclass(frozen=True, slots=True)
class ParameterSlot:
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


def slots(node: Node, uses: tuple[RelationUse, ...], catalog: Catalog) -> tuple[ParameterSlot, ...]:
    """The slots of a statement in order of their numbers, one per parameter."""
    direct = dict(_direct(node))
    found: dict[int, ParameterSlot] = {}
    for use in uses:
        table = catalog.table(use.table)
        for atom in use.atoms:
            column = table.column(atom.column) if table and atom.column else None
            if column is None or column.statistics is None or atom.kind not in _COMPARED:
                continue
            for position, number in enumerate(n for n in atom.parameters if n in direct):
                end = _end(atom.operator, position, atom.parameters) if atom.kind is AtomKind.RANGE else ""
                found.setdefault(number, ParameterSlot(number, column, end, direct[number], False, position))
    return tuple(_paired(found)[n] for n in sorted(found))


def _end(operator: str, position: int, numbers: tuple[int, ...]) -> str:
    if operator == "BETWEEN":
        return "low" if position == 0 and len(numbers) > 1 else "high"
    return "low" if operator.startswith(">") else "high"


def _paired(found: Mapping[int, ParameterSlot]) -> dict[int, ParameterSlot]:
    ends: dict[str, set[str]] = {}
    for slot in found.values():
        ends.setdefault(slot.column.name, set()).add(slot.end)
    return {
        n: ParameterSlot(s.number, s.column, s.end, s.array, {"low", "high"} <= ends[s.column.name], s.position)
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
        sides = (here.child("lexpr"), here.child("rexpr"))
        # Beside one column a row is its value: its fields are no values of the column.
        kinds = _LISTS - {"RowExpr"} if any(s is not None and s.kind == "ColumnRef" for s in sides) else _LISTS
        for side in sides:
            for value in _values(side, kinds):
                if value.kind == "ParamRef":
                    yield value.number("number"), kind == "AEXPR_OP_ANY"


_LISTS = frozenset(("List", "RowExpr"))


def _values(side: Node | None, kinds: frozenset[str]) -> Iterator[Node]:
    if side is None:
        return
    if side.kind in kinds:
        for item in side.children("items" if side.kind == "List" else "args"):
            yield from _values(item, kinds)
    elif side.kind == "TypeCast":
        yield from _values(side.child("arg"), kinds)
    else:
        yield side


_ARRAY_ELEMENTS = 10
# Where in the histogram (0 to 1) an end of a range lies for each class: both ends given, or only one.
_PAIRED = {"low": {"typical": 0.45, "newest": 0.95}, "high": {"typical": 0.55, "newest": 1.0}}
_SINGLE = {"low": {"typical": 0.5, "newest": 0.95}, "high": {"typical": 0.5, "newest": 0.05}}
_FREQUENT = 0.01  # below this share the most common value is no class of its own


def class_shares(found: Sequence[ParameterSlot]) -> tuple[tuple[str, float], ...]:
    """The classes worth planning and their shares: from the frequencies of the first equality's common values.

    Only ranges: typical and newest, half each. Nothing when no slot has values.
    """
    known = [s for s in found if _has_values(s)]
    equal = [s for s in known if not s.end and s.column.statistics and s.column.statistics.most_common_freqs]
    if equal and equal[0].column.statistics is not None:
        return _by_frequency(equal[0].column.statistics)
    if any(not s.end for s in known):
        return (("typical", 1.0),)
    return (("typical", 0.5), ("newest", 0.5)) if known else ()


def _by_frequency(statistics: ColumnStatistics) -> tuple[tuple[str, float], ...]:
    frequencies = statistics.most_common_freqs
    rest = max(1.0 - statistics.null_frac - sum(frequencies), 0.0) if statistics.histogram_bounds else 0.0
    first = frequencies[0]
    others = sum(frequencies) - first
    shares = {"common": first, "typical": rest, "rare": others}
    if first < _FREQUENT:
        shares = {"common": first + others, "typical": rest}
    total = sum(shares.values()) or 1.0
    return tuple((label, share / total) for label, share in shares.items() if share > 0)


def _has_values(slot: ParameterSlot) -> bool:
    statistics = slot.column.statistics
    return statistics is not None and bool(statistics.most_common_vals or statistics.histogram_bounds)


def class_value(slot: ParameterSlot, label: str) -> str | None:
    """The SQL literal for a slot in a class, or None when the statistics hold no value."""
    statistics = slot.column.statistics
    if statistics is None or not _has_values(slot):
        return None
    if slot.end:
        return _range_end(slot, statistics, label)
    if slot.array:
        values = _spread(statistics.most_common_vals or statistics.histogram_bounds, _ARRAY_ELEMENTS)
        return quote_literal("{" + ",".join(map(_element, values)) + "}")
    return quote_literal(_equal_value(statistics, label, slot.position))


def _equal_value(statistics: ColumnStatistics, label: str, position: int) -> str:
    common, bounds = statistics.most_common_vals, statistics.histogram_bounds
    if label == "common" and common:
        return common[position % len(common)]
    if label == "rare" and common:
        return common[-1 - position % len(common)]
    values = bounds or common
    return values[(len(values) // 2 + position) % len(values)]


def _range_end(slot: ParameterSlot, statistics: ColumnStatistics, label: str) -> str:
    values = statistics.histogram_bounds or tuple(sorted(statistics.most_common_vals))
    places = (_PAIRED if slot.paired else _SINGLE)[slot.end]
    return quote_literal(values[round(places.get(label, places["typical"]) * (len(values) - 1))])


def _spread(values: Sequence[str], count: int) -> Sequence[str]:
    step = max(len(values) // count, 1)
    return values[::step][:count]


def _element(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
