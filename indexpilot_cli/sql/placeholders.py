"""Placeholders of drivers and mappers in a text as the parameters that PostgreSQL knows."""

from __future__ import annotations

import re

# What may hold the same letters and is no placeholder comes first: strings, quoted names, bodies, comments, casts.
_TOKEN = re.compile(
    r"""(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<tag>\$\w*\$).*?(?P=tag)|--[^\n]*|/\*.*?\*/|::|:=|[\])\w]:\d)
    |%\((?P<python>\w+)\)s|\#\{(?P<mybatis>[\w.]+)[^}]*\}|\$\{(?P<template>[\w.]+)\}|\{\{\s*(?P<braces>[\w.]+)\s*\}\}
    |:'(?P<psql>\w+)'|(?<![\w:]):(?P<named>[A-Za-z_]\w*)|(?P<bare>%s|\?)""",
    re.DOTALL | re.VERBOSE,
)
_NUMBERED = re.compile(r"\$\d")


def numbered(text: str) -> str:
    """The text with ``?``, ``%s``, ``%(name)s``, ``:name``, ``:'name'``, ``#{name}``, ``${name}`` and ``{{name}}`` as
    ``$1`` and so on, a name with one number; the same text when it has numbered ones already. For texts that do not
    parse as they are: each of these may be an operator.
    """
    if _NUMBERED.search(text):
        return text
    numbers: dict[str, int] = {}

    def parameter(found: re.Match[str]) -> str:
        if found["kept"] is not None:
            return found["kept"]
        names = (value for key, value in found.groupdict().items() if value and key not in ("kept", "tag", "bare"))
        name = next(names, f"?{found.start()}")
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    return _TOKEN.sub(parameter, text)
