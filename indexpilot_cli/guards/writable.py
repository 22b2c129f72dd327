"""A standby and a read-only database take no index."""

from __future__ import annotations

from indexpilot_cli.guards.context import Guard, ServerFacts, Verdict


def judge(server: ServerFacts) -> Verdict:
    """Whether the server takes writes. A standby has to be asked: advisory locks and SET succeed on it all the same."""
    if server.in_recovery:
        return Verdict("writable", False, "the server is a standby: apply on the primary", "pg_is_in_recovery()")
    # What the role or the database gives every new session; the one that looks is read-only by its own doing.
    if server.read_only:
        text = f"database {server.database} is read-only for {server.role}"
        return Verdict("writable", False, text, "default_transaction_read_only")
    return Verdict("writable", True, "the server is a primary and takes writes", "pg_is_in_recovery()")


GUARD = Guard("writable", 14, lambda context: (judge(context.server),), each_index=False)
