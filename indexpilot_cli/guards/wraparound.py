"""A build holds back the horizon and stands in the way of VACUUM, which must win when ids run out."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.guards.context import Guard, GuardContext, ServerFacts, TableFacts, Verdict

# Transactions. The second is 70 % of the two thousand million ids there are, after which the server takes no writes.
# https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
WARN, REFUSE = 1_000_000_000, 1_500_000_000


def judge(server: ServerFacts, tables: Sequence[TableFacts], *, builds: bool = True) -> Verdict:
    """By the oldest of the database and the tables, in transactions and in multixacts.

    ``builds`` False: a plan that only vacuums and analyzes is the cure, not in its way.
    """
    ages = [(server.xid_age, f"database {server.database}", "pg_database.datfrozenxid")]
    ages += [(server.multixact_age, f"database {server.database} (multixacts)", "pg_database.datminmxid")]
    ages += [(t.xid_age, f"table {t.table.short}", "pg_class.relfrozenxid") for t in tables]
    age, what, origin = max(ages)
    text = f"{what} is {age / 1e6:,.0f} million transactions old"
    if age >= REFUSE and builds:
        return Verdict("wraparound", False, f"{text}: VACUUM first", origin)
    return Verdict("wraparound", True, text, origin, warning=age >= WARN)


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    builds = bool(context.request.operations) or context.request.plan is None
    return (judge(context.server, context.tables, builds=builds),)


GUARD = Guard("wraparound", 10, _ask)
