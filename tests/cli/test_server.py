"""Commands against a real server, through a real process: text as it looks, JSON by its schema, codes as documented."""

import re
import shlex

import psycopg
import pytest
import yaml

from tests.cli.conftest import LONG_TABLE


def commands(ran):
    """Every command line a hint or ``next`` names."""
    for line in ran.err.splitlines():
        if line.startswith(("hint:", "next")):
            yield from re.findall(r"indexpilot [^|]*", line)


def assert_parses(cli, line):
    words = shlex.split(line.strip().rstrip(".,;"))[1:]
    told = cli(*words, "--help")
    assert told.code == 0, line


def test_discover_reads_like_a_table(cli, shop):
    ran = cli("discover", "-d", shop)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["table", "rows", "size", "indexes", "index", "size", "reads/s", "writes/s", "analyzed"]
    assert lines[1].startswith("orders  ")
    assert any(line.startswith(LONG_TABLE) for line in lines)
    assert lines[-1].startswith("3 tables, 3 indexes, ")
    told = ran.err.splitlines()[-1]  # doctor tells how to see statements
    assert told == f"next        indexpilot doctor -d {shlex.quote(shop)}" or "password" in shop


@pytest.mark.parametrize("columns", ["40", "80"])
def test_piped_tables_keep_every_name_whole(cli, shop, prepared, columns):
    tables = cli("discover", "-v", "-d", shop, COLUMNS=columns)
    assert LONG_TABLE in tables.out
    assert "…" not in tables.out
    advice = prepared.cli("plan", "show", "-v", "--show-rejected", COLUMNS=columns)
    assert advice.code == 0, advice.err
    assert "a_rather_long_table_name_that_no_terminal|loves" in advice.out
    assert "…" not in advice.out.replace("INCLUDE (…)", "")
    assert "\x1b" not in advice.out + advice.err


def test_json_of_every_command_validates(cli, shop, workload, home):
    for name, more in {
        "discover": ("-v",),
        "analyze": ("--source", "sql", workload),
        "recommend": ("--source", "sql", workload),
        "doctor": (),
    }.items():
        ran = cli(name, "-d", shop, "--json", *more)
        assert ran.code == 0, ran.err
        value = ran.json(name)
        assert value["server"]["database"].startswith("t_")
        for line in value["next"]:
            assert_parses(cli, line)
    saved = cli("snapshot", "save", "shop.ipsnap", "-d", shop, "--source", "sql", "--file", workload, "--json")
    assert saved.code == 0, saved.err
    assert saved.json("snapshot")["result"]["path"].endswith("shop.ipsnap")


def test_a_snapshot_does_for_a_server(cli, prepared, workload):
    saved = cli("snapshot", "save", "shop.ipsnap", "-d", prepared.dsn, "--source", "sql", "--file", workload)
    assert saved.code == 0, saved.err
    without = cli("recommend", "--snapshot", "shop.ipsnap", "--json", "-h", "/nowhere")
    assert without.code == 0, without.err
    advice = [r["id"] for r in without.json("recommend")["result"]["recommendations"]]
    assert advice == [r["id"] for r in prepared.advice]
    assert advice


