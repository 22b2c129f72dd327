"""``analyze`` asked by a request: every source of statements, the order, the shares, and what was left out."""

import io

import pytest

from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.core.command import TableFilter, WorkloadRequest
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.errors import PrerequisiteError, UsageError
from tests.server.requesting import BY_CUSTOMER, BY_ID, NOWHERE, QUIET, RECORD, ask, queries

BY_CITY = "SELECT count(*) FROM customers WHERE city = 'city7'"
LOG = "".join(
    f"2026-01-01 10:00:0{second} UTC [1] LOG:  duration: {ms} ms  statement: {text}\n"
    for second, (ms, text) in enumerate([(1.0, BY_ID), (1.0, BY_ID), (1.0, BY_ID), (50.0, BY_CITY), (2.0, BY_CUSTOMER)])
)


@pytest.fixture
def log_file(tmp_path):
    path = tmp_path / "server.log"
    path.write_text(LOG)
    return str(path)


def texts(outcome):
    return [t.text.split("WHERE ")[1].split(" ")[0] for t in outcome.result.templates]


def test_templates_with_their_shares_and_how_they_read(analyzed_shop):
    outcome = analyzed_shop.ask(AnalyzeRequest, workload=queries(BY_ID, BY_ID, BY_ID, BY_CUSTOMER))
    by_text = dict(zip(texts(outcome), outcome.result.templates, strict=True))
    assert {k: (t.calls, t.share, t.reads) for k, t in by_text.items()} == {
        "id": (3, 0.75, "index"),
        "customer_id": (1, 0.25, "seq scan"),
    }
    result = outcome.result
    assert (result.source, result.share_by, result.total_ms, result.shown_share) == ("sql", "calls", None, 1.0)
    assert (result.template_count, result.statement_count) == (2, 4)
    assert (outcome.status, outcome.exit_code, outcome.next) == ("ok", 0, ("indexpilot recommend",))
    assert analyzed_shop.last() == ("ANALYZE_WORKLOAD", "DONE", {"templates": 2, "statements": 4})


@pytest.mark.parametrize(("by", "first"), [("total", "city"), ("mean", "city"), ("calls", "id")])
def test_the_order_of_a_log_with_times(analyzed_shop, log_file, by, first):
    outcome = analyzed_shop.ask(AnalyzeRequest, workload=WorkloadRequest(files=(log_file,)), by=by, record=QUIET)
    assert texts(outcome)[0] == first
    assert (outcome.result.source, outcome.result.share_by, outcome.result.total_ms) == ("log", "time", 55.0)
    assert sorted(texts(outcome)) == ["city", "customer_id", "id"]


def test_by_io_a_source_without_pages_has_the_order_of_the_ids(analyzed_shop, log_file):
    asked = WorkloadRequest(files=(log_file,))
    templates = analyzed_shop.ask(AnalyzeRequest, workload=asked, by="io", record=QUIET).result.templates
    assert [t.blocks for t in templates] == [None] * 3
    assert [t.id for t in templates] == sorted(t.id for t in templates)


def test_only_the_heaviest_are_shown_and_say_what_they_carry(analyzed_shop, log_file):
    asked = WorkloadRequest(files=(log_file,))
    result = analyzed_shop.ask(AnalyzeRequest, workload=asked, top=1, record=QUIET).result
    assert (len(result.templates), result.template_count) == (1, 3)
    assert result.shown_share == pytest.approx(50 / 55)
    few = analyzed_shop.ask(AnalyzeRequest, workload=WorkloadRequest(files=(log_file,), min_calls=2), record=QUIET)
    assert texts(few) == ["id"]
    heavy = WorkloadRequest(files=(log_file,), min_total_ms=10)
    assert texts(analyzed_shop.ask(AnalyzeRequest, workload=heavy, record=QUIET)) == ["city"]


def test_templates_of_other_tables_are_left_out(analyzed_shop):
    asked = {"workload": queries(BY_ID, BY_CITY), "record": QUIET}
    only = analyzed_shop.ask(AnalyzeRequest, filter=TableFilter(tables=("customers",)), **asked)
    assert texts(only) == ["city"]
    nothing = analyzed_shop.ask(AnalyzeRequest, filter=TableFilter(schemas=("sales",)), **asked)
    assert (nothing.status, nothing.exit_code, nothing.result.templates) == ("skipped", 0, ())


def test_what_cannot_be_advised_on_is_counted_by_reason(analyzed_shop):
    asked = queries(BY_ID, "VACUUM orders", "SELECT * FROM nowhere_at_all", "SELEC 1")
    outcome = analyzed_shop.ask(AnalyzeRequest, workload=asked, record=QUIET)
    skipped = {s.example: s for s in outcome.result.skipped}
    assert texts(outcome) == ["id"]
    assert sum(s.count for s in skipped.values()) == 3
    assert sum(s.share for s in skipped.values()) == pytest.approx(0.75)


