"""From a snapshot to the template database of a private server: schema, statistics and sizes, but no rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from indexpilot_cli.core.catalog import Column, Table
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError
from indexpilot_cli.methods.kind import RelationFile
from indexpilot_cli.planner.twin.layout import Heap, read_layout
from indexpilot_cli.planner.twin.statistics import put_extended, put_sizes, put_statistics
from indexpilot_cli.snapshot.values import HIDDEN, SchemaObject, Snapshot

TEMPLATE = "twin"
PLANNER = "indexpilot_planner"  # the role that plans: owner of everything, no superuser
# force_parallel_mode is debug_parallel_query from 16 on, enable_group_by_reordering came with 17.
# https://www.postgresql.org/docs/current/runtime-config-query.html
_HARMLESS = {"force_parallel_mode": "off", "debug_parallel_query": "off", "enable_group_by_reordering": "on"}


@dataclass(frozen=True, slots=True)
class Hydrated:
    """What is known of a hydrated template: its files, tables, and what is missing or different."""

    files: tuple[RelationFile, ...]
    heaps: tuple[tuple[QualifiedName, Heap], ...]
    not_modelled: tuple[NotModelled, ...]
    notes: tuple[str, ...] = ()


class Connects(Protocol):
    """Sessions to a server of ours, by database."""

    def superuser(self, database: str | None = None) -> Session:
        """A session that may change catalogs; without a database name to one that always exists."""
        ...

    def owner(self, database: str) -> Session:
        """A session of the planning role that may create objects."""
        ...


def hydrate(host: Connects, snapshot: Snapshot, progress: Progress, *, template: str = TEMPLATE) -> Hydrated:
    """Make the template database on the running server. Its relation files stay short; copies get the sizes."""
    with host.superuser() as admin:
        notes = create_database(admin, snapshot, template)
    with host.superuser(template) as admin, host.owner(template) as planner:
        for statement in _PREPARATION:
            planner.execute(statement)
        not_modelled = _create_objects(Builder(planner, admin, snapshot), snapshot, progress)
        progress.stage("statistics", len(snapshot.statistics))
        # After all DDL: creating an index sets the relpages and reltuples of its table anew.
        put_sizes(admin, snapshot.sizes, snapshot.server.version_num)
        # An extension may fill and analyze tables of its own, as PostGIS does.
        admin.execute("twin/forget_statistics")
        with without_domain_checks(planner):
            not_modelled += put_statistics(admin, snapshot.statistics, progress)
            not_modelled += put_extended(admin, snapshot.extended)
        notes += put_settings(admin, snapshot)
        files, heaps = read_layout(admin, snapshot)
        # A dirty page left in memory would later be written over a planted file.
        admin.execute("CHECKPOINT")
    return Hydrated(files, tuple(heaps.items()), tuple(not_modelled), notes)


@contextmanager
def without_domain_checks(planner: Session) -> Iterator[None]:
    """No domain checks its values in the block: the superuser writes statistics and must not run functions.

    A snapshot can come from anywhere, and a CHECK can call whatever its author likes.
    """
    checks = planner.rows("twin/domain_checks")
    for check in checks:
        planner.execute(f"ALTER DOMAIN {check.domain} DROP CONSTRAINT {check.name}")
    yield
    for check in checks:
        # Validating would look for rows, of which there are none, and is refused for a domain inside a composite type.
        definition = f"{check.definition.removesuffix(' NOT VALID')} NOT VALID"
        planner.execute(f"ALTER DOMAIN {check.domain} ADD CONSTRAINT {check.name} {definition}")


def put_settings(admin: Session, snapshot: Snapshot) -> tuple[str, ...]:
    """The source's planner settings and search path for the role that plans; gives those that differ now."""
    unknown = []
    for name, value in snapshot.settings.items():
        try:
            admin.execute(f"ALTER ROLE {PLANNER} SET {quote_identifier(name)} TO {quote_literal(value)}")
        except AnsweredError:
            if value != _HARMLESS.get(name):
                unknown.append(name)
    path = ", ".join(quote_identifier(schema) for schema in snapshot.catalog.search_path) or "''"
    admin.execute(f"ALTER ROLE {PLANNER} SET search_path TO {path}")
    return (f"settings this version does not have: {', '.join(unknown)}",) if unknown else ()


