"""Clones for tests: a small source database, its snapshot, and migrations from text."""

from contextlib import contextmanager

import psycopg

from indexpilot_cli.core.observation import RunState
from indexpilot_cli.evolve.review.clone.clone import open_clone
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.server.twinning import snapshot_of

SETTINGS = {"fsync": "off", "autovacuum": "off", "full_page_writes": "off"}


def snapshot_from(binaries, schema, *, settings=""):
    """The snapshot of a new database with that schema, from a server of those binaries that lives only so long."""
    with LocalServer(binaries, new_home(), SETTINGS) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE shop")
            if settings:
                admin.execute(settings)
        with psycopg.connect(server.dsn("shop"), autocommit=True) as source:
            source.execute(schema)
        return snapshot_of(server.dsn("shop"))


@contextmanager
def fresh(clone):
    """The clone as before every file, and again afterwards."""
    clone.reset()
    yield clone
    clone.reset()


def observe(clone, *statements, one_transaction=False):
    return clone.run(read_migration("m.sql", ";\n".join(statements), one_transaction=one_transaction))


def only(clone, statement):
    """What one statement did; it must have run."""
    seen = observe(clone, statement).statements[0]
    assert seen.state is RunState.RAN, (statement, seen)
    return seen


__all__ = ["fresh", "observe", "only", "open_clone", "snapshot_from"]
