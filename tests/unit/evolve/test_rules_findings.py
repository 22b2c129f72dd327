"""Findings follow the evidence, and say what to do."""

import shlex

import pytest
from typer.main import get_command

from indexpilot_cli.cli.app import build
from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import (
    CatalogChange,
    CatalogObject,
    ChangeKind,
    LockMode,
    MigrationObservation,
    RunState,
    SqlError,
    StatementObservation,
)
from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.findings import failing_rule, findings, told_with
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeAnswer, ProbeKind
from indexpilot_cli.evolve.review.registry import HAZARDS
from indexpilot_cli.evolve.review.values import Impact, Queue, StatementVerdict, TemplateImpact
from tests.unit.evolve.rules_shop import CATALOG, found, ids, name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE INDEX i ON orders (at)", ["L01"]),
        ("CREATE INDEX i ON small (id)", []),
        ("CREATE INDEX CONCURRENTLY i ON orders (at)", []),
        ("REINDEX TABLE orders", ["L03"]),
        ("ALTER TABLE orders ADD UNIQUE (ref)", ["L04"]),
        ("ALTER TABLE orders DROP CONSTRAINT orders_pkey;"
         "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_ref_idx", ["W10", "L05"]),
        ("ALTER TABLE orders ALTER id TYPE bigint", ["L10", "W08"]),
        ("ALTER TABLE small ALTER id TYPE bigint", []),
        ("ALTER TABLE orders ALTER note TYPE varchar; ANALYZE orders", ["L11"]),
        ("ALTER TABLE orders ALTER ref TYPE varchar(40); ANALYZE", []),
        ("ALTER TABLE orders ADD c uuid DEFAULT gen_random_uuid()", ["L12"]),
        ("ALTER TABLE orders ADD c timestamptz DEFAULT now()", []),
        ("ALTER TABLE orders ADD c int CHECK (c > 0)", ["L13"]),
        ("ALTER TABLE orders ALTER note SET NOT NULL", ["L14"]),
        ("ALTER TABLE orders ADD CHECK (amount > 0)", ["L20"]),
        ("ALTER TABLE orders ADD CHECK (amount > 0) NOT VALID", []),
        ("ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES people", ["L21"]),
        ("BEGIN; ALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0) NOT VALID;"
         "ALTER TABLE orders VALIDATE CONSTRAINT c; COMMIT", ["L22"]),
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0) NOT VALID;"
         "ALTER TABLE orders VALIDATE CONSTRAINT c", []),
        ("ALTER DOMAIN email ADD CHECK (value <> '')", ["L23"]),
        ("ALTER TABLE events ATTACH PARTITION later FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')", ["L30"]),
        ("VACUUM FULL orders", ["L33"]),
        ("REFRESH MATERIALIZED VIEW totals", ["L34"]),
        ("BEGIN; ALTER TABLE orders ADD c int; UPDATE orders SET c = 1; COMMIT", ["L35"]),
        ("BEGIN; LOCK orders; UPDATE orders SET note = ''; COMMIT", ["L36"]),
        ("UPDATE orders SET note = ''", ["L38"]),
        ("DO $$ BEGIN ALTER TABLE orders ALTER note SET NOT NULL; END $$", ["L14"]),
        ("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'ALTER TABLE orders ALTER note SET NOT NULL';"
         "SELECT f()", ["L14"]),
        ("ALTER TABLE orders ADD c int NOT NULL", ["F09"]),
        ("ALTER TABLE orders ADD c int NOT NULL DEFAULT 1", []),
        ("BEGIN; CREATE INDEX CONCURRENTLY i ON orders (at); COMMIT", ["F21"]),
        ("DROP TABLE people", ["F20"]),
        ("TRUNCATE people", ["F10"]),
        ("ALTER TABLE nothing ADD c int", ["F22"]),
        ("ALTER TABLE orders ADD ref int", ["F23"]),
        ("ALTER TABLE orders DROP COLUMN at", ["W01", "W02"]),
        ("ALTER TABLE orders DROP COLUMN buyer", ["W01", "W02", "W03"]),
        ("ALTER TABLE orders RENAME ref TO reference", ["W09"]),
        ("BEGIN; ALTER TABLE small RENAME TO tiny; CREATE VIEW small AS SELECT * FROM tiny; COMMIT", []),
        ("DROP TABLE later", ["W10"]),
        ("TRUNCATE later", ["W11"]),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_bad ON orders (note)", ["W13"]),
        ("ALTER TABLE orders DISABLE TRIGGER ALL", ["W14"]),
        ("ALTER TABLE orders DISABLE TRIGGER ALL; ALTER TABLE orders ENABLE TRIGGER ALL", []),
        ("CREATE TABLE n (id bigint PRIMARY KEY, a text); CREATE INDEX ON n (a); ALTER TABLE n ALTER a SET NOT NULL;"
         "ALTER TABLE n DROP COLUMN a; TRUNCATE n; DROP TABLE n", []),
    ],
)  # fmt: skip
def test_hazards(text, expected):
    assert ids(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE TABLE n (id bigint PRIMARY KEY, o int REFERENCES orders)", "D01"),
        ("CREATE TABLE n (id bigint PRIMARY KEY, b json)", "D02"),
        ("CREATE TABLE n (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)", "D03"),
        ("ALTER TABLE small ADD c char(8)", "D04"),
        ("ALTER TABLE small ADD c timestamp", "D05"),
        (f"ALTER TABLE small ADD {'x' * 64} int", "D06"),
        ("ALTER TABLE public.small ADD a int; ALTER TABLE later ADD b int", "D07"),
        ("CREATE TYPE mood AS ENUM ('fine')", "D08"),
        ("CREATE TABLE n (id bigserial PRIMARY KEY)", "D09"),
        ("ALTER TABLE small ADD CHECK (id > 0); ALTER TABLE small ADD CHECK (id > 1)", "D10"),
        ("CREATE TABLE n (a text)", "D11"),
        ("ALTER TABLE small ADD c int", "T01"),
        ("ALTER TABLE orders ALTER note SET NOT NULL", "T02"),
        ("BEGIN; SELECT 1", "T03"),
        ("BEGIN; BEGIN; COMMIT", "T04"),
        ("COMMIT", "T04"),
        ("BEGIN; ALTER TABLE small ADD c int; ALTER TABLE later ADD c int; COMMIT", "T05"),
        ("DO $$ BEGIN EXECUTE current_setting('x.y'); END $$", "N02"),
    ],
)
def test_advice(text, expected):
    assert expected in [f.id for f in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        "SET lock_timeout = '1s'; ALTER TABLE small ADD c int;",
        "SELECT set_config('lock_timeout', '1s', false); ALTER TABLE small ADD c int;",
        "SELECT 1",
        "CREATE TABLE n (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz, o int REFERENCES small);"
        "CREATE INDEX ON n (o);",
    ],
)
def test_nothing_to_say(text):
    assert [f.id for f in found(text) if f.id != "T01" or "CREATE TABLE" not in text] == []


