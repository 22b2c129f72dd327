"""Page samples: whole pages, within their bound, the same ones again, and none where the rows may not be read."""

from datetime import UTC, datetime

import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import MOST_BYTES, MOST_PAGES
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from tests.server.requesting import filled

TABLES = '''
CREATE TABLE "Big ""One""" (id int, "Text" text, far text);
INSERT INTO "Big ""One""" SELECT i, 'x' || i, NULL FROM generate_series(1, 100000) i;
CREATE TABLE small (id int, far text);
ALTER TABLE small ALTER far SET STORAGE EXTERNAL;
INSERT INTO small SELECT i, repeat('y', 1000 * i) FROM generate_series(1, 10) i;
CREATE TABLE parts (day int NOT NULL, n int) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
INSERT INTO parts SELECT i % 20, i FROM generate_series(1, 2000) i;
CREATE TABLE hidden (id int);
INSERT INTO hidden VALUES (1);
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE nothing (id int);
CREATE TABLE packed (id int, far text) WITH (toast_tuple_target = 4000);
CREATE TABLE ends (day date, at timestamp, until timestamptz);
INSERT INTO ends VALUES ('infinity', '-infinity', '0044-03-15 BC'), ('9999-12-31', '20000-01-01', '2026-01-01Z');
ANALYZE
'''
BIG = 'Big "One"'


@pytest.fixture(scope="module")
def tables(pg):
    with filled(pg, *TABLES.split(";\n")) as found:
        yield found


@pytest.fixture
def sampled(tables):
    def sample(name, *columns, role=None):
        table = QualifiedName("public", name)
        with open_session(tables.dsn, read_only=True) as session:
            catalog = read_catalog(session)
            if role:
                session.execute(f"SET ROLE {role}")
            return PageSamples(session, catalog, {table: frozenset(columns)}).of(table)

    return sample


def test_of_a_large_table_some_whole_pages_and_the_same_ones_again(sampled):
    found = sampled(BIG, "id", "Text")
    assert found.columns == ("id", "Text")
    assert found.heap_pages > MOST_PAGES
    assert 150 < len(found.pages) <= MOST_PAGES
    for page in found.pages[:5]:
        numbers = [row[0] for row in page.rows]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "a page is not torn"
    assert found.values("Text")[0] == f"x{found.values('id')[0]}"
    assert sampled(BIG, "id", "Text") == found


def test_a_small_table_is_read_whole_without_values_from_elsewhere(sampled):
    found = sampled("small", "id", "far")
    assert found.values("id") == tuple(range(1, 11))
    assert [v is None for v in found.values("far")] == [1000 * i > MOST_BYTES for i in range(1, 11)]
    assert found.unread == (0, 8)


def test_a_partitioned_table_is_read_by_its_parts(sampled):
    found = sampled("parts", "day")
    assert len({page.part for page in found.pages}) == 2
    assert len(found.values("day")) == 2000


def test_times_that_python_does_not_have_are_left_out(sampled):
    ((first, second),) = (page.rows for page in sampled("ends", "day", "at", "until").pages)
    assert (first, second) == ((None, None, None), (None, None, datetime(2026, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize("name", ["hidden", "nothing", "unknown"])
def test_nothing_where_there_is_nothing_to_read(sampled, name):
    role = "pg_monitor" if name == "hidden" else None
    assert sampled(name, "id", role=role) is None


@pytest.mark.parametrize(
    ("name", "long"), [("small", True), ("packed", True), (BIG, False), ("parts", False), ("nothing", False)]
)
def test_whether_values_may_be_longer_than_statistics_tell(tables, name, long):
    with open_session(tables.dsn, read_only=True) as session:
        samples = PageSamples(session, read_catalog(session), {})
        assert samples.may_be_long(QualifiedName("public", name)) is long
