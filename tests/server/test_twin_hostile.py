"""A snapshot from elsewhere: what it brings runs as the role that plans, never as superuser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.snapshot.values import SchemaObject
from tests.server.twinning import snapshot_of


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("EXTENSION", "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'now'"),
        ("EXTENSION", "CREATE TABLE loot AS SELECT pg_read_file('PG_VERSION') AS a"),
        ("EXTENSION", "CREATE EXTENSION plpgsql VERSION 'x'"),
        ("CAST", "CREATE TABLE loot AS SELECT pg_read_file('PG_VERSION') AS a"),
        ("TYPE", "CREATE TABLE loot AS SELECT pg_read_file('PG_VERSION') AS a"),
        ("OPERATOR CLASS", "CREATE TABLE loot AS SELECT pg_read_file('PG_VERSION') AS a"),
    ],
)
def test_a_statement_of_another_form_is_refused(database, connection, twin_cache, kind, text):
    connection.execute("CREATE TABLE t (a int)")
    snapshot = snapshot_of(database)
    hostile = replace(snapshot, objects=(*snapshot.objects, SchemaObject("x", kind, "public", text)))
    with open_twin(hostile, cache_dir=twin_cache, workers=1) as twin:
        assert [n.kind for n in twin.not_modelled] == [kind]
