"""Telling our own statements from the workload, by their text: pg_stat_statements keeps no application name."""

from __future__ import annotations

import re
from functools import cache

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.db import queries

_VALUES = re.compile(
    r"""'(?:[^']|'')*' | \$\d+ | %\(\w+\)s | (?<![\w.])\d+(?:\.\d+)? | \b(?:true|false|null)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_LISTS = re.compile(
    r"\( ?\?(?:::\w+)?(?:, \?(?:::\w+)?)*(?: /\*.*?\*/)? ?\)"
)  # from 18 on the server shortens lists of constants
_SPACE = re.compile(r"\s+")
_ANY_NAME = r'(?:[\\w.]|"[^"]*")+'
_NAMES = re.compile(r"\\\{\w+\\\}")


class Recogniser:
    """Knows every file in ``queries/``, and whatever touches the metadata schema."""

    def __init__(self, metadata_schema: str):
        names = {quote_identifier(metadata_schema), f'"{metadata_schema}"'}
        self._metadata = re.compile("|".join(rf"(?<![\w\"]){re.escape(name)}\." for name in sorted(names)))

    def matches(self, text: str) -> bool:
        """Whether the statement is ours."""
        plain = normalise(text)
        return self._metadata.search(text) is not None or plain in _exact() or _composed().fullmatch(plain) is not None


def normalise(text: str) -> str:
    """The text with one placeholder for every constant, parameter and list of them, on one line."""
    line = _SPACE.sub(" ", _VALUES.sub("?", text))
    return _LISTS.sub("(?)", line).strip().rstrip(";").strip()


@cache
def _exact() -> frozenset[str]:
    return frozenset(text for text in _texts() if "{" not in text)


@cache
def _composed() -> re.Pattern[str]:
    """Queries in which an identifier is filled in."""
    shapes = sorted(_NAMES.sub(_ANY_NAME, re.escape(text)) for text in _texts() if "{" in text)
    return re.compile("|".join(shapes) or r"(?!)")


@cache
def _texts() -> tuple[str, ...]:
    return tuple(normalise(text.replace("%%", "%")) for text in queries.texts())
