"""What the tests of the guards share: a table, an operation on it, and a request without the host's load."""

import threading
import uuid
from contextlib import contextmanager
from dataclasses import replace

import psycopg

from indexpilot_cli.apply.values import ApplyRequest
from indexpilot_cli.core.command import Connection
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.mutation import Operation, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import open_session
from indexpilot_cli.guards import run
from indexpilot_cli.log import metadata
from indexpilot_cli.settings.sections import CpuThrottleSettings, SafeguardSettings
from tests.waiting import LIMIT

CALM = SafeguardSettings(cpu_throttle=CpuThrottleSettings(enabled=False))


def operation(connection, table="orders", column="b", size=8192):
    """An operation on ``public.table``."""
    name = QualifiedName("public", table)
    definition = IndexDefinition(name, (IndexKey(column),))
    (relid,) = connection.execute("SELECT %s::regclass::oid::int8", [str(name)]).fetchone()
    return Operation(
        str(uuid.uuid4()), OperationKind.CREATE, name, f"{table}_{column}_idx", definition, "", "", relid, "",
        size_bytes=size,
    )  # fmt: skip


def request(dsn, safeguards=CALM, **fields):
    return ApplyRequest(Connection(dsn), safeguards=safeguards, **fields)


def check(session, operations, asked, now=None, **facts):
    """All guards about the operations, asked by an ApplyRequest."""
    return run.check(session, replace(asked.permit(), operations=tuple(operations), **facts), now)


def recheck(session, built, asked, now=None, **facts):
    """The guards asked before each index, about the next one."""
    return run.recheck(session, replace(asked.permit(), operations=(built,), **facts), now)


def bypassed(session, asked, now=None):
    """The answer of the bypass alone."""
    (verdict,) = run.ask(session, asked.permit(), "bypass", now=now)
    return verdict


def said(verdicts, guard):
    """The answers of one guard."""
    found = [v for v in verdicts if v.guard == guard]
    assert found, f"{guard} did not answer"
    return found


@contextmanager
def other(dsn, **options):
    with psycopg.connect(dsn, autocommit=True, **options) as connection:
        yield connection


@contextmanager
def busy(dsn, statement, **options):
    """A statement that runs on a connection of its own during the block, and is cancelled after it."""
    with other(dsn, **options) as connection:

        def run():
            try:
                connection.execute(statement)
            except psycopg.Error:
                return

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield connection
        finally:
            connection.cancel_safe(timeout=LIMIT)
            thread.join()


def prepare(dsn, connection):
    with open_session(dsn, read_only=False) as session:
        metadata.migrate(session)
    connection.execute("CREATE TABLE public.orders (a int PRIMARY KEY, b int, c text)")
    connection.execute("INSERT INTO public.orders SELECT g, g % 10, 'x' FROM generate_series(1, 2000) g")
