"""Checking a schema tree: every mistake is collected with its line, and what can be read is."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from indexpilot_cli.core.names import NAME_LIMIT, QualifiedName
from indexpilot_cli.genome.schema_tree import Entries, Listing, Node, Scalar, SchemaProblem, canonical_type

_TABLE_KEYS = ("name", "schema", "fields", "columns", "indexes", "description")
_FIELD_KEYS = (
    *("name", "type", "required", "nullable", "indexable", "default_expression", "feature_group", "foreign_key"),
    "description",
)
_REFERENCE_KEYS = ("table", "column", "schema", "on_delete", "on_update")
_ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")
_INDEX_KEYS = ("name", "fields", "columns", "type", "method", "unique")
_METHODS = ("btree", "hash", "gin", "gist", "spgist", "brin")


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """A foreign key of one column. Actions are SQL words, such as ``CASCADE``; None: no action."""

    table: QualifiedName
    column: str
    on_delete: str | None = None
    on_update: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """A column. ``indexable`` None: by its type; ``group`` None: by its name."""

    name: str
    type: str
    required: bool = False
    indexable: bool | None = None
    default_expression: bool = True
    group: str | None = None
    reference: ColumnReference | None = None


@dataclass(frozen=True, slots=True)
class IndexSketch:
    """An index the file declares: columns in order, access method, uniqueness."""

    columns: tuple[str, ...]
    method: str = "btree"
    unique: bool = False


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """A table with its columns in order."""

    name: QualifiedName
    columns: tuple[ColumnDefinition, ...]
    indexes: tuple[IndexSketch, ...] = ()


@dataclass(frozen=True, slots=True)
class SchemaDefinition:
    """All tables of a schema file."""

    tables: tuple[TableDefinition, ...]


class Checker:
    """Reads one tree; ``problems`` fills up as it goes."""

    def __init__(self) -> None:
        self.problems: list[SchemaProblem] = []
        self._references: list[tuple[int, ColumnReference]] = []

    def schema(self, tree: Node) -> SchemaDefinition:
        """The schema: ``tables`` at the top, or under ``schema``; as a list, or as a mapping from name to table."""
        if (
            isinstance(tree, Entries)
            and isinstance(inner := tree.get("schema"), Entries)
            and tree.get("tables") is None
        ):
            tree = inner
        if not isinstance(tree, Entries):
            self._problem(tree.line, "a schema is a mapping with the key tables")
            return SchemaDefinition(())
        self._known_keys(tree, ("tables", "name", "schema", "version", "description"))
        default = self._optional_name(tree, "schema") or "public"
        found = [(t, n.line) for name, n in self._named(tree, "tables") if (t := self._table(name, n, default))]
        self._once([(str(table.name), line) for table, line in found], "table")
        schema = SchemaDefinition(tuple(table for table, _ in found))
        self._resolve(schema)
        return schema

    # -- tables

    def _table(self, name: Scalar | None, node: Node, default_schema: str) -> TableDefinition | None:
        if isinstance(node, Listing) and name is not None:
            node = Entries(((Scalar("fields", node.line), node),), node.line)
        if not isinstance(node, Entries):
            self._problem(node.line, "a table is a mapping with the keys name and fields")
            return None
        self._known_keys(node, _TABLE_KEYS)
        title = self._name(name or node.get("name"), "table", node.line)
        schema = self._optional_name(node, "schema") or default_schema
        key = "columns" if node.get("fields") is None and node.get("columns") is not None else "fields"
        found = [(c, n.line) for label, n in self._named(node, key) if (c := self._column(label, n, schema))]
        self._once([(column.name, line) for column, line in found], f"field of {title or 'the table'}")
        columns = tuple(column for column, _ in found)
        indexes = self._indexes(node, {c.name for c in columns})
        return None if title is None else TableDefinition(QualifiedName(schema, title), columns, indexes)

    def _column(self, name: Scalar | None, node: Node, schema: str) -> ColumnDefinition | None:
        if isinstance(node, Scalar) and name is not None:
            # The short form: a field and its type on one line.
            node = Entries(((Scalar("type", node.line), node),), node.line)
        if not isinstance(node, Entries):
            self._problem(node.line, "a field is a mapping with the keys name and type")
            return None
        self._known_keys(node, _FIELD_KEYS)
        title = self._name(name or node.get("name"), "field", node.line)
        type_text = self._type(node, title)
        flags = {key: self._flag(node, key) for key in ("required", "nullable", "indexable", "default_expression")}
        if flags["required"] is not None and flags["nullable"] is not None:
            self._problem(node.line, f"field {title}: required and nullable say the same thing, keep one")
        reference = self._reference(node, schema)
        group = self._optional_name(node, "feature_group")
        if title is None:
            return None
        # A field whose type is wrong is there still: it can be twice, and indexes and foreign keys may name it.
        return ColumnDefinition(
            title,
            type_text or "",
            required=bool(flags["required"]) or flags["nullable"] is False,
            indexable=flags["indexable"],
            default_expression=flags["default_expression"] is not False,
            group=group,
            reference=reference,
        )

    def _type(self, node: Entries, title: str | None) -> str | None:
        given = node.get("type")
        if given is None:
            self._problem(node.line, f"field {title or ''} has no type".replace("  ", " "))
            return None
        if not isinstance(given, Scalar) or not isinstance(given.value, str):
            self._problem(given.line, f"field {title}: a type is a text")
            return None
        try:
            return canonical_type(given.value)
        except ValueError as error:
            self._problem(given.line, f"field {title}: {error}")
            return None

    def _reference(self, node: Entries, schema: str) -> ColumnReference | None:
        given = node.get("foreign_key")
        if given is None or (isinstance(given, Scalar) and given.value is None):
            return None
        if not isinstance(given, Entries):
            self._problem(given.line, "a foreign_key is a mapping with the keys table and column")
            return None
        self._known_keys(given, _REFERENCE_KEYS)
        table = self._name(given.get("table"), "foreign_key table", given.line)
        column = self._optional_name(given, "column") or "id"
        actions = [self._word(given, key, _ACTIONS, upper=True) for key in ("on_delete", "on_update")]
        if table is None:
            return None
        reference = ColumnReference(
            QualifiedName(self._optional_name(given, "schema") or schema, table), column, *actions
        )
        self._references.append((given.line, reference))
        return reference

    def _indexes(self, node: Entries, columns: set[str]) -> tuple[IndexSketch, ...]:
        given = node.get("indexes")
        if given is None:
            return ()
        if not isinstance(given, Listing):
            self._problem(given.line, "indexes is a list")
            return ()
        return tuple(sketch for item in given.items if (sketch := self._index(item, columns)))

    def _index(self, node: Node, columns: set[str]) -> IndexSketch | None:
        if not isinstance(node, Entries):
            self._problem(node.line, "an index is a mapping with the key fields")
            return None
        self._known_keys(node, _INDEX_KEYS)
        method = self._word(node, "method", _METHODS) or self._word(node, "type", _METHODS) or "btree"
        unique = bool(self._flag(node, "unique"))
        listed = node.get("fields") or node.get("columns")
        if not isinstance(listed, Listing) or not listed.items:
            self._problem(node.line, "an index has a list of fields")
            return None
        names = [name for item in listed.items if (name := self._name(item, "indexed field", item.line))]
        for name in names:
            if name not in columns:
                self._problem(listed.line, f"an index names the field {name!r}, which the table does not have")
        return IndexSketch(tuple(names), method, unique)

    # -- parts

    def _named(self, node: Entries, key: str) -> list[tuple[Scalar | None, Node]]:
        given = node.get(key)
        if isinstance(given, Listing) and given.items:
            return [(None, item) for item in given.items]
        if isinstance(given, Entries) and given.pairs:
            self._known_keys(given, None)
            return list(given.pairs)
        line = node.line if given is None else given.line
        self._problem(line, f"{key} is missing" if given is None else f"{key} is a list, or a mapping from names")
        return []

    def _known_keys(self, node: Entries, known: tuple[str, ...] | None) -> None:
        seen: set[object] = set()
        for key, _ in node.pairs:
            if key.value in seen:
                self._problem(key.line, f"the key {key.value!r} is here twice")
            seen.add(key.value)
            if known is not None and key.value not in known:
                near = get_close_matches(str(key.value), known, n=1)
                meant = f", did you mean {near[0]}?" if near else f": known are {', '.join(known)}"
                self._problem(key.line, f"unknown key {str(key.value)[:40]!r}{meant}")

    def _name(self, node: Node | None, what: str, line: int) -> str | None:
        if node is None:
            self._problem(line, f"a {what} has no name")
            return None
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, str):
            self._problem(node.line, f"the name of a {what} is a text")
            return None
        if not value or "\0" in value or len(value.encode(errors="surrogatepass")) > NAME_LIMIT:
            self._problem(node.line, f"the name of a {what} has 1 to {NAME_LIMIT} bytes: {value[:80]!r}")
            return None
        return value

    def _optional_name(self, node: Entries, key: str) -> str | None:
        given = node.get(key)
        if given is None or (isinstance(given, Scalar) and given.value is None):
            return None
        return self._name(given, key, given.line)

    def _flag(self, node: Entries, key: str) -> bool | None:
        given = node.get(key)
        if given is None:
            return None
        if isinstance(given, Scalar) and isinstance(given.value, bool):
            return given.value
        self._problem(given.line, f"{key} is true or false")
        return None

    def _word(self, node: Entries, key: str, known: tuple[str, ...], *, upper: bool = False) -> str | None:
        given = node.get(key)
        if given is None or (isinstance(given, Scalar) and given.value is None):
            return None
        text = str(given.value) if isinstance(given, Scalar) else ""
        word = " ".join((text.upper() if upper else text.lower()).replace("_", " ").split())
        if word in known:
            return word
        self._problem(given.line, f"{key} is one of {', '.join(known)}")
        return None

    def _once(self, named: list[tuple[str, int]], what: str) -> None:
        seen: set[str] = set()
        for name, line in named:
            if name in seen:
                self._problem(line, f"the {what} {name} is here twice")
            seen.add(name)

    def _resolve(self, schema: SchemaDefinition) -> None:
        # Only now: a reference may stand before the table it means.
        columns = {table.name: {c.name for c in table.columns} for table in schema.tables}
        for line, reference in self._references:
            if reference.table not in columns:
                self._problem(line, f"a foreign key refers to the table {reference.table}, which is not in the file")
            elif reference.column not in columns[reference.table]:
                self._problem(
                    line, f"a foreign key refers to {reference.table}, which has no field {reference.column!r}"
                )

    def _problem(self, line: int, message: str) -> None:
        self.problems.append(SchemaProblem(line, message))
