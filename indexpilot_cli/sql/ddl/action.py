"""What the parser reads in a migration: files, statements, and what each statement says it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Act(StrEnum):
    """One thing a statement does, in the words of its grammar."""

    CREATE_TABLE = "create_table"
    CREATE_TABLE_AS = "create_table_as"
    CREATE_PARTITION = "create_partition"
    DROP_TABLE = "drop_table"
    RENAME_TABLE = "rename_table"
    SET_SCHEMA = "set_schema"
    TRUNCATE = "truncate"
    ADD_COLUMN = "add_column"
    DROP_COLUMN = "drop_column"
    RENAME_COLUMN = "rename_column"
    ALTER_TYPE = "alter_type"
    SET_DEFAULT = "set_default"
    DROP_DEFAULT = "drop_default"
    SET_NOT_NULL = "set_not_null"
    DROP_NOT_NULL = "drop_not_null"
    SET_EXPRESSION = "set_expression"
    DROP_EXPRESSION = "drop_expression"
    ADD_IDENTITY = "add_identity"
    SET_STATISTICS = "set_statistics"
    SET_STORAGE = "set_storage"
    ADD_CONSTRAINT = "add_constraint"
    VALIDATE_CONSTRAINT = "validate_constraint"
    DROP_CONSTRAINT = "drop_constraint"
    RENAME_CONSTRAINT = "rename_constraint"
    ATTACH_PARTITION = "attach_partition"
    DETACH_PARTITION = "detach_partition"
    SET_OPTIONS = "set_options"
    SET_TABLESPACE = "set_tablespace"
    SET_LOGGED = "set_logged"
    SET_ACCESS_METHOD = "set_access_method"
    SET_TRIGGER = "set_trigger"
    SET_ROW_SECURITY = "set_row_security"
    SET_OWNER = "set_owner"
    SET_REPLICA_IDENTITY = "set_replica_identity"
    SET_CLUSTER = "set_cluster"
    INHERIT = "inherit"
    CREATE_INDEX = "create_index"
    DROP_INDEX = "drop_index"
    REINDEX = "reindex"
    RENAME_INDEX = "rename_index"
    ATTACH_INDEX = "attach_index"
    CREATE_VIEW = "create_view"
    DROP_VIEW = "drop_view"
    CREATE_MATVIEW = "create_materialized_view"
    REFRESH = "refresh_materialized_view"
    CREATE_TRIGGER = "create_trigger"
    DROP_TRIGGER = "drop_trigger"
    CREATE_FUNCTION = "create_function"
    DROP_FUNCTION = "drop_function"
    CREATE_TYPE = "create_type"
    ADD_ENUM_VALUE = "add_enum_value"
    RENAME_ENUM_VALUE = "rename_enum_value"
    DROP_TYPE = "drop_type"
    CREATE_DOMAIN = "create_domain"
    ALTER_DOMAIN = "alter_domain"
    CREATE_SEQUENCE = "create_sequence"
    ALTER_SEQUENCE = "alter_sequence"
    DROP_SEQUENCE = "drop_sequence"
    CREATE_SCHEMA = "create_schema"
    DROP_SCHEMA = "drop_schema"
    RENAME_SCHEMA = "rename_schema"
    CREATE_EXTENSION = "create_extension"
    DROP_EXTENSION = "drop_extension"
    CREATE_STATISTICS = "create_statistics"
    CREATE_POLICY = "create_policy"
    DROP_POLICY = "drop_policy"
    RENAME = "rename"
    DROP = "drop"
    COMMENT = "comment"
    GRANT = "grant"
    VACUUM = "vacuum"
    CLUSTER = "cluster"
    ANALYZE = "analyze"
    LOCK = "lock"
    SET = "set"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SAVEPOINT = "savepoint"
    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    COPY = "copy"
    DO = "do"
    CALL = "call"
    DYNAMIC = "dynamic"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a statement does. Names are as written (unquoted); ``schema`` is None when it was not written.

    ``table`` is the relation acted on. ``object`` is the index, constraint, trigger, view, type … by name and
    ``object_schema`` its schema. ``type``, ``expression`` (default, USING, CHECK, generation) and ``condition``
    (WHERE, predicate) are SQL text as the parser prints it. ``assignments`` are the SET list of an UPDATE as
    (column, expression). ``constraint`` is check, foreign_key, unique, primary_key, exclude or not_null.

    ``options`` are words: concurrently, if_exists, if_not_exists, cascade, not_valid, not_enforced, unique,
    nulls_not_distinct, primary_key, using_index, identity, serial, generated_stored, generated_virtual, not_null,
    default, using, from (UPDATE … FROM, DELETE … USING, or a sub-select anywhere in it), default_partition, full,
    only, with_data, no_data, deferrable, temporary, unlogged. ``nested`` marks what stands inside a DO block or a
    function body; ``parameters`` are name, value pairs of SET and storage options. ``body`` is what a routine does when
    it is called: to define it does nothing of that.

    Further words: ``new_table`` (a column or constraint of the CREATE TABLE before it), ``inline`` (a constraint that
    stands in a column's definition; the ADD_COLUMN before it carries it as a word too), ``dynamic`` (from an EXECUTE
    of which parts are unknown; unknown names are None), ``unread`` (a body no parser reads), ``call`` (SELECT f()
    or CALL, the function's name in ``object``), ``values`` (INSERT … VALUES). Of partitions ``table`` is the parent
    and ``object`` the child. ``sql`` is the statement with this one action alone.
    """

    kind: Act
    schema: str | None = None
    table: str | None = None
    object: str | None = None
    object_schema: str | None = None
    columns: tuple[str, ...] = ()
    new_name: str | None = None
    type: str | None = None
    expression: str | None = None
    condition: str | None = None
    constraint: str | None = None
    references: tuple[str | None, str] | None = None
    referenced_columns: tuple[str, ...] = ()
    assignments: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    options: frozenset[str] = frozenset()
    nested: bool = False
    body: tuple[Action, ...] = field(default=(), repr=False)
    sql: str = ""

    @property
    def column(self) -> str | None:
        """The column, where there is exactly one."""
        return self.columns[0] if len(self.columns) == 1 else None

    def has(self, *words: str) -> bool:
        """Whether every one of the options was written."""
        return self.options.issuperset(words)


