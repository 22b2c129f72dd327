"""Files that others gave us, read within limits, and files of our own, written whole and private.

What a path names is looked at before it is read: a device never ends, a pipe may have no writer, and a few kilobytes of
gzip can be gigabytes. Every reader of such a file comes through ``read_bytes`` or ``read_text``, every writer through
``write`` or ``create``.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import json
import lzma
import os
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from indexpilot_cli.core.units import size
from indexpilot_cli.errors import UsageError

STDIN = "-"
_NULL = os.makedev(1, 3)  # /dev/null on Linux: reading it is a common way of saying "no file"
_SILENCE = 5.0  # seconds without a byte, after which a pipe counts as one that nobody writes to
_CHUNK = 1 << 20
_DEEPEST = 100  # levels of objects and lists; our own documents have fewer than twenty


@dataclass(frozen=True, slots=True)
class FileLimit:
    """What a kind of file may be: its bytes at most, unpacked; the code of errors and what they say before its name.

    ``unpack``: it may be packed (``core.packed``), and is known by what it begins with.
    """

    most: int
    code: str = "unreadable_file"
    what: str = ""
    name: str = ""  # what messages call the file, where that is not its path
    unpack: bool = False


CONFIGURATION = FileLimit(256 << 10, "usage", "the configuration file ")
PLAN = FileLimit(32 << 20)
SQL = FileLimit(64 << 20, "usage", unpack=True)
MIGRATION = FileLimit(20 << 20, unpack=True)
INCLUDED = FileLimit(20 << 20)  # psql unpacks nothing
SCHEMA = FileLimit(10 << 20, "bad_schema_file", "the schema file ")
SNAPSHOT = FileLimit(256 << 20, "no_snapshot")


def read_text(name: Path | str, limit: FileLimit) -> str:
    """The file's text without a byte order mark. Raises UsageError as ``read_bytes``, and when it is not UTF-8."""
    data = read_bytes(name, limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{_shown(name, limit)} is not UTF-8",
            detail=f"line {line}, byte {error.start}",
            hint="convert it with iconv",
            code=limit.code,
        ) from None


def read_bytes(name: Path | str, limit: FileLimit) -> bytes:
    """What the file, pipe or (``-``) standard input holds.

    Raises UsageError when it cannot be read, is a device or a directory, is larger than the limit, packed or not, or
    nobody writes to it.
    """
    try:
        with _opened(name) as stream:
            data = b"".join(_chunks(stream, name, limit))
    except OSError as error:
        raise _unreadable(name, limit, error.strerror or str(error)) from None
    except ValueError as error:  # a NUL in the path
        raise _unreadable(name, limit, str(error)) from None
    if not limit.unpack or not data.startswith(MARKS):
        return data
    try:
        return _unpacked(data, name, limit)
    except UNREADABLE as error:
        raise _unreadable(name, limit, f"it is packed, and damaged: {error}") from None


def _unpacked(data: bytes, name: Path | str, limit: FileLimit) -> bytes:
    """No further than the limit: a few kilobytes can hold gigabytes."""
    with unpacked(io.BufferedReader(io.BytesIO(data))) as stream:
        found = stream.read(limit.most + 1)
        if len(found) > limit.most:
            raise _too_large(name, limit)
    return found


def plain_suffix(path: Path) -> str:
    """The suffix of a name in small letters, without that of a packed file: ``.sql`` of ``a.SQL.gz``."""
    return Path(path.stem if path.suffix.lower() in SUFFIXES else path).suffix.lower()


def sql_below(folder: Path) -> list[Path]:
    """All files of SQL in a folder and those below it, packed or not, by name."""
    return sorted(p for p in folder.rglob("*.sql*") if plain_suffix(p) == ".sql" and p.is_file())