_PREPARATION = (
    # A body may name what comes later in the dump.
    # https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-CHECK-FUNCTION-BODIES
    "SET check_function_bodies = off",
    "SET client_min_messages = error",
    "SET xmloption = content",
    "SELECT pg_catalog.set_config('search_path', '', false)",
)


def file_copy(version: int) -> str:
    """The option of CREATE DATABASE to copy files on a server of the version, with a space before it.

    From 15 on the default copies page by page through the buffers, and writes every block to the WAL too.
    https://www.postgresql.org/docs/current/sql-createdatabase.html
    """
    return " STRATEGY file_copy" if version >= 150000 else ""


def create_database(admin: Session, snapshot: Snapshot, template: str) -> tuple[str, ...]:
    """The empty template with the source's encoding and sort order, or the nearest this host has.

    Gives what had to be different.
    """
    encoding = quote_literal(snapshot.catalog.encoding)
    if not admin.value("SELECT count(*) FROM pg_roles WHERE rolname = %s", [PLANNER]):
        admin.execute(f"CREATE ROLE {PLANNER} LOGIN BYPASSRLS")
    refusal = None
    for locale, note in _locales(snapshot, admin.version):
        try:
            admin.execute(
                f"CREATE DATABASE {template} TEMPLATE template0 OWNER {PLANNER} ENCODING {encoding} {locale}"
                f"{file_copy(admin.version)}"
            )
        except AnsweredError as error:
            refusal = error
            continue
        return (note,) if note else ()
    assert refusal is not None
    raise refusal


def _locales(snapshot: Snapshot, version: int) -> Iterator[tuple[str, str | None]]:
    libc = f"LC_COLLATE {quote_literal(snapshot.collate)} LC_CTYPE {quote_literal(snapshot.ctype)}"
    locale = quote_literal(snapshot.provider_locale or "und")
    wanted = snapshot.provider_locale or snapshot.collate
    if snapshot.provider == "c":
        yield libc, None
    elif snapshot.provider == "i" and version >= 150000:
        yield f"LOCALE_PROVIDER icu ICU_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'", None
        yield f"LOCALE_PROVIDER icu ICU_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C'", None
    elif snapshot.provider == "b" and version >= 170000:
        yield f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C'", None
    # C, POSIX and the builtin C.UTF-8 compare bytes: in UTF-8 that is the order of code points.
    bytewise = wanted in ("C", "POSIX") or (snapshot.provider == "b" and wanted in ("C", "C.UTF-8"))
    if bytewise:
        yield "LC_COLLATE 'C' LC_CTYPE 'C'", None
    note = f'this host has no collation "{wanted}": texts sort differently on the twin, so ranges of texts may too'
    language = wanted.split(".")[0].split("@")[0].replace("_", "-")
    if version >= 150000:
        yield f"LOCALE_PROVIDER icu ICU_LOCALE {quote_literal(language)} LC_COLLATE 'C' LC_CTYPE 'C'", note
    yield "LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'", note
    yield "LC_COLLATE 'C' LC_CTYPE 'C'", f"{note}; LIKE may use ordinary indexes there"


def _create_objects(builder: Builder, snapshot: Snapshot, progress: Progress) -> list[NotModelled]:
    progress.stage("schema", len(snapshot.objects))
    for _ in build(builder, snapshot.objects):
        progress.advance()
    return [*snapshot.missing, *builder.not_modelled]


