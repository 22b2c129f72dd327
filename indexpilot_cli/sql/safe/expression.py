"""Which SQL of a stranger may run on production inside a read-only question, decided by its parse tree.

Only what the lists below name is let through: no function of the user's, nothing that returns sets, locks
rows, or makes a small value large.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from indexpilot_cli.sql.parser import Node, Unparsed, deparse, deparse_expression, parse, parse_expression, walk_all
from indexpilot_cli.sql.parser.edit import settled
from indexpilot_cli.sql.safe.values import SafeText, Scope

MAX_TEXT = 20_000  # characters of one expression
MAX_PADDING = 10_000  # characters a type may pad a value to
MAX_GROWTH = 256.0


@dataclass
class Vetting:
    """One statement under examination: what may be named, and what was found. ``refused`` says why, first reason."""

    scope: Scope
    text: str
    local: frozenset[str] = frozenset()
    refused: str = ""
    tables: dict[str, str] = field(default_factory=dict)

    def vet(self, nodes: Iterable[Node], *, query: bool) -> bool:
        """Whether every node in the trees is on the lists; ``query`` allows aggregates at the top."""
        return all(self._allowed(node, query) for node in nodes)

    def _allowed(self, node: Node, query: bool) -> bool:
        inside = query or node.kind in ("SubLink", "SelectStmt")
        if not self._plain(node, inside):
            self.refused = self.refused or f"{node.kind} is not on the list"
            return False
        return all(self._allowed(child, inside) for child in node.below())

    def _plain(self, node: Node, query: bool) -> bool:
        if node.kind not in STRUCTURE and not (query and node.kind in QUERY):
            return False
        check = _CHECKS.get(node.kind)
        return check is None or check(self, node, query)

    def settle(self, node: Node) -> Node:
        """The tree with tokens in place of tables; ``finish`` puts the tables in."""
        return settled(node, self._token)

    def finish(self, text: str) -> str:
        """The text with tables in place of tokens."""
        for token, table in self.tables.items():
            text = text.replace(token, table)
        return text

    def _token(self, schema: str | None, name: str) -> str | None:
        if schema is None and name in self.local:
            return None
        source = self.scope.table(schema, name, None)
        if source is None:
            self.refused = self.refused or f"table {name}"
            return None
        token = f"{self._prefix()}_{len(self.tables)}_"
        self.tables[token] = source
        return token

    def _prefix(self) -> str:
        number = 0
        while f"ip_source{number}" in self.text:
            number += 1
        return f"ip_source{number}"


def expression(text: str, scope: Scope) -> SafeText | None:
    """One expression, with its tables replaced and its functions those of pg_catalog; None when it may not run."""
    node = read(text)
    if node is None:
        return None
    vetting = Vetting(scope, text)
    if not vetting.vet([node], query=False):
        return None
    written = expression_text(vetting, node)
    grown = growth(node)
    if written is None or grown > MAX_GROWTH:
        return None
    return SafeText(written, names([node]), grown, any(n.kind == "SubLink" for n in node.walk()))


def query(sql: str, scope: Scope) -> SafeText | None:
    """A SELECT in the same way."""
    statement = parse(sql) if len(sql) <= MAX_TEXT else None
    if statement is None or isinstance(statement, Unparsed) or statement.node.kind != "SelectStmt":
        return None
    vetting = Vetting(scope, sql, ctes([statement.node]))
    if not vetting.vet([statement.node], query=True):
        return None
    written = statement_text(vetting, statement.node)
    return None if written is None else SafeText(written, names([statement.node]), growth(statement.node), True)


def read(text: str) -> Node | None:
    """The tree of an expression of a sensible length, or None."""
    if len(text) > MAX_TEXT:
        return None
    try:
        return parse_expression(text)
    except ValueError:
        return None


def expression_text(vetting: Vetting, node: Node) -> str | None:
    """The settled expression as SQL, None when a table in it may not be read or it cannot be written."""
    try:
        # the root itself may need settling, and only what is below a root is copied and changed
        text = deparse_expression(vetting.settle(node))
    except ValueError:
        return None
    return None if vetting.refused else vetting.finish(text)


def statement_text(vetting: Vetting, node: Node) -> str | None:
    """The settled SELECT as SQL, None when a table in it may not be read or it cannot be written."""
    try:
        text = deparse(vetting.settle(node))
    except ValueError:
        return None
    return None if vetting.refused else vetting.finish(text)


def names(nodes: Iterable[Node]) -> frozenset[str]:
    """The column names in the trees, wherever they stand."""
    found = (n.names("fields") for n in walk_all(nodes) if n.kind == "ColumnRef")
    return frozenset(fields[-1] for fields in found if fields and fields[-1] != "*")


def ctes(nodes: Iterable[Node]) -> frozenset[str]:
    """The names that WITH clauses in the trees define."""
    return frozenset(n.text("ctename") for n in walk_all(nodes) if n.kind == "CommonTableExpr")


def growth(node: Node) -> float:
    """How many times longer than its longest part a value may become: the factors of all places multiplied."""
    factor = 1.0
    for here in node.walk():
        if here.kind == "A_Expr" and here.names("name")[-1:] == ("||",):
            factor *= max(sum(moving(side) for side in here.below()), 1)
        elif here.kind == "FuncCall" and here.names("funcname")[-1] in GROWING:
            factor *= _call_growth(here)
    return factor


def moving(value: Node) -> bool:
    """Whether it holds columns or queries, so that it is not known when an index is read."""
    return any(node.kind in ("ColumnRef", "SubLink") for node in value.walk())


def _call_growth(call: Node) -> float:
    name, arguments = call.names("funcname")[-1], call.children("args")
    if name in ("replace", "regexp_replace") and len(arguments) >= 3:
        return float("inf") if moving(arguments[2]) else max(len(deparse_expression(arguments[2])) - 2.0, 1.0)
    return max(float(sum(moving(a) for a in arguments)), 1.0)


def _column(_vetting: Vetting, node: Node, query: bool) -> bool:
    return query or "*" not in node.names("fields")


def _operation(_vetting: Vetting, node: Node, _query: bool) -> bool:
    parts = node.names("name")
    return bool(parts) and parts[-1] in OPERATORS and parts[:-1] in ((), ("pg_catalog",))


def _call(_vetting: Vetting, node: Node, query: bool) -> bool:
    parts = node.names("funcname")
    if not parts or parts[:-1] not in ((), ("pg_catalog",)) or node.flag("func_variadic"):
        return False
    known = SCALAR | ((AGGREGATE | WINDOW) if query else frozenset())
    return parts[-1] in known


def _type(vetting: Vetting, node: Node, _query: bool) -> bool:
    parts = node.names("names")
    if not parts or node.flag("setof") or node.flag("pct_type"):
        return False
    name, schema = parts[-1], parts[-2] if len(parts) > 1 else None
    if name in TYPES and schema in (None, "pg_catalog"):
        return name not in PADDED or _modifier(node) <= MAX_PADDING
    return vetting.scope.type(schema, name)


def _modifier(node: Node) -> int:
    numbers = [m.child("ival") for m in node.children("typmods") if m.kind == "A_Const"]
    return max((n.number("ival") for n in numbers if n is not None), default=0)


def _select(_vetting: Vetting, node: Node, _query: bool) -> bool:
    limited = node.child("limit_count") is not None or node.child("limit_offset") is not None
    return not limited or bool(node.children("sort_clause"))


def _with(_vetting: Vetting, node: Node, _query: bool) -> bool:
    return not node.flag("recursive")


_CHECKS = {
    "ColumnRef": _column,
    "A_Expr": _operation,
    "FuncCall": _call,
    "TypeName": _type,
    "SelectStmt": _select,
    "WithClause": _with,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STRUCTURE = _words("""
    A_Const ColumnRef A_Expr BoolExpr NullTest BooleanTest CaseExpr CaseWhen CoalesceExpr MinMaxExpr TypeCast TypeName
    FuncCall SQLValueFunction A_ArrayExpr RowExpr List CollateClause A_Indirection A_Indices SubLink
