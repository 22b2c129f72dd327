"""Where the host's functions work: the process's pool, and the schema our tables are in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from indexpilot_cli.core.names import split_table
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log.borrowed import pool_session
from indexpilot_cli.log.room import SCHEMA, checked_schema


@dataclass
class _Place:
    schema: str = SCHEMA
    forgetful: list[Callable[[], None]] = field(default_factory=list)


_place = _Place()


def set_metadata_schema(name: str) -> None:
    """Use another schema for our tables from now on. Raises UsageError for a name no schema can have."""
    _place.schema = checked_schema(name)
    schema_changed()


def metadata_schema() -> str:
    """The schema our tables are in."""
    return _place.schema


@contextmanager
def session(*, statement_timeout_ms: int = 60_000, lock_timeout_ms: int = 5_000) -> Iterator[Session]:
    """A session of the host's pool in one transaction."""
    with pool_session(statement_timeout_ms=statement_timeout_ms, lock_timeout_ms=lock_timeout_ms) as opened:
        yield opened


def checked_name(name: object, what: str) -> str:
    """The name, when an identifier can be called so. Raises UsageError otherwise."""
    if isinstance(name, str) and name and "\0" not in name:
        with suppress(UnicodeEncodeError):
            name.encode()
            return name
    raise UsageError(f"not the name of a {what}: {str(name)[:80]!r}", code="bad_name")


def checked_table(typed: str | None) -> tuple[str | None, str | None]:
    """Schema (None: any) and table of a typed name; both None when nothing was given. Raises UsageError."""
    if typed is None:
        return None, None
    schema_name, name = split_table(checked_name(typed, "table"))
    return schema_name, checked_name(name, "table")


def on_schema_change(forget: Callable[[], None]) -> None:
    """Register a cache's way to forget."""
    _place.forgetful.append(forget)


def schema_changed() -> None:
    """Empty every cache that knows names: the genome catalog was changed."""
    for forget in _place.forgetful:
        forget()
