"""``explain F-…``: the evidence, what was looked at, what gets slower, what holds an offer back, the next command."""

import re

import pytest

from indexpilot_cli.core.command import Silent
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.explain import explain_finding
from indexpilot_cli.lifecycle.values import LifecycleRequest
from tests.server.requesting import QUIET, RECORD, TWIN, filled, queries
from tests.server.test_lifecycle import AT_ONCE, look, short

pytestmark = pytest.mark.usefixtures("own_places")
SEED = """
CREATE SCHEMA "Odd place";
CREATE TABLE "Odd place"."The acts" (id int PRIMARY KEY, kind int, note text);
INSERT INTO "Odd place"."The acts" SELECT g, g % 2000, md5(g::text) FROM generate_series(1, 20000) g;
CREATE INDEX "by note" ON "Odd place"."The acts" (note);
CREATE INDEX by_note_again ON "Odd place"."The acts" (note);
CREATE INDEX by_kind ON "Odd place"."The acts" (kind);
CREATE TABLE fresh (id int PRIMARY KEY);
INSERT INTO fresh SELECT generate_series(1, 3000);
"""
NEEDED = queries('SELECT * FROM "Odd place"."The acts" WHERE kind = 7')


@pytest.fixture(scope="module")
def acts(pg):
    with filled(pg, SEED, 'VACUUM ANALYZE "Odd place"."The acts"') as place:
        yield place


@pytest.fixture(scope="module")
def found(acts, twin_place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(twin_place))
        return {short(f): f for f in look(acts, workload=NEEDED, planner=TWIN).result.findings}


def ageless(texts):
    """Ages and moments differ between two looks."""
    return {re.sub(r"\d+ (s|min|h|d)\b|\d[\d:.-]*", "N", text) for text in texts}


def explain(place, subject, **asked):
    asked = {"workload": NEEDED, "planner": TWIN, "record": QUIET, "min_age": AT_ONCE} | asked
    outcome = explain_finding(LifecycleRequest(place.connection, **asked), subject, Silent())
    return outcome, [text for label, text in outcome.result.facts if label == "Held back"]


def test_a_drop_comes_with_its_evidence_its_way_back_and_the_next_command(acts, found):
    finding = found['"Odd place".by_note_again']
    outcome, against = explain(acts, finding.id.lower())
    result = outcome.result
    assert (result.subject, result.id, result.verdict) == ("finding", finding.id, "drop")
    assert result.title == 'duplicate "Odd place".by_note_again on "Odd place"."The acts"'
    assert ageless(e.fact for e in result.evidence) == ageless(r.text for r in finding.evidence)
    assert result.sql.startswith("DROP INDEX") and finding.undo in result.sql
    assert against == []
    (looked,) = [text for label, text in result.facts if label == "Looked at"]
    assert "recorded statements, planned without it" in looked and "0 standbys" in looked
    table = """'"Odd place"."The acts"'"""
    assert outcome.next == (f"indexpilot lifecycle --check duplicate --table {table} --plan",)


def test_what_a_statement_needs_is_held_back_with_the_statement_and_its_costs(acts, found):
    finding = found['"Odd place".by_kind']
    outcome, against = explain(acts, finding.id)
    result = outcome.result
    assert (result.verdict, result.sql) == ("report", None)
    (reason,) = against
    assert finding.slower[0].template in reason and "times as much without it" in reason
    assert all(e.fact != reason for e in result.evidence)
    (slower,) = [text for label, text in result.facts if label == "Slower"]
    assert "Seq Scan" in slower and f"{finding.slower[0].factor:,.2f} times" in slower
    assert outcome.next == ("indexpilot recommend --drops all",)


def test_a_table_is_explained_too_and_an_unknown_id_names_the_nearest(acts, found):
    finding = found["fresh"]
    outcome, _ = explain(acts, finding.id, workload=queries("SELECT 1"))
    assert (outcome.result.title, outcome.result.verdict) == ("never_analyzed fresh", "analyze")
    assert outcome.result.sql.startswith("ANALYZE")
    wrong = finding.id[:-1] + ("0" if finding.id[-1] != "0" else "1")
    with pytest.raises(UsageError, match="is no finding of now") as error:
        explain(acts, wrong, workload=queries("SELECT 1"))
    assert error.value.hint == f"did you mean {finding.id}?"


def test_a_finding_that_is_settled_is_told_by_the_plan_that_held_it(acts, own_places):
    (stale,) = [f for f in look(acts, states=("never_analyzed",)).result.findings if short(f) == "fresh"]
    kept = look(acts, states=("duplicate",), plan=True, record=RECORD)
    (finding,) = kept.result.findings
    acts.sql('DROP INDEX "Odd place".by_note_again')
    outcome, _ = explain(acts, finding.id, workload=queries("SELECT 1"))
    assert outcome.result.verdict == "gone"
    assert ("plan", kept.result.plan) in outcome.result.facts
    assert explain(acts, stale.id, workload=queries("SELECT 1"))[0].result.verdict == "analyze"
    acts.sql('CREATE INDEX by_note_again ON "Odd place"."The acts" (note)')


def test_the_log_has_one_row_of_the_asking_and_none_of_a_lifecycle_run(acts, found):
    before = len(acts.log())
    explain(acts, found["fresh"].id, record=RECORD, workload=queries("SELECT 1"))
    assert len(acts.log()) == before + 1
    assert acts.last() == ("EXPLAIN", "DONE", {"subject": found["fresh"].id})
