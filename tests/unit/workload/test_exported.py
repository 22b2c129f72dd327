"""pg_stat_statements as people export it: through psql, from consoles of clouds, by pgBadger and collectors."""

import json

import pytest

from indexpilot_cli.errors import UsageError
from indexpilot_cli.workload.exported import begins_exported, read_export

TEXT = "SELECT * FROM w WHERE a = $1"
ROW = {
    "userid": 10,
    "dbid": 5,
    "queryid": -77,
    "query": TEXT,
    "calls": 5,
    "total_exec_time": 60.5,
    "mean_exec_time": 12.1,
}
BADGER = {
    "count": 4,
    "duration": 60.5,
    "samples": {"1.5": {"query": TEXT, "db": "shop"}},
    "chronos": {"1": {"count": 4}},
}
INSIGHTS = {
    "Dimensions": {"db.sql_tokenized.statement": TEXT, "db.sql_tokenized.id": "A1"},
    "Total": 0.25,
    "AdditionalMetrics": {"db.sql_tokenized.stats.calls_per_sec.avg": 2.5},
}
FORMS = {
    "psql --csv": ("query,calls,total_exec_time\n" + f"{TEXT},5,60.5\n", 5, 60.5),
    "copy of all columns": (",".join(ROW) + "\n" + ",".join(map(str, ROW.values())) + "\n", 5, 60.5),
    "before 13": ("query;calls;total_time\n" + f'"{TEXT}";"5";"60.5"\n', 5, 60.5),
    "copy as text": ("query\tcalls\ttotal_exec_time\n" + TEXT.replace(" FROM", "\\nFROM") + "\t5\t60.5\n", 5, 60.5),
    "json_agg": (json.dumps([ROW]), 5, 60.5),
    "row_to_json": (f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n", 5, 60.5),
    "one that was cut short": (json.dumps(ROW) + '\n{"query": "SELECT', 5, 60.5),
    "rows of an answer": (json.dumps({"data": {"rows": [ROW]}, "took": 3}), 5, 60.5),
    "Cloud SQL": (f"Query,Database,Load (%),Avg execution time (ms),Times called\n{TEXT},shop,55.2,12.5,1000\n",
                  1000, 12500),
    "Azure": (f"query_id,calls,total_time,mean_time,query_sql_text\n7,5,60.5,12.1,{TEXT}\n", 5, 60.5),
    "RDS": (f'"SQL statements","Load by waits (AAS)","calls/sec"\n"{TEXT}","0.25","2.5"\n', 9000, 900_000),
    "Performance Insights": (
        json.dumps({"AlignedStartTime": 100.0, "AlignedEndTime": 700.0, "Keys": [INSIGHTS]}), 1500, 150_000),
    "pgBadger": (json.dumps({"normalyzed_info": {"postgres": {TEXT.lower(): BADGER}}}), 4, 60.5),
    "pganalyze": (
        json.dumps({"queryInformations": [{"queryIdx": 1, "normalizedQuery": TEXT}],
                    "queryStatistics": [{"queryIdx": 1, "calls": "5", "totalTime": 60.5}]}), 5, 60.5),
    "heroku pg:outliers": (
        json.dumps([{"total_exec_time": "00:01:00.5", "ncalls": "1,234", "query": TEXT}]), 1234, 60500),
    "pghero": (f"query,total_minutes,average_time,calls\n{TEXT},1.5,90,1000\n", 1000, 90_000),
    "nanoseconds": (json.dumps({"data": [{"query": TEXT, "count": 5, "duration_total_ns": 60_500_000}]}), 5, 60.5),
    "times as intervals": (f"query,calls,mean_time\n{TEXT},5,12.1 ms\n", 5, 60.5),
}  # fmt: skip


def written(tmp_path, text, name="statements.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_texts_calls_and_times_of_every_form(tmp_path, form):
    text, calls, ms = FORMS[form]
    path = written(tmp_path, text)
    assert begins_exported(path)
    first, *others = read_export(str(path), database="shop").statements
    assert (first.text.replace("\n", " "), first.calls, first.total_ms) == (TEXT, calls, pytest.approx(ms))
    assert len(others) == (form == "row_to_json")


def test_rows_of_other_databases_and_roles_are_counted_and_told(tmp_path):
    path = written(tmp_path, f"datname,query,calls\nshop,{TEXT},3\nblog,{TEXT},4\nshop,<insufficient privilege>,9\n")
    found = read_export(str(path), database="shop")
    assert [(s.text, s.calls) for s in found.statements] == [(TEXT, 3)]
    assert [(s.reason, s.calls) for s in found.skipped] == [("hidden", 9)]
    (note,) = found.notes
    assert "1 of 3 statements are of blog (you are on shop)" in note and "--log-database blog" in note


def test_rates_and_missing_counts_are_told(tmp_path):
    rated = read_export(str(written(tmp_path, FORMS["RDS"][0])))
    assert "taken for an hour" in rated.notes[0]
    bare = read_export(str(written(tmp_path, f"query,mean_time\n{TEXT},4\n")))
    assert (bare.statements[0].calls, bare.statements[0].total_ms) == (1.0, 4.0) and "counts once" in bare.notes[0]


NO_EXPORTS = [
    "-- query, calls\nSELECT 1;",
    "SELECT query, calls FROM pg_stat_statements;",
    '{"error_severity": "LOG", "message": "duration: 1 ms  statement: x", "query_id": 0, "calls": 1}',
    "log_time,user_name,database_name,message,query,duration\n",
    "user,host,calls\n",
]


@pytest.mark.parametrize("text", NO_EXPORTS)
def test_logs_and_sql_are_none(tmp_path, text):
    assert not begins_exported(written(tmp_path, text))
    assert not begins_exported(written(tmp_path, FORMS["psql --csv"][0], "q.sql"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" query | calls \n-------+-------\n SELECT 1 | 5\n", "psql --csv"),
        ("-[ RECORD 1 ]---\nquery | SELECT 1\n", "psql --csv"),
        ("a,b\n1,2\n", "with a column of texts"),
        ("", "with a column of texts"),
    ],
)
def test_what_holds_none_is_refused_with_the_next_step(tmp_path, text, words):
    with pytest.raises(UsageError) as error:
        read_export(str(written(tmp_path, text)))
    assert error.value.code == "unknown_export" and words in (error.value.hint or "")
