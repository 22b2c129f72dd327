"""What a REINDEX CONCURRENTLY that was stopped leaves behind, recognised by structure.

It builds a second index under another name, swaps the two, and drops the old one: stopped before the swap it leaves the
new one (``_ccnew``), stopped after it the old one (``_ccold``), in either case invalid and maintained by every write.
https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY
"""

from __future__ import annotations

import re
from collections.abc import Collection

from indexpilot_cli.core.mutation import Event, IndexFacts, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.execute import build
from indexpilot_cli.execute.build import is_usable
from indexpilot_cli.methods.existing import same_structure

_LEFT = re.compile(r"(?P<stem>.*)_cc(?:new|old)\d*", re.DOTALL)


def is_reindex(event: Event) -> bool:
    """Whether the operation rebuilds an index that is there."""
    return event.kind is OperationKind.REINDEX


def leftovers(session: Session, index: QualifiedName, relid: int, known: Collection[int] = ()) -> list[IndexFacts]:
    """Indexes of the table that a rebuilding of ``index`` left; ``known`` are oids of those that were there before."""
    own = build.indexes_of(session, relid)
    model = next((i.definition for i in own if i.name == index), None)
    return [
        i
        for i in own
        if not is_usable(i)
        and i.oid not in known
        and _named_after(i.name, index)
        and (model is None or i.definition is None or same_structure(i.definition, model))
    ]


def _named_after(name: QualifiedName, index: QualifiedName) -> bool:
    """The server cuts the index's name so that the suffix fits into 63 bytes."""
    found = _LEFT.fullmatch(name.name)
    return found is not None and name.schema == index.schema and index.name.startswith(found["stem"])


def known_before(event: Event) -> frozenset[int]:
    """Oids of what earlier rebuildings had left when this one began."""
    before = event.details.get("left_before")
    return frozenset(int(oid) for oid in before) if isinstance(before, list) else frozenset()


def subject(session: Session, event: Event) -> IndexFacts | None:
    """The index an operation is to be judged by: of a rebuilding what it left, else the index of its name."""
    left = leftovers(session, event.index, event.relid, known_before(event)) if is_reindex(event) else []
    return left[0] if left else build.find_index(session, event.index)
