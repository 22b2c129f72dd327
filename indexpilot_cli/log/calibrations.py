"""Calibrations that are kept: in IndexPilot's tables where they are, else in a file of this machine per database.

The latest one counts. What cannot be read - garbage, a right that is missing, tables from before them - is told once in
one sentence and the defaults take its place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.command import Connection
from indexpilot_cli.core.directories import make, state_directory
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.capabilities import database_identity
from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.log.bookkeeping import is_writable, writer
from indexpilot_cli.log.metadata import SCHEMA, question
from indexpilot_cli.methods.rates import SHIPPED, Calibration, WriteRates

_BYTES = 100_000  # a calibration has about 2,000
_HINT = "measure again: indexpilot calibrate; forget it: indexpilot calibrate --forget"


@dataclass(frozen=True, slots=True)
class KeptCalibration:
    """``calibration`` None: there is none to go by, and ``problem`` says why if there should be one.

    ``place`` is where it is kept: the name of the table, or the file.
    """

    calibration: Calibration | None = None
    place: str = ""
    problem: str = ""

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """That there is one which cannot be used."""
        return (Warn("calibration", self.place, self.problem),) if self.problem else ()

    @property
    def rates(self) -> WriteRates:
        """What writes cost here, by what is known."""
        found = self.calibration
        return SHIPPED if found is None else replace(found.rates, basis=found.origin)


def kept(session: Session | None, schema: str = SCHEMA) -> KeptCalibration:
    """The latest calibration of this database's server; a snapshot (None) says nothing of its machine."""
    if session is None:
        return KeptCalibration()
    try:
        with session.transaction():  # a savepoint: a right that is missing must not end the transaction around it
            row = session.one(question(session, "log/calibration", schema), {}) if _has_table(session, schema) else None
    except IndexPilotError:
        row = None  # no right to read it: then there may be a file
    if row is not None:
        return _read(row.document, f"{schema}.calibrations", session.version)
    path = _file(session)
    if path is None or not path.is_file():
        return KeptCalibration()
    try:
        with path.open(encoding="utf-8") as file:
            return _read(json.loads(file.read(_BYTES)), str(path), session.version)
    except (OSError, ValueError, RecursionError):
        return KeptCalibration(None, str(path), f"the calibration in {path} cannot be read: {_HINT}")


def _read(document: Any, place: str, version: int) -> KeptCalibration:
    try:
        calibration = from_json(Calibration, document)
    except ValueError:
        return KeptCalibration(None, place, f"the calibration in {place} cannot be read: {_HINT}")
    why = next(_doubts(calibration, version), None)
    if why is not None:
        return KeptCalibration(None, place, f"the calibration in {place} is not used: {why}; {_HINT}")
    return KeptCalibration(calibration, place)


def _doubts(calibration: Calibration, version: int) -> Iterator[str]:
    measured = calibration.server_version // 10000
    if measured != version // 10000:
        yield f"it was measured on version {measured}, the server is {version // 10000}"
    if not calibration.rates.plausible:
        yield "it holds numbers that nobody can have measured"


def keep(connection: Connection, calibration: Calibration) -> str:
    """Keep it, and give where. Raises IndexPilotError when the tables are there and do not take it."""
    document = to_json(calibration)
    with writer(connection) as session:
        schema = connection.metadata_schema
        if is_writable(session, schema) and _has_table(session, schema):
            session.execute(question(session, "log/calibration_add", schema), {"document": Jsonb(document)})
            return f"{schema}.calibrations"
        path = _file(session)
    if path is None:
        return ""
    make(path.parent)
    path.write_text(json.dumps(document), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def forget(connection: Connection) -> int:
    """Forget all calibrations of the database; how many there were."""
    gone = 0
    with writer(connection) as session:
        schema = connection.metadata_schema
        if is_writable(session, schema) and _has_table(session, schema):
            gone += max(0, session.execute(question(session, "log/calibrations_forget", schema), {}))
        path = _file(session)
    with suppress(OSError):
        if path is not None and path.is_file():
            path.unlink()
            gone += 1
    return gone


def _has_table(session: Session, schema: str) -> bool:
    return bool(session.value("log/has_calibrations", {"schema": schema}))


def _file(session: Session) -> Path | None:
    """None where the server does not tell which one it is: then nothing can be kept beside it."""
    identity = database_identity(session)
    if not identity:
        return None
    return state_directory() / "calibrations" / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"
