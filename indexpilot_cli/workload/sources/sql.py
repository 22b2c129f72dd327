"""SQL files as a workload."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.sql.parser import split

_NOTE = re.compile(r"--\s*(?P<key>freq|calls|ms)\s*[:=]\s*(?P<value>\d+(?:\.\d+)?)\b", re.IGNORECASE)
_COMMENT = re.compile(r"\s*(?:--[^\n]*(?:\n|\Z)|/\*.*?\*/)", re.DOTALL)
# Backslash commands of psql; ``\.`` is none, it ends the data of COPY.
_META = re.compile(r"^\\(?!\.)[^\n]*", re.MULTILINE)
_COPY_DATA = re.compile(r"^(?P<copy>\s*COPY\b[^;]*\bFROM\s+stdin\b[^;]*;)[^\n]*\n.*?^\\\.[^\n]*", re.I | re.M | re.S)


def read_sql(paths: Sequence[Path] = (), *, text: str | None = None) -> Workload:
    """The statements of SQL files, of directories (every ``*.sql`` below, by name) and of a text.

    A comment ``-- freq: N`` before a statement (or behind it on its line) says how often it runs, ``-- ms: N``
    how many milliseconds a call takes; otherwise it runs once and no times are known. psql's backslash
    commands and COPY data are ignored. Raises UsageError when a path cannot be read.
    """
    statements: list[ObservedStatement] = []
    for file in chain.from_iterable(map(_files, paths)):
        statements += _statements(_read(file), str(file))
    if text is not None:
        statements += _statements(text, "standard input")
    return Workload(SourceKind.SQL, tuple(statements))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*.sql") if p.is_file())
    if not found:
        raise UsageError(f"no .sql files in {path}")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}", detail=error.strerror or str(error)) from error


def _statements(text: str, name: str) -> Iterator[ObservedStatement]:
    """Statements with their places; notes behind a semicolon go to the statement that it ends."""
    plain = _META.sub("", _COPY_DATA.sub(lambda m: m["copy"] + "\n" * m.group().count("\n"), text))
    last: ObservedStatement | None = None
    for piece in split(plain):
        body = _without_comments(piece.text)
        head = piece.text[: len(piece.text) - len(body)]
        behind, _, before = head.partition("\n") if last is not None else ("", "", head)
        if last is not None:
            yield _noted(last, behind)
        line = plain.count("\n", 0, piece.offset + len(head)) + 1
        last = _noted(ObservedStatement(body.strip(), origin=f"{name}:{line}"), before + body) if body.strip() else None
    if last is not None:
        yield last


def _without_comments(text: str) -> str:
    position = 0
    while match := _COMMENT.match(text, position):
        position = match.end()
    return text[position:].lstrip()


def _noted(observed: ObservedStatement, comment: str) -> ObservedStatement:
    notes = {m["key"].lower(): float(m["value"]) for m in _NOTE.finditer(comment)}
    calls = notes.get("freq", notes.get("calls", observed.calls))
    each = notes.get("ms")
    if each is None and observed.total_ms is not None:
        each = observed.total_ms / observed.calls
    return replace(observed, calls=calls, total_ms=None if each is None else each * calls)
