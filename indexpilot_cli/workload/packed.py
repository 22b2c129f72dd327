"""A log file as lines of text, packed or not, in whatever encoding."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, TextIO, cast

from indexpilot_cli.errors import UsageError

UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what reading a broken file raises
SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
_ZSTD = b"\x28\xb5\x2f\xfd"
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", _ZSTD)
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
            except (EOFError, zlib.error, lzma.LZMAError):
                return ""  # told when it is read whole
    raw = _bytes_of(source)
    if raw is not None:
        return _decoded(io.BytesIO(raw.peek(_HEAD)), b"").read()
    if not source.seekable():
        return ""
    place = source.tell()
    begun = source.read(_HEAD)
    source.seek(place)
    return begun


def is_packed(stream: TextIO) -> bool:
    """Whether standard input begins like a packed file."""
    raw = _bytes_of(stream)
    return raw is not None and raw.peek(8).startswith(_PACKED)


@contextmanager
def _text(file: io.BufferedReader) -> Iterator[io.TextIOWrapper]:
    head = file.peek(_HEAD)[:_HEAD]
    if head.startswith(_ZSTD):
        with _zstd(file) as unpacked:
            yield _decoded(unpacked, b"")
    elif head.startswith(b"\x1f\x8b"):
        yield _buffered(gzip.GzipFile(fileobj=file))
    elif head.startswith(b"BZh"):
        yield _buffered(bz2.BZ2File(file))
    elif head.startswith(b"\xfd7zXZ\x00"):
        yield _buffered(lzma.LZMAFile(file))  # noqa: SIM115 - the file below is closed
    else:
        yield _decoded(file, head)


def _buffered(unpacked: object) -> io.TextIOWrapper:
    file = io.BufferedReader(cast(io.RawIOBase, unpacked), _CHUNK)
    return _decoded(file, file.peek(2)[:2])


def _decoded(file: IO[bytes], head: bytes) -> io.TextIOWrapper:
    # PowerShell writes what it redirects in UTF-16. One log can hold texts of databases in several encodings: a wrong
    # byte must not end the reading.
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")


@contextmanager
def _zstd(file: BinaryIO) -> Iterator[IO[bytes]]:
    """Unpacked by Python itself from 3.14 on, else by the program."""
    if sys.version_info >= (3, 14):
        yield importlib.import_module("compression.zstd").ZstdFile(file)
        return
    program = shutil.which("zstd")
    if program is None:
        raise UsageError(
            "a .zst file needs the program zstd, or Python 3.14", hint="zstd -d FILE  and read what it makes"
        )
    command = [program, "-dcq"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        # The file has been read into already, so it cannot be handed over: a thread passes it on.
        threading.Thread(target=_pass_on, args=(file, run.stdin), daemon=True).start()
        try:
            assert run.stdout is not None
            yield run.stdout
            if run.wait():
                raise OSError("zstd cannot unpack it")
        finally:
            run.kill()


def _pass_on(file: BinaryIO, pipe: IO[bytes]) -> None:
    # The program ends early when the data are broken or nobody reads on; its exit code says which.
    with suppress(OSError, ValueError), pipe:
        shutil.copyfileobj(file, pipe, _CHUNK)


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
