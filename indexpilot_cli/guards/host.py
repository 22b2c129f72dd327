"""Measures of this machine, and the proof that the server runs on it. The one module here that looks around."""

from __future__ import annotations

from datetime import datetime

import psutil

from indexpilot_cli.core.facts import HostFacts, ServerFacts

SAMPLE_SECONDS = 0.3
SECOND_LOOK_PERCENT = 60.0  # from here on a longer look tells a load from a burst
SECOND_LOOK_SECONDS = 1.0
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_CLOCK_SECONDS = 5.0
_PROGRAMS = ("postgres", "postmaster", "edb-postgres")


def measure(server: ServerFacts, *, cpu: bool = True) -> HostFacts:
    """CPU of the last moments and free space where the index goes; nothing but a reason when the server is elsewhere.

    The server is on this machine when it is reached by socket or loopback and its process for our session is a
    PostgreSQL process here that began when the server says it did: a forwarded port or a container fails that.
    """
    proof = _proof(server)
    if proof is None:
        return HostFacts(False, "the server runs on another host, or in a container of its own")
    path = server.tablespace_path or server.data_directory
    return HostFacts(True, proof, _load() if cpu else None, psutil.cpu_count(), path, _free(path) if path else None)


def _proof(server: ServerFacts) -> str | None:
    host = server.host or ""
    if not host.startswith(("/", "@")) and host not in _LOCAL_NAMES:
        return None
    try:
        process = psutil.Process(server.backend_pid)
        if not process.name().startswith(_PROGRAMS) or not _same_start(process.create_time(), server.backend_start):
            return None
    except psutil.Error:
        return None
    return f"backend {server.backend_pid} is a process here"


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