# What only a superuser may create. Everything else is made by the role that plans, so that a snapshot
# from elsewhere cannot do more on this machine than that role may.
_NAME = r'(?:"(?:[^"]|"")+"|\w+)'
_SUPERUSER_FORMS = {
    "EXTENSION": re.compile(rf"CREATE EXTENSION (?:IF NOT EXISTS )?{_NAME}(?: WITH SCHEMA {_NAME})?;?", re.IGNORECASE),
    "OPERATOR CLASS": re.compile(r"CREATE OPERATOR CLASS\s.*", re.IGNORECASE | re.DOTALL),
    "OPERATOR FAMILY": re.compile(r"CREATE OPERATOR FAMILY\s.*", re.IGNORECASE | re.DOTALL),
}
_LEFT_OUT = frozenset({"FOREIGN DATA WRAPPER", "SERVER", "POLICY", "ROW SECURITY", "PROCEDURAL LANGUAGE", "TRANSFORM"})
_TOGETHER = 50  # objects made in one message: thousands of round trips take longer than the work
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE"})
_STATEMENTS = re.compile(r";\n+(?=(?:ALTER|CREATE|SET|COMMENT|GRANT)\s)")
# The server's own count of changes, which late minor versions write and earlier ones refuse; no planner reads it.
_COUNTED = re.compile(rf"\nALTER \w[\w ]*(?:{_NAME}\.)?{_NAME} ALTER COLUMN {_NAME} SET \(pg_attver=\d+\);")
_LANGUAGE = re.compile(r"\sLANGUAGE (\w+)(?=[\s;])")
_BODY = re.compile(r"\n    AS .*\Z", re.DOTALL)
_STAND_IN_TYPES = {"citext": "text", "ltree": "text", "isbn": "text", "uint8": "numeric", "uint4": "bigint"}


