"""Why an expression may not stand in an index: it must be immutable, and many that look so are not.

The rules follow pg_proc.provolatile and the casts' input and output functions (manual, "Function Volatility
Categories"); functions named here beat the catalog because its names do not tell overloads apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.sql.expressions import CALL, CAST, COLUMN, CONSTANT, OPERATOR, Expression, read_expression
from indexpilot_cli.sql.normal import type_name
from indexpilot_cli.sql.parser import parse_expression

_ZONED = "timestamptz"
_CLOCK = {"now", "current_date", "current_timestamp", "current_time", "localtime", "localtimestamp"}
_CLOCK |= {"clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday"}
_SESSION = {"current_user", "session_user", "current_schema", "current_setting", "current_role", "user"}
_STABLE = {
    "to_char": "to_char depends on the session's locale",
    "to_date": "to_date depends on the session's locale",
    "concat": "concat turns any type into text with the session's settings",
    "concat_ws": "concat_ws turns any type into text with the session's settings",
    "format": "format depends on the session's settings",
    "array_to_string": "array_to_string depends on the session's settings",
    "to_json": "to_json depends on the session's time zone",
    "to_jsonb": "to_jsonb depends on the session's time zone",
    "row_to_json": "row_to_json depends on the session's time zone",
    "unaccent": "unaccent depends on a dictionary that can change",
    "make_timestamptz": "make_timestamptz depends on the session's time zone",
}
_ALTERNATIVE = {
    "concat": "write a || b with coalesce",
    "unaccent": "wrap unaccent('public.unaccent', x) in a function declared IMMUTABLE and query by that function",
    "to_char": "compare the column with a range of its own type",
    "to_date": "store the value in a date column",
}
RANGES = frozenset(("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"))
_IMMUTABLE = {
    *("lower", "upper", "initcap", "btrim", "trim", "ltrim", "rtrim", "substring", "substr", "left", "right"),
    *("length", "char_length", "octet_length", "abs", "round", "floor", "ceil", "ceiling", "trunc", "mod", "sign"),
    *("coalesce", "nullif", "greatest", "least", "md5", "reverse", "replace", "split_part", "regexp_replace"),
    *("translate", "position", "strpos", "lpad", "rpad", "case", "jsonb_extract_path_text", "jsonb_extract_path"),
    *("jsonb_array_length", "jsonb_typeof", "cardinality", "array_length", "array_lower", "array_upper", "point"),
    *("date_bin", "make_date", "make_timestamp", "timezone", "hashtext", "sqrt", "power", "setweight", "box"),
    *("isfinite", "starts_with", *RANGES),
}
_CALL_TYPES = {
    **dict.fromkeys(("lower", "upper", "btrim", "trim", "substring", "substr", "left", "right", "md5"), "text"),
    **dict.fromkeys(("replace", "reverse", "split_part", "regexp_replace", "initcap", "lpad", "rpad"), "text"),
    **dict.fromkeys(("to_char", "concat", "format", "jsonb_extract_path_text"), "text"),
    **dict.fromkeys(("length", "char_length", "octet_length", "jsonb_array_length", "cardinality"), "int4"),
    **dict.fromkeys(("now", "clock_timestamp", "make_timestamptz"), _ZONED),
    **{"extract": "numeric", "date_part": "float8", "make_date": "date", "make_timestamp": "timestamp"},
    **{"to_tsvector": "tsvector", "to_date": "date", "to_timestamp": _ZONED, "jsonb_extract_path": "jsonb"},
    **{"point": "point", "hashtext": "int4", "hashtextextended": "int8", "setweight": "tsvector"},
    **{name: name for name in RANGES},
    **dict.fromkeys(("string_to_array", "regexp_split_to_array"), "text[]"),
}
_TEXTS = {"text", "varchar", "bpchar", "unknown", "citext"}
_TIMES = {"date", "time", "timetz", "timestamp", _ZONED, "interval"}
# Types whose text form or parsing depends on settings or the catalog.
_UNSTABLE_TEXT = _TIMES | {"money", "regclass", "regproc", "regtype", "record"}


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Why the expression is not immutable, and what could be used instead (None: nothing known)."""

    why: str
    alternative: str | None = None

    @property
    def sentence(self) -> str:
        """Reason and alternative as one clause."""
        return self.why if self.alternative is None else f"{self.why}; instead: {self.alternative}"


