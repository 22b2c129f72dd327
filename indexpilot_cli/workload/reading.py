"""One observed text, read: which template it belongs to, or why it belongs to none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import StatementKind, is_own
from indexpilot_cli.sql.parser import Node, Statement, Unparsed, fingerprint, normalise, parse, skeleton
from indexpilot_cli.sql.utility import kept, why_unparsed
from indexpilot_cli.workload.predicates.inline import inlined
from indexpilot_cli.workload.repair import TypeOf, repaired

OWN_SCHEMA = "indexpilot"
_SYSTEM = ("pg_catalog", "information_schema", "pg_toast")


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
    query = query_in(text, catalog)
    if isinstance(query, Unread):
        return query
    kind, statement = query
    return _reading(kind, statement.node, _bare(statement.text), catalog)


def query_in(text: str, catalog: Catalog) -> tuple[StatementKind, Statement] | Unread:
    """The query that a text holds, when it asks or changes a table that the catalog has."""
    if is_own(text):
        return Unread("own", "sent by indexpilot")
    query = kept(text)
    statement = None if query.reason else parse(query.text)
    if isinstance(statement, Unparsed):
        # As the application writes it, with placeholders of its driver.
        bound = parse(numbered(query.text))
        statement = bound if isinstance(bound, Statement) else statement
    if statement is None or isinstance(statement, Unparsed):
        return Unread(query.reason, query.detail) if statement is None else Unread(*why_unparsed(statement))
    if statement.kind is None:
        return Unread("utility", statement.node.kind)
    return _relations_unread(inlined(statement.node, catalog), catalog) or (statement.kind, statement)


def _reading(kind: StatementKind, node: Node, literal: str, catalog: Catalog) -> Reading | Unread:
    printed = fingerprint(literal)
    if isinstance(printed, Unparsed):
        return Unread(*why_unparsed(printed))
    parameterised = any(n.kind == "ParamRef" for n in node.walk())
    try:
        normal = normalise(repaired(node, _types(node, catalog)))
    except ValueError as error:
        return Unread("unparsed", str(error))
    # The parser library loses parentheses of a few forms (b BETWEEN 1 AND (c IN (2))) when it writes a tree.
    if isinstance(parse(normal.text), Unparsed):
        return Unread("unparsed", "the parser cannot write this form again")
    told_apart = (*normal.shape, *_numbered(node), *_placed(node, catalog))
    shape = hashlib.sha256(repr(told_apart).encode()).hexdigest()[:8] if told_apart else ""
    plain = "" if parameterised else literal
    return Reading(printed + shape, kind, normal.text, plain, normal.constants, bool(normal.shape))


def _numbered(node: Node) -> tuple[str, ...]:
    """Relations whose names hold digits: the fingerprint takes ``orders_17`` and ``orders_18`` for one another."""
    names = (n.text("relname") for n in node.walk() if n.kind == "RangeVar")
    return tuple(name for name in names if any(c.isdigit() for c in name))


def _placed(node: Node, catalog: Catalog) -> Iterator[str]:
    """Relations whose names tables of several schemas have: the fingerprint does not look at schemas."""
    for named in (n for n in node.walk() if n.kind == "RangeVar" and catalog.is_shared(n.text("relname"))):
        found = catalog.resolve(named.text("relname"), named.text("schemaname") or None)
        yield str(found.name) if found is not None else f"{named.text('schemaname')}.{named.text('relname')}"


def _relations_unread(node: Node, catalog: Catalog) -> Unread | None:
    """Why the relations of a statement leave nothing to index, or None."""
    named = _named(node)
    if any(n.text("schemaname") == OWN_SCHEMA for n in named):
        return Unread("own", "reads or writes IndexPilot's own tables")
    if any(_known(n, catalog) for n in named):
        return None
    if named and all(_system(n) for n in named):
        return Unread("catalog_only", "only system catalogs")
    missing = ", ".join(dict.fromkeys(n.text("relname") for n in named))
    return Unread("no_table", f"not in the database: {missing}" if missing else "no table")


def _named(node: Node) -> list[Node]:
    """The relations a statement names, without its WITH queries."""
    queries = {n.text("ctename") for n in node.walk() if n.kind == "CommonTableExpr"}
    return [
        n for n in node.walk() if n.kind == "RangeVar" and (n.text("schemaname") or n.text("relname") not in queries)
    ]


def tables_named(node: Node) -> list[Node]:
    """The same without those of the system and our own."""
    return [n for n in _named(node) if not _system(n) and n.text("schemaname") != OWN_SCHEMA]


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


# What may hold the same letters and is no placeholder comes first: strings, quoted names, bodies, comments, casts.
_TOKEN = re.compile(
    r"""(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<tag>\$\w*\$).*?(?P=tag)|--[^\n]*|/\*.*?\*/|::|:=|[\])\w]:\d)
    |%\((?P<python>\w+)\)s|\#\{(?P<mybatis>[\w.]+)[^}]*\}|\$\{(?P<template>[\w.]+)\}|\{\{\s*(?P<braces>[\w.]+)\s*\}\}
    |:'(?P<psql>\w+)'|(?<![\w:]):(?P<named>[A-Za-z_]\w*)|(?P<bare>%s|\?)""",
    re.DOTALL | re.VERBOSE,
)
_NUMBERED = re.compile(r"\$\d")


def numbered(text: str) -> str:
    """The text with ``?``, ``%s``, ``%(name)s``, ``:name``, ``:'name'``, ``#{name}``, ``${name}`` and ``{{name}}`` as
    ``$1`` and so on, a name with one number; the same text when it has numbered ones already. For texts that do not
    parse as they are: each of these may be an operator.
    """
    if _NUMBERED.search(text):
        return text
    numbers: dict[str, int] = {}

    def parameter(found: re.Match[str]) -> str:
        if found["kept"] is not None:
            return found["kept"]
        names = (value for key, value in found.groupdict().items() if value and key not in ("kept", "tag", "bare"))
        name = next(names, f"?{found.start()}")
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    return _TOKEN.sub(parameter, text)