def test_advice_never_fails_a_migration_and_is_given_once():
    text = "\n".join(f"ALTER TABLE small ADD c{n} json;" for n in range(30))
    given = found(text)
    assert [f.id for f in given] == ["D02", "T01"]
    assert all(f.severity is Severity.INFO for f in given)
    assert "29 more" in given[0].message


def test_a_finding_says_the_numbers_and_the_way_out():
    (finding,) = [f for f in found("-- x\nCREATE INDEX i ON orders (at);") if f.id == "L01"]
    assert (finding.line, finding.column, finding.statement) == (2, 1, 1)
    assert "public.orders (10.7 GB, 48.0 M rows)" in finding.message
    assert "writes wait" in finding.message
    assert finding.instead == "CREATE INDEX CONCURRENTLY i ON orders (at);"
    assert finding.lock is LockMode.SHARE
    assert finding.blocks == ("INSERT", "UPDATE", "DELETE")
    assert finding.table == name("orders")
    assert finding.table_bytes == 1_400_000 * 8192


def test_losses_are_named():
    lost = {f.id: f.loses for f in found("ALTER TABLE orders DROP COLUMN at")}
    assert lost["W01"] == ("orders.at",)
    assert lost["W02"] == ("orders_buyer_at",)


def test_two_type_changes_blame_the_one_that_rewrites():
    given = found("ALTER TABLE orders ALTER ref TYPE text, ALTER id TYPE bigint")
    (finding,) = [f for f in given if f.id == "L10"]
    assert finding.instead == "-- indexpilot schema-evolve alter-type orders id --type bigint"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("ALTER TABLE orders ALTER id TYPE numeric(12, 2)", ["orders", "id", "--type", "numeric(12, 2)"]),
        (
            "ALTER TABLE orders ALTER ref TYPE int USING nullif(ref, 'it''s')::int",
            ["orders", "ref", "--type", "int", "--using", "(nullif(ref, 'it''s'))::int"],
        ),
    ],
)
def test_the_command_for_a_type_change_is_one_that_the_program_reads(sql, words):
    (finding,) = [f for f in found(sql) if f.id == "L10"]
    marks, *command = shlex.split(finding.instead)
    assert (marks, command[:3]) == ("--", ["indexpilot", "schema-evolve", "alter-type"])
    assert [w.lower() for w in command[3:]] == words
    group = get_command(build(whole=True)).commands["schema-evolve"]
    assert group.commands["alter-type"].make_context("alter-type", command[3:]).params["type"] == command[6]


