"""Guards about each table: who else works on it, who would be waited for, and whether it is ours to index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from indexpilot_cli.core.facts import LockFacts, ServerFacts, TableFacts, Target, TransactionFacts, VacuumFacts
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.verdict import Verdict
from indexpilot_cli.guards.limits import DEFAULT, Limits
from indexpilot_cli.settings.sections import LockManagerSettings

_KINDS = frozenset("rmp")
_LISTED = 3


def privileges(server: ServerFacts, tables: Sequence[TableFacts], targets: Sequence[Target]) -> tuple[Verdict, ...]:
    """CREATE INDEX needs the table's owner (or a member of it) and CREATE on its schema and tablespace.

    https://www.postgresql.org/docs/current/sql-createindex.html
    """
    known = {t.relid: t for t in tables}
    found = [_missing(target) for target in targets if target.relid not in known]
    found += [verdict for table in tables for verdict in _rights(server, table)]
    if not server.may_use_tablespace:
        text = f"no CREATE on tablespace {quote_identifier(server.tablespace)} for {quote_identifier(server.role)}"
        found.append(Verdict("privileges", False, text, "has_tablespace_privilege()"))
    if found:
        return tuple(dict.fromkeys(found))
    tables_text = "the table" if len(tables) == 1 else f"{len(tables)} tables"
    return (Verdict("privileges", True, f"{server.role} may create indexes on {tables_text}", "pg_class.relowner"),)


def _missing(target: Target) -> Verdict:
    text = f"{target.table.short} (oid {target.relid}) is not there any more"
    return Verdict("privileges", False, text, "pg_class", table=target.table)


def _rights(server: ServerFacts, table: TableFacts) -> Sequence[Verdict]:
    role, found = quote_identifier(server.role), []
    if table.kind not in _KINDS:
        text = f"{table.table.short} is of kind {table.kind}, which takes no index"
        found.append(Verdict("privileges", False, text, "pg_class.relkind", table=table.table))
    if not table.owned:
        text = f"{role} does not own {table.table.short}; GRANT {quote_identifier(table.owner)} TO {role};"
        found.append(Verdict("privileges", False, text, "pg_class.relowner", table=table.table))
    if not table.may_create:
        schema = quote_identifier(table.table.schema)
        text = f"no CREATE on schema {schema}; GRANT CREATE ON SCHEMA {schema} TO {role};"
        found.append(Verdict("privileges", False, text, "has_schema_privilege()", table=table.table))
    return found


def lock(
    settings: LockManagerSettings, locks: Sequence[LockFacts], tables: Mapping[int, QualifiedName]
) -> tuple[Verdict, ...]:
    """One build per table at a time, ours or anybody's: two of them on one table deadlock. Other locks warn."""
    if not settings.enabled:
        return (Verdict("lock", True, "the lock manager is off", "production_safeguards.lock_manager.enabled"),)
    if not locks:
        return (Verdict("lock", True, "no other run, no other build", "pg_locks"),)
    worst: dict[tuple[int, int], LockFacts] = {}
    for held in locks:
        known = worst.setdefault((held.relid, held.pid), held)
        worst[held.relid, held.pid] = max(known, held, key=lambda one: (one.ours, one.building))
    return tuple(_held(settings, held, tables.get(held.relid)) for held in worst.values())


def _held(settings: LockManagerSettings, held: LockFacts, table: QualifiedName | None) -> Verdict:
    place = table.short if table is not None else "the table"
    who = f"pid {held.pid}" + "".join(f", {word}" for word in (held.user, held.application) if word)
    if held.ours and held.idle_seconds is not None and held.idle_seconds > settings.stale_lock_seconds:
        text = (
            f"another run ({who}) holds {place} and has done nothing for {held.idle_seconds:.0f} s; "
            f"if it is dead: SELECT pg_terminate_backend({held.pid});"
        )
    elif held.ours:
        text = f"another run ({who}) is working on {place}"
    elif held.building:
        text = f"somebody else ({who}) is building an index on {place}"
    else:
        text = f"{who} holds {held.mode} on {place}: the build waits for it as long as the lock timeout lets it"
    allowed = not (held.ours or held.building)
    return Verdict("lock", allowed, text, "pg_locks", warning=allowed, table=table)


def transactions(
    found: Sequence[TransactionFacts], tables: Mapping[int, QualifiedName], now: datetime, limits: Limits = DEFAULT
) -> Verdict:
    """CREATE INDEX CONCURRENTLY waits for every transaction with an older snapshot: not behind a long one."""
    origin = "pg_stat_activity and pg_locks"
    waited = sorted(found, key=lambda t: -(t.seconds or 0.0))
    old = [t for t in waited if t.prepared or (t.seconds or 0.0) >= limits.transaction_refuse]
    if old:
        text = f"the build would wait for {_listed(old, tables)}"
        return Verdict(
            "transactions",
            False,
            text,
            origin,
            retry_at=now + timedelta(seconds=limits.transaction_refuse),
            forceable=True,
        )
    slow = [t for t in waited if t.seconds is None or t.seconds >= limits.transaction_warn]
    if slow:
        return Verdict("transactions", True, f"the build may wait for {_listed(slow, tables)}", origin, warning=True)
    oldest = f", the oldest {waited[0].seconds or 0:.1f} s" if waited else ""
    return Verdict("transactions", True, f"{len(waited) or 'no'} transactions to wait for{oldest}", origin)


def _listed(found: Sequence[TransactionFacts], tables: Mapping[int, QualifiedName]) -> str:
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return "; ".join(_transaction(t, tables) for t in found[:_LISTED]) + more


def _transaction(fact: TransactionFacts, tables: Mapping[int, QualifiedName]) -> str:
    if fact.prepared:
        name = fact.prepared.replace("'", "''")
        return f"the prepared transaction '{name}' of {fact.user} ({_age(fact.seconds)}): COMMIT or ROLLBACK PREPARED"
    words = [f"pid {fact.pid}", _age(fact.seconds), fact.user, fact.application, fact.state]
    table = tables.get(fact.relid) if fact.relid is not None else None
    words += [f"has locked {table.short}"] if table is not None else []
    return " (".join([words[0], ", ".join(w for w in words[1:] if w)]) + ")"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "of hidden age (pg_read_all_stats sees it)"
    return f"{seconds:.0f} s old" if seconds < 3600 else f"{seconds / 3600:.1f} h old"


def vacuum(tables: Sequence[TableFacts]) -> tuple[Verdict, ...]:
    """A VACUUM and a build exclude one another on a table; an ordinary autovacuum gives way."""
    busy = [(t.table, t.vacuum) for t in tables if t.vacuum is not None]
    if not busy:
        return (Verdict("vacuum", True, "no VACUUM is running on the tables", "pg_stat_progress_vacuum"),)
    return tuple(_vacuum(table, fact) for table, fact in busy)


def _vacuum(table: QualifiedName, fact: VacuumFacts) -> Verdict:
    gives_way = fact.automatic and not fact.wraparound
    kind = "autovacuum" if fact.automatic else "VACUUM"
    since = "" if fact.seconds is None else f", {fact.seconds:.0f} s so far"
    phase = f", {fact.phase}" if fact.phase else ""
    end = " against wraparound" if fact.wraparound else ("; the build will cancel it" if gives_way else "")
    text = f"{kind} (pid {fact.pid}{phase}{since}) is working on {table.short}{end}"
    return Verdict("vacuum", gives_way, text, "pg_stat_progress_vacuum", warning=gives_way, table=table, forceable=True)
