"""What is known of the demo server between two commands: one file and one lock per user."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.errors import PrerequisiteError, RefusedError

_FILE = "demo.json"
_LOCK = "demo.lock"


@dataclass(frozen=True, slots=True)
class DemoState:
    """A demo server: where it lives, what runs it, and what it was built from.

    ``kept`` is False while the demo is at work; a state left like that belongs to a demo that was killed.
    """

    home: str
    binaries: str
    version: str
    seed: int
    rows: int
    kept: bool = False


class Slot:
    """The user's one place for a demo, in ``directory``."""

    def __init__(self, directory: Path):
        self._directory = directory

    @contextmanager
    def held(self) -> Iterator[Slot]:
        """The lock on the place, given back at the end of the block or when the process dies.

        Raises RefusedError when another demo holds it, PrerequisiteError when the directory cannot be used.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self._directory / _LOCK).open("w")
        except OSError as error:
            raise PrerequisiteError(
                "the demo's state cannot be kept", detail=str(error), hint="set XDG_CACHE_HOME to a writable directory"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RefusedError(
                    "another demo is at work", hint="wait for it to end, or end it with Ctrl-C"
                ) from error
            yield self

    def read(self) -> DemoState | None:
        """The state, or None when there is none or it cannot be read."""
        try:
            return from_json(DemoState, json.loads((self._directory / _FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def write(self, state: DemoState) -> None:
        """Keep the state, whole or not at all."""
        draft = self._directory / f"{_FILE}.new"
        draft.write_text(json.dumps(to_json(state), indent=2) + "\n", encoding="utf-8")
        draft.replace(self._directory / _FILE)

    def clear(self) -> None:
        """Forget the state."""
        (self._directory / _FILE).unlink(missing_ok=True)
