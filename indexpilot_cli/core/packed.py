"""Packed files: gzip, bzip2, xz and zstd, known by what they begin with and not by their names."""

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
from typing import IO, BinaryIO, cast

from indexpilot_cli.errors import UsageError

UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what reading a broken file raises
SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
MARKS = (GZIP, _BZIP2, _XZ, _ZSTD)
_CHUNK = 1 << 20


@contextmanager
def unpacked(file: io.BufferedReader) -> Iterator[IO[bytes]]:
    """The bytes that were packed, as they are read; those of the file itself where it is not packed.

    Raises one of ``UNREADABLE`` as the reading goes on, UsageError where this machine cannot unpack it.
    """
    head = file.peek(8)
    if head.startswith(_ZSTD):
        with _zstd(file) as stream:
            yield stream
    elif head.startswith(GZIP):
        yield _buffered(gzip.GzipFile(fileobj=file))
    elif head.startswith(_BZIP2):
        yield _buffered(bz2.BZ2File(file))
    elif head.startswith(_XZ):
        yield _buffered(lzma.LZMAFile(file))  # noqa: SIM115 - the file below is closed by whoever opened it
    else:
        yield file


def begins_with(head: bytes, most: int) -> bytes:
    """What the beginning of a packed file holds, as far as it tells; nothing for zstd."""
    try:
        if head.startswith(GZIP):
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, most)
        if head.startswith(_BZIP2):
            return bz2.BZ2Decompressor().decompress(head, most)
        return lzma.LZMADecompressor().decompress(head, most) if head.startswith(_XZ) else b""
    except UNREADABLE:
        return b""  # told when it is read whole


def _buffered(stream: object) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, stream), _CHUNK)


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