def read_gzip(name: Path | str, limit: FileLimit) -> bytes | None:
    """What a gzip file holds, unpacked no further than the limit; None when it is no gzip file.

    Raises UsageError as ``read_bytes``, one of ``UNREADABLE`` when it is damaged.
    """
    raw = read_bytes(name, limit)
    return _unpacked(raw, name, limit) if raw.startswith(GZIP) else None


def is_file(name: Path | str) -> bool:
    """Whether it is a file; a name that is too long or holds a NUL is none, where ``Path`` raises an error."""
    return os.path.isfile(name)  # noqa: PTH113


def is_directory(name: Path | str) -> bool:
    """Whether it is a directory, as ``is_file``."""
    return os.path.isdir(name)  # noqa: PTH112


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for anything else, deeply nested and over-long numbers included."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _depth(value) > _DEEPEST:
        raise ValueError("nested too deeply")
    return value


def write(path: Path, data: str | bytes, *, keep_mode: bool = False) -> None:
    """Write the file whole or not at all, readable by this user only; ``keep_mode``: one that is there keeps its mode.

    Raises OSError. The umask has no say.
    """
    content = data.encode() if isinstance(data, str) else data
    # In the same directory: a rename is atomic within one file system only.
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep_mode and path.exists():
            Path(beside).chmod(stat.S_IMODE(path.stat().st_mode))
        Path(beside).replace(path)
    except OSError:
        Path(beside).unlink(missing_ok=True)
        raise


def create(path: Path, text: str) -> None:
    """Write a new file, readable by this user only. Raises FileExistsError where there is one, OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)


def _opened(name: Path | str) -> AbstractContextManager[IO[bytes]]:
    if name == STDIN:
        if sys.stdin is None:
            raise OSError("there is no standard input")
        return nullcontext(sys.stdin.buffer)
    # Without O_NONBLOCK opening a pipe that nobody writes to would wait for ever.
    handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(handle)
    what = _unfit(found)
    if what is not None:
        os.close(handle)
        raise OSError(f"it is a {what}")
    return os.fdopen(handle, "rb", buffering=0)


def _unfit(found: os.stat_result) -> str | None:
    """What it is, where that is nothing to read from."""
    if stat.S_ISDIR(found.st_mode):
        return "directory"
    if stat.S_ISBLK(found.st_mode) or (stat.S_ISCHR(found.st_mode) and found.st_rdev != _NULL):
        return "device"
    return None


def _chunks(stream: IO[bytes], name: Path | str, limit: FileLimit) -> Iterator[bytes]:
    pipe = name != STDIN and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    total, end = 0, time.monotonic() + _SILENCE
    while True:
        chunk = _next(stream, end) if pipe else stream.read(_CHUNK)
        if not chunk and pipe and not total:
            raise _unreadable(name, limit, "it is a pipe that nobody writes to")
        if not chunk:
            return
        total, end = total + len(chunk), time.monotonic() + _SILENCE
        if total > limit.most:
            raise _too_large(name, limit)
        yield chunk


def _next(stream: IO[bytes], end: float) -> bytes:
    """The next bytes of a pipe; none when the writers are gone, or silent for too long."""
    # Looked at once more after the end: where this process itself was held up, the bytes are there.
    while select.select([stream], [], [], max(0.0, end - time.monotonic()))[0]:
        chunk = stream.read(_CHUNK)
        if chunk is not None:
            return chunk
    return b""


def _depth(value: object) -> int:
    """Levels of nesting, without recursion; no further than one more than may be."""
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        level, depth = below, depth + 1
    return depth


def _shown(name: Path | str, limit: FileLimit) -> str:
    return "standard input" if name == STDIN else (limit.name or str(name)).replace("\0", "\\0")


def _unreadable(name: Path | str, limit: FileLimit, why: str) -> UsageError:
    return UsageError(f"cannot read {limit.what}{_shown(name, limit)}", detail=why, code=limit.code)


def _too_large(name: Path | str, limit: FileLimit) -> UsageError:
    return UsageError(f"{_shown(name, limit)} is larger than {size(limit.most)}", code=limit.code)


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