def test_without_any_database_work_counts_as_long():
    assert ids("CREATE INDEX i ON t (a)", None) == ["L01"]
    assert ids("ALTER TABLE t ADD c int", None) == []
    assert ids("CREATE TABLE t (a int); CREATE INDEX i ON t (a)", None) == []


# -- ignore comments


def test_an_ignored_finding_keeps_its_reason():
    given = found("-- indexpilot: ignore L01 -- at night\nCREATE INDEX i ON orders (at)")
    assert {f.id: f.ignored for f in given}["L01"] == "at night"
    assert not [f for f in given if f.id[0] == "I"]


def test_an_ignore_without_a_reason_or_a_use_is_a_warning():
    text = "-- indexpilot: ignore L01\nCREATE INDEX i ON orders (at);\n-- indexpilot: ignore L99 -- why\nSELECT 1;\n"
    given = {f.id: f for f in found(text + "-- indexpilot: ignore W01 -- end")}
    assert given["I01"].line == 1
    assert given["I01"].severity is Severity.WARNING
    notes = [f for f in found(text + "-- indexpilot: ignore W01 -- end") if f.id == "I02"]
    assert [f.line for f in notes] == [3, 5]
    assert "no hazard L99" in notes[0].message


def test_an_advice_can_be_ignored_at_its_second_place():
    text = "ALTER TABLE small ADD a json;\n-- indexpilot: ignore D02 -- text matters\nALTER TABLE small ADD b json;"
    given = [(f.line, f.ignored) for f in found(text) if f.id == "D02"]
    assert given == [(1, None), (3, "text matters")]


def test_ids_and_names_can_be_switched_off():
    given = found("CREATE INDEX i ON orders (at)", ignore=("l01", "no-lock-timeout"))
    assert {f.id: (f.ignored or "").startswith("--ignore") for f in given} == {"L01": True, "T01": True, "T02": False}


# -- data, queries, queues


def answer(kind: ProbeKind, found_: bool | None, source: str = "data") -> ProbeAnswer:
    probe = Probe(1, kind, "23502", name("orders"), "note is NULL in rows of orders", "SELECT 1", ("note",))
    return ProbeAnswer(probe, found_, source)


def test_what_the_data_will_not_let_through():
    text = "ALTER TABLE orders ALTER note SET NOT NULL"
    first = found(text, probes=(answer(ProbeKind.NULLS, True),))
    assert [(f.id, f.severity) for f in first if f.id[0] == "F"] == [("F01", Severity.ERROR)]
    guessed = found(text, probes=(answer(ProbeKind.NULLS, True, "statistics"),))
    assert [(f.id, f.severity) for f in guessed if f.id[0] == "F"] == [("F01", Severity.WARNING)]
    for kept in (False, None):
        assert not [f for f in found(text, probes=(answer(ProbeKind.NULLS, kept),)) if f.id[0] == "F"]


@pytest.mark.parametrize("kind", ProbeKind)
def test_every_probe_has_its_hazard(kind):
    given = found("ALTER TABLE orders ALTER note SET NOT NULL", probes=(answer(kind, True),))
    assert [f.id in HAZARDS for f in given if f.id[0] == "F"] == [True]


@pytest.mark.parametrize(
    ("sqlstate", "message", "hazard"),
    [
        ("23502", "", "F01"),
        ("23514", "new row for relation violates partition constraint", "F07"),
        ("22P02", "", "F05"),
        ("22012", "division by zero", "F28"),
        ("2BP01", "", "F20"),
        ("0A000", "cannot alter type of a column used by a view or rule", "F20"),
        ("0A000", "cannot truncate a table referenced in a foreign key constraint", "F10"),
        ("42601", "syntax error", "F24"),
        ("42P07", "", "F23"),
        ("42703", "", "F22"),
        ("XX000", "", "F28"),
    ],
)
def test_errors_have_hazards(sqlstate, message, hazard):
    assert failing_rule(SqlError(sqlstate, message)).id == hazard


