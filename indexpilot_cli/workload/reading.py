"""One observed text, read: which template it belongs to, or why it belongs to none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import StatementKind
from indexpilot_cli.sql.parser import (
    Node,
    Unparsed,
    bind,
    cast,
    deparse,
    deparse_expression,
    fingerprint,
    function_call,
    normalise,
    parse,
    rewrite,
    set_child,
    skeleton,
)
from indexpilot_cli.workload.predicates.inline import inlined

OWN_SCHEMA = "indexpilot"
_OWN_MARK = re.compile(r"\s*/\*\s*indexpilot", re.IGNORECASE)
_SYSTEM = ("pg_catalog", "information_schema", "pg_toast")
_WRAPPED = {"DeclareCursorStmt": "query", "CreateTableAsStmt": "query", "CopyStmt": "query"}
_QUERIES = {"SelectStmt": StatementKind.SELECT, "InsertStmt": StatementKind.INSERT}
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Reading:
    """A statement read: ``key`` tells templates apart, ``text`` has constants as ``$n``.

    ``literal`` is the statement as it can be planned by itself (empty when it has parameters); ``constants``
    maps the numbers of ``text`` that were constants to their SQL; ``shaped`` says that other constants of the
    statement belong to the template, ``exact`` that ``constants`` are its own.
    """

    key: str
    kind: StatementKind
    text: str
    literal: str
    constants: Mapping[int, str]
    shaped: bool = False
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a text is no template: a word of ``Skipped.reason`` and a sentence."""

    reason: str
    detail: str


class Reader:
    """Reads texts against one catalog; texts that differ in constants only are parsed once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[str, Reading | Unread] = {}
        self._alike: dict[str, Reading] = {}

    def read(self, text: str) -> Reading | Unread:
        """The template side of one text. ``constants`` may be those of another text of the same template."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._read(text)
        return found

    def constants(self, text: str) -> Reading | Unread:
        """The same with the text's own constants."""
        found = self._known.get(text)
        return found if isinstance(found, Reading) and found.exact else read(text, self._catalog)

    def _read(self, text: str) -> Reading | Unread:
        shape = skeleton(text)
        like = self._alike.get(shape) if shape is not None else None
        if like is not None:
            return replace(like, literal=_bare(text), exact=False)
        found = read(text, self._catalog)
        if isinstance(found, Reading) and shape is not None and not found.shaped and found.literal == _bare(text):
            self._alike[shape] = found
        return found


def _bare(text: str) -> str:
    return text.strip().rstrip(";").strip()


def read(text: str, catalog: Catalog) -> Reading | Unread:
    """The template side of one text."""
    if _OWN_MARK.match(text):
        return Unread("own", "sent by indexpilot")
    statement = parse(text)
    if isinstance(statement, Unparsed):
        return _unparsed(statement)
    kind, node, literal = statement.kind, statement.node, _bare(text)
    if kind is None:
        inner = node.child(_WRAPPED[node.kind]) if node.kind in _WRAPPED else None
        if inner is None or inner.kind not in _QUERIES:
            return _utility(node)
        kind, node, literal = _QUERIES[inner.kind], inner, deparse(inner)
    unread = _relations_unread(inlined(node, catalog), catalog)
    return unread or _reading(kind, node, literal, catalog)


def _reading(kind: StatementKind, node: Node, literal: str, catalog: Catalog) -> Reading | Unread:
    printed = fingerprint(literal)
    if isinstance(printed, Unparsed):
        return _unparsed(printed)
    parameterised = any(n.kind == "ParamRef" for n in node.walk())
    try:
        normal = normalise(repaired(node, _types(node, catalog)))
    except ValueError as error:
        return Unread("unparsed", str(error))
    # The parser library loses parentheses of a few forms (b BETWEEN 1 AND (c IN (2))) when it writes a tree.
    if isinstance(parse(normal.text), Unparsed):
        return Unread("unparsed", "the parser cannot write this form again")
    told_apart = (*normal.shape, *_numbered(node))
    shape = hashlib.sha256(repr(told_apart).encode()).hexdigest()[:8] if told_apart else ""
    plain = "" if parameterised else literal
    return Reading(printed + shape, kind, normal.text, plain, normal.constants, bool(normal.shape))


