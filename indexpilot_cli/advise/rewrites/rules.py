"""The rules: a condition as written to one that is true for the same rows and that an index can serve.

A rule that does not hold for all values says for which it does, or gives nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from indexpilot_cli.advise.rewrites.condition import (
    FLIPPED,
    WHOLE,
    Answer,
    Condition,
    Rule,
    binary,
    call_arguments,
    cast_to,
    is_column,
    number_value,
    string_value,
)
from indexpilot_cli.advise.rewrites.times import moved_time, of_day, of_year, shifted, truncated, written
from indexpilot_cli.core.catalog import Column
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.sql.parser import Node, deparse_expression
from indexpilot_cli.sql.safe.expression import moving

# -- rules


def _arithmetic(c: Condition) -> Answer | None:
    """``col + k < v``: the sum moves to the side that is computed once."""
    found = binary(c.left)
    if found is None or c.operator not in FLIPPED:
        return None
    first, sign, second = found
    if sign not in ("+", "-") or is_column(first) == is_column(second):
        return None
    other = second if is_column(first) else first
    if moving(other) or (sign == "+" and not is_column(first) and c.column.category == "D"):
        return None
    back = "-" if sign == "+" else "+"
    minus = sign == "-" and not is_column(first)  # k - col < v is col > k - v
    operator = FLIPPED[c.operator] if minus else c.operator
    moved = _moved(c, other, "from" if minus else back)
    why = f"it computes with {c.name} for every row"
    return None if moved is None else (f"{c.name} {operator} {moved[0]}", why, moved[1])


def _moved(c: Condition, other: Node, how: str) -> tuple[str, str] | None:
    """``value`` with ``other`` moved to it, and when the comparison stays the same."""
    kind, k, v = c.column.base_type, number_value(other), number_value(c.right)
    if kind in (*WHOLE, "numeric"):
        return _moved_number(kind, (k, v), (deparse_expression(other), c.value), how)
    if kind in ("date", "timestamp", "timestamptz"):
        return moved_time(c, other, how)
    return None


def _moved_number(
    kind: str, known: tuple[Decimal | None, Decimal | None], texts: tuple[str, str], how: str
) -> tuple[str, str] | None:
    k, v = known
    if k is not None and v is not None:
        if kind in WHOLE and (k % 1 or v % 1):
            return None
        value = k - v if how == "from" else v - k if how == "-" else v + k
        # A constant beyond bigint is numeric, for which each row's number would be converted again.
        fits = kind == "numeric" or abs(value) < 2**63
        return (f"{value:f}", "") if fits else None
    if kind == "numeric" or not all(map(_plain_value, texts)):
        return None
    text = f"{texts[0]} - {texts[1]}" if how == "from" else f"{texts[1]} {how} {texts[0]}"
    return text, "as long as the values are whole numbers and their sum fits the type"


def _plain_value(text: str) -> bool:
    return re.fullmatch(r"\$\d+|-?\d+", text) is not None


def _numeric(c: Condition) -> Answer | None:
    """``int = 77.0``: the value is numeric, so each row's number is turned into one."""
    if not is_column(c.left) or c.column.base_type not in WHOLE:
        return None
    if c.operator == "in":
        return _numeric_list(c)
    if c.operator not in FLIPPED:
        return None
    why = f"{c.value} is no whole number type, so {c.name} is converted for every row"
    target = cast_to(c.right)
    if c.right.kind == "TypeCast" and target in ("numeric", "float8") and _param(c.right.child("arg")):
        number = deparse_expression(c.right.child("arg") or c.right)
        return f"{c.name} {c.operator} {number}::{c.column.base_type}", why, f"as long as {number} is a whole number"
    value = number_value(c.right)
    if value is None or not _converts(c.right):
        return None
    bound = _whole_bound(value, c.operator)
    return None if bound is None else (f"{c.name} {c.operator} {bound}", why, "")


