"""The questions we ask the server: one file each, in a folder for each capability, with variants for server versions.

The question ``catalog/tables`` is ``catalog/tables.sql`` on every version; ``catalog/tables_pg16.sql`` replaces it from
version 16 on.

Text built in code is of a type of its own: an f-string is no query. This is the one place where other packages get
psycopg's composed text and its adapter for JSON. https://www.psycopg.org/psycopg3/docs/api/sql.html
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal
from psycopg.types.json import Jsonb

from indexpilot_cli.core.workload import OWN_MARK

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["SQL", "Composable", "Composed", "Identifier", "Jsonb", "Literal"]
__all__ += ["composed", "filled", "get", "marked", "raw"]
D = TypeVar("D", bound="DataclassInstance")
_PACKAGE = "indexpilot_cli.db"
_WORD = re.compile(r"\s*(?:--[^\n]*\n\s*)*([A-Za-z]+)")
_FILE = re.compile(r"(?P<name>\w+?)(?:_pg(?P<major>\d+))?\.sql")


def get(name: str, version: int) -> str:
    """The text of the named question for a server version (``server_version_num``, such as 150020).

    Raises KeyError when no file serves that version.
    """
    usable = [major for major in _variants().get(name, {}) if major <= version // 10000]
    if not usable:
        raise KeyError(f"no query {name!r} for version {version}")
    return _text(_variants()[name][max(usable)])


def raw(text: str) -> Composable:
    """The server's own text of an expression, for the server."""
    return SQL(text.replace("{", "{{").replace("}", "}}")).format()


def marked(query: str | Composable) -> str:
    """The text with our mark behind its first word."""
    text = query if isinstance(query, str) else query.as_string()
    word = _WORD.match(text)
    return f"{word[1]} {OWN_MARK}{text[word.end() :]}" if word else text


def filled(kind: type[D], row: Any, **more: Any) -> D:
    """A dataclass of the row's columns that bear its fields' names, and of what is given instead or beside."""
    own = {name: getattr(row, name) for name in kind.__dataclass_fields__ if name not in more and hasattr(row, name)}
    return kind(**own, **more)


@cache
def _variants() -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for folder in files(_PACKAGE).joinpath("queries").iterdir():
        for entry in folder.iterdir() if folder.is_dir() else ():
            match = _FILE.fullmatch(entry.name)
            if match:
                variants = found.setdefault(f"{folder.name}/{match['name']}", {})
                variants[int(match["major"] or 0)] = f"{folder.name}/{entry.name}"
    return found


@cache
def _text(file: str) -> str:
    return files(_PACKAGE).joinpath("queries", file).read_text(encoding="utf-8")


def composed(name: str, version: int, **parts: Composable) -> Composed:
    """The named question for a server version, with the parts in the places of its braces."""
    return SQL(get(name, version)).format(**parts)
