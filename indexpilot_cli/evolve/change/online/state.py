"""How far an online change has come, and what hangs on its column: questions that no other change asks."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.db.session import Row, Session


@dataclass(frozen=True, slots=True)
class OnlineState:
    """How far a change has come. ``original`` is the name of the column that was there first, None when it is gone.

    ``valid`` and ``unvalidated`` are names of constraints, ``inbound`` foreign keys of others as schema.table.name,
    ``not_null`` of columns, ``tagged`` of columns that carry
    the change's comment; ``statistics`` are schema.name. ``following``: the trigger is there. ``blocks`` is the
    table's length in pages.
    """

    original: str | None
    columns: frozenset[str]
    valid: frozenset[str]
    unvalidated: frozenset[str]
    inbound: frozenset[str]
    inbound_valid: frozenset[str]
    not_null: frozenset[str]
    tagged: frozenset[str]
    statistics: frozenset[str]
    following: bool
    blocks: int


def where(session: Session, relid: int, attnum: int, trigger: str, tag: str) -> OnlineState | None:
    """The change's footprints in the catalog now, None when the table is gone."""
    row = session.one("online/where", {"relid": relid, "attnum": attnum, "trigger": trigger, "tag": tag})
    if row is None:
        return None
    sets = {name: frozenset(getattr(row, name)) for name in _SETS}
    return OnlineState(original=row.original, following=row.following, blocks=int(row.blocks), **sets)


def table_facts(session: Session, relid: int) -> Row:
    """The table's row of the question."""
    row = session.one("online/table", {"relid": relid})
    assert row is not None
    return row


def obstacles(session: Session, relid: int, attnum: int) -> tuple[str, ...]:
    """Descriptions of what refers to the column and cannot follow it."""
    return tuple(row.what for row in session.rows("online/obstacles", {"relid": relid, "attnum": attnum}))


def followers(session: Session, relid: int, attnum: int) -> frozenset[str]:
    """Names of the indexes, constraints and statistics objects that hang on the column."""
    return frozenset(row.name for row in session.rows("online/followers", {"relid": relid, "attnum": attnum}))


def inbound(session: Session, relid: int, attnum: int) -> list[Row]:
    """Foreign keys that refer to the column; names in definitions have their schemas."""
    with session.transaction():
        session.value("SELECT pg_catalog.set_config('search_path', '', true)")
        return session.rows("online/inbound", {"relid": relid, "attnum": attnum})


def not_null_name(session: Session, relid: int, column: str) -> str | None:
    """The name of the column's NOT NULL constraint, None where the server has none (before 18)."""
    found: str | None = session.value("online/not_null_name", {"relid": relid, "name": column})
    return found


_SETS = ("columns", "valid", "unvalidated", "inbound", "inbound_valid", "not_null", "tagged", "statistics")
