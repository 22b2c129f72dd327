"""Measures of this machine, and the proof that the server runs on it. The one module here that looks around."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psutil

SAMPLE_SECONDS = 0.3
SECOND_LOOK_PERCENT = 60.0  # from here on a longer look tells a load from a burst
SECOND_LOOK_SECONDS = 1.0
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_CLOCK_SECONDS = 5.0
_PROGRAMS = ("postgres", "postmaster", "edb-postgres")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """This machine, measured. ``local``: the server runs on it, shown by ``proof``.

    ``cpu_percent`` is None when it was not measured; ``disk_free`` is bytes of the file system the
    index goes to, None when it cannot be seen.
    """

    local: bool
    proof: str
    cpu_percent: float | None = None
    cores: int | None = None
    disk_path: str | None = None
    disk_free: int | None = None


def measure(host: str | None, backend: int, begun: datetime | None, path: str | None, *, cpu: bool = True) -> HostFacts:
    """CPU of the last moments and free space at ``path``; nothing but a reason when the server is elsewhere.

    The server is on this machine when it is reached by socket or loopback and its process for our session is a
    PostgreSQL process here that began when the server says it did: a forwarded port or a container fails that.
    """
    if not _is_here(host or "", backend, begun):
        return HostFacts(False, "the server runs on another host, or in a container of its own")
    proof = f"backend {backend} is a process here"
    return HostFacts(True, proof, _load() if cpu else None, psutil.cpu_count(), path, _free(path) if path else None)


def _is_here(host: str, backend: int, begun: datetime | None) -> bool:
    if not host.startswith(("/", "@")) and host not in _LOCAL_NAMES:
        return False
    try:
        process = psutil.Process(backend)
        # Behind a forwarded port the pid may be that of another PostgreSQL here: only the start tells them apart.
        return process.name().startswith(_PROGRAMS) and _same_start(process.create_time(), begun)
    except psutil.Error:
        return False


def _same_start(seconds: float, begun: datetime | None) -> bool:
    return begun is not None and abs(begun.timestamp() - seconds) < _CLOCK_SECONDS


def _load() -> float:
    percent = psutil.cpu_percent(SAMPLE_SECONDS)
    return percent if percent < SECOND_LOOK_PERCENT else min(percent, psutil.cpu_percent(SECOND_LOOK_SECONDS))


def _free(path: str) -> int | None:
    try:
        return psutil.disk_usage(path).free
    except OSError:
        return None
