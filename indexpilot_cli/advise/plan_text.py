"""Whether a plan's steps are what they are called and nothing else, once they are SQL: asked of the parser first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import NAME_LIMIT
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsTarget
from indexpilot_cli.errors import UsageError
from indexpilot_cli.sql.parser import Node, Unparsed, deparse_expression, parse, parse_expression
from indexpilot_cli.sql.volatility import calls_nobody

_MOST_VALUES = 10_000  # of SET STATISTICS
_OPTION = re.compile(r"[A-Za-z0-9_.+-]+")  # as they stand in WITH (…), without quotes


def check_text(recommendation: Recommendation, source: str) -> None:
    """Raises UsageError unless the definition's parts are what they are called and its text is one CREATE INDEX.

    A plan can come from a file that anybody wrote: its expressions and its predicate are text, which could close a
    parenthesis or end the statement.
    """
    parts = (
        (recommendation.definition, recommendation.name),
        *((r.definition, r.name) for r in recommendation.replaces),
    )
    faults = chain.from_iterable(_faults(definition, name) for definition, name in parts)
    _refuse(faults, f"{recommendation.id} of {source} does not describe an index")


def check_upkeep(plan: Plan) -> None:
    """Raises UsageError unless what the plan makes, vacuums and analyzes beside indexes is that and no more.

    ANALYZE evaluates the expressions of statistics with the rights of the table's owner, and CREATE STATISTICS does not
    ask that they be immutable as an index does: so they may call the server's own functions only.
    """
    tables = chain.from_iterable((t.schema, t.name) for t in (*plan.analyze, *(v.table for v in plan.vacuum)))
    faults = (_bad_names(tables), *map(_statistics_faults, plan.statistics), *map(_target_faults, plan.targets))
    _refuse(chain.from_iterable(faults), f"a step of {plan.id} is not what it is called")


def _refuse(faults: Iterable[str], message: str) -> None:
    fault = next(iter(faults), None)
    if fault is not None:
        hint = "indexpilot recommend --json --output plan.json"
        raise UsageError(message, detail=fault, hint=hint, code="tampered_plan")


def _faults(definition: IndexDefinition, name: str) -> Iterator[str]:
    yield from _bad_names(
        (name, definition.table.schema, definition.table.name, *definition.columns, *definition.include)
    )
    texts = [*(key.expression for key in definition.keys), definition.predicate]
    for text in filter(None, texts):
        yield from _expression(text)
    for key, value in definition.options:
        if not _OPTION.fullmatch(value):
            yield f"{key} = {value!r} is no storage parameter"
    yield from _statement(definition, name)


def _bad_names(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if not name or not _is_text(name) or len(name.encode()) > NAME_LIMIT:
            yield f"{name[:NAME_LIMIT]!r} is no name"


def _is_text(text: str) -> bool:
    """Whether the server could take it: no NUL, and no half of a surrogate pair, which JSON can hold."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


def _expression(text: str) -> Iterator[str]:
    if not _is_text(text):
        yield "an expression holds what is no text"
        return
    try:
        found = parse_expression(text)
    except ValueError as error:
        yield f"{text[:80]!r} is no expression: {error}"
        return
    # No index can hold a query, and one could read or do anything.
    if any(node.kind in ("SelectStmt", "SubLink") for node in found.walk()):
        yield f"{text[:80]!r} holds a query"


def _statistics_faults(made: ExtendedStatistics) -> Iterator[str]:
    yield from _bad_names((made.name.schema, made.name.name, made.table.schema, made.table.name, *made.columns))
    for text in made.expressions:
        yield from _expression(text)
        if not calls_nobody(text):
            yield f"{text[:80]!r} calls what is not the server's own"
    statement = parse(made.ddl)
    if isinstance(statement, Unparsed):
        yield statement.message
    elif statement.node.kind != "CreateStatsStmt":
        yield "its text is another statement"
    elif not _is_same_statistics(statement.node, made):
        yield "its text says something else than its parts"


def _target_faults(wanted: StatisticsTarget) -> Iterator[str]:
    yield from _bad_names((wanted.table.schema, wanted.table.name, wanted.column))
    if not 1 <= wanted.target <= _MOST_VALUES:
        yield f"{wanted.target} is no statistics target"
    statement = parse(wanted.ddl)
    if isinstance(statement, Unparsed):
        yield statement.message
    elif [(c.enum("subtype"), c.text("name")) for c in statement.node.children("cmds")] != [
        ("AT_SetStatistics", wanted.column)
    ]:
        yield "its text is another statement"


def _is_same_statistics(node: Node, made: ExtendedStatistics) -> bool:
    tables = [(t.text("schemaname"), t.text("relname")) for t in node.children("relations")]
    keys = node.children("exprs")
    expressions = [e for e in (key.child("expr") for key in keys) if e is not None]
    return (
        node.names("defnames") == (made.name.schema, made.name.name)
        and tables == [(made.table.schema, made.table.name)]
        and node.names("stat_types") == tuple(kind.value for kind in made.kinds)
        and tuple(key.text("name") for key in keys if key.child("expr") is None) == made.columns
        and [deparse_expression(e) for e in expressions] == [_plain(text) for text in made.expressions]
    )


def _statement(definition: IndexDefinition, name: str) -> Iterator[str]:
    statement = parse(create_index(definition, name))
    if isinstance(statement, Unparsed):
        yield statement.message
    elif statement.node.kind != "IndexStmt":
        yield "its text is another statement"
    elif not _is_same(statement.node, definition, name):
        yield "its text says something else than its parts"


def _is_same(node: Node, definition: IndexDefinition, name: str) -> bool:
    table, where = node.child("relation"), node.child("where_clause")
    keys = node.children("index_params")
    return (
        table is not None
        and (table.text("schemaname"), table.text("relname"), node.text("idxname"))
        == (definition.table.schema, definition.table.name, name)
        and (node.text("access_method") or "btree") == definition.method
        and len(keys) == len(definition.keys)
        and all(_is_same_key(k, key) for k, key in zip(keys, definition.keys, strict=True))
        and tuple(k.text("name") for k in node.children("index_including_params")) == definition.include
        and tuple(o.text("defname") for o in node.children("options")) == tuple(k for k, _ in definition.options)
        and (None if where is None else deparse_expression(where)) == _plain(definition.predicate)
    )


def _is_same_key(node: Node, key: IndexKey) -> bool:
    expression = node.child("expr")
    if expression is None:
        return key.column is not None and node.text("name") == key.column
    return deparse_expression(expression) == _plain(key.expression)


def _plain(text: str | None) -> str | None:
    return None if text is None else deparse_expression(parse_expression(text))
