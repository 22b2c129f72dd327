"""Whether an error on the clone would happen in production too, or only says what the clone is not."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from indexpilot_cli.core.observation import SqlError

_ROLE = re.compile(r'role "(.*)" does not exist', re.DOTALL)
# Of the whole server, or outside of the copied schema: that the clone lacks it says nothing about production.
_UNKNOWN_HERE = re.compile(
    r"(?:tablespace|server|foreign-data wrapper|publication|subscription|event trigger|language|database|collation) "
    r'"?.*"? (?:for encoding ".*" )?does not exist|user mapping for ".*" does not exist',
    re.DOTALL,
)
_EXTENSION = re.compile(r'extension ".*" (?:is not available|does not exist|must be installed)|required extension')
_EXTENSION_NAME = re.compile(r'extension "([^"]*)"')
# What cannot be modelled may have a plain table in its place; statements for its real kind then get 42809.
_WRONG_KIND = re.compile(r'"(.*)" is not a (?:foreign table|materialized view|view)', re.DOTALL)
# 55000 is also a fault of the file's own; only these texts speak of how the sandbox is set (wal_level minimal, no
# slots, no prepared transactions).
_SETTING = re.compile(r"prepared transactions are disabled|wal_level|max_replication_slots|replication slots can only")
# 42501: the role that migrates production may have the right that the sandbox's role lacks. 57014: our own time limit
# cancels so.
_NOT_HERE = {
    "42501": "the sandbox's role may not do this: {message}",
    "57014": "it was cancelled: {message}",
}
# What only empty tables cause: no parent row, no row found, an assertion of the author's own.
_EMPTY = {"23503", "P0001", "P0002", "P0004"}
# Over empty tables a scalar subquery is NULL (23502) and a count is 0 (22012 when something is divided by it); out of
# constants alone the same errors come in production as well.
_SUBSELECT = re.compile(r"\b(?:select|table|do|call)\b", re.IGNORECASE)
_QUOTED_NAME = re.compile(r'"([^"]+)"')
# Undefined function, object (type, role, tablespace), table, column, schema.
_MISSING = {"42883", "42704", "42P01", "42703", "3F000"}
_LATER = {"42601", "0A000", "42883", "22023", "42704"}
_PRESENT = {"42P07", "42701", "42710", "42P06", "42723"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the clone lacks: extensions it could not install, relations that only stand in for something else.

    ``available`` are the extensions that the source could install and ``roles`` those it has, empty when nobody
    knows. ``older`` says that the clone is of an older version than the source, in words, or nothing.
    """

    extensions: tuple[str, ...] = ()
    stand_ins: Collection[str] = frozenset()
    available: Collection[str] = frozenset()
    roles: Collection[str] = frozenset()
    older: str = ""


def missing_role(error: SqlError) -> str | None:
    """The role a statement asked for in vain."""
    match = _ROLE.fullmatch(error.message) if error.sqlstate in ("42704", "22023") else None
    return match[1] if match else None


def refuses_transaction(error: SqlError) -> bool:
    """Whether the statement does not run inside a transaction block (or ends one itself)."""
    # 25001: VACUUM and everything CONCURRENTLY; 2D000: a procedure or block that commits.
    return error.sqlstate in ("25001", "2D000")


def is_missing(error: SqlError) -> bool:
    """Whether something the statement names is not there."""
    return error.sqlstate in _MISSING


def is_there(error: SqlError) -> bool:
    """Whether something the statement makes is there already."""
    return error.sqlstate in _PRESENT


def excuse(error: SqlError, text: str, around: Surroundings) -> str | None:
    """Why the error says nothing about production; None when production would answer the same."""
    state, message = error.sqlstate, error.message
    if _lacks_it_too(error, around):
        return None
    if state in _NOT_HERE:
        return _NOT_HERE[state].format(message=message)
    if state in _EMPTY or (state in ("23502", "22012") and _SUBSELECT.search(text)):
        return f"it fails on empty tables ({state}: {message}); the real rows decide"
    # Syntax, options and functions that came later.
    if around.older and state in _LATER:
        return f"{around.older}: {message}"
    # Resources, system errors, internal errors, configuration files, the operator: limits of the sandbox show so.
    if state[:2] in ("53", "58", "XX", "F0", "57"):
        return f"the sandbox ended it ({state}: {message})"
    if state == "0A000" and _EXTENSION.search(message):
        return f"the sandbox lacks it: {message}"
    if state in ("42704", "3D000") and (_UNKNOWN_HERE.search(message) or _EXTENSION.search(message)):
        return f"the clone does not have it: {message}"
    if state == "55000" and _SETTING.search(message):
        return f"the sandbox's server is set differently: {message}"
    return _excused_by_surroundings(error, around)


def _lacks_it_too(error: SqlError, around: Surroundings) -> bool:
    """Whether the error asks for an extension that the source does not have either."""
    match = _EXTENSION_NAME.search(error.message) if _EXTENSION.search(error.message) else None
    return bool(around.available) and match is not None and match[1] not in around.available


def _excused_by_surroundings(error: SqlError, around: Surroundings) -> str | None:
    # What the clone could not model is unknown, not absent: the role may not see it, or it could not be made here.
    named = {name.rpartition(".")[2] for name in _QUOTED_NAME.findall(error.message)}
    unknown = sorted(named & set(around.stand_ins)) if error.sqlstate in _MISSING else ()
    if unknown:
        return f"the clone could not be given {unknown[0]}: {error.message}"
    # Types, operators and functions go with their extension, and the message does not name it.
    if around.extensions and error.sqlstate in _MISSING:
        missing = ", ".join(around.extensions)
        return f"it may need an extension the clone lacks ({missing}): {error.message}"
    match = _WRONG_KIND.fullmatch(error.message) if error.sqlstate == "42809" else None
    if match and match[1] in around.stand_ins:
        return f"a stand-in is in its place on the clone: {error.message}"
    return None