def performed(
    actions: Iterable[Action], bodies: Mapping[str, tuple[Action, ...]], within: frozenset[str] = frozenset()
) -> Iterator[Action]:
    """The actions that happen, those of called routines included. ``bodies`` are the known ones, by name."""
    for action in actions:
        yield action
        called = action.object if action.has("call") else None
        if called is not None and called not in within:  # a routine that calls itself does nothing new
            yield from performed(bodies.get(called, ()), bodies, within | {called})


def bodies_of(actions: Iterable[Action]) -> dict[str, tuple[Action, ...]]:
    """What the routines do that these actions define, by name."""
    return {a.object: a.body for a in actions if a.kind is Act.CREATE_FUNCTION and a.object}


@dataclass(frozen=True, slots=True)
class Ignore:
    """A comment ``-- indexpilot: ignore L03 -- reason``: it speaks of the next statement, or of its own line's."""

    hazard: str
    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class MigrationStatement:
    """One statement of a file. ``line`` and ``column`` count from 1 and point at its first word, not at comments.

    ``sql`` has no comments around it and no semicolon; ``offset`` is where it starts in the file's text and
    ``end`` where it ends, both in characters. ``ended``: by a semicolon. ``source`` is the other file, line and column
    where it stands when the file reads that one in (``\\i``); then the places here are those of the command that does.
    """

    number: int
    sql: str
    line: int
    column: int
    offset: int
    end: int
    actions: tuple[Action, ...] = ()
    ignores: tuple[Ignore, ...] = ()
    source: tuple[str, int, int] | None = None
    ended: bool = True


@dataclass(frozen=True, slots=True)
class Migration:
    """A file to review. ``one_transaction``: the runner wraps the whole file, whatever it says itself.

    ``stray_ignores`` are ignore comments that stand before no statement. ``composed``: psql puts it together from other
    files, variables or branches, so that its text alone is not what runs. ``cutter``: the tool that it is marked for
    and that refuses a statement without a semicolon.
    """

    path: str
    text: str = field(repr=False)
    statements: tuple[MigrationStatement, ...] = ()
    one_transaction: bool = False
    stray_ignores: tuple[Ignore, ...] = ()
    composed: bool = False
    cutter: str = ""
