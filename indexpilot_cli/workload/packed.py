"""A log file as lines of text, packed or not, in whatever encoding."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from indexpilot_cli.core.files import MARKS, UNREADABLE, begins_with, unpacked

_HEAD = 4096  # bytes that tell how a file is packed and written
_CHUNK = 1 << 20
_LONGEST_LINE = 16 * 1024 * 1024


@contextmanager
def opened(source: Path | TextIO) -> Iterator[TextIO]:
    """The text of a file or a stream, unpacked by what it begins with and not by its name.

    Raises one of ``UNREADABLE`` as the reading goes on, UsageError where this machine cannot unpack it.
    """
    if isinstance(source, Path):
        with source.open("rb") as file, _text(file) as text:
            yield text
        return
    raw = _bytes_of(source)
    if raw is None:
        yield source
        return
    with _text(raw) as text:
        yield text
        text.detach()  # or it would close standard input, which may be asked again


def _bytes_of(stream: TextIO) -> io.BufferedReader | None:
    """Standard input has its bytes, a text in memory has none."""
    raw = getattr(stream, "buffer", None)
    return raw if isinstance(raw, io.BufferedReader) else None


def begin_of(source: Path | TextIO) -> str:
    """Some of the text that a file or standard input begins with; it can still be read whole."""
    if isinstance(source, Path):
        with opened(source) as text:
            try:
                return text.read(_HEAD)
            except UNREADABLE:
                return ""  # told when it is read whole
    raw = _bytes_of(source)
    if raw is not None:
        head = raw.peek(_HEAD)
        return _decoded(io.BytesIO(begins_with(head, _HEAD) if head.startswith(MARKS) else head), b"").read()
    if not source.seekable():
        return ""
    place = source.tell()
    begun = source.read(_HEAD)
    source.seek(place)
    return begun


@contextmanager
def _text(file: io.BufferedReader) -> Iterator[io.TextIOWrapper]:
    with unpacked(file) as stream:
        yield _decoded(stream, stream.peek(2)[:2] if isinstance(stream, io.BufferedReader) else b"")


def _decoded(file: IO[bytes], head: bytes) -> io.TextIOWrapper:
    # PowerShell writes what it redirects in UTF-16. One log can hold texts of databases in several encodings: a wrong
    # byte must not end the reading.
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")


def lines(stream: TextIO) -> Iterator[str]:
    """The lines without their ends. One that does not end (a disk image, say) comes in pieces: it must not be read into
    memory as one.
    """
    rest = ""
    while chunk := stream.read(_CHUNK):
        *whole, rest = (rest + chunk).split("\n")
        for line in whole:
            yield line[:-1] if line.endswith("\r") else line
        if len(rest) > _LONGEST_LINE:
            yield rest
            rest = ""
    if rest:
        yield rest.rstrip("\r")
