"""Fixtures of the server tests: the databases several files use, and one snapshot with its twin for all of them."""

import psycopg
import pytest

from indexpilot_cli.db import queries
from indexpilot_cli.db.session import open_session
from indexpilot_cli.guards import transactions
from indexpilot_cli.host.interceptor.rates import TokenBuckets
from indexpilot_cli.planner.twin.place import bare_server, copy_cluster
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.planner.twin.server import give_to_server
from tests.server import applying, evolving_change, evolving_tables, guarding, probing
from tests.server.requesting import analyzed_shop, bare, changing_shop, neglected_shop, own_places, shop_snapshot  # noqa: F401 - fixtures
from tests.server.twinning import filled_database, snapshot_of
from tests.servers import binaries, new_database, reachable_directory, templates
from tests.waiting import LIMIT


@pytest.fixture(scope="session", autouse=True)
def patient_samples():
    """A page sample that is cut off leaves the advice without what it would have told: not by this machine's pace."""
    ask = queries.get

    def patient(name, version):
        text = ask(name, version)
        return text.replace("'2s'", f"'{LIMIT:.0f}s'") if name == "samples/limits" else text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queries, "get", patient)
        yield


@pytest.fixture(autouse=True)
def patient_builds(monkeypatch):
    """Behind a transaction that a test holds for long nothing is built: not by this machine's pace. For these tests
    alone, others know the minute.
    """
    monkeypatch.setattr(transactions, "REFUSE", LIMIT)


@pytest.fixture(scope="session")
def shops(pg):
    """Databases to copy, by rows: copying one costs a tenth of the processor time that filling it does."""
    with templates(pg, applying.fill) as filled:
        yield filled


@pytest.fixture(scope="session")
def initialised_ones(pg):
    """The one database with our tables, to copy."""
    with templates(pg, evolving_change.prepare) as prepared:
        yield prepared


@pytest.fixture
def initialised(pg, initialised_ones):
    """The DSN of a new database with our tables."""
    with new_database(pg, initialised_ones()) as dsn:
        yield dsn


@pytest.fixture
def shop(pg, shops, request):
    """The DSN of a new database with our tables and ``orders``, of as many rows as the mark ``rows`` says."""
    with new_database(pg, shops(request.node.get_closest_marker("rows").args[0])) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def dirty(pg):
    """The DSN of a database whose rows break most of what a migration might demand of them."""
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(probing.SCHEMA)
            connection.execute("ANALYZE")
        yield dsn


@pytest.fixture
def entangled(initialised):
    """A database where a view, a policy, a trigger and more depend on the columns of ``orders``."""
    found = evolving_change.prepare(initialised)
    found.script(evolving_tables.ENTANGLED)
    return found


@pytest.fixture
def plain(initialised):
    """A database with one table that nothing depends on."""
    found = evolving_change.prepare(initialised)
    found.script(evolving_tables.PLAIN)
    return found


@pytest.fixture
def guarded(database, connection):
    """A superuser's connection to a new database with our tables and the one that the guards are asked about."""
    guarding.prepare(database, connection)
    return connection


@pytest.fixture
def session(database, guarded):
    """A session of the tool in that database that may write."""
    with open_session(database, read_only=False) as opened:
        yield opened


@pytest.fixture
def no_time_passes(monkeypatch):
    """For a server of pages that counts what is asked in a minute."""
    monkeypatch.setattr(TokenBuckets.__init__, "__defaults__", (lambda: 0.0,))


@pytest.fixture(scope="session")
def twin_source(pg):
    with filled_database(pg) as dsn:
        yield dsn


@pytest.fixture
def twin_cache(twin_place):
    """A cache of its own with nothing in it but what initdb makes, copied in a tenth of the time that initdb takes."""
    with reachable_directory() as path:
        with bare_server(twin_place, binaries()) as made:
            home = path / made.home.parent.name / "home"
            copy_cluster(made.data, home / "data")
        give_to_server(home)
        (home.parent / "complete.json").write_text("{}")
        yield path


@pytest.fixture(scope="session")
def twin_snapshot(twin_source):
    return snapshot_of(twin_source)


@pytest.fixture(scope="session")
def twin(twin_snapshot, twin_place):
    with open_twin(twin_snapshot, cache_dir=twin_place, workers=1) as opened:
        yield opened
