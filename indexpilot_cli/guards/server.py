"""Guards about the server as a whole: reached directly, writable, its standbys keeping up, ids left."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core import units
from indexpilot_cli.core.facts import ServerFacts, StandbyFacts, TableFacts
from indexpilot_cli.core.verdict import Verdict
from indexpilot_cli.guards.limits import DEFAULT, Limits


def direct_connection(server: ServerFacts) -> Verdict:
    """A pooler that lends backends would lend our locks and settings too."""
    origin = "pg_backend_pid() against the connection's"
    if server.pooled:
        text = "a transaction-mode pooler stands between: connect to the server directly"
        return Verdict("direct_connection", False, text, origin)
    return Verdict("direct_connection", True, f"backend {server.backend_pid} answers itself", origin)


def writable(server: ServerFacts) -> Verdict:
    """A standby and a read-only database take no index."""
    if server.in_recovery:
        return Verdict("writable", False, "the server is a standby: apply on the primary", "pg_is_in_recovery()")
    if server.read_only:
        text = f"database {server.database} is read-only for {server.role}"
        return Verdict("writable", False, text, "default_transaction_read_only")
    return Verdict("writable", True, "the server is a primary and takes writes", "pg_is_in_recovery()")


def replication(standbys: Sequence[StandbyFacts], limits: Limits = DEFAULT) -> Verdict:
    """A build writes all of its pages to the standbys: not while one is far behind."""
    origin = "pg_stat_replication"
    if not standbys:
        return Verdict("replication", True, "no standby is connected", origin)
    hidden = [s for s in standbys if s.seconds is None and s.bytes is None]
    worst = max(standbys, key=lambda s: (_behind(s, limits), s.seconds or 0.0))
    text = f"standby {worst.name} is {_lag_text(worst)} behind"
    if _behind(worst, limits) >= 2:
        return Verdict("replication", False, text, origin, forceable=True)
    if hidden:
        text = f"the lag of {len(hidden)} of {len(standbys)} standbys is hidden from our role (pg_monitor sees it)"
        return Verdict("replication", True, text, origin, warning=True)
    return Verdict("replication", True, text, origin, warning=_behind(worst, limits) == 1)


def _behind(standby: StandbyFacts, limits: Limits) -> int:
    seconds, size = standby.seconds or 0.0, standby.bytes or 0
    if seconds > limits.lag_refuse or size > limits.lag_bytes_refuse:
        return 2
    return int(seconds > limits.lag_warn or size > limits.lag_bytes_warn)


def _lag_text(standby: StandbyFacts) -> str:
    seconds = "" if standby.seconds is None else f"{standby.seconds:.1f} s"
    size = "" if standby.bytes is None else units.size(standby.bytes)
    return " and ".join(part for part in (seconds, size) if part) or "an unknown time"


def wraparound(server: ServerFacts, tables: Sequence[TableFacts], limits: Limits = DEFAULT) -> Verdict:
    """A build holds back the horizon and stands in the way of VACUUM, which must win when ids run out.

    https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
    """
    ages = [(server.xid_age, f"database {server.database}", "pg_database.datfrozenxid")]
    ages += [(server.multixact_age, f"database {server.database} (multixacts)", "pg_database.datminmxid")]
    ages += [(t.xid_age, f"table {t.table.short}", "pg_class.relfrozenxid") for t in tables]
    age, what, origin = max(ages)
    text = f"{what} is {age / 1e6:,.0f} million transactions old"
    if age >= limits.wraparound_refuse:
        return Verdict("wraparound", False, f"{text}: VACUUM first", origin)
    return Verdict("wraparound", True, text, origin, warning=age >= limits.wraparound_warn)