""")
QUERY = _words("""
    SelectStmt ResTarget RangeVar RangeSubselect JoinExpr SortBy WindowDef CommonTableExpr WithClause Alias
""")
OPERATORS = _words("""
    = <> != < > <= >= + - * / % || ~ ~* !~ !~* ~~ !~~ ~~* !~~* -> ->> #> #>> @> <@ && ? ?| ?& & | # << >> BETWEEN
""") | {"NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"}
TYPES = _words("""
    bool boolean int2 int4 int8 smallint int integer bigint float4 float8 real numeric decimal text varchar bpchar char
    name date time timetz timestamp timestamptz interval uuid json jsonb bytea inet cidr macaddr macaddr8 bit varbit
    money oid regclass int4range int8range numrange daterange tsrange tstzrange point box tsvector tsquery
""")
PADDED = _words("bpchar char bit varbit")
SCALAR = _words("""
    lower upper initcap trim btrim ltrim rtrim replace substring substr left right length char_length character_length
    octet_length bit_length split_part position strpos starts_with reverse translate ascii md5 concat concat_ws
    regexp_replace regexp_match regexp_like regexp_substr round floor ceil ceiling abs trunc sign mod div power sqrt
    greatest least date_trunc date_part extract now transaction_timestamp statement_timestamp clock_timestamp
    to_char to_date to_timestamp to_number timezone age make_date make_interval make_timestamp justify_hours isfinite
    jsonb_typeof json_typeof jsonb_array_length json_array_length jsonb_extract_path jsonb_extract_path_text
    json_extract_path json_extract_path_text jsonb_exists jsonb_strip_nulls jsonb_build_object to_jsonb
    array_length cardinality array_position array_lower array_upper string_to_array array_to_string isempty lower_inc
    upper_inc lower_inf upper_inf int4range int8range numrange daterange tsrange tstzrange encode host masklen family
    network num_nonnulls num_nulls gen_random_uuid uuidv4 uuidv7 random overlaps similar_to_escape like_escape
    current_user session_user quote_ident hashtext
""")
AGGREGATE = _words("count min max sum avg bool_and bool_or every any_value")
WINDOW = _words("row_number rank dense_rank lag lead first_value last_value ntile")
GROWING = _words("concat concat_ws replace regexp_replace translate jsonb_build_object array_to_string")
# What a bare SELECT of a migration often calls, and which changes no row of a table.
QUIET = _words("""
    setval nextval currval lastval set_config current_setting pg_get_serial_sequence pg_sleep version pg_advisory_lock
    pg_advisory_xact_lock pg_try_advisory_lock pg_advisory_unlock pg_advisory_unlock_all coalesce txid_current
    pg_notify to_regclass pg_relation_size pg_total_relation_size
""")
