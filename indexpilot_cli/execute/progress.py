"""How far a running index build is and whom it waits for.

https://www.postgresql.org/docs/current/progress-reporting.html#CREATE-INDEX-PROGRESS-REPORTING
"""

from __future__ import annotations

from indexpilot_cli.core.mutation import BuildProgress
from indexpilot_cli.db.locks import blocker
from indexpilot_cli.db.session import Session


def look(session: Session, pid: int) -> BuildProgress:
    """The build of process ``pid`` at this moment; an empty phase when it has not begun or is over."""
    row = session.one("execute/progress", {"pid": pid})
    assert row is not None
    blockers = tuple(blocker(b) for b in session.rows("execute/blockers", {"pid": pid}))
    return BuildProgress(row.phase, row.share, row.index_oid, row.waits_for_table, blockers)
