"""A pooler that lends backends would lend our locks and settings too."""

from __future__ import annotations

from indexpilot_cli.guards.context import Guard, ServerFacts, Verdict


def judge(server: ServerFacts) -> Verdict:
    """Whether the backend that answers is the one the connection was made to.

    In transaction mode each statement may meet another backend; a SET or an advisory lock stays with the one it met.
    """
    origin = "pg_backend_pid() against the connection's"
    if server.pooled:
        text = "a transaction-mode pooler stands between: connect to the server directly"
        return Verdict("direct_connection", False, text, origin)
    return Verdict("direct_connection", True, f"backend {server.backend_pid} answers itself", origin)


GUARD = Guard("direct_connection", 13, lambda context: (judge(context.server),), each_index=False)
