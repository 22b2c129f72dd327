"""Plans of recorded queries on a copy of the clone whose tables have their real sizes.

The copy is made by the superuser, who only writes catalogs and files there; planning is the untrusted role's, since
a planner runs immutable functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.model.rehearsal import Priced, Rehearsed
from indexpilot_cli.postgres.plans import explain_text
from indexpilot_cli.postgres.session import Session
from indexpilot_cli.postgres.shapes import walk
from indexpilot_cli.twin.clone_sizes import migrated, read_names
from indexpilot_cli.twin.layout import read_layout
from indexpilot_cli.twin.statistics import put_sizes, put_statistics
from indexpilot_cli.twin.storage import Storage
from indexpilot_cli.twin.values import Snapshot


class PlanHost(Protocol):
    """The server of a clone, as far as planning needs it."""

    def superuser(self, database: str | None = None) -> Session:
        """A session that may change catalogs and runs nothing of anybody else's."""
        ...

    def untrusted(self, database: str) -> Session:
        """A session of the role that ran the migration."""
        ...

    def duplicate(self, source: str, name: str) -> Storage:
        """A copy of a database under another name, and where its files are."""
        ...


def price(
    host: PlanHost, snapshot: Snapshot, source: str, queries: Sequence[Rehearsed], *, origin: str
) -> tuple[Priced, ...]:
    """Cost and indexes of each query in database ``source`` as if its tables were full.

    ``origin`` is the database as it was before the migration (``source`` itself for the state before).
    """
    name = f"{source}_full"
    storage = host.duplicate(source, name)
    with host.superuser(origin) as admin:
        before = read_names(admin)
    with host.superuser(name) as admin:
        now = migrated(snapshot, before, read_names(admin))
        put_sizes(admin, now.sizes, now.server.version_num)
        put_statistics(admin, now.statistics)
        files, _ = read_layout(admin, now)
    for file in files:
        if file.pages:
            storage.write(file)
    with host.untrusted(name) as planner:
        return tuple(_price(planner, query) for query in queries)


def _price(planner: Session, query: Rehearsed) -> Priced:
    total, indexes = 0.0, set[str]()
    for statement, weight in zip(query.statements, query.weights or (1.0,) * len(query.statements), strict=True):
        try:
            plan = explain_text(planner, statement)
        except UnreachableError:
            raise
        except IndexPilotError:
            return Priced(None)
        total += weight * float(plan["Total Cost"])
        indexes |= {str(node["Index Name"]) for node in walk(plan) if "Index Name" in node}
    return Priced(total, frozenset(indexes))
