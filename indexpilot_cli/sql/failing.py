"""Whether an expression can raise an error for some value: an index over it then refuses to store that value.

PostgreSQL evaluates an index expression when a row is written, so a cast that fails makes CREATE INDEX fail on the rows
there are, and later INSERT and UPDATE on the rows to come. What is not known to give a result for every value counts
as able to fail. Left aside are what no stored value gets near by mistake: the ends of the calendar and of numeric, and
texts over a megabyte. That the functions and casts named here never fail is tried on a server by a test.
"""

from __future__ import annotations

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.sql.expressions import (
    CALL,
    CAST,
    COLUMN,
    CONSTANT,
    OPERATOR,
    OTHER,
    PARAMETER,
    Expression,
    read_expression,
)
from indexpilot_cli.sql.normal import type_name
from indexpilot_cli.sql.volatility import RANGES, expression_type

TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
_WHOLE = ("int2", "int4", "int8")
# Without a typmod; to text every type can be written.
TOTAL_CASTS = {
    "int2": {"int4", "int8", "numeric", "float4", "float8", "oid"},
    "int4": {"int8", "numeric", "float4", "float8", "bool", "oid"},
    "int8": {"numeric", "float4", "float8"},
    "float4": {"float8"},
    "bool": {"int4"},
    "date": {"timestamp", "timestamptz"},
    "timestamp": {"date", "time", "timestamptz"},
    "timestamptz": {"date", "time", "timetz", "timestamp"},
    "time": {"interval", "timetz"},
    "timetz": {"time"},
    "interval": {"time"},
    "jsonb": {"json"},
    "cidr": {"inet"},
    "inet": {"cidr"},
}
TOTAL_CALLS = frozenset(
    {
        *("lower", "upper", "initcap", "btrim", "trim", "ltrim", "rtrim", "length", "char_length", "octet_length"),
        *("bit_length", "reverse", "md5", "hashtext", "ascii", "left", "right", "translate", "strpos", "position"),
        *("coalesce", "nullif", "greatest", "least", "case", "isfinite", "starts_with", "sign", "floor", "ceil"),
        *("ceiling", "jsonb_typeof", "jsonb_extract_path", "jsonb_extract_path_text", "cardinality", "array_length"),
        *("array_lower", "array_upper", "array_ndims", "to_tsvector", "unaccent", "f_unaccent", "similarity", "nlevel"),
        *("concat", "concat_ws", "host", "masklen", "family", "network", "point"),
    }
)
# These never fail when what they are told beside the value is written in the query, since it is the same for all rows.
TOLD_CALLS = {
    **dict.fromkeys(("substring", "substr", "split_part", "lpad", "rpad", "regexp_replace", "setweight", "replace"), 0),
    **{"round": 0, "trunc": 0, "date_trunc": 1, "extract": 1, "date_part": 1, "date_bin": 1, "timezone": 1},
    **{"to_char": 0, "array_to_string": 0},
}
_COMPARING = {"=", "<>", "!=", "<", "<=", ">", ">=", "and", "or", "not", "in", "is null", "is not null", "is true"}
_COMPARING |= {"is false", "is unknown", "is not true", "is not false", "is not unknown", "array", "row", "collate"}
_COMPARING |= {"@>", "<@", "&&", "?", "?|", "?&", "@?", "@@", "->", "->>", "#>", "#>>", "<<", ">>", "[]", "."}
_PATTERNS = {"~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*", "similar to"}


def can_fail(expression: str, table: Table, catalog: Catalog) -> str | None:
    """Why the expression may raise an error for some value of its columns (a clause), or None when it cannot."""
    tree = read_expression(expression)
    if tree is None:
        return f"{expression} cannot be read, so nothing says that it accepts every value"
    # A part without a column is the same for every row: it fails in the query before it could in the index.
    parts = (node for node in tree.walk() if node.kind == OTHER or any(n.kind == COLUMN for n in node.walk()))
    return next((why for node in parts if (why := _judge(node, table, catalog)) is not None), None)


def _judge(node: Expression, table: Table, catalog: Catalog) -> str | None:
    if node.kind in (COLUMN, CONSTANT, PARAMETER):
        return None
    if node.kind == CAST:
        return _judge_cast(node, table)
    if node.kind == CALL:
        return _judge_call(node, table, catalog)
    if node.kind == OPERATOR:
        return _judge_operator(node, table)
    return f"{node.value} is not known to accept every value"


def _judge_cast(node: Expression, table: Table) -> str | None:
    inner, target = node.arguments[0], type_name(node.value)
    source = expression_type(inner, table)
    if inner.kind == CONSTANT or (source == target and "(" not in node.value) or target in TEXTS:
        return None
    if source is not None and "(" not in node.value and target in TOTAL_CASTS.get(source, ()):
        return None
    return f"a cast from {source or 'an unknown type'} to {node.value} fails for values that are no {node.value}"


def _judge_call(node: Expression, table: Table, catalog: Catalog) -> str | None:
    name, arguments = node.value.rpartition(".")[2], node.arguments
    kinds = [expression_type(a, table) for a in arguments]
    if name in TOTAL_CALLS or name in catalog.leakproof:
        return None
    if name in TOLD_CALLS:
        told = [a for place, a in enumerate(arguments) if place != TOLD_CALLS[name]]
        return None if all(map(_written, told)) else f"{name} fails for some values of what it is told beside the text"
    if name in RANGES:
        return f"{name} fails where its first value is above its second"
    if name == "abs":
        return None if kinds[:1] in (["numeric"], ["float4"], ["float8"]) else "abs of the smallest integer overflows"
    as_cast = len(arguments) == 1 and name in (kinds[0], *TEXTS, *TOTAL_CASTS.get(kinds[0] or "", ()))
    if as_cast:  # date(x) is x::date
        return None
    return f"nothing says that {name} gives a result for every value"


def _judge_operator(node: Expression, table: Table) -> str | None:
    operator, arguments = node.value, node.arguments
    kinds = [expression_type(a, table) for a in arguments]
    if operator in _COMPARING:
        return None
    if operator in (*_PATTERNS, "at time zone"):
        return None if _written(arguments[-1]) else f"{operator} fails for some patterns"
    if operator == "||":
        texts = all(k in TEXTS or k == "unknown" for k in kinds) and any(k in TEXTS for k in kinds)
        return None if texts or "tsvector" in kinds else "|| of other things than texts can fail"
    if operator in ("&", "|", "#") and kinds[0] in _WHOLE:
        return None
    if operator in ("/", "%"):
        return _division(operator, arguments, kinds)
    if operator in ("+", "-", "*"):
        return _arithmetic(operator, kinds)
    return f"nothing says that {operator} gives a result for every value"


def _division(operator: str, arguments: tuple[Expression, ...], kinds: list[str | None]) -> str | None:
    by = arguments[-1]
    # The smallest integer has no opposite, so a divisor of -1 can fail too.
    positive = by.kind == CONSTANT and by.value.strip("0.") != "" and not by.value.startswith("-")
    if positive and kinds[0] in (*_WHOLE, "numeric"):
        return None
    return f"{operator} fails for a divisor of zero"


def _arithmetic(operator: str, kinds: list[str | None]) -> str | None:
    known = {k for k in kinds if k != "unknown"}
    if known == {"numeric"}:
        return None
    return f"{operator} overflows for values near the end of the type"


def _written(node: Expression) -> bool:
    """Whether the text of the query gives the value."""
    return all(n.kind in (CONSTANT, CAST, OPERATOR) and n.value != "null" for n in node.walk())