def _numbered(node: Node) -> tuple[str, ...]:
    """Relations whose names hold digits: the fingerprint takes ``orders_17`` and ``orders_18`` for one another."""
    names = (n.text("relname") for n in node.walk() if n.kind == "RangeVar")
    return tuple(name for name in names if any(c.isdigit() for c in name))


def _unparsed(found: Unparsed) -> Unread:
    reason = found.reason if found.reason in ("empty", "too_long") else "unparsed"
    place = f" (line {found.line}, column {found.column})" if found.line else ""
    return Unread(reason, found.message + place)


def _utility(node: Node) -> Unread:
    name = _SPACE.sub(" ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", node.kind.removesuffix("Stmt"))).upper()
    return Unread("transaction" if node.kind == "TransactionStmt" else "utility", name)


def _relations_unread(node: Node, catalog: Catalog) -> Unread | None:
    """Why the relations of a statement leave nothing to index, or None."""
    queries = {n.text("ctename") for n in node.walk() if n.kind == "CommonTableExpr"}
    named = [
        n for n in node.walk() if n.kind == "RangeVar" and (n.text("schemaname") or n.text("relname") not in queries)
    ]
    if any(n.text("schemaname") == OWN_SCHEMA for n in named):
        return Unread("own", "reads or writes IndexPilot's own tables")
    if any(_known(n, catalog) for n in named):
        return None
    if named and all(_system(n) for n in named):
        return Unread("catalog_only", "only system catalogs")
    missing = ", ".join(dict.fromkeys(n.text("relname") for n in named))
    return Unread("no_table", f"not in the database: {missing}" if missing else "no table")


def _known(node: Node, catalog: Catalog) -> bool:
    name, schema = node.text("relname"), node.text("schemaname") or None
    if catalog.resolve(name, schema) is not None:
        return True
    return any(QualifiedName(s, name) in catalog.views for s in ((schema,) if schema else catalog.search_path))


def _system(node: Node) -> bool:
    schema = node.text("schemaname")
    return schema in _SYSTEM or (not schema and node.text("relname").startswith("pg_"))


def _types(node: Node, catalog: Catalog) -> TypeOf:
    """Types of column references by the tables the statement names (the first that has the column)."""
    tables: dict[str, Table] = {}
    for named in (n for n in node.walk() if n.kind == "RangeVar"):
        table = catalog.resolve(named.text("relname"), named.text("schemaname") or None)
        alias = named.child("alias")
        if table is not None:
            tables.setdefault(alias.text("aliasname") if alias else named.text("relname"), table)

    def type_of(reference: Node) -> str | None:
        parts = reference.names("fields")
        fitting = [tables[parts[-2]]] if len(parts) > 1 and parts[-2] in tables else list(tables.values())
        columns = (t.column(parts[-1]) for t in fitting)
        return next((c.type for c in columns if c is not None), None)

    return type_of


TypeOf = Callable[[Node], str | None]
_ADDITIVE = frozenset(("sum", "avg", "stddev", "variance"))
_SIGNED = frozenset(("+", "-", "*", "/"))
_INTERVALS = ("timestamp", "date", "time")


def repaired(node: Node, type_of: TypeOf) -> Node:
    """The statement with parameters typed where the server could not tell, or the same node when all is well.

    ``type_of`` gives the type of a column reference where it is known.
    """
    if not any(n.kind == "ParamRef" for n in node.walk()):
        return node
    selects = (n for n in node.walk() if n.kind == "SelectStmt")
    units = dict(chain.from_iterable(map(_group_units, selects)))
    node = bind(node, units) if units else node
    return rewrite(node, lambda here, _parent: _repair(here, type_of))


def _group_units(select: Node) -> Iterator[tuple[int, str]]:
    """Parameters of output columns that GROUP BY still shows as constants: it is normalised only once."""
    groups = [n for n in select.children("group_clause") if any(c.kind == "A_Const" for c in n.walk())]
    if not groups:
        return
    shapes = {_shape(g): g for g in groups}
    for target in select.children("target_list"):
        for here in target.level():
            group = shapes.get(_shape(here)) if here.kind in ("FuncCall", "A_Expr") else None
            yield from _paired(here, group) if group else ()


def _shape(node: Node) -> tuple[str, ...]:
    """The kinds and names in a tree, with constants and parameters as one."""
    value = ("A_Const", "ParamRef")
    return tuple("value" if n.kind in value else f"{n.kind} {_words(n)}" for n in node.walk())


