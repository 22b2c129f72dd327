"""A connection of psycopg2, which hosts still have, in the shape that our sessions use of psycopg 3's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, NoReturn
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import DiagnosticField, TransactionStatus

from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.errors import PrerequisiteError

_BROKEN = 2  # of ``closed``
_DIAGNOSTICS = {
    DiagnosticField.SEVERITY: "severity",
    DiagnosticField.SQLSTATE: "sqlstate",
    DiagnosticField.MESSAGE_PRIMARY: "message_primary",
    DiagnosticField.MESSAGE_DETAIL: "message_detail",
    DiagnosticField.MESSAGE_HINT: "message_hint",
    DiagnosticField.CONSTRAINT_NAME: "constraint_name",
    DiagnosticField.TABLE_NAME: "table_name",
}


def in_transaction() -> PrerequisiteError:
    """The host lent a connection whose work we would commit."""
    return PrerequisiteError(
        "the host's pool lent a connection with an open transaction",
        hint="give connections of their own: what we write is committed at once",
        code="lent_in_transaction",
    )


def is_psycopg2(connection: object) -> bool:
    """Whether psycopg2 made it."""
    return any(kind.__module__.startswith("psycopg2") for kind in type(connection).__mro__)


@dataclass(frozen=True, slots=True)
class _Encryption:
    """Stands where psycopg 3 has libpq's handle."""

    ssl_in_use: bool


class Psycopg2Connection:
    """``raw`` is psycopg2's connection, in a transaction of ours. Errors come out as psycopg 3's, by their SQLSTATE."""

    def __init__(self, raw: Any):
        self.raw = raw
        self._depth = 0

    @property
    def info(self) -> Any:
        """Of psycopg2: the names that we ask for are the same."""
        return self.raw.info

    @property
    def pgconn(self) -> _Encryption:
        """Whether the connection is encrypted."""
        return _Encryption(bool(self.raw.info.ssl_in_use))

    @property
    def closed(self) -> bool:
        """Whether it is gone, as far as psycopg2 noticed."""
        return bool(self.raw.closed)

    @property
    def broken(self) -> bool:
        """Whether it went without being closed."""
        return bool(self.raw.closed == _BROKEN)

    def cursor(self, *, row_factory: object = None) -> Psycopg2Cursor:
        """A cursor; with any row factory, its rows are named tuples."""
        from psycopg2.extras import NamedTupleCursor

        factory = {} if row_factory is None else {"cursor_factory": NamedTupleCursor}
        with _translated():
            return Psycopg2Cursor(self.raw.cursor(**factory))

    def execute(self, query: Any, params: Any = None, *, binary: bool = False) -> Psycopg2Cursor:
        """A new cursor with the statement's result."""
        return self.cursor().execute(query, params, binary=binary)

    def pipeline(self) -> nullcontext[None]:
        """Nothing: psycopg2 sends one statement after the other."""
        return nullcontext()

    def cancel_safe(self, *, timeout: float) -> None:  # noqa: ARG002 - psycopg2 does not wait
        """Ask the server to stop what runs."""
        with _translated():
            self.raw.cancel()

    @contextmanager
    def transaction(self, *, force_rollback: bool = False) -> Iterator[None]:
        """A savepoint in the transaction that is open from the borrowing to the giving back."""
        self._depth += 1
        name = f"indexpilot_{self._depth}"
        self.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            # On a connection that is gone this fails too, and the first error tells more.
            with suppress(psycopg.Error):
                self.execute(f"ROLLBACK TO SAVEPOINT {name}")
            raise
        else:
            self.execute(f"{'ROLLBACK TO' if force_rollback else 'RELEASE'} SAVEPOINT {name}")
        finally:
            self._depth -= 1

    def answers(self) -> bool:
        """Whether the server does. No transaction is open afterwards where none was."""
        import psycopg2

        if self.raw.closed or self.raw.info.transaction_status != TransactionStatus.IDLE:
            return not self.raw.closed
        try:
            with self.raw.cursor() as cursor:
                cursor.execute("SELECT 1")
            self.raw.rollback()
        except psycopg2.Error:
            return False
        return True

    @contextmanager
    def borrowed(self, *, exclusive: bool) -> Iterator[Psycopg2Connection]:
        """In a transaction that commits after the block. Raises PrerequisiteError for one that is in another's."""
        raw = self.raw
        if raw.info.transaction_status != TransactionStatus.IDLE and not exclusive:
            raise in_transaction()
        autocommit, factory = raw.autocommit, raw.cursor_factory
        with _translated():
            if autocommit:
                raw.autocommit = False
            raw.cursor_factory = None
        try:
            yield self
            with _translated():
                raw.commit()
        except BaseException:
            self._undo()
            raise
        finally:
            if not raw.closed:
                raw.cursor_factory = factory
                raw.autocommit = autocommit

    def target(self) -> tuple[str, str | None]:
        """Where it goes, with the name it bears, and the password."""
        name = self.execute("SHOW application_name").fetchone()
        known = dict(self.raw.info.dsn_parameters) | ({"application_name": name[0]} if name and name[0] else {})
        known.pop("password", None)
        return make_conninfo("", **known), self.raw.info.password or None

    def _undo(self) -> None:
        import psycopg2

        with suppress(psycopg2.Error):
            self.raw.rollback()


