"""Whether a plan's index is one index and nothing else, once it is SQL: asked of the parser before any server is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import NAME_LIMIT
from indexpilot_cli.core.plan import Recommendation
from indexpilot_cli.errors import UsageError
from indexpilot_cli.sql.parser import Node, Unparsed, deparse_expression, parse, parse_expression

_OPTION = re.compile(r"[A-Za-z0-9_.+-]+")


def check_text(recommendation: Recommendation, source: str) -> None:
    """Raises UsageError unless the definition's parts are what they are called and its text is one CREATE INDEX.

    A plan can come from a file that anybody wrote: its expressions and its predicate are text, which could close a
    parenthesis or end the statement.
    """
    parts = (
        (recommendation.definition, recommendation.name),
        *((r.definition, r.name) for r in recommendation.replaces),
    )
    fault = next(chain.from_iterable(_faults(definition, name) for definition, name in parts), None)
    if fault is not None:
        raise UsageError(
            f"{recommendation.id} of {source} does not describe an index",
            detail=fault,
            hint="indexpilot recommend --json --output plan.json",
            code="tampered_plan",
        )


def _faults(definition: IndexDefinition, name: str) -> Iterator[str]:
    names = (name, definition.table.schema, definition.table.name, *definition.columns, *definition.include)
    bad = next((n for n in names if not n or not _is_text(n) or len(n.encode()) > NAME_LIMIT), None)
    if bad is not None:
        yield f"{bad[:NAME_LIMIT]!r} is no name"
    texts = [*(key.expression for key in definition.keys), definition.predicate]
    for text in filter(None, texts):
        yield from _expression(text)
    for key, value in definition.options:
        if not _OPTION.fullmatch(value):
            yield f"{key} = {value!r} is no storage parameter"
    yield from _statement(definition, name)


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
    if any(node.kind in ("SelectStmt", "SubLink") for node in found.walk()):
        yield f"{text[:80]!r} holds a query"


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