def unsafe(expression: str, table: Table, catalog: Catalog) -> Unsafe | None:
    """The first reason why PostgreSQL would refuse the expression in an index, or None when none is known."""
    tree = read_expression(expression)
    if tree is None:
        return None
    return next((found for node in tree.walk() if (found := _judge(node, table, catalog)) is not None), None)


_QUERIES = ("SubLink", "SelectStmt", "ParamRef")
_BUILT_IN = _IMMUTABLE | _CLOCK | _STABLE.keys() - {"unaccent"} | {"date_trunc", "extract", "date_part", "age"}
_BUILT_IN |= {
    "to_timestamp",
    "to_tsvector",
    "to_tsquery",
    "plainto_tsquery",
    "phraseto_tsquery",
    "websearch_to_tsquery",
}


def calls_nobody(expression: str) -> bool:
    """Whether evaluating it runs no query and no function but such of the server's own as change nothing."""
    try:
        nodes = list(parse_expression(expression).walk())
    except ValueError:
        return False
    names = (node.names("funcname") for node in nodes if node.kind == "FuncCall")
    known = all(n[-1] in _BUILT_IN and n[0] in (n[-1], "pg_catalog") for n in names)
    operators = (node.names("name") for node in nodes if node.kind == "A_Expr")
    known = known and all(len(n) == 1 or n[0] == "pg_catalog" for n in operators)
    return known and not any(node.kind in _QUERIES for node in nodes)


def result_type(expression: str, table: Table) -> str | None:
    """The short type name the expression yields, or None when it cannot be told."""
    tree = read_expression(expression)
    return expression_type(tree, table) if tree is not None else None


def _judge(node: Expression, table: Table, catalog: Catalog) -> Unsafe | None:
    if node.kind == CALL:
        return _judge_call(node, table, catalog)
    if node.kind == CAST:
        return _judge_cast(node, table)
    if node.kind == OPERATOR and node.value == "||":
        kinds = [expression_type(a, table) for a in node.arguments]
        if "text" in kinds and any(k is not None and k not in _TEXTS for k in kinds):
            return Unsafe("|| with a value that is not text depends on the session's settings", "cast it to text first")
    if node.kind == OPERATOR and node.value in "+-" and _ZONED in [expression_type(a, table) for a in node.arguments]:
        others = {expression_type(a, table) for a in node.arguments} - {_ZONED}
        if others & {"interval"}:
            return Unsafe(
                "adding an interval to timestamptz depends on the session's time zone", "move the interval to the value"
            )
    return None


def _judge_call(node: Expression, table: Table, catalog: Catalog) -> Unsafe | None:
    name = node.value.rpartition(".")[2]
    kinds = [expression_type(a, table) for a in node.arguments]
    if name in _CLOCK or (name == "age" and len(kinds) == 1):
        return Unsafe(f"{name} changes with time, so no index can hold it")
    if name in _SESSION:
        return Unsafe(f"{name} depends on the session")
    if name in _STABLE:
        return Unsafe(_STABLE[name], _ALTERNATIVE.get(name))
    if name in ("date_trunc", "extract", "date_part"):
        return _judge_time(name, node, kinds)
    if name == "to_tsvector":
        if len(kinds) > 1:
            return None
        return Unsafe(
            "to_tsvector with one argument depends on default_text_search_config",
            "name the configuration: to_tsvector('english', …), in the queries too",
        )
    if name == "to_timestamp":
        return Unsafe("to_timestamp(text, text) depends on the session's time zone") if len(kinds) > 1 else None
    if name in _IMMUTABLE or name == "age":
        return None
    volatility = catalog.functions.get(node.value) or catalog.functions.get(name)
    if volatility in ("s", "v"):
        word = "STABLE" if volatility == "s" else "VOLATILE"
        return Unsafe(f"{name} is declared {word}", "an index needs an IMMUTABLE function")
    return None


