"""CREATE INDEX CONCURRENTLY waits for every transaction with an older snapshot: not behind a long one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.guards.context import Guard, GuardContext, Verdict

# Seconds of a transaction's age. Behind one that is older the build would wait with a half-made index, which every
# write maintains and no query uses.
WARN, REFUSE = 5.0, 60.0
_LISTED = 3


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """A session the build would have to wait for. ``seconds`` is None where the role may not see its age.

    ``relid`` is set when it has written to (or locked) that table, None when only its snapshot stands in the way;
    ``prepared`` is the name of a prepared transaction, which has no process.
    """

    pid: int | None
    seconds: float | None
    user: str = ""
    application: str = ""
    state: str = ""
    relid: int | None = None
    prepared: str = ""


def read(context: GuardContext) -> tuple[TransactionFacts, ...]:
    """Whom a concurrent build on the tables would wait for: snapshots in this database, writers of the tables.

    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    return tuple(
        TransactionFacts(r.pid, r.seconds, r.role or "", r.application or "", r.state or "", r.relid, r.prepared or "")
        for r in context.session.rows("guards/transactions", context.scope)
    )


def judge(found: Sequence[TransactionFacts], tables: Mapping[int, QualifiedName], now: datetime) -> Verdict:
    """By the oldest. A prepared transaction refuses at any age: it has no client that would end it by and by."""
    origin = "pg_stat_activity and pg_locks"
    # The build waits for them one after another and without a timeout of its own, so the oldest sets the time.
    waited = sorted(found, key=lambda t: -(t.seconds or 0.0))
    old = [t for t in waited if t.prepared or (t.seconds or 0.0) >= REFUSE]
    if old:
        text, again = f"the build would wait for {_listed(old, tables)}", now + timedelta(seconds=REFUSE)
        return Verdict("transactions", False, text, origin, retry_at=again, forceable=True)
    slow = [t for t in waited if t.seconds is None or t.seconds >= WARN]
    if slow:
        return Verdict("transactions", True, f"the build may wait for {_listed(slow, tables)}", origin, warning=True)
    oldest = f", the oldest {waited[0].seconds or 0:.1f} s" if waited else ""
    return Verdict("transactions", True, f"{len(waited) or 'no'} transactions to wait for{oldest}", origin)


def _listed(found: Sequence[TransactionFacts], tables: Mapping[int, QualifiedName]) -> str:
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return "; ".join(_told(t, tables) for t in found[:_LISTED]) + more


def _told(fact: TransactionFacts, tables: Mapping[int, QualifiedName]) -> str:
    if fact.prepared:
        name = fact.prepared.replace("'", "''")
        return f"the prepared transaction '{name}' of {fact.user} ({_age(fact.seconds)}): COMMIT or ROLLBACK PREPARED"
    words = [_age(fact.seconds), fact.user, fact.application, fact.state]
    table = tables.get(fact.relid) if fact.relid is not None else None
    words += [f"has locked {table.short}"] if table is not None else []
    return f"pid {fact.pid} ({', '.join(word for word in words if word)})"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "of hidden age (pg_read_all_stats sees it)"
    return f"{seconds:.0f} s old" if seconds < 3600 else f"{seconds / 3600:.1f} h old"


GUARD = Guard("transactions", 9, lambda context: (judge(read(context), context.names, context.now),))