def _converts(node: Node) -> bool:
    """Whether a constant is of a type that an integer column is converted to."""
    target = cast_to(node)
    if target == "float8":  # whole numbers up to 2^53 have a double each
        return abs(number_value(node) or Decimal(2**60)) < 2**53
    return target == "numeric" or (target == "" and "." in deparse_expression(node))


def _whole_bound(value: Decimal, operator: str) -> int | None:
    if abs(value) >= 2**63:
        return None
    if operator == "=":
        return int(value) if value % 1 == 0 else None
    return math.floor(value) if operator in (">", "<=") else math.ceil(value)


def _numeric_list(c: Condition) -> Answer | None:
    items = c.right.children("items")
    values = [number_value(i) for i in items]
    if not any(_converts(i) for i in items) or any(v is None or abs(v) >= 2**53 for v in values):
        return None
    whole = [str(int(v)) for v in values if v is not None and v % 1 == 0]
    why = f"a value of the list is numeric, so {c.name} is converted for every row"
    return (f"{c.name} IN ({', '.join(whole)})", why, "") if whole else None


def _param(node: Node | None) -> bool:
    return node is not None and node.kind == "ParamRef"


def _joined_to_nothing(c: Condition) -> Answer | None:
    """``col || '' = v``."""
    found = binary(c.left)
    if found is None or found[1] != "||" or c.column.base_type not in ("text", "varchar"):
        return None
    first, _, second = found
    empty = second if is_column(first) else first
    if is_column(empty) or string_value(empty) != "" or c.operator not in (*FLIPPED, "~~"):
        return None
    operator = "LIKE" if c.operator == "~~" else c.operator
    return f"{c.name} {operator} {c.value}", f"it makes a new text of {c.name} for every row", ""


def _prefix(c: Condition) -> Answer | None:
    """``left(col, 3) = 'abc'``."""
    arguments = call_arguments(c.left, "left", "substring", "substr")
    text = string_value(c.right)
    if c.operator != "=" or text is None or not arguments or not is_column(arguments[0]):
        return None
    numbers = [number_value(a) for a in arguments[1:]]
    length = numbers[0] if len(numbers) == 1 and c.left.names("funcname")[-1] == "left" else None
    length = numbers[1] if len(numbers) == 2 and numbers[0] == 1 else length
    if length is None or length != len(text) or not text or c.column.base_type not in ("text", "varchar"):
        return None
    pattern = re.sub(r"([\\%_])", r"\\\1", text) + "%"
    only = "in a deterministic collation" if c.column.collation is not None else ""
    return f"{c.name} LIKE {quote_literal(pattern)}", f"it cuts the beginning of {c.name} out for every row", only


def _contained(c: Condition) -> Answer | None:
    """``strpos(col, 'abc') > 0``: as a pattern, which trigrams serve."""
    arguments = call_arguments(c.left, "strpos", "position")
    text = string_value(arguments[1]) if len(arguments) == 2 else None
    asked = number_value(c.right) == {">": 0, ">=": 1}.get(c.operator, -1)
    if not asked or not text or c.column.base_type not in ("text", "varchar"):
        return None
    where, pattern = deparse_expression(arguments[0]), re.sub(r"([\\%_])", r"\\\1", text)
    only = "in a deterministic collation" if c.column.collation is not None else ""
    return f"{where} LIKE {quote_literal(f'%{pattern}%')}", f"it looks for the place within {where} of every row", only


# Functions that do the work of an operator, which operator classes have and they do not.
_OPERATORS = {
    "jsonb_path_exists()": ("jsonb", "@?", "as long as the path fails for no document"),
    "jsonb_path_match()": ("jsonb", "@@", "as long as the path fails for no document and gives true or false"),
    "jsonb_exists()": ("jsonb", "?", ""),
    "jsonb_contains()": ("jsonb", "@>", ""),
    "exist()": ("hstore", "?", ""),
}


