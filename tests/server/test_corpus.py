"""The corpus of migrations: in order, true to its own files, and a small part of it put to the tool."""

import psycopg
import pytest

from tests.benchmarks import migrations as scoring
from tests.benchmarks import migrations_corpus as corpus
from tests.benchmarks import migrations_tool as tool
from tests.benchmarks import migrations_truth as truths

PARTS = ("corpus", "held_out")
MAJORS = (15, 18)
SMOKE = (  # their truth is the same on every version
    "index_plain_big",
    "index_concurrently_in_transaction",
    "add_column_uuid_default",
    "add_column_current_user_default",
    "add_check_validate_one_transaction",
    "set_not_null_with_nulls",
    "set_not_null_after_fix",
    "fk_orphans",
    "type_varchar_widen",
    "type_varchar_narrow_too_long",
    "drop_column_string_function",
    "partition_attach_scan",
    "do_hides_index",
)
VERDICTS = {None, "no_block", "brief_lock", "long_online", "long_blocks_writes", "long_blocks_reads"}


@pytest.mark.parametrize("part", PARTS)
def test_every_file_is_in_the_manifest_and_every_entry_has_a_file(part):
    named = corpus.cases(part)
    files = {path.stem for path in named[0].path.parent.glob("*.sql")}
    assert {case.name for case in named} == files
    assert all(case.classes for case in named)
    assert all(corpus.split(case.text) for case in named)


def test_the_held_out_part_repeats_nothing():
    digests = [case.digest for part in PARTS for case in corpus.cases(part)]
    assert len(digests) == len(set(digests))


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("part", PARTS)
def test_the_truth_was_measured_on_the_files_as_they_are(major, part):
    recorded = corpus.read_truth(major, part)
    assert {case.name: case.digest for case in corpus.cases(part)} == {n: t["sql"] for n, t in recorded.items()}


@pytest.mark.parametrize("major", MAJORS)
def test_the_truth_is_complete(major):
    recorded, queries = corpus.read_truth(major), corpus.workload()
    for case in corpus.cases():
        truth = recorded[case.name]
        statements = corpus.split(case.text)
        ran = truth["fails"]["statement"] if truth["fails"] else len(statements)
        assert len(truth["statements"]) == ran, case.name
        assert {s["verdict"] for s in truth["statements"]} <= VERDICTS
        assert all(1 <= int(number) <= len(queries) for number in truth["breaks"])


def test_the_corpus_has_every_kind_of_truth():
    truth = corpus.read_truth(15)
    verdicts = [s["verdict"] for t in truth.values() for s in t["statements"]]
    assert all(verdicts.count(v) >= 15 for v in VERDICTS)
    assert sum(bool(t["breaks"]) for t in truth.values()) >= 40
    assert len({t["fails"]["sqlstate"] for t in truth.values() if t["fails"]}) >= 25


def test_some_migrations_differ_between_the_versions():
    old, new = corpus.read_truth(15), corpus.read_truth(18)
    assert sum(bool(old[name]["fails"]) != bool(new[name]["fails"]) for name in old) >= 5


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("SELECT 1; SELECT 2", 2),
        ("SELECT ';'; SELECT $$;$$; SELECT \";\"", 3),
        ("-- only; a comment\n", 0),
        ("SELECT /* a ; /* b ; */ ; */ 1;", 1),
        ("SELECT E'\\';'; SELECT 'it''s;'", 2),
        ("DO $x$ BEGIN PERFORM 1; $$;$$ END $x$; SELECT 1", 2),
        ("CREATE RULE r AS ON DELETE TO t DO INSTEAD (SELECT 1; SELECT 2); SELECT 3", 2),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END; SELECT 1", 2),
        ("BEGIN; SELECT 1; END; SELECT 2", 4),
    ],
)
def test_files_are_cut_as_psql_cuts_them(text, count):
    assert len(corpus.split(text)) == count


@pytest.fixture(scope="module")
def loaded(pg):
    """DSN of a database with the corpus's schema and data."""
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        have = {name for (name,) in admin.execute("SELECT name FROM pg_available_extensions")}
        version = admin.info.server_version // 10000
        if not {"citext", "btree_gist"} <= have or version < 15:
            pytest.skip("needs citext, btree_gist and PostgreSQL 15")
        corpus.load(pg.dsn, corpus.BASE)
        yield pg.database(corpus.BASE)
        admin.execute(f"DROP DATABASE {corpus.BASE} WITH (FORCE)")


def test_every_recorded_statement_runs_on_the_loaded_database(loaded):
    assert not [r for r in truths.results(loaded, corpus.workload()) if isinstance(r, str)]


@pytest.mark.slow
def test_a_small_part_of_the_corpus_is_told_right(loaded, twin_cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_cache))
    recorded = corpus.read_truth(15)
    cases = [case for case in corpus.cases() if case.name in SMOKE]
    assert len(cases) == len(SMOKE)
    seen = tool.check_all(loaded, cases, process=False)
    said = {case: scoring.tool_answer(seen[case], recorded[case.name]) for case in cases}
    true = {case: scoring.truth_answer(recorded[case.name]) for case in cases}
    assert not list(scoring.miss_lines(scoring.score(true, said)[2], true))
