"""``genome`` and ``tenant``: what does not exist is refused, a change is made once, and each is in the log."""

import pytest

from indexpilot_cli.db.session import open_session
from indexpilot_cli.genome.sync import discover_and_bootstrap
from indexpilot_cli.log import metadata

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, tenant_id int NOT NULL, status varchar(20), note text, doc json);
CREATE SCHEMA sales;
CREATE TABLE sales.orders (id int, custom_color text);
CREATE TABLE "Mixed Case" ("Select" int, "group" text);
"""
KINDS = ("INITIALIZE_TENANT", "ENABLE_FIELD", "DISABLE_FIELD", "SYSTEM_CONFIG_CHANGE")


@pytest.fixture
def known(cli, connection, database):
    """The program in a database whose tables the genome catalog knows."""
    connection.execute("SET search_path TO public")
    connection.execute(TABLES)

    def run(*arguments, code=0, name=None):
        ran = cli(*arguments, "-d", database, *(["--json"] if name else []))
        assert ran.code == code, (arguments, ran.out, ran.err)
        return ran.json(name)["result"] if name else ran

    with open_session(database, read_only=False) as session:
        metadata.migrate(session)
        discover_and_bootstrap(session)
    return run


def rows(connection, *kinds):
    return connection.execute(
        "SELECT mutation_type, tenant_id, table_name, field_name, state FROM indexpilot.mutation_log"
        " WHERE mutation_type = ANY (%s) AND state = 'DONE' ORDER BY id",
        [list(kinds)],
    ).fetchall()


def test_a4_list_all_or_one_table_in_order_and_an_unknown_one_is_refused(known):
    everything = known("genome", "list", name="genome")
    assert [(f["table"]["name"], f["field"]) for f in everything["fields"]][:3] == [
        ("Mixed Case", "Select"),
        ("Mixed Case", "group"),
        ("orders", "id"),
    ]
    one = known("genome", "list", "--table", "public.orders", name="genome")
    assert [f["field"] for f in one["fields"]] == ["id", "tenant_id", "status", "note", "doc"]
    assert one["hidden"] == len(everything["fields"]) - 5
    assert one["fields"][2]["type"] == "character varying(20)"
    wrong = known("genome", "list", "--table", "order", code=2)
    assert "did you mean orders?" in wrong.err
    assert "several schemas" in known("genome", "list", "--table", "orders", code=2).err


def test_a5_a7_a_field_is_forbidden_and_grouped_when_it_is_written(known, connection):
    command = ("genome", "set", "public.orders", "status", "note", "--not-indexable", "--group", "Work flow")
    shown = known(*command, name="genome_set")
    assert (shown["written"], len(shown["changes"])) == (False, 4)
    assert known(*command, "--exit-code", code=3).out.splitlines()[-1] == "4 changes would be written: add --write"
    assert known("genome", "list", "--group", "Work flow", name="genome")["fields"] == []
    done = known(*command, "--write", name="genome_set")
    assert done["written"] is True and done["changes"] == shown["changes"]
    again = known(*command, "--write", "--exit-code", name="genome_set")
    assert (again["written"], again["changes"]) == (False, [])
    listed = known("genome", "list", "--group", "Work flow", "--not-indexable", name="genome")["fields"]
    assert [(f["field"], f["indexable"]) for f in listed] == [("status", False), ("note", False)]
    stamps = connection.execute(
        "SELECT DISTINCT field_name IN ('status', 'note'), updated_at > created_at FROM indexpilot.genome_catalog"
        " WHERE table_name = 'orders' AND schema_name = 'public'"
    ).fetchall()
    assert sorted(stamps) == [(False, False), (True, True)]  # A9
    logged = connection.execute(
        "SELECT field_name, details_json -> 'changes' FROM indexpilot.mutation_log"
        " WHERE details_json ->> 'action' = 'genome_set' AND mutation_type = 'SYSTEM_CONFIG_CHANGE'"
        " AND field_name IS NOT NULL ORDER BY id"
    ).fetchall()
    assert logged[0] == ("status", {"is_indexable": [True, False], "feature_group": ["core", "Work flow"]})
    assert [name for name, _ in logged] == ["status", "note"]


def test_a6_what_no_index_is_of_use_for_is_said(known):
    doc = known("genome", "list", "--table", "public.orders", "--not-indexable", name="genome")["fields"]
    assert [f["field"] for f in doc] == ["doc"]
    assert "none an index is of use for" in known("genome", "set", "public.orders", "doc", "--indexable").err


REFUSED = [
    (("public.orders", "statos", "--not-indexable"), "did you mean status?"),
    (("nowhere", "--not-indexable"), "has no table 'nowhere'"),
    (("orders", "id", "--not-indexable"), "public.orders, sales.orders"),
    (("public.orders", "id"), "nothing to set"),
    (("public.orders", "id", "--group", " "), "has a name"),
    (('x"; DROP TABLE orders; --', "id", "--indexable", "--write"), "has no table"),
]


def test_a10_what_is_not_in_the_catalog_is_refused(known):
    for arguments, told in REFUSED:
        assert told in known("genome", "set", *arguments, code=2).err


def test_a10_odd_names_are_set_and_switched(known):
    known("genome", "set", '"Mixed Case"', "Select", "--not-indexable", "--write")
    known("tenant", "disable", "7", "Mixed Case", "group")
    listed = known("genome", "list", "--not-indexable", "--table", "Mixed Case", name="genome")["fields"]
    assert [f["field"] for f in listed] == ["Select"]
    off = known("tenant", "show", "7", "--disabled", name="tenant")["fields"]
    assert [(f["table"]["name"], f["field"]) for f in off] == [("Mixed Case", "group")]


def test_b2_b4_a_tenant_is_begun_once_and_switched_once(known, connection):
    count = len(known("genome", "list", name="genome")["fields"])
    assert known("tenant", "init", "7", "--dry-run", name="tenant_change")["changed"] == count
    assert known("tenant", "list", name="tenants")["tenants"] == []
    assert known("tenant", "init", "7", name="tenant_change")["changed"] == count
    assert known("tenant", "init", "7", name="tenant_change")["changed"] == 0
    assert known("tenant", "disable", "7", "public.orders", "note", "--dry-run", name="tenant_change")["changed"] == 1
    for action in ("disable", "disable", "enable", "enable"):
        known("tenant", action, "7", "public.orders", "note")
    assert known("tenant", "disable", "7", "sales.orders", name="tenant_change")["changed"] == 2
    assert rows(connection, *KINDS[:3]) == [
        ("INITIALIZE_TENANT", 7, None, None, "DONE"),
        ("DISABLE_FIELD", 7, "orders", "note", "DONE"),
        ("ENABLE_FIELD", 7, "orders", "note", "DONE"),
        ("DISABLE_FIELD", 7, "orders", "id", "DONE"),
        ("DISABLE_FIELD", 7, "orders", "custom_color", "DONE"),
    ]
    (listed,) = known("tenant", "list", name="tenants")["tenants"]
    assert (listed["tenant"], listed["fields"], listed["enabled"]) == (7, count, count - 2)


def test_b3_a_tenant_that_does_not_exist_is_refused(known, connection):
    connection.execute("CREATE TABLE accounts (id bigint PRIMARY KEY); INSERT INTO accounts VALUES (7)")
    connection.execute("ALTER TABLE orders ADD FOREIGN KEY (tenant_id) REFERENCES accounts")
    for command in (("init", "99999"), ("show", "99999"), ("enable", "99999", "public.orders", "note")):
        assert "public.accounts has no tenant 99999" in known("tenant", *command, code=2).err
    assert connection.execute("SELECT count(*) FROM indexpilot.expression_profile").fetchone() == (0,)
    assert known("tenant", "init", "7", name="tenant_change")["verified"] is True
    assert known("tenant", "init", "99999", "--known", name="tenant_change")["changed"] > 0
    assert known("tenant", "disable", "99999", "public.orders", "note", name="tenant_change")["changed"] == 1
    assert known("tenant", "list", name="tenants")["registry"] == {"schema": "public", "name": "accounts"}
    for wrong in ("seven", "2147483648", "1.5"):
        known("tenant", "show", wrong, code=2)


def test_b5_a_field_that_is_not_in_the_catalog_is_refused_and_nothing_is_half_done(known, connection):
    wrong = known("tenant", "disable", "7", "public.orders", "note", "statos", code=2)
    assert "did you mean status?" in wrong.err
    assert connection.execute("SELECT count(*) FROM indexpilot.expression_profile").fetchone() == (0,)
    assert rows(connection, *KINDS[:3]) == []


def test_b6_b7_a_tenant_without_a_profile_has_the_defaults(known, connection):
    connection.execute("UPDATE indexpilot.genome_catalog SET default_expression = false WHERE field_name = 'note'")
    shown = known("tenant", "show", "5", "--table", "public.orders", name="tenant")
    assert (shown["profile"], shown["verified"], shown["enabled"], shown["disabled"]) == (False, None, 4, 1)
    assert [f["field"] for f in shown["fields"] if not f["enabled"]] == ["note"]
    known("tenant", "enable", "5", "public.orders", "note")
    active = known("tenant", "show", "5", "--table", "public.orders", "--enabled", name="tenant")
    assert {f["field"]: f["explicit"] for f in active["fields"]}["note"] is True and active["disabled"] == 0
    told = known("tenant", "show", "6")
    assert "nothing tells whether this tenant exists" in told.err
    assert told.out.splitlines()[-1] == "tenant 6 uses 8 of 9 fields (no profile: the defaults)"


def test_before_init_each_names_it(cli, database):
    for command in (
        ("genome", "list"),
        ("genome", "set", "t", "--indexable"),
        ("tenant", "list"),
        ("tenant", "init", "1"),
    ):
        ran = cli(*command, "-d", database)
        assert (ran.code, "indexpilot init" in ran.err) == (5, True)


@pytest.fixture
def advice(known, connection, home):
    """The recommendations for statements of two tenants of forty on a field that no tenant has by default."""
    connection.execute(
        "CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants SELECT generate_series(1, 40);"
        "INSERT INTO orders SELECT g, 1 + g % 40, 's' || g % 5, 'note ' || g FROM generate_series(1, 20000) g; ANALYZE"
    )
    connection.execute("UPDATE indexpilot.genome_catalog SET default_expression = false WHERE field_name = 'note'")
    (home / "w.sql").write_text(
        "SELECT * FROM orders WHERE tenant_id = 3 AND note = 'note 42';\n"
        "SELECT * FROM orders WHERE tenant_id = 7 AND note = 'note 46';\n"
    )
    return lambda: known("recommend", "--source", "sql", "w.sql", "--show-rejected", name="recommend")


def not_indexable(found):
    return [r["detail"] for r in found["rejected"] if r["reason"] == "not_indexable"]


def test_a5_a_field_set_false_in_the_catalog_is_never_recommended(known, advice):
    assert any("note" in r["ddl"] for r in advice()["recommendations"])
    known("genome", "set", "public.orders", "note", "--not-indexable", "--write")
    told = advice()
    assert not_indexable(told) == ["note is not to be indexed: the genome catalog says is_indexable = false"]
    assert not any("note" in r["ddl"] for r in told["recommendations"])


def test_b8_few_tenants_get_a_partial_index_and_none_get_none(known, advice):
    assert not_indexable(advice()) == []  # no tenant has a profile
    for tenant in ("3", "7"):
        known("tenant", "enable", tenant, "public.orders", "note")
    (best,) = advice()["recommendations"]
    assert best["where"] == "tenant_id IN (3, 7)"
    assert "only tenants 3, 7 of 40 use note" in " ".join(best["reasons"])
    for tenant in ("3", "7"):
        known("tenant", "disable", tenant, "public.orders", "note")
    told = advice()
    assert not_indexable(told) == ["note is not to be indexed: disabled in the expression profile of every tenant (40)"]
    assert not any("note" in r["ddl"] for r in told["recommendations"])


def test_t6_a_sync_is_shown_first_and_written_when_asked(known, connection):
    known("discover", "--sync", "--exit-code")
    known("tenant", "init", "7")
    known("genome", "set", "public.orders", "status", "--not-indexable", "--write")
    connection.execute(
        "ALTER TABLE orders RENAME status TO state; ALTER TABLE orders DROP note; ALTER TABLE orders ADD later date;"
        "ALTER TABLE orders ALTER id TYPE bigint; ALTER TABLE orders ALTER tenant_id DROP NOT NULL;"
        'DROP TABLE sales.orders; ALTER TABLE "Mixed Case" RENAME TO "Order"; CREATE TABLE created (x int)'
    )
    shown = known("discover", "--sync", name="schema_sync")
    told = known("discover", "--sync", "--exit-code", code=3).err.splitlines()[-1]
    assert "indexpilot discover -d " in told and told.endswith(" --sync --write")
    assert shown["applied"] is False
    assert sorted((c["kind"], c["table"]["name"], c["field"], c["before"], c["after"]) for c in shown["changes"]) == [
        ("column_added", "orders", "later", None, "date"),
        ("column_removed", "orders", "note", "text", None),
        ("column_renamed", "orders", "state", "status", "state"),
        ("nullability_changed", "orders", "tenant_id", "not null", "null"),
        ("table_added", "created", None, None, None),
        ("table_removed", "orders", None, None, None),
        ("table_renamed", "Order", None, 'public."Mixed Case"', 'public."Order"'),
        ("type_changed", "orders", "id", "integer", "bigint"),
    ]
    assert rows(connection, "SCHEMA_SYNC") == []
    only = known("discover", "--sync", "--schema", "sales", name="schema_sync")["changes"]
    assert [c["kind"] for c in only] == ["table_removed"]
    done = known("discover", "--sync", "--write", "--exit-code", name="schema_sync")
    assert (done["applied"], done["changes"], done["tables"]) == (True, shown["changes"], 3)
    assert len(rows(connection, "SCHEMA_SYNC")) == 1
    forbidden = known("genome", "list", "--not-indexable", name="genome")["fields"]
    assert [f["field"] for f in forbidden] == ["state", "doc"]  # the veto went along
    off = known("tenant", "show", "7", name="tenant")["fields"]
    assert {f["field"]: f["explicit"] for f in off if f["table"]["name"] == "orders"} == {
        **dict.fromkeys(("id", "tenant_id", "state", "doc"), True),
        "later": False,
    }
    assert known("discover", "--sync", "--write", name="schema_sync")["changes"] == []
    assert len(rows(connection, "SCHEMA_SYNC")) == 1
    for wrong in (("--sync", "--schema", "sale"), ("--write",), ("--sync", "--save"), ("--sync", "--table", "orders")):
        known("discover", *wrong, code=2)
