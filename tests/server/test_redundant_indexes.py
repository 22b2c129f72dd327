"""Existing indexes that another one makes needless: told by doctor, discover and recommend."""

import pytest

from indexpilot_cli.admin.discover import DiscoverRequest
from indexpilot_cli.admin.doctor import DoctorRequest
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.render.text import plain
from indexpilot_cli.render.views import discover, recommend
from tests.server.requesting import QUIET, Place, checks, queries, with_hypopg
from tests.servers import new_database

pytestmark = pytest.mark.usefixtures("own_places")

ACTS = """
CREATE TABLE acts (id bigint PRIMARY KEY, source_id int, acc_date date, kind int, del boolean, tenant int, name text);
INSERT INTO acts SELECT g, g % 400, current_date - g % 900, g % 8, g % 10 = 0, g % 50, 'n' || g
    FROM generate_series(1, 5000) g;
CREATE INDEX a_src ON acts (source_id);
CREATE INDEX a_src_dup ON acts (source_id DESC NULLS FIRST);
CREATE INDEX a_src_cov ON acts (source_id, acc_date, kind);
CREATE UNIQUE INDEX a_ten_name ON acts (tenant, name);
CREATE INDEX a_ten ON acts (tenant);
CREATE INDEX a_part ON acts (id, name) WHERE NOT del;
CREATE INDEX a_name_c ON acts (name COLLATE "C");
CREATE INDEX a_name_pat ON acts (name text_pattern_ops);
CREATE INDEX a_name ON acts (name);
CREATE UNIQUE INDEX a_id_again ON acts (id);
CREATE TABLE days (day date NOT NULL, n int) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE INDEX days_n ON days (n);
CREATE INDEX days_n_again ON days (n);
"""
TOLD = {
    "a_src_dup": ("a_src", True),
    "a_id_again": ("acts_pkey", True),
    "a_src": ("a_src_cov", False),
    "a_ten": ("a_ten_name", False),
    "days_n_again": ("days_n", True),
}


@pytest.fixture(scope="module")
def acts(pg):
    with new_database(pg) as dsn:
        place = Place(dsn)
        place.sql(ACTS)
        place.sql("VACUUM ANALYZE")
        yield with_hypopg(place)


def test_doctor_names_each_with_what_to_do(acts):
    found = checks(acts.ask(DoctorRequest, record=QUIET), "redundant_index")
    lines = {c.text.split(":")[0]: c for c in found}
    assert lines.keys() == TOLD.keys()
    assert {c.state for c in found} == {"warning"}
    assert lines["a_src_dup"].text.startswith("a_src_dup: the same as a_src, ")
    assert lines["a_src"].text.startswith("a_src: a_src_cov (source_id, acc_date, kind) serves all it serves, ")
    assert lines["a_src_dup"].fix == "DROP INDEX CONCURRENTLY public.a_src_dup;"
    assert lines["days_n_again"].fix == "DROP INDEX public.days_n_again;"
    assert lines["a_ten"].fix == "indexpilot discover -v"


def test_discover_lists_them(acts):
    result = acts.ask(DiscoverRequest, record=QUIET).result
    told = {}
    for table in result.tables:
        told |= {i.name.name: (i.redundant.by.name, i.redundant.exact) for i in table.indexes if i.redundant}
    assert told == TOLD
    assert "a_src_dup: the same as a_src, " in plain(discover.discover_view(result))


def test_recommend_tells_them_beside_its_advice(acts):
    request = {"workload": queries("SELECT * FROM acts WHERE kind = 3"), "planner": acts.planner, "record": QUIET}
    plan = acts.ask(RecommendRequest, **request).result
    assert {r.name.name: (r.by.name, r.exact) for r in plan.redundant} == TOLD
    assert "a_src: a_src_cov (source_id, acc_date, kind) serves all it serves" in plain(recommend.view(plan))
