"""How PostgreSQL spells things, for hosts that generate DDL. Every name is quoted; nothing is executed."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core import ddl
from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName, cut_name, quote_identifier
from indexpilot_cli.errors import UsageError

_SERIALS = {"smallint": "smallserial", "integer": "serial", "bigint": "bigserial"}
_METHODS = ("btree", "hash", "gin", "gist", "spgist", "brin")
# Refused unless one of these: they stand in the statement as they are, and nothing can be quoted there.
_ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")


class PostgresAdapter:
    """PostgreSQL's words."""

    name = "postgresql"

    def get_auto_increment_type(self, base: str = "integer") -> str:
        """The type that counts by itself: ``serial``, ``bigserial`` or ``smallserial``."""
        try:
            return _SERIALS[base.lower()]
        except KeyError:
            raise UsageError(f"no counting type for {base[:40]!r}", hint=f"one of {', '.join(_SERIALS)}") from None

    def get_json_type(self) -> str:
        """``jsonb``: the JSON type that can be indexed."""
        return "jsonb"

    def quote_identifier(self, name: str) -> str:
        """The name as SQL, quoted where it must be. Raises UsageError for what no identifier can hold."""
        try:
            return quote_identifier(name)
        except ValueError as error:
            raise UsageError(str(error), code="bad_name") from None

    def create_index_sql(
        self,
        table: str,
        columns: Sequence[str],
        *,
        schema: str = "public",
        name: str | None = None,
        method: str = BTREE,
        unique: bool = False,
        concurrently: bool = True,
    ) -> str:
        """``CREATE INDEX`` of plain columns, one statement; the name follows from the structure unless given."""
        if method not in _METHODS:
            raise UsageError(f"unknown index method {method[:40]!r}", hint=f"one of {', '.join(_METHODS)}")
        if isinstance(columns, str) or not columns:
            raise UsageError("an index needs a list of columns")
        for part in (schema, table, *columns):
            self.quote_identifier(part)
        # The definition quotes names itself; the loop above only refuses what no identifier can hold.
        keys = tuple(IndexKey(column) for column in columns)
        definition = IndexDefinition(QualifiedName(schema, table), keys, method, unique=unique)
        self.quote_identifier(name or table)
        return ddl.create_index(definition, name, concurrently=concurrently)

    def create_foreign_key_sql(
        self,
        table: str,
        columns: Sequence[str],
        referenced_table: str,
        referenced_columns: Sequence[str],
        *,
        schema: str = "public",
        referenced_schema: str | None = None,
        name: str | None = None,
        on_delete: str | None = None,
    ) -> str:
        """``ALTER TABLE ... ADD CONSTRAINT ... FOREIGN KEY ... NOT VALID``, one statement.

        NOT VALID spares the check of all rows under lock: ``VALIDATE CONSTRAINT`` does it later, without blocking
        writes (https://www.postgresql.org/docs/current/sql-altertable.html).
        """
        if len(columns) != len(referenced_columns) or not columns:
            raise UsageError("a foreign key needs as many columns as it refers to")
        action = "" if on_delete is None else " ON DELETE " + _action(on_delete)
        own, other = QualifiedName(schema, table), QualifiedName(referenced_schema or schema, referenced_table)
        # Also NOT VALID takes SHARE ROW EXCLUSIVE on both tables, which blocks writers; without the check, briefly.
        constraint = name or cut_name(f"{table}_{'_'.join(columns)}_fkey")
        return (
            f"ALTER TABLE {self._qualified(own)} ADD CONSTRAINT {self.quote_identifier(constraint)} "
            f"FOREIGN KEY ({self._list(columns)}) REFERENCES {self._qualified(other)} "
            f"({self._list(referenced_columns)}){action} NOT VALID"
        )

    def _list(self, names: Sequence[str]) -> str:
        return ", ".join(self.quote_identifier(name) for name in names)

    def _qualified(self, name: QualifiedName) -> str:
        return f"{self.quote_identifier(name.schema)}.{self.quote_identifier(name.name)}"


def detect_database(conninfo: str) -> str:
    """The kind of database a connection string is for: ``postgresql``. Raises UsageError for other schemes."""
    scheme = conninfo.partition("://")[0].lower() if "://" in conninfo else "postgresql"
    # SQLAlchemy writes the driver behind a plus: postgresql+psycopg.
    if scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise UsageError(f"not PostgreSQL: {scheme[:40]}", code="other_database")
    return PostgresAdapter.name


def get_database_adapter(conninfo: str = "") -> PostgresAdapter:
    """The adapter for the database that a connection string is for. Raises UsageError for one we have none for."""
    detect_database(conninfo)
    return PostgresAdapter()


def _action(word: str) -> str:
    upper = " ".join(word.upper().replace("_", " ").split())
    if upper not in _ACTIONS:
        raise UsageError(f"unknown action {word[:40]!r}", hint=f"one of {', '.join(_ACTIONS)}")
    return upper