def test_recorded_queries():
    templates = (
        TemplateImpact("q-1", "SELECT ref FROM orders", "breaks", 0.4, SqlError("42703", "no ref"), statement=1),
        TemplateImpact("q-2", "SELECT 1", "slower", 0.1, before=10.0, after=9000.0, statement=1),
        TemplateImpact("q-3", "SELECT 2", "slower", 0.2, before=10.0, after=80.0, statement=None),
    )
    given = {f.id: f for f in found("ALTER TABLE orders DROP COLUMN ref;\nSELECT 1", templates=templates)}
    assert given["W05"].severity is Severity.ERROR
    assert given["W05"].templates == ("q-1",)
    assert "no ref" in given["W05"].message
    assert given["W07"].line in (1, 2)
    slow = [f for f in found("ALTER TABLE orders DROP COLUMN ref;\nSELECT 1", templates=templates) if f.id == "W07"]
    assert [(f.line, f.templates) for f in slow] == [(1, ("q-2",)), (2, ("q-3",))]


def test_a_rename_that_breaks_a_query_is_told_once():
    broken = TemplateImpact("q-1", "SELECT ref", "breaks", 0.4, SqlError("42703", "no ref"), statement=1)
    given = [f.id for f in found("ALTER TABLE orders RENAME ref TO r", templates=(broken,))]
    assert "W05" in given
    assert "W09" not in given


def one(text: str, seen: StatementObservation, verdict: StatementVerdict, method: str = "clone/15.4"):
    migration = read_migration("m.sql", text)
    observation = MigrationObservation("m.sql", method, (seen,))
    return findings(Review(migration, observation, (verdict,), catalog=CATALOG), ignore=())


def test_a_queue_is_told_even_of_a_brief_lock():
    queue = (Queue(name("orders"), 4711, "app", "web", 300.0),)
    given = one(
        "ALTER TABLE orders ADD c int",
        StatementObservation(1, RunState.RAN, 1),
        StatementVerdict(Impact.BRIEF_LOCK, queue=queue),
    )
    (finding,) = [f for f in given if f.id == "L39"]
    assert "4711" in finding.message
    assert finding.severity is Severity.WARNING


def test_what_was_not_run_and_another_version():
    seen = StatementObservation(1, RunState.NOT_RUN, 1, reason="programs are not run")
    given = {
        f.id: f.message
        for f in one("COPY orders FROM PROGRAM 'x'", seen, StatementVerdict(Impact.NO_BLOCK), "clone/18.1")
    }
    assert "programs are not run" in given["N01"]
    assert "18.1" in given["N03"]


def test_an_object_that_goes_with_its_own_table_is_not_silent():
    def gone(kind: str, *path: str, silent: bool = True) -> CatalogChange:
        before = CatalogObject(kind, ".".join(path), path, "", name("later"))
        return CatalogChange(ChangeKind.DROPPED, before, None, name("later"), silent)

    changes = (
        gone("table", "public", "later", silent=False),
        gone("index", "public", "later_at"),
        gone("column", "public", "later", "id"),
        gone("view", "public", "report"),
    )
    seen = StatementObservation(1, RunState.RAN, 1, changes=changes)
    given = {f.id: f.loses for f in one("DROP TABLE later CASCADE", seen, StatementVerdict(Impact.BRIEF_LOCK))}
    assert given["W04"] == ("view report",)
    assert given["W10"] == ("table later",)
    assert "W02" not in given


def test_if_exists_that_dropped_nothing_loses_nothing():
    seen = StatementObservation(1, RunState.RAN, 1)
    assert not one("DROP TABLE IF EXISTS old", seen, StatementVerdict(Impact.NO_BLOCK))


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("checks every row of public.part", "checks every row of public.part (8 kB)"),
        (
            "checks every row of public.part_default",
            "checks every row of public.part_default, with public.part (8 kB) locked",
        ),
        ("reads public.parts, public.part", "reads public.parts, public.part (8 kB)"),
        ('reads public.part."x"', 'reads public.part."x", with public.part (8 kB) locked'),
    ],
)
def test_a_size_stands_behind_its_own_table(work, told):
    assert told_with(work, "public.part", "public.part (8 kB)") == told