class Builder:
    """Creates objects in one database of the twin and keeps what it could not create."""

    def __init__(self, planner: Session, superuser: Session, snapshot: Snapshot):
        self._planner = planner
        self._superuser = superuser
        self._snapshot = snapshot
        self._tables = {t.name: t for t in snapshot.catalog.tables}
        self._policies = bool(snapshot.catalog.policies)
        self.not_modelled: list[NotModelled] = []

    def create(self, item: SchemaObject) -> None:
        """One object, or its stand-in; a failure is added to ``not_modelled``."""
        if item.kind in _LEFT_OUT or item.kind.startswith(HIDDEN):
            self._leave_out(item)
        elif item.kind == "FOREIGN TABLE":
            self._stand_in_table(item, "an ordinary table of its size stands in")
        elif item.kind in _SUPERUSER_FORMS:
            self._privileged(item)
        else:
            self._ordinary(item)

    def create_together(self, items: Sequence[SchemaObject]) -> bool:
        """All of them in one message and transaction; False, with nothing made, where one of them needs care."""
        plain = all(
            i.kind not in _LEFT_OUT | {"FOREIGN TABLE", *_SUPERUSER_FORMS} and i.sql.endswith(";") for i in items
        )
        return plain and _try(self._planner, "\n".join(item.sql for item in items)) is None

    def _ordinary(self, item: SchemaObject) -> None:
        error = _try(self._planner, item.sql)
        if error is None:
            return
        if item.kind in _ROUTINES:
            self._stand_in_routine(item, error)
        elif item.kind in ("TABLE", "MATERIALIZED VIEW", "VIEW", "INDEX"):
            self._piecewise(item)
        else:
            self._note(item, error)

    def _privileged(self, item: SchemaObject) -> None:
        # Exactly one statement of this form: the extended protocol refuses a second one.
        known = _SUPERUSER_FORMS[item.kind].fullmatch(item.sql.strip())
        error = _try_one(self._superuser, item.sql) if known else f"not a statement that makes an {item.kind.lower()}"
        if error is not None:
            self._note(item, error)

    def _piecewise(self, item: SchemaObject) -> None:
        """The first statement makes the object; what follows only refines it."""
        first, *rest = _STATEMENTS.split(item.sql)
        made = _try(self._planner, first)
        if made is not None:
            if item.kind == "TABLE" and QualifiedName(item.schema, item.name) in self._tables:
                self._stand_in_table(item, made)
            else:
                self._note(item, made)
            return
        reasons = {reason for text in rest if (reason := _try(self._planner, text)) is not None}
        for reason in sorted(reasons):
            self._note(item, f"created without a detail: {reason}")

    def _stand_in_table(self, item: SchemaObject, reason: str) -> None:
        table = self._tables.get(QualifiedName(item.schema, item.name))
        if table is None:
            self._note(item, reason)
            return
        columns = [self._column(column) for column in table.columns]
        error = _try(self._planner, _create_table(table, [text for text, _ in columns]))
        if error is not None:
            self._note(item, f"{reason}; {error}")
            return
        replaced = sorted({missing for _, missing in columns if missing})
        self._note(item, reason if not replaced else f"stand-in types for {', '.join(replaced)}: {reason}")

    def _column(self, column: Column) -> tuple[str, str | None]:
        known = self._planner.value("SELECT to_regtype(%s) IS NOT NULL", [column.type])
        kind = column.type if known else _STAND_IN_TYPES.get(column.base_type, "bytea")
        return f"{quote_identifier(column.name)} {kind}{' NOT NULL' if column.not_null else ''}", (
            None if known else column.type
        )

    def _stand_in_routine(self, item: SchemaObject, error: str) -> None:
        """A routine that plans but cannot run: evaluating it fails the plan instead of giving a wrong one."""
        language = _LANGUAGE.search(item.sql)
        body = "\n    AS $indexpilot$BEGIN RAISE 'the function is a stand-in on the twin'; END$indexpilot$;"
        text = _BODY.sub(lambda _: body, item.sql)
        if language is None or text == item.sql:
            self._note(item, error)
            return
        text = _LANGUAGE.sub(" LANGUAGE plpgsql", text, count=1)
        text = re.sub(r"\n    SET [^\n]*|\sSUPPORT [\w.]+|\sLEAKPROOF", "", text)
        failed = _try(self._planner, text)
        self._note(item, error if failed else f"a stand-in that cannot be evaluated: {error}")

    def _leave_out(self, item: SchemaObject) -> None:
        # Policies that the catalog knows stand in the statements themselves; without row security they are in no plan.
        if item.kind == "ROW SECURITY" and not self._policies:
            self._note(item, "the twin plans as the owner, who is not subject to row security")

    def _note(self, item: SchemaObject, reason: str) -> None:
        name = str(QualifiedName(item.schema, item.name)) if item.schema and item.name else item.name
        found = NotModelled(name, item.kind, reason)
        if found not in self.not_modelled:
            self.not_modelled.append(found)


def build(builder: Builder, objects: Iterable[SchemaObject]) -> Iterator[SchemaObject]:
    """Create the objects in their order, giving each after its turn."""
    todo = iter(objects)
    while batch := [_without_counts(item) for item in islice(todo, _TOGETHER)]:
        whole = builder.create_together(batch)
        for item in batch:
            if not whole:
                builder.create(item)
            yield item


def _without_counts(item: SchemaObject) -> SchemaObject:
    return replace(item, sql=_COUNTED.sub("", item.sql)) if "pg_attver" in item.sql else item


def _create_table(table: Table, columns: list[str]) -> str:
    text = f"CREATE TABLE {table.name} ({', '.join(columns)})"
    if table.kind == "p" and table.partition_key:
        text += f" PARTITION BY {table.partition_key}"
    return text


def _try(session: Session, text: str) -> str | None:
    """The server's refusal, or None."""
    try:
        session.rows(text)
    except AnsweredError as error:
        return error.detail or error.message
    return None


def _try_one(session: Session, text: str) -> str | None:
    try:
        session.execute(text)
    except AnsweredError as error:
        return error.detail or error.message
    return None
