"""Connections that failed: kept on this machine until the next one to that database, whose log they belong into.

One file in the state directory, locked while it is read or written. The same failure again is counted, so that a
server that is down for a day leaves one row and not one for every run of a timer.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from indexpilot_cli.core.directories import state_directory
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.db.conninfo import read_conninfo
from indexpilot_cli.log.redact import scrub, scrub_text

_FILE = "failed_connections.json"
_MOST = 50  # kept failures; the oldest go first
_BYTES = 1_000_000
# What says which database is meant, and libpq's variables for it. Not the user: a login fails by the wrong one.
_PLACE = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "service": "PGSERVICE"}
Entries = list[dict[str, Any]]


def remember(conninfo: str, row: Mutation, secrets: Iterable[str] = ()) -> None:
    """Keep the row of a connection that failed; where nothing can be kept, nothing is."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {
        "server": _server(conninfo),
        "type": row.type.value,
        "actor": row.actor,
        "error": scrub_text(row.error or "", secrets),
        "details": scrub(dict(row.details), secrets),
    }
    with suppress(OSError, ValueError), _locked(state_directory() / _FILE) as entries:
        same = next((e for e in entries if all(e.get(name) == value for name, value in entry.items())), None)
        if same is None:
            entries.append({**entry, "count": 1, "first": now, "last": now})
            del entries[:-_MOST]
        else:
            same.update(count=same["count"] + 1, last=now)


def take(conninfo: str) -> Entries:
    """What is kept for the database; it is forgotten here, so whoever cannot write it puts it back."""
    path = state_directory() / _FILE
    server = _server(conninfo)
    found: Entries = []
    # Asked first, because nearly always there is nothing and no file to be locked.
    with suppress(OSError, ValueError):
        if path.stat().st_size > len("[]"):
            with _locked(path) as entries:
                found = [entry for entry in entries if entry.get("server") == server]
                entries[:] = [entry for entry in entries if entry.get("server") != server]
    return found


def put_back(found: Entries) -> None:
    """Keep them for another time."""
    with suppress(OSError, ValueError), _locked(state_directory() / _FILE) as entries:
        entries[:] = [*found, *entries][-_MOST:]


def row(entry: Mapping[str, Any]) -> Mutation:
    """The row of the log; its details say how often, and when first and last."""
    details = {**entry["details"], **{name: entry.get(name) for name in ("count", "first", "last")}}
    return Mutation(
        MutationType(entry["type"]), details, state="FAILED", actor=entry.get("actor"), error=entry.get("error")
    )


@contextmanager
def _locked(path: Path) -> Iterator[Entries]:
    """The entries of the file, which is written again when the block has changed them."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read(_BYTES)
        entries: Entries = json.loads(text or "[]")
        yield entries
        after = json.dumps(entries)
        if after != text:
            file.seek(0)
            file.truncate()
            file.write(after)


def _server(conninfo: str) -> str:
    """A word for the database that is meant, without what else the connection string says."""
    given = read_conninfo(conninfo)
    place = [str(given.get(name) or os.environ.get(variable, "")) for name, variable in _PLACE.items()]
    return hashlib.sha256(json.dumps(place).encode()).hexdigest()[:16]