def _function_of_operator(c: Condition) -> Answer | None:
    """``jsonb_path_exists(col, '$.a')``."""
    kind, operator, only = _OPERATORS.get(c.operator, ("", "", ""))
    if not is_column(c.left) or c.column.base_type != kind:
        return None
    return f"{c.name} {operator} {c.value}", "an index serves the operator and not the function", only


def _suffix(c: Condition) -> Answer | None:
    """``col LIKE '%.pdf'``: the end of a text is the beginning of the text read backwards."""
    pattern = string_value(c.right)
    if c.operator != "~~" or pattern is None or not is_column(c.left) or c.column.base_type not in ("text", "varchar"):
        return None
    end = pattern.removeprefix("%")
    if not end or end == pattern or any(letter in end for letter in "%_\\"):
        return None
    after = f"reverse({c.name}) LIKE {quote_literal(end[::-1] + '%')}"
    return after, f"no order of {c.name} brings together what ends alike", ""


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _as_text(c: Condition) -> Answer | None:
    """``id::text = '77'``."""
    inner = c.left.child("arg") if c.left.kind == "TypeCast" and cast_to(c.left) in ("text", "varchar") else None
    if not is_column(inner) or c.operator not in ("=", "in"):
        return None
    items = c.right.children("items") if c.operator == "in" else (c.right,)
    texts = [string_value(i) for i in items]
    if c.operator == "=" and c.right.kind == "ParamRef":
        only = f"as long as {c.value} is the text of a {c.column.base_type} as the server writes it"
        known = c.column.base_type in (*WHOLE, "uuid")
        return (f"{c.name} = {c.value}::{c.column.base_type}", _texted(c), only) if known else None
    if not all(t is not None and _canonical(t, c.column) for t in texts):
        return None
    values = [t or "" for t in texts]
    if c.column.base_type not in WHOLE:
        values = [f"{quote_literal(t)}::{c.column.type}" for t in values]
    only = "as long as the type has the label" if c.column.category == "E" else ""
    after = f"{c.name} = {values[0]}" if c.operator == "=" else f"{c.name} IN ({', '.join(values)})"
    return after, _texted(c), only


def _texted(c: Condition) -> str:
    return f"it writes {c.name} as text for every row"


def _canonical(text: str, column: Column) -> bool:
    """Whether the server writes the value exactly so."""
    if column.base_type in WHOLE:
        return re.fullmatch(r"0|-?[1-9]\d{0,17}", text) is not None and abs(int(text)) < 2 ** WHOLE[column.base_type]
    return _UUID.fullmatch(text) is not None if column.base_type == "uuid" else column.category == "E"


def _defaulted(c: Condition) -> Answer | None:
    """``coalesce(col, 0) > 5``: the value for NULL passes or it does not."""
    arguments = c.left.children("args") if c.left.kind == "CoalesceExpr" else ()
    if len(arguments) != 2 or not is_column(arguments[0]) or c.operator not in FLIPPED:
        return None
    passes = _holds(arguments[1], c.operator, c.right, c.column)
    if passes is None:
        return None
    plain = f"{c.name} {c.operator} {c.value}"
    after = f"({plain} OR {c.name} IS NULL)" if passes else plain
    return after, f"it fills in NULLs of {c.name} for every row", ""


def _holds(left: Node, operator: str, right: Node, column: Column) -> bool | None:
    """Whether a comparison of two constants is true; None where that is not known from their texts."""
    a, b = number_value(left), number_value(right)
    if column.base_type in (*WHOLE, "numeric") and a is not None and b is not None:
        if column.base_type in WHOLE and (a % 1 or b % 1):
            return None
        return {"=": a == b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]
    texts = string_value(left), string_value(right)
    # Another collation may take different texts for equal.
    plain = column.base_type in ("text", "varchar") and column.collation is None and None not in texts
    return texts[0] == texts[1] if plain and operator == "=" else None


