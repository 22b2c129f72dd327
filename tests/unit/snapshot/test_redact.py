"""Redaction replaces values everywhere and in the same way everywhere."""

import json
import re
from dataclasses import fields, replace

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload
from indexpilot_cli.snapshot.redact import ALLOWED, redact
from indexpilot_cli.snapshot.values import RelationStatistics, SchemaObject
from tests.unit.snapshot.samples import TABLE, snapshot


def redacted(**more):
    return redact(snapshot(**more))


def test_no_value_is_left():
    text = json.dumps(to_json(redacted()))
    for secret in ("a@x", "b@x", "db.internal", "reader", '"18"', '"99"', "10:00:00"):
        assert secret not in text, secret


def test_statistics_in_the_catalog_and_beside_it_agree():
    found = redacted()
    column = found.catalog.table(TABLE).column("email")
    assert column.statistics == found.statistics[0].statistics
    assert len(column.statistics.most_common_vals) == 2
    assert column.statistics.most_common_freqs == (0.2, 0.1)
    assert list(column.statistics.histogram_bounds) == sorted(column.statistics.histogram_bounds)


def test_constants_keep_their_place_among_the_bounds():
    workload = Workload(SourceKind.SQL, (ObservedStatement("select 18 where age < 20"),))
    found = redacted(workload=workload)
    low, middle, high = (int(v) for v in found.statistics[1].statistics.histogram_bounds)
    first, second = (int(n) for n in re.findall(r"\d+", found.workload.statements[0].text))
    assert low < middle == first < second < high
    assert found.catalog.table(TABLE).indexes[0].definition.predicate == f"age > {middle}"


def test_parameters_are_literals_too():
    email, nothing, age = redacted().workload.statements[0].parameters
    found = redacted()
    assert email == found.statistics[0].statistics.most_common_vals[1]
    assert nothing is None and age == found.statistics[1].statistics.histogram_bounds[1]


def test_what_cannot_be_parsed_is_left_out_and_named():
    objects = (
        SchemaObject("v", "VIEW", "public", "CREATE VIEW broken"),
        SchemaObject(
            "f()", "FUNCTION", "public", "CREATE FUNCTION f() RETURNS text\n    LANGUAGE sql\n    AS $$a@x$$;"
        ),
        SchemaObject("mood", "TYPE", "public", "CREATE TYPE mood AS ENUM (\n    'sad',\n    'glad'\n);"),
        SchemaObject("t", "TABLE", "public", "CREATE TABLE t (m mood DEFAULT 'sad', n text DEFAULT 'secret');"),
    )
    workload = Workload(SourceKind.SQL, (ObservedStatement("broken 'a@x'", calls=3.0),))
    found = redacted(objects=objects, workload=workload)
    assert [m.name for m in found.missing] == ["public.v"]
    assert found.workload.statements == () and found.workload.skipped[0].calls == 3.0
    function, mood, table = found.objects
    assert "a@x" not in function.sql and mood.sql == objects[2].sql
    assert "'sad'" in table.sql and "secret" not in table.sql


def test_it_says_so_and_what_it_costs():
    found = redacted()
    assert found.redacted and "surrogates" in found.notes[-1]
    assert replace(found, redacted=False) != snapshot()


def test_a_field_that_nobody_thought_about_stays_at_home():
    allowed = {kind: set(names.split()) for kind, names in ALLOWED.items()}
    for kind, names in allowed.items():
        assert names <= {f.name for f in fields(kind)}, kind
    texts = {(kind.__name__, f.name) for kind in allowed for f in fields(kind) if f.type == "str"} - {
        (kind.__name__, name) for kind, names in allowed.items() for name in names
    }
    # Texts that are made anew, or that get their default.
    assert texts == {
        ("Server", "user"),
        ("Column", "not_indexable_why"),
        ("Index", "ddl"),
        ("SqlFunction", "body"),
        ("Policy", "condition"),
        ("SchemaObject", "sql"),
        ("ObservedStatement", "text"),
        ("Skipped", "text"),
        ("Skipped", "detail"),
    }


def test_places_and_words_of_a_workload_stay_at_home():
    statement = ObservedStatement("select 1", origin="/home/me/secret.sql:3")
    skipped = (
        Skipped("unparsed", "SELECT secret", 'error at "secret" (secret.sql:9)'),
        Skipped("utility", "DO secret"),
    )
    workload = Workload(SourceKind.SQL, (statement,), skipped, notes=("secret.log holds nothing",))
    found = redacted(workload=workload, notes=("could not be read: secret",))
    assert "secret" not in json.dumps(to_json(found))
    assert [(s.reason, s.text) for s in found.workload.skipped] == [("unparsed", ""), ("utility", "DO")]


def test_values_that_no_type_explains_do_not_stay():
    rare = ColumnStatistics(0.0, 8, -1.0, most_common_vals=("0044-03-15 BC", "infinity", "2024-01-17"))
    entry = RelationStatistics(TABLE, "seen", None, False, rare)
    found = redacted(
        statistics=(entry,),
        workload=Workload(SourceKind.SQL, (ObservedStatement("select age from people where age = 'who'"),)),
    )
    assert found.statistics[0].statistics.most_common_vals == ("-infinity", "infinity", "2024-05-01")
    assert "who" not in found.workload.statements[0].text
