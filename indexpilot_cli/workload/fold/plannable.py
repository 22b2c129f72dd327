"""Templates to statements the planner accepts, one per class of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.workload import ObservedStatement, PlanMode, Plannable, QueryTemplate, Scenario
from indexpilot_cli.sql.parser import Node, Unparsed, bind, cast, deparse, parameters, parse, renumber, rewrite
from indexpilot_cli.workload.fold.slots import Slot, slots
from indexpilot_cli.workload.fold.valueclass import class_shares, class_value

MAX_SCENARIOS = 4
_UNTYPED = frozenset(("unknown", "text", "record", "anyarray", "anyelement", ""))
GENERIC_FROM = 160000  # EXPLAIN (GENERIC_PLAN) came with 16
ROWS_WANTED = "1000"  # what an unknown LIMIT is taken for


def scenarios(
    template: QueryTemplate, catalog: Catalog, parameter_types: Sequence[str] | None = None
) -> tuple[Scenario, ...]:
    """Up to four statements that stand for the template, with the shares of its calls; shares sum to 1.

    Real statements and parameter vectors first; else literals from the statistics of the compared columns
    (common, typical, rare, newest); else a generic plan (``GENERIC`` on 16+, ``PREPARED`` before). A parameter
    is never NULL: ``x = NULL`` plans well and says nothing. Empty when the text does not parse.
    ``parameter_types`` are type names of ``$1``, ``$2`` … as the server resolved them, where known.
    """
    sampled = _sampled(template.samples)
    if sampled:
        return sampled
    statement = parse(template.text)
    if isinstance(statement, Unparsed):
        return ()
    node = _without_unknown_limits(statement.node)
    numbers = parameters(node)
    if not numbers:
        return (Scenario(Plannable(deparse(node)), 1.0, "as_written"),)
    found = slots(node, template.uses, catalog)
    classes = class_shares(found)
    if not classes:
        return (Scenario(_open(node, catalog, parameter_types), 1.0, "generic"),)
    return tuple(
        Scenario(_open(bind(node, _literals(found, label)), catalog, parameter_types), share, label)
        for label, share in classes
    )


def _literals(found: Sequence[Slot], label: str) -> Mapping[int, str]:
    values = ((slot.number, class_value(slot, label)) for slot in found)
    return {number: value for number, value in values if value is not None}


def _open(node: Node, catalog: Catalog, types: Sequence[str] | None) -> Plannable:
    """The statement with the parameters it still has: numbers without gaps, as PREPARE wants them, and cast to
    their known types, because those may hang on parameters that are literals now."""
    numbers = parameters(node)
    if not numbers:
        return Plannable(deparse(node))
    mode = PlanMode.GENERIC if catalog.version >= GENERIC_FROM else PlanMode.PREPARED
    return Plannable(deparse(renumber(_typed(node, types or ()))), mode, len(numbers))


def _typed(node: Node, types: Sequence[str]) -> Node:
    def known(here: Node, _parent: Node) -> Node | None:
        number = here.number("number") if here.kind == "ParamRef" else 0
        plain = 0 < number <= len(types) and types[number - 1] not in _UNTYPED
        return cast(here, types[number - 1]) if plain else None

    return rewrite(node, known) if types else node


def _sampled(samples: Sequence[ObservedStatement]) -> tuple[Scenario, ...]:
    bound = [(text, sample.calls) for sample in samples for text in _bound(sample)][:MAX_SCENARIOS]
    total = sum(calls for _, calls in bound)
    label = "sample" if len(samples) > 1 or (samples and samples[0].parameters) else "as_written"
    return tuple(
        Scenario(Plannable(text), calls / total if total > 0 else 1 / len(bound), label) for text, calls in bound
    )


def _bound(sample: ObservedStatement) -> Iterator[str]:
    """The sample as a statement without parameters, unless one of them is missing or NULL."""
    statement = parse(sample.text)
    if isinstance(statement, Unparsed):
        return
    numbers = parameters(statement.node)
    if not numbers:
        yield sample.text
        return
    values = {i: quote_literal(v) for i, v in enumerate(sample.parameters, 1) if v is not None}
    if all(n in values for n in numbers):
        yield deparse(bind(statement.node, values))


def _without_unknown_limits(node: Node) -> Node:
    """LIMIT and OFFSET parameters as numbers: a generic plan would take a tenth of the rows for them."""
    values: dict[int, str] = {}
    for select in (n for n in node.walk() if n.kind == "SelectStmt"):
        for field, value in (("limit_count", ROWS_WANTED), ("limit_offset", "0")):
            number = _parameter(select.child(field))
            if number is not None:
                values[number] = value
    return bind(node, values) if values else node


def _parameter(node: Node | None) -> int | None:
    while node is not None and node.kind == "TypeCast":
        node = node.child("arg")
    return node.number("number") if node is not None and node.kind == "ParamRef" else None


def with_scenarios(
    template: QueryTemplate, catalog: Catalog, parameter_types: Sequence[str] | None = None
) -> QueryTemplate:
    """The template with its scenarios in place."""
    return replace(template, scenarios=scenarios(template, catalog, parameter_types))