class Psycopg2Cursor:
    """psycopg2's cursor with our values as parameters."""

    def __init__(self, raw: Any):
        self._raw = raw

    def __enter__(self) -> Psycopg2Cursor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._raw.close()

    @property
    def description(self) -> Any:
        """The columns, None where there are none."""
        return self._raw.description

    @property
    def rowcount(self) -> int:
        """Rows the statement touched."""
        return int(self._raw.rowcount)

    def execute(self, query: Any, params: Any = None, *, binary: bool = False) -> Psycopg2Cursor:
        """Run it. ``binary``, by which psycopg 3 sends one statement alone, refuses a text of several here."""
        if binary and params is None:
            _alone(query)
        with _translated():
            self._raw.execute(query, _values(params))
        return self

    def fetchall(self) -> list[Any]:
        """All rows."""
        with _translated():
            return list(self._raw.fetchall())

    def fetchone(self) -> Any:
        """The next row, or None."""
        with _translated():
            return self._raw.fetchone()


def _alone(query: str) -> None:
    # psycopg2 would run ``EXPLAIN ...; DROP TABLE ...`` to its end. The parser is imported by whom it concerns.
    from indexpilot_cli.sql.parser import Unparsed, parse

    found = parse(query)
    if isinstance(found, Unparsed):
        raise psycopg.errors.SyntaxError(found.message)


def _values(params: Any) -> Any:
    if params is None:
        return None
    if isinstance(params, Sequence):
        return [_value(value) for value in params]
    return {name: _value(value) for name, value in params.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Jsonb):
        return json.dumps(value.obj)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list):
        return [_value(item) for item in value]
    return value


@contextmanager
def _translated() -> Iterator[None]:
    import psycopg2

    try:
        yield
    except psycopg2.Error as error:
        _raise(error)


def _raise(error: Any) -> NoReturn:
    """psycopg 3's class for the SQLSTATE, with what the server said."""
    told = {field: getattr(error.diag, name, None) for field, name in _DIAGNOSTICS.items()}
    info = {field: text.encode() for field, text in told.items() if text is not None}
    kind: type[psycopg.Error] = psycopg.OperationalError
    if error.pgcode:
        with suppress(KeyError):
            kind = psycopg.errors.lookup(error.pgcode)
    elif type(error).__name__ != "OperationalError":
        kind = getattr(psycopg, type(error).__name__, psycopg.DatabaseError)
    raise kind(str(error).strip(), info=info, encoding="utf-8") from None  # type: ignore[arg-type]