def _not_distinct(c: Condition) -> Answer | None:
    """``col IS NOT DISTINCT FROM 5``: for a value that is not NULL it is an equality."""
    if c.operator != "is" or not is_column(c.left):
        return None
    if not _param(c.right) and string_value(c.right) is None and number_value(c.right) is None:
        return None
    only = f"as long as {c.value} is not NULL" if _param(c.right) else ""
    return f"{c.name} = {c.value}", "no index serves IS NOT DISTINCT FROM", only


def _any_of_column(c: Condition) -> Answer | None:
    """``'a' = ANY (tags)``: the arrays that contain it."""
    element = c.column.type.removesuffix("[]")
    if c.operator != "any" or not is_column(c.left) or element not in _ELEMENTS:
        return None
    if not _param(c.right) and (number_value if element in ("integer", "bigint") else string_value)(c.right) is None:
        return None
    return f"{c.name} @> ARRAY[{c.value}]::{c.column.type}", "no index serves a value compared with ANY of a column", ""


def _unnested(c: Condition) -> Answer | None:
    """``EXISTS (SELECT FROM unnest(tags) tag WHERE tag = 'a')``: the arrays that contain it, or one of several."""
    element = c.column.type.removesuffix("[]")
    items = c.right.children("items") if c.right.kind == "List" else (c.right,)
    number = number_value if element in ("integer", "bigint") else string_value
    if c.operator != "unnested" or element not in _ELEMENTS or not is_column(c.left):
        return None
    if not all(_param(item) or number(item) is not None for item in items):
        return None
    operator, values = "&&" if len(items) > 1 else "@>", ", ".join(map(deparse_expression, items))
    why = "it takes the array of every row apart, and no index serves what comes out"
    return f"{c.name} {operator} ARRAY[{values}]::{c.column.type}", why, ""


def _case_insensitive(c: Condition) -> Answer | None:
    """``email LIKE 'a%'`` of citext: what its operators do to text, which trigrams serve."""
    operator = {"~~": "ILIKE", "~~*": "ILIKE", "~": "~*", "~*": "~*"}.get(c.operator)
    if operator is None or not is_column(c.left) or c.column.base_type != "citext":
        return None
    value = c.value if _param(c.right) or string_value(c.right) is not None else None
    why = "trigrams are of text, and no index of citext serves a pattern"
    return (f"{c.name}::text {operator} {value}", why, "") if value is not None else None


_ELEMENTS = ("text", "integer", "bigint", "uuid")  # whose containment means the equality that ANY asks for


def _nearer_than(c: Condition) -> Answer | None:
    """``st_distance(col, here) < 500``: the boxes of what is so near can be looked up."""
    two, number = call_arguments(c.left, "st_distance"), number_value(c.right)
    near = c.operator in ("<", "<=") and (c.right.kind == "ParamRef" or (number is not None and number >= 0))
    if not near or len(two) != 2 or not any(map(is_column, two)) or c.column.base_type not in ("geometry", "geography"):
        return None
    after = f"st_dwithin({', '.join(map(deparse_expression, two))}, {c.value})"
    return after, "it computes the distance of every row", "but for rows that are exactly that far away"


RULES: Mapping[str, Rule] = {
    "arithmetic": _arithmetic,
    "numeric_value": _numeric,
    "day_of": of_day,
    "date_trunc": truncated,
    "year_of": of_year,
    "written_date": written,
    "time_zone": shifted,
    "concatenation": _joined_to_nothing,
    "prefix": _prefix,
    "contained": _contained,
    "function": _function_of_operator,
    "suffix": _suffix,
    "as_text": _as_text,
    "coalesce": _defaulted,
    "not_distinct": _not_distinct,
    "any_of_column": _any_of_column,
    "unnested": _unnested,
    "citext_pattern": _case_insensitive,
    "nearer_than": _nearer_than,
}
