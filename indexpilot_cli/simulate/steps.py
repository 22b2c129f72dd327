"""SQL files cut into named steps: ``-- step NAME words...`` opens one, and it lasts to the next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

_HEADER = re.compile(r"^-- step +(?P<head>.+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_END = re.compile(r";[ \t]*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class SqlStep:
    """A named piece of SQL. ``words`` are the rest of its header line; statements end where a line ends in ``;``."""

    name: str
    words: tuple[str, ...]
    statements: tuple[str, ...]


def load(file: str) -> tuple[SqlStep, ...]:
    """The steps of ``simulate/sql/<file>.sql``, in the order of the file."""
    return cut(files("indexpilot_cli.simulate").joinpath("sql", f"{file}.sql").read_text(encoding="utf-8"))


def named(file: str) -> dict[str, SqlStep]:
    """The steps of a file by name."""
    return {step.name: step for step in load(file)}


def cut(text: str) -> tuple[SqlStep, ...]:
    """The steps of a text; whatever stands before the first header is left out."""
    parts = _HEADER.split(text)[1:]
    return tuple(_step(head, body) for head, body in zip(parts[::2], parts[1::2], strict=True))


def _step(head: str, body: str) -> SqlStep:
    name, *words = head.split()
    statements = (part.strip() for part in _END.split(_COMMENT.sub("", body)))
    return SqlStep(name, tuple(words), tuple(s for s in statements if s))