def _judge_time(name: str, node: Expression, kinds: list[str | None]) -> Unsafe | None:
    if len(kinds) < 2 or kinds[1] != _ZONED:
        return None
    field = node.arguments[0].value
    zone = "AT TIME ZONE 'UTC'"
    form = f"extract({field} FROM x {zone})" if name == "extract" else f"{name}('{field}', x {zone})"
    return Unsafe(
        f"{name} of timestamptz depends on the session's time zone",
        f"query by {form}, or compare the column with a range (x >= day AND x < next day)",
    )


def _judge_cast(node: Expression, table: Table) -> Unsafe | None:
    source, target = expression_type(node.arguments[0], table), type_name(node.value)
    if source is None or node.arguments[0].kind == CONSTANT or source == target:
        return None
    if _ZONED in (source, target) and source in _TIMES and target in _TIMES:
        return Unsafe(
            f"a cast from {source} to {target} depends on the session's time zone",
            f"(x AT TIME ZONE 'UTC')::{target}" if source == _ZONED else "compare the column with a range",
        )
    if source in _TEXTS and target in _TIMES:
        return Unsafe(f"a cast from text to {target} depends on DateStyle", f"store the value in a {target} column")
    if target in _TEXTS and (
        source in _UNSTABLE_TEXT
        or source.endswith("[]")
        or source.startswith("_")
        or _is_enum(node.arguments[0], table)
    ):
        return Unsafe(
            f"a cast from {source} to text depends on the session's settings", "compare the column in its own type"
        )
    return None


def _is_enum(node: Expression, table: Table) -> bool:
    column = table.column(node.value) if node.kind == COLUMN else None
    return column is not None and column.category == "E"


def expression_type(node: Expression, table: Table) -> str | None:
    """The short type name of a tree, ``unknown`` for a constant, or None when it cannot be told."""
    if node.kind == COLUMN:
        column = table.column(node.value)
        return None if column is None else "bpchar" if column.base_type == "bpchar" else type_name(column.base_type)
    if node.kind == CONSTANT:
        return "unknown"
    if node.kind == CAST:
        return type_name(node.value)
    if node.kind == CALL:
        return _call_type(node, table)
    return _operator_type(node, table)


# What the ends of a range are; else lower() and upper() are of texts.
_ENDS = {
    "int4range": "int4", "int8range": "int8", "numrange": "numeric", "daterange": "date", "tsrange": "timestamp",
    "tstzrange": "timestamptz",
}  # fmt: skip


def _call_type(node: Expression, table: Table) -> str | None:
    if node.value == "date_trunc" and len(node.arguments) > 1:
        kind = expression_type(node.arguments[1], table)
        return "timestamp" if kind == "date" else kind
    if node.value in ("lower", "upper") and node.arguments:
        return _ENDS.get(expression_type(node.arguments[0], table) or "", "text")
    if node.value in ("coalesce", "nullif", "greatest", "least", "abs", "round") and node.arguments:
        return expression_type(node.arguments[0], table)
    return _CALL_TYPES.get(node.value)


def _operator_type(node: Expression, table: Table) -> str | None:
    if node.value in ("->>", "#>>", "||"):
        return "text" if node.value != "||" else expression_type(node.arguments[0], table)
    if node.value in ("->", "#>"):
        return expression_type(node.arguments[0], table)
    if node.value == "at time zone":
        return _shifted(expression_type(node.arguments[0], table))
    if node.value in ("+", "-", "*", "/", "%") and node.arguments:
        return expression_type(node.arguments[0], table)
    if node.value == "collate":
        return expression_type(node.arguments[0], table)
    return None


def _shifted(kind: str | None) -> str | None:
    return {_ZONED: "timestamp", "timestamp": _ZONED}.get(kind or "", kind)
