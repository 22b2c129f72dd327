"""However many indexes there are, ``lifecycle`` asks the server the same number of questions."""

from collections import Counter
from datetime import timedelta

import pytest

from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.core.command import WorkloadRequest
from indexpilot_cli.db.session import Session
from tests.server.requesting import QUIET, Place
from tests.server.test_lifecycle import look
from tests.servers import new_database

pytestmark = pytest.mark.usefixtures("own_places")
TABLES = """
SET search_path = public;  -- by now there is a schema of the role's name
DO $$ BEGIN FOR n IN {first}..{last} LOOP
    EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a int, b int REFERENCES t%s) WITH (autovacuum_enabled = off)',
                   n, n);
    EXECUTE format('CREATE INDEX ON t%s (a)', n); EXECUTE format('CREATE INDEX ON t%s (a, b)', n);
    EXECUTE format('CREATE TABLE p%s (id int, day int) PARTITION BY RANGE (day)', n);
    EXECUTE format('CREATE TABLE p%s_1 PARTITION OF p%s FOR VALUES FROM (0) TO (9)', n, n);
    EXECUTE format('CREATE INDEX ON p%s (id)', n);
    EXECUTE format('INSERT INTO t%s SELECT g, g FROM generate_series(1, 50) g', n);
END LOOP; END $$
"""


def asked(place, monkeypatch):
    found = Counter()
    rows = Session.rows

    def counting(self, query, params=None):
        found[str(query)] += 1
        return rows(self, query, params)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "rows", counting)
        result = look(place, min_age=timedelta(0), workload=WorkloadRequest()).result
    assert result.findings
    return result.indexes, found


def test_as_many_questions_for_few_indexes_as_for_many(pg, monkeypatch):
    with new_database(pg) as dsn:
        place = Place(dsn)
        place.sql(TABLES.format(first=1, last=3))
        place.sql("ANALYZE")
        place.ask(InitRequest, record=QUIET)
        few, first = asked(place, monkeypatch)
        place.sql(TABLES.format(first=4, last=40))
        place.sql("ANALYZE")
        many, second = asked(place, monkeypatch)
    assert (few, many) == (15, 200)
    assert second == first
    assert sum(first.values()) < 60
