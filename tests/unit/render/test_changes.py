"""Views of commands that change indexes: guards, questions, outcomes, switches, and the log."""

from dataclasses import replace

import pytest

from indexpilot_cli.admin.history import HistoryResult
from indexpilot_cli.admin.init import InitResult
from indexpilot_cli.apply.values import ApplyResult
from indexpilot_cli.core.codec import to_document
from indexpilot_cli.core.mutation import Mutation, MutationType, OperationKind
from indexpilot_cli.render.text import plain, sql
from indexpilot_cli.render.views import apply, config, doctor, history
from tests.unit.render import samples


def test_apply_says_what_became_of_each_index():
    lines = plain(apply.view(samples.APPLIED)).splitlines()
    assert lines[0].startswith("Repaired    M-120  ")
    built = next(line for line in lines if line.startswith("M-118"))
    assert built.split()[1] == samples.FIRST.id
    assert all(part in built for part in ("built", "6 min 41 s", "1.5 GB", "kept, 4 templates"))
    assert any("failed" in line and "lock timeout x 5, remnant dropped" in line for line in lines)
    assert "M-118       4 templates faster, none slower" in lines
    assert lines[-1] == "1 built, 1 failed"


def test_a_dry_run_prints_the_exact_sql_and_says_that_nothing_changed():
    document = apply.view(samples.APPLY_DRY)
    text = plain(document)
    assert f"{samples.SECOND.ddl};" in text.splitlines()
    assert text.splitlines()[-2:] == ["1 planned", "dry run: nothing changed"]
    script = sql(document.statements)
    assert f"-- undo: {samples.SECOND.undo};" in script
    assert [line for line in script.splitlines() if line and not line.startswith("--")] == [f"{samples.SECOND.ddl};"]
    assert "DDL" not in plain(apply.view(samples.APPLIED))


def test_nothing_done_has_a_reason_and_the_next_opening_once():
    window = "the window 22:00-05:00 Europe/Berlin is closed"
    told = plain(apply.view(samples.APPLY_SKIPPED))
    assert told == f"nothing done: {window}; next opening 2026-11-20 02:00Z\n"
    closed = replace(samples.APPLY_SKIPPED, verdicts=(), skipped="closed until 2026-11-20 02:00Z")
    assert plain(apply.view(closed)) == "nothing done: closed until 2026-11-20 02:00Z\n"
    assert plain(apply.view(ApplyResult(None, (), ()))) == "nothing to do\n"
    planned = replace(samples.APPLY_SKIPPED, mutations=(samples.PLANNED,))
    assert plain(apply.view(planned)) == told


def test_guards_that_refuse_come_in_sentences_and_the_others_by_name():
    lines = plain(apply.guards(samples.VERDICTS)).splitlines()
    assert lines[0] == (
        "Guards      no       the window 22:00-05:00 Europe/Berlin is closed (again at 2026-11-20 02:00Z)"
    )
    assert 'warning  "Mixed Case"."select|group": 8 indexes' in lines[1]
    assert lines[2].strip() == "ok       disk, plan fresh"
    whole = plain(apply.guards(samples.VERDICTS, verbose=True))
    assert "./indexpilot.yaml:3" in whole
    assert len(whole.splitlines()) == 5


@pytest.mark.parametrize(
    ("mutations", "sentence"),
    [
        ((samples.PLANNED,), "build 1 index, 60.0 MB, one at a time, without blocking writes"),
        (
            (samples.PLANNED, replace(samples.PLANNED, sql=samples.SECOND.undo, size_bytes=None)),
            "build 1 index, 60.0 MB and drop 1 index, one at a time, without blocking writes",
        ),
        ((replace(samples.PLANNED, outcome="already_done"),), "nothing: all of it is done already"),
    ],
)
def test_the_question_says_what_will_happen(mutations, sentence):
    assert apply.will_do(ApplyResult(None, (), mutations)) == sentence


@pytest.mark.parametrize(
    ("outcome", "kind", "word"),
    [
        ("done", OperationKind.CREATE, "built"),
        ("done", OperationKind.DROP, "dropped"),
        ("done", OperationKind.REINDEX, "rebuilt"),
        ("already_done", OperationKind.CREATE, "there already"),
        ("leftover", OperationKind.CREATE, "left over"),
        ("unknown", OperationKind.CREATE, "unknown"),
    ],
)
def test_outcomes_in_words(outcome, kind, word):
    item = replace(samples.BUILT, outcome=outcome, kind=kind)
    assert apply.outcome_word(item) == word
    assert plain(apply.view(ApplyResult(None, (), (item,)))).splitlines()[-1] == f"1 {word}"


def test_rollback_shows_what_it_drops():
    text = plain(apply.rollback_view(ApplyResult(None, (), (samples.DROPPED,))))
    assert "M-121" in text
    assert text.splitlines()[-1] == "1 dropped"
    assert apply.rollback_view(ApplyResult(None, (), (samples.DROPPED,))).payload["undone"][0]["id"] == "M-121"


def test_bypass_says_who_decided_and_until_when():
    text = plain(config.bypass_view(samples.BYPASS))
    assert "runtime switch" in text
    assert "2026-11-20 02:00Z" in text
    assert "IndexPilot is switched off: no index is changed" in text
    assert "(it was so already)" in plain(config.bypass_view(replace(samples.BYPASS, changed=False)))
    assert "approved" not in plain(config.approved(samples.APPROVED))
    assert "by dba, 2026-11-20 02:00Z" in plain(config.approved(samples.APPROVED))


def test_history_shows_state_index_and_error():
    failed = Mutation(
        MutationType.INDEX_CREATION_FAILED,
        {"structure": {"keys": 1}},
        table_name="orders",
        id=9,
        created_at=samples.NOW,
        state="FAILED_LEFTOVER",
        actor="dba",
        index_name="orders_x_ip_idx",
        sqlstate="55P03",
        error="lock timeout",
    )
    line = plain(history.history_view(HistoryResult((failed,), 1))).splitlines()[1]
    assert line.split()[3:] == [
        "INDEX_CREATION_FAILED",
        "FAILED_LEFTOVER",
        "orders_x_ip_idx",
        "dba",
        "error:",
        "lock",
        "timeout,",
        "sqlstate:",
        "55P03",
    ]
    assert "structure" in plain(history.history_view(HistoryResult((failed,), 1), verbose=True))
    assert to_document(failed, history.MutationDocument)["state"] == "FAILED_LEFTOVER"


def test_init_joins_its_tables_in_one_line():
    planned = InitResult(
        "ip", None, planned=("schema", "genome_catalog", "mutation_log", "config"), config_path="x.yaml"
    )
    assert plain(doctor.init_view(planned)).splitlines() == [
        "  will do   create schema ip",
        "  will do   create 2 tables in schema ip: genome_catalog, mutation_log",
        "  will do   write x.yaml",
    ]
    made = replace(planned, created=planned.planned, schema_version=2)
    assert plain(doctor.init_view(made)).splitlines() == [
        "done        made schema, 2 tables, config, schema version 2",
        "roles       another role may look at them after  indexpilot init --grant ROLE",
    ]
    told = plain(doctor.init_view(replace(made, created=("grants",), grantees=("ann",))))
    assert told.startswith("done        made grants")
