"""Which files a schema review reads: as named, in directories, and those that differ from a revision."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexpilot_cli.core import units
from indexpilot_cli.errors import UsageError

MOST_BYTES = 20 << 20
_SUFFIX = ".sql"
# Rails, golang-migrate and others keep the way back in a file of its own; it is not what will run.
_BACK = (".down.sql", "_down.sql", ".rollback.sql", ".undo.sql")


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file's name as the user wrote it (``-`` for standard input) and its text."""

    path: str
    text: str


def read_files(names: Sequence[str], git_diff: str | None) -> tuple[MigrationFile, ...]:
    """Every file once, in the order in which migrations run: as given, directories sorted by name.

    Raises UsageError for what cannot be read, for text that is not UTF-8, and when nothing is left to review.
    """
    paths = tuple(_expand(names))
    if git_diff is not None:
        paths = tuple(_changed(git_diff, paths))
        return tuple(_read(path) for path in paths)
    if not paths:
        raise UsageError(
            "no migration to review", hint="give files, a directory or - ; or --git-diff BASE", code="no_migration"
        )
    return tuple(_read(path) for path in dict.fromkeys(paths))


def _expand(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        path = Path(name)
        if name != "-" and path.is_dir():
            found = sorted(p for p in path.rglob(f"*{_SUFFIX}") if p.is_file() and not p.name.endswith(_BACK))
            if not found:
                raise UsageError(f"no {_SUFFIX} files in {name}", code="no_migration")
            yield from map(str, found)
        else:
            yield name


def _changed(base: str, within: Sequence[str]) -> Iterator[str]:
    """Files added or changed since the merge base with the revision, those not committed yet included."""
    if base.startswith("-"):
        raise UsageError(f'"{base}" is not a revision', hint="such as  --git-diff origin/main")
    top = Path(_git("rev-parse", "--show-toplevel").strip())
    since = _git("merge-base", base, "HEAD").strip()
    listed = _git("diff", "--name-only", "--diff-filter=AMR", "-z", since, "--").split("\0")
    fresh = _git("ls-files", "--others", "--exclude-standard", "--full-name", "-z", str(top)).split("\0")
    wanted = {Path(name).resolve() for name in within}
    for name in sorted({*listed, *fresh} - {""}):
        path = top / name
        ours = path.suffix == _SUFFIX and not path.name.endswith(_BACK) and path.is_file()
        if ours and (not wanted or path.resolve() in wanted):
            yield _shortest(path)


def _shortest(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError("git does not answer", detail=str(error), hint="give the files by name") from None
    if result.returncode != 0:
        words = result.stderr.strip().splitlines()
        raise UsageError(
            f"git {arguments[0]} failed",
            detail=words[-1] if words else None,
            hint="give a revision such as origin/main",
        )
    return result.stdout


def _read(path: str) -> MigrationFile:
    try:
        data = sys.stdin.buffer.read(MOST_BYTES + 1) if path == "-" else _bytes(Path(path))
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}", detail=error.strerror, code="unreadable_file") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8",
            detail=f"at byte {error.start}",
            hint="convert it with iconv",
            code="unreadable_file",
        ) from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{path} is larger than {units.size(MOST_BYTES)}", code="unreadable_file")
    return MigrationFile(path, text)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(MOST_BYTES + 1)
