"""Hostile texts in every argument of every function of the library: refused or quoted, none of them carried out."""

import inspect
from itertools import cycle

import psycopg
import pytest

import indexpilot_cli.host as host
from indexpilot_cli.errors import IndexPilotError
from tests import hostile
from tests.servers import new_database

TABLES = """
CREATE TABLE public.orders (id int PRIMARY KEY, note text);
INSERT INTO public.orders SELECT i, 'x' FROM generate_series(1, 100) i;
"""
# What a function needs beside the attacked argument.
BENIGN = {
    "table_name": "orders",
    "table": "orders",
    "field_name": "note",
    "field": "note",
    "fields": ("note",),
    "tenant_id": 7,
    "change": "drop_column",
    "field_type": "int",
    "new_type": "text",
    "new_name": "later",
    "query_type": "equality",
    "duration_ms": 1.0,
    "group": "core",
    "mutation_type": "DISCOVER",
    "limit": 5,
    "name": "a test",
    "key": "somebody",
    "variant": "a",
    "value": 1.0,
    "estimated_build_cost": 1.0,
    "extra_cost_per_query_without_index": 1.0,
    "should_create": True,
    "confidence": 0.5,
    "sql": "SELECT * FROM orders WHERE id = 1",
}
# They open or point elsewhere: what is hostile in them is no name for the database that is watched.
ELSEWHERE = {"init_connection_pool", "set_metadata_schema", "configure_adapters"}


def places():
    """Each function with one of its arguments that takes a text, and what it needs beside."""
    for name in sorted(set(host.__all__) - ELSEWHERE):
        function = getattr(host, name)
        if not inspect.isfunction(function):
            continue
        parameters = inspect.signature(function).parameters.values()
        for attacked in parameters:
            if attacked.name == "sql" or _takes_text(attacked.annotation):
                yield name, function, attacked, dict(_needs(parameters, attacked))


def _takes_text(annotation):
    return ("str" in annotation or "Source" in annotation) and "Callable" not in annotation


def _needs(parameters, attacked):
    for parameter in parameters:
        needed = parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.VAR_KEYWORD
        if needed and parameter is not attacked:
            yield parameter.name, BENIGN[parameter.name]


@pytest.fixture(scope="module")
def application(pg):
    """A connection to a host's database with our tables, and something to lose."""
    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(TABLES + hostile.CANARY)
        host.init_connection_pool(dsn, 1, 2)
        try:
            host.discover_and_bootstrap_schema()
            yield connection
        finally:
            host.close_connection_pool()


def test_t10_every_argument_and_every_text(application, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, texts = list(places()), hostile.payloads()
    attacks = zip(
        cycle(found), texts * 2, strict=False
    )  # each text at two places, each place with half a dozen of them
    for (name, function, argument, needs), text in attacks:
        _call(name, function, argument, needs, text)
        assert hostile.traces(application, tmp_path) == [], (name, argument, text)


def _call(name, function, argument, needs, text):
    value = {text: text} if "Mapping" in argument.annotation else text
    try:
        function(**needs, **{argument.name: value})
    except IndexPilotError:
        pass  # refused
    except Exception as error:
        # A path that cannot be is told by the system's own error.
        if not ("Path" in argument.annotation and isinstance(error, OSError | ValueError)):
            raise AssertionError((name, argument.name, text)) from error
    if name == "disable_system":  # whatever the reason was
        host.enable_system()
