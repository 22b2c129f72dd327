"""Who holds a lock on a table inside an open transaction: a stronger lock waits for it, and everybody behind that.

https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.evolve.review.values import Queue

PATIENCE = 5.0  # seconds from which an open transaction counts


def queues(session: Session, tables: Sequence[QualifiedName], *, older_than: float = PATIENCE) -> tuple[Queue, ...]:
    """Open and prepared transactions on these tables that are at least ``older_than`` seconds old, oldest first.

    A prepared transaction has process id 0 and its identifier as application. What the role may not see of other
    sessions (their user and state) is empty; their age is then unknown and they are left out.
    """
    if not tables:
        return ()
    wanted = {"schemas": [t.schema for t in tables], "names": [t.name for t in tables]}
    known = {r.relid: QualifiedName(r.schema, r.name) for r in session.rows("review/queue_relations", wanted)}
    rows = session.rows("review/queue", {"relids": list(known)}) if known else []
    return tuple(
        Queue(known[r.relid], r.pid, r.user or "", r.application or "", r.seconds, r.state or "")
        for r in rows
        if r.seconds is not None and r.seconds >= older_than
    )
