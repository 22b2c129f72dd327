"""The catalog of a clone as values that can be compared, read inside the session that is watched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogObject
from indexpilot_cli.db import queries as sql

BOUND = ("clone/relations", "clone/columns", "clone/constraints", "clone/indexes", "clone/attached")
FREE = ("clone/free",)

Texts = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class KnownObject:
    """An object and the oid of the relation it belongs to; 0 for what stands by itself."""

    object: CatalogObject
    relation: int


def questions(version: int, relations: Iterable[int] | None, *, free: bool) -> list[str]:
    """The questions for the objects of these relations (None: of all), and with ``free`` for everything else."""
    wanted = "NULL" if relations is None else "'{" + ",".join(str(int(oid)) for oid in sorted(relations)) + "}'"
    names = BOUND + (FREE if free else ())
    return [sql.get(name, version).replace("{relations}", wanted) for name in names]


def known_object(row: Texts) -> KnownObject:
    """A row of any of the questions."""
    kind, identity, relation, path, table, definition, facts = row
    read = json.loads(facts or "{}")
    return KnownObject(
        CatalogObject(
            kind=kind or "",
            identity=identity or "",
            path=tuple(json.loads(path or "[]")),
            definition=definition or "",
            table=QualifiedName(*json.loads(table)) if table else None,
            facts=tuple((name, _fact(value)) for name, value in sorted(read.items())),
        ),
        int(relation or 0),
    )


def _fact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