def test_a_statement_the_planner_refuses_reads_unknown(analyzed_shop):
    asked = queries("SELECT * FROM orders WHERE status = 5")
    (template,) = analyzed_shop.ask(AnalyzeRequest, workload=asked, record=QUIET).result.templates
    assert template.reads is None


def test_a_snapshot_brings_its_workload_and_no_plans(analyzed_shop, shop_snapshot):
    before = analyzed_shop.log()
    outcome = ask(AnalyzeRequest, NOWHERE, snapshot=shop_snapshot, record=RECORD)
    assert texts(outcome) == ["customer_id"]
    assert [t.reads for t in outcome.result.templates] == [None]
    assert analyzed_shop.log() == before


def test_a_log_with_the_catalog_of_a_snapshot(shop_snapshot, log_file):
    outcome = ask(AnalyzeRequest, NOWHERE, snapshot=shop_snapshot, workload=WorkloadRequest(files=(log_file,)))
    assert texts(outcome) == ["city", "id", "customer_id"]
    assert (outcome.result.total_ms, outcome.server is None) == (55.0, False)
    assert not [w for w in outcome.warnings if w.code == "no_catalog"]


def test_standard_input_is_sql_or_a_log(analyzed_shop, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{BY_ID};\n{BY_CITY};".encode())))
    asked = WorkloadRequest(files=("-",))
    assert sorted(texts(analyzed_shop.ask(AnalyzeRequest, workload=asked, record=QUIET))) == ["city", "id"]
    for as_log in (WorkloadRequest(source=SourceKind.LOG, files=("-",)), asked):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
        assert texts(analyzed_shop.ask(AnalyzeRequest, workload=as_log, record=QUIET))[0] == "city"


def test_what_an_application_recorded(analyzed_shop, bare, shop_snapshot):
    analyzed_shop.sql(
        "INSERT INTO indexpilot.query_stats (table_name, field_name, query_type, duration_ms)"
        " SELECT 'orders', 'customer_id', 'READ', 2 FROM generate_series(1, 10)"
    )
    recorded = {"workload": WorkloadRequest(source=SourceKind.QUERY_STATS), "record": QUIET}
    result = analyzed_shop.ask(AnalyzeRequest, **recorded).result
    made = [t for t in result.templates if t.text == "SELECT * FROM public.orders WHERE customer_id = $1"]
    assert (result.source, [(t.calls, t.total_ms) for t in made]) == ("query_stats", [(10, 20.0)])
    with pytest.raises(PrerequisiteError) as raised:
        bare.ask(AnalyzeRequest, **recorded)
    assert (raised.value.code, raised.value.hint) == ("not_initialised", "indexpilot init")
    with pytest.raises(UsageError, match="not in a snapshot"):
        ask(AnalyzeRequest, NOWHERE, snapshot=shop_snapshot, **recorded)


def test_a_source_without_its_file_and_a_file_that_is_not_there(analyzed_shop, tmp_path):
    for kind in (SourceKind.LOG, SourceKind.SQL):
        with pytest.raises(UsageError, match=f"--source {kind.value} needs a file"):
            analyzed_shop.ask(AnalyzeRequest, workload=WorkloadRequest(source=kind), record=QUIET)
    for name in ("none.sql", "none.log"):
        with pytest.raises(UsageError):
            analyzed_shop.ask(AnalyzeRequest, workload=WorkloadRequest(files=(str(tmp_path / name),)))
        assert analyzed_shop.last()[:2] == ("ANALYZE_WORKLOAD", "FAILED")


def test_no_recorded_statements_to_read(bare):
    with pytest.raises(PrerequisiteError) as raised:
        bare.ask(AnalyzeRequest)
    assert raised.value.hint


def test_c11_statements_that_the_server_recorded(analyzed_shop):
    preloaded = analyzed_shop.sql("SELECT current_setting('shared_preload_libraries') ~ 'pg_stat_statements'")
    if preloaded != [(True,)]:
        pytest.skip("the server records no statements")
    analyzed_shop.sql("CREATE EXTENSION pg_stat_statements")
    try:
        for number in (1, 2, 3):
            analyzed_shop.sql(f"SELECT created_at FROM orders WHERE customer_id = {number}")
        result = analyzed_shop.ask(AnalyzeRequest, by="io", top=None, record=QUIET).result
    finally:
        analyzed_shop.sql("DROP EXTENSION pg_stat_statements")
    assert (result.source, result.share_by) == ("statements", "time")
    (mine,) = [t for t in result.templates if t.text.lower().startswith("select created_at from orders")]
    assert (mine.calls, mine.reads) == (3, "seq scan") and mine.blocks > 0 and mine.mean_ms > 0
    pages = [t.blocks for t in result.templates]
    assert pages == sorted(pages, reverse=True)