def test_recommend_in_all_forms(cli, shop, workload):
    arguments = ("recommend", "-d", shop, "--source", "sql", workload, "--budget", "100MB", "--min-benefit", "1%")
    table = cli(*arguments)
    assert table.code == 0, table.err
    assert re.search(r"^Plan P-\w+ +3 templates, ", table.out)
    assert "workload cost -" in table.out
    for line in commands(table):
        assert_parses(cli, line)
    kept = ("plan", "show", re.match(r"Plan (P-\w+)", table.out)[1])  # the forms of the same plan
    value = cli(*kept, "--json").json("recommend")
    assert value["status"] == "findings"
    assert value["result"]["budget_bytes"] == 100 << 20
    as_yaml = yaml.safe_load(cli(*kept, "--format", "yaml").out)
    ids = [r["id"] for r in value["result"]["recommendations"]]
    assert [r["id"] for r in as_yaml["result"]["recommendations"]] == ids
    markdown = cli(*kept, "--format", "markdown").out
    assert all(name in markdown for name in ids)
    statements = cli(*kept, "--format", "sql").out
    with psycopg.connect(shop) as connection:
        for statement in statements.split(";\n"):
            if "CREATE" in statement:  # in a transaction that is rolled back
                connection.execute(statement.replace("CONCURRENTLY", "").encode())
        built = {r[0] for r in connection.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE '%ip_idx'")}
        connection.rollback()
    assert built == {r["name"] for r in value["result"]["recommendations"]}


def test_exit_code_3_only_when_asked_and_only_with_findings(cli, shop, workload, home):
    arguments = ("recommend", "-d", shop, "--source", "sql")
    asked = cli(*arguments, workload, "--exit-code", "--json")
    assert asked.code == 3
    asked.json("recommend")
    (home / "fine.sql").write_text("SELECT * FROM orders WHERE id = 7;")
    assert cli(*arguments, "fine.sql", "--exit-code").code == 0


def test_init_check_dry_run_and_history(cli, own_shop, home):
    missing = cli("init", "-d", own_shop, "--check", "--json")
    assert missing.code == 3
    missing.json("init")
    dry = cli("init", "-d", own_shop, "--dry-run", "--db-only")
    assert dry.code == 0
    assert "dry run: nothing changed" in dry.out
    assert not (home / "indexpilot.yaml").exists()
    with psycopg.connect(own_shop) as connection:
        assert connection.execute("SELECT to_regnamespace('indexpilot')").fetchone() == (None,)
    made = cli("init", "-d", own_shop, "--yes")
    assert made.code == 0, made.err
    assert "done" in made.out
    assert (home / "indexpilot.yaml").exists()
    again = cli("init", "-d", own_shop, "--json")
    assert again.code == 0, again.err
    assert again.json("init")["result"]["created"] == []
    assert cli("init", "-d", own_shop, "--yes", "--quiet").out == ""
    assert cli("discover", "-d", own_shop).code == 0
    log = cli("history", "-d", own_shop, "--json").json("history")
    assert any(m["type"] == "DISCOVER" for m in log["result"]["mutations"])
    shown = cli("history", "-d", own_shop, "--type", "discover")
    assert re.search(r"^M-\d+ +20\d\d-", shown.out, re.MULTILINE)


def test_init_with_profile_and_config_only_needs_no_server(cli, home):
    made = cli("init", "--config-only", "--yes", "--profile", "analytics", "--config", "mine.yaml", "-h", "/nowhere")
    assert made.code == 0, made.err
    assert "few large queries" in (home / "mine.yaml").read_text()
    assert cli("config", "check", "mine.yaml").code == 0


def test_explain_what_if(cli, shop):
    query = "SELECT * FROM orders WHERE customer_id = 5"
    ran = cli("explain", "-d", shop, "--query", query, "--with", "CREATE INDEX ON orders (customer_id)", "--json")
    assert ran.code == 0, ran.err
    plans = ran.json("explain")["result"]["plans"]
    assert plans[1]["cost"] < plans[0]["cost"] / 5
    text = cli("explain", "-d", shop, "--query", query, "--with", "CREATE INDEX ON orders (customer_id)")
    assert "Seq Scan on orders" in text.out


def test_explain_an_id_that_recommend_printed(prepared):
    first = prepared.advice[0]
    ran = prepared.cli("explain", first["id"], "--json")
    assert ran.code == 0, ran.err
    assert ran.json("explain")["result"]["recommendation"] == first


def test_quiet_prints_the_payload_and_nothing_else(cli, shop):
    ran = cli("discover", "-d", shop, "--quiet")
    assert ran.err == ""
    assert ran.out.startswith("table")


def test_doctor_says_what_to_type(cli, shop):
    ran = cli("doctor", "-d", shop)
    assert ran.code == 0
    assert re.search(r"^ok +connection", ran.out, re.MULTILINE)
    for line in re.findall(r"-> +(indexpilot .*)", ran.out):
        assert_parses(cli, line)


def test_an_id_is_worked_out_within_the_limits_of_the_settings(cli, home, shop, workload):
    """As recommend would choose now: a budget, numbers of indexes and tables that are left out count, too."""
    asked = ("-d", shop, "--source", "sql", "--json")
    elsewhere = {"XDG_STATE_HOME": str(home / "elsewhere")}  # where explain finds no plan
    advised = cli("recommend", workload, *asked, **elsewhere).json("recommend")["result"]["recommendations"]
    subject = next(one["id"] for one in advised if one["table"]["name"] == "orders")
    (home / "indexpilot.yaml").write_text("advisor: {budget: 8kB}\n")
    told = cli("explain", subject, "--file", workload, *asked).json("explain")["result"]
    assert (told["verdict"], told["rejection"]["reason"]) == ("rejected", "over_budget")
    (home / "indexpilot.yaml").write_text("advisor: {exclude_tables: [orders]}\n")
    assert cli("explain", subject, "--file", workload, *asked).code == 2