def _words(node: Node) -> tuple[str, ...]:
    field = {"FuncCall": "funcname", "A_Expr": "name", "ColumnRef": "fields", "TypeName": "names"}.get(node.kind)
    return node.names(field) if field else ()


def _paired(here: Node, group: Node) -> Iterator[tuple[int, str]]:
    for mine, other in zip(here.walk(), group.walk(), strict=True):
        if mine.kind == "ParamRef" and other.kind == "A_Const":
            yield mine.number("number"), deparse_expression(other)


def _repair(node: Node, type_of: TypeOf) -> Node | None:
    if node.kind == "FuncCall":
        return _function(node, type_of)
    if node.kind == "A_Expr":
        return _comparison(node, type_of)
    return None


def _function(node: Node, type_of: TypeOf) -> Node | None:
    name, arguments = node.names("funcname")[-1], node.children("args")
    if name == "extract" and arguments and _open(arguments[0]):
        return rewrite(function_call("date_part", arguments), lambda here, _parent: _repair(here, type_of))
    if name == "generate_series" and all(_open(a) for a in arguments):
        return _typed(node, "integer")
    if name in _ADDITIVE:
        return _typed(node, "numeric")
    return _typed(node, "text") if name == "count" and arguments and _open(arguments[0]) else None


def _typed(node: Node, name: str) -> Node | None:
    """The call with bare parameters, and parameters that are arms of CASE or COALESCE, cast."""

    def arm(here: Node, parent: Node) -> Node | None:
        direct = parent is node or parent.kind in ("CaseWhen", "CaseExpr", "CoalesceExpr")
        return cast(here, name) if here.kind == "ParamRef" and (direct or parent.kind == "FuncCall") else None

    if not any(n.kind == "ParamRef" for n in node.walk(frozenset(("SubLink", "A_Expr")))):
        return None
    return rewrite(node, lambda here, parent: None if _tested(here, parent) else arm(here, parent))


def _tested(here: Node, parent: Node) -> bool:
    """Whether the parameter is what CASE compares, not what it gives."""
    condition = parent.child("expr") if parent.kind == "CaseWhen" else None
    return condition is not None and condition.message == here.message


def _comparison(node: Node, type_of: TypeOf) -> Node | None:
    left, right = node.child("lexpr"), node.child("rexpr")
    if left is None or right is None:
        return None
    if _open(right) and node.names("name")[-1:] in (("+",), ("-",)) and _is_date(left, type_of):
        return set_child(node, "rexpr", cast(right, "integer"))
    if left.kind != "ColumnRef":
        return None
    type_name = type_of(left)
    if type_name is None:
        return None
    return rewrite(node, lambda here, _parent: _beside_column(here, type_name)) if _untyped(right) else None


def _is_date(node: Node, type_of: TypeOf) -> bool:
    today = node.kind == "SQLValueFunction" and node.enum("op") == "SVFOP_CURRENT_DATE"
    return today or (node.kind == "ColumnRef" and type_of(node) == "date")


def _untyped(node: Node) -> bool:
    return any(_open_array(n) or _open_sum(n) for n in node.level())


def _beside_column(node: Node, type_name: str) -> Node | None:
    if _open_array(node):
        return cast(node, type_name if type_name.endswith("[]") else f"{type_name}[]")
    if _open_sum(node):
        first, second = type_name, type_name
        if type_name.startswith(_INTERVALS):
            second = "interval"
        return _operands_cast(node, first, second)
    return None


def _operands_cast(node: Node, first: str, second: str) -> Node:
    names = iter((first, second))
    return rewrite(node, lambda here, _parent: cast(here, next(names)) if here.kind == "ParamRef" else None)


def _open(node: Node) -> bool:
    return node.kind == "ParamRef"


def _open_array(node: Node) -> bool:
    return node.kind == "A_ArrayExpr" and bool(node.children("elements")) and all(map(_open, node.children("elements")))


def _open_sum(node: Node) -> bool:
    if node.kind != "A_Expr" or node.names("name")[-1:] == () or node.names("name")[-1] not in _SIGNED:
        return False
    sides = [node.child("lexpr"), node.child("rexpr")]
    return all(s is not None and _open(s) for s in sides)
