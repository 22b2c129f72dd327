"""Forms of conditions that real workloads have: what is advised for each on a server, or why nothing is."""

from contextlib import contextmanager

import pytest

from indexpilot_cli.advise.values import RecommendRequest
from tests.server.requesting import QUIET, TWIN, Place, queries
from tests.servers import new_database

# table, what makes it, the statement asked
CASES = {
    "prod": (
        """CREATE TABLE prod (id serial PRIMARY KEY, kind text, meta jsonb, ref text);
        INSERT INTO prod (kind, meta, ref) SELECT CASE WHEN g = 7 THEN 'txt' ELSE 'num' END,
            jsonb_build_object('price', (g % 500)::text), CASE WHEN g = 7 THEN 'A-7' ELSE g::text END
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM prod WHERE kind = 'num' AND ref::bigint = 500",
    ),
    "bare_cast": (
        """CREATE TABLE bare_cast (id serial PRIMARY KEY, meta jsonb);
        INSERT INTO bare_cast (meta) SELECT jsonb_build_object('price', (g % 500)::text)
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM bare_cast WHERE (meta->>'price')::int = 12",
    ),
    "hosts": (
        """CREATE TABLE hosts (id serial PRIMARY KEY, ip inet, name text);
        INSERT INTO hosts (ip, name) SELECT ('10.' || g % 250 || '.' || g / 250 % 250 || '.7')::inet, 'host ' || g
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM hosts WHERE ip << '10.7.3.0/24'",
    ),
    "nets": (
        """CREATE TABLE nets (id serial PRIMARY KEY, net cidr, name text);
        INSERT INTO nets (net, name) SELECT ('10.' || g % 250 || '.' || g / 250 % 250 || '.0/24')::cidr, 'net ' || g
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM nets WHERE '10.7.3.4' <<= net",
    ),
    "shifts": (
        """CREATE TABLE shifts (id serial PRIMARY KEY, during int4range, who text);
        INSERT INTO shifts (during, who) SELECT int4range(g, g + 2), 'who ' || g FROM generate_series(1, 20000) g""",
        "SELECT * FROM shifts WHERE during -|- int4range(70, 72)",
    ),
    "bought": (
        """CREATE TABLE bought (id bigserial PRIMARY KEY, customer_id bigint, status text);
        INSERT INTO bought (customer_id, status) SELECT g % 8000, 's' || g % 5 FROM generate_series(1, 40000) g;
        CREATE FUNCTION bought_by(cid bigint) RETURNS SETOF bought LANGUAGE sql STABLE
            AS 'SELECT * FROM bought WHERE customer_id = cid'""",
        "SELECT * FROM bought_by(77)",
    ),
    "person": (
        """CREATE TABLE person (id int, email text, pad text);
        CREATE TABLE employee (boss int) INHERITS (person);
        INSERT INTO employee SELECT g, 'e' || g, repeat('x', 50), g % 10 FROM generate_series(1, 20000) g""",
        "SELECT * FROM person WHERE email = 'e77'",
    ),
    "leads": (
        """CREATE TABLE leads (id bigserial PRIMARY KEY, org_id uuid NOT NULL, name text, created_at timestamptz);
        INSERT INTO leads (org_id, name, created_at)
        SELECT md5((g % 400)::text)::uuid, 'lead ' || g, now() - g * interval '1 min' FROM generate_series(1, 40000) g;
        ALTER TABLE leads ENABLE ROW LEVEL SECURITY;
        CREATE POLICY org ON leads USING (org_id::text = nullif(current_setting('app.org', true), ''));
        GRANT SELECT ON leads TO advice_reader""",
        "SELECT * FROM leads ORDER BY created_at DESC LIMIT 20",
    ),
    "pages": (
        """CREATE TABLE pages (id bigserial PRIMARY KEY, at timestamp NOT NULL, body text);
        INSERT INTO pages (at, body) SELECT timestamp '2024-01-01' + g * interval '1 min', repeat('x', 100)
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM pages WHERE at < '2024-01-03' OR (at = '2024-01-03' AND id < 500)"
        " ORDER BY at DESC, id DESC LIMIT 20",
    ),
    "posts": (
        """CREATE TABLE posts (id bigserial PRIMARY KEY, at timestamp NOT NULL, status text, body text);
        INSERT INTO posts (at, status, body)
        SELECT timestamp '2024-01-01' + g * interval '1 min',
               CASE WHEN g % 1000 = 0 THEN 'held' WHEN g % 3 = 0 THEN 'draft' ELSE 'live' END, repeat('x', 100)
        FROM generate_series(1, 40000) g""",
        "SELECT * FROM posts WHERE status = 'live' ORDER BY at DESC LIMIT 20",
    ),
    "docs": (
        """CREATE TABLE docs (id serial PRIMARY KEY, words int, t text);
        INSERT INTO docs (words, t) SELECT g % 4000, md5(g::text) FROM generate_series(1, 20000) g""",
        "SELECT count(*) FROM docs WHERE words + 10 = 500",
    ),
    "bills": (
        """CREATE TABLE bills (id serial PRIMARY KEY, customer_id bigint, t text);
        INSERT INTO bills (customer_id, t) SELECT g % 8000, md5(g::text) FROM generate_series(1, 20000) g""",
        "SELECT * FROM bills WHERE customer_id = 77.0",
    ),
    "turns": (
        """CREATE TABLE turns (id serial PRIMARY KEY, at timestamp, pad text);
        INSERT INTO turns (at, pad) SELECT timestamp '2024-01-01' + g * interval '1 min', repeat('x', 20)
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM (SELECT *, row_number() OVER (ORDER BY at DESC) AS place FROM turns) AS t WHERE place <= 3",
    ),
    "owners": (
        """CREATE TABLE owners (id int PRIMARY KEY, name text);
        CREATE TABLE pets (id int PRIMARY KEY, owner_id int REFERENCES owners ON DELETE CASCADE, pad text);
        CREATE TABLE visits (id int, pet_id int REFERENCES pets ON DELETE CASCADE, pad text);
        INSERT INTO owners SELECT g, 'owner ' || g FROM generate_series(1, 5000) g;
        INSERT INTO pets SELECT g, 1 + g % 5000, repeat('x', 20) FROM generate_series(1, 20000) g;
        INSERT INTO visits SELECT g, 1 + g % 20000, repeat('x', 20) FROM generate_series(1, 40000) g""",
        "DELETE FROM owners WHERE id = 77",
    ),
    "books": (
        """CREATE TABLE books (id serial PRIMARY KEY, title text, body text, first text, last text);
        INSERT INTO books (title, body, first, last)
        SELECT 'title word' || g % 3000, 'of w' || g % 5000, 'f' || g % 150, 'l' || g % 700
        FROM generate_series(1, 20000) g""",
        "SELECT id FROM books, websearch_to_tsquery('simple', 'word77') AS q WHERE (setweight("
        "to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', body), 'B')) @@ q LIMIT 10",
    ),
    "keyed": (
        """CREATE TABLE keyed (id uuid PRIMARY KEY, pad text);
        INSERT INTO keyed SELECT md5(g::text)::uuid, repeat('x', 50) FROM generate_series(1, 20000) g""",
        "SELECT * FROM keyed WHERE id::text = '6f1ed002-ab15-4b5c-bd5a-e3a1c5a9f1c5'",
    ),
    "papers": (
        """CREATE TABLE papers (id serial PRIMARY KEY, body json);
        INSERT INTO papers (body) SELECT json_build_object('nr', g) FROM generate_series(1, 20000) g""",
        "SELECT id FROM papers WHERE body ->> 'nr' = '77'",
    ),
    "names": (
        """CREATE TABLE names (id serial PRIMARY KEY, first text, last text, a int, b int);
        INSERT INTO names (first, last, a, b) SELECT 'f' || g % 150, 'l' || g % 700, g, g % 7
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM names WHERE first || ' ' || last = 'f77 l77' AND a + b = 500",
    ),
    "parts": (
        """CREATE TABLE parts (id int, region text, ref text) PARTITION BY LIST (region);
        CREATE TABLE parts_north PARTITION OF parts FOR VALUES IN ('n');
        CREATE TABLE parts_south PARTITION OF parts FOR VALUES IN ('s');
        CREATE INDEX parts_south_ref ON parts_south (ref);
        INSERT INTO parts SELECT g, substr('ns', 1 + g % 2, 1), 'r' || g FROM generate_series(1, 20000) g""",
        "SELECT * FROM parts WHERE ref = 'r77'",
    ),
    "parts_north": ("SELECT 1", "SELECT * FROM parts_north WHERE ref = 'r78'"),
    "keyed_by": (
        """CREATE TABLE keyed_by (id serial PRIMARY KEY, flags int, data jsonb);
        INSERT INTO keyed_by (flags, data) SELECT (g % 200 / 199) * 8 + g % 4, jsonb_build_object('ext', 'x' || g)
        FROM generate_series(1, 6000) g""",
        "SELECT * FROM keyed_by WHERE data ->> 'ext' = 'x77'",
    ),
    "flagged": (
        """CREATE TABLE flagged (id serial PRIMARY KEY, flags int, pad text);
        INSERT INTO flagged (flags, pad) SELECT g % 200 / 199 * 8 + g % 4, repeat('x', 50)
        FROM generate_series(1, 6000) g""",
        "SELECT * FROM flagged WHERE flags & 8 = 8",
    ),
    "nested": (
        """CREATE TABLE nested (id serial PRIMARY KEY, owner int, data jsonb);
        INSERT INTO nested (owner, data) SELECT g % 2000, jsonb_build_object('kind', 'k' || g % 3)
        FROM generate_series(1, 6000) g""",
        "SELECT * FROM nested WHERE data ->> 'kind' = 'k1' AND owner = 77",
    ),
    "feed_a": (
        """CREATE TABLE feed_a (id serial PRIMARY KEY, at timestamp, pad text);
        CREATE TABLE feed_b (id serial PRIMARY KEY, seen timestamp, pad text);
        INSERT INTO feed_a (at, pad) SELECT timestamp '2024-01-01' + g * interval '1 min', repeat('x', 50)
        FROM generate_series(1, 20000) g;
        INSERT INTO feed_b (seen, pad) SELECT at, pad FROM feed_a""",
        "SELECT * FROM (SELECT id, at FROM feed_a UNION ALL SELECT id, seen FROM feed_b) x ORDER BY at DESC LIMIT 10",
    ),
    "crowd": (
        """CREATE TABLE crowd (id serial PRIMARY KEY, a int, b int, c int, d int, e int, f int, g int, h int, i int,
            j int, wanted int, t text);
        INSERT INTO crowd (a, b, c, d, e, f, g, h, i, j, wanted, t)
        SELECT x, x, x, x, x, x, x, x, x, x, x % 4000, repeat('x', 80) FROM generate_series(1, 20000) x;
        CREATE INDEX crowd_a ON crowd (a); CREATE INDEX crowd_b ON crowd (b); CREATE INDEX crowd_c ON crowd (c);
        CREATE INDEX crowd_d ON crowd (d); CREATE INDEX crowd_e ON crowd (e); CREATE INDEX crowd_f ON crowd (f);
        CREATE INDEX crowd_g ON crowd (g); CREATE INDEX crowd_h ON crowd (h); CREATE INDEX crowd_i ON crowd (i);
        CREATE INDEX crowd_a_b ON crowd (a, b)""",
        "SELECT * FROM crowd WHERE wanted = 77",
    ),
}
WITH_LTREE = {
    "tree": (
        """CREATE EXTENSION ltree;
        CREATE TABLE tree (id serial PRIMARY KEY, path ltree, body text);
        INSERT INTO tree (path, body) SELECT ('top.a' || g % 50 || '.b' || g % 5000)::ltree, repeat('x', 80)
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM tree WHERE path ~ '*.b1207'",
    ),
}


@contextmanager
def reader_role(pg):
    """A role of the application, subject to policies; roles belong to the server, not to a database."""
    admin = Place(pg.dsn)
    admin.sql("DROP ROLE IF EXISTS advice_reader")
    admin.sql("CREATE ROLE advice_reader LOGIN")
    yield
    admin.sql("DROP ROLE advice_reader")


@pytest.fixture(scope="module")
def advised(pg, twin_place):
    """What one ``recommend`` says of all cases: recommendations and rejections."""
    with reader_role(pg), new_database(pg) as dsn, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(twin_place))
        place = Place(dsn, TWIN)
        cases = dict(CASES)
        if place.sql("SELECT 1 FROM pg_available_extensions WHERE name = 'ltree'"):
            cases |= WITH_LTREE
        for script, _ in cases.values():
            place.sql(script)
        place.sql("ANALYZE")
        asked = queries(*(text for _, text in cases.values()))
        yield place.ask(RecommendRequest, workload=asked, planner=TWIN, record=QUIET, min_benefit=0.0001).result


def indexes(plan, table):
    return [r for r in plan.recommendations if r.definition.table.name == table]


def rejections(plan, table, reason):
    return [r for r in plan.rejections if r.reason == reason and r.subject.startswith(f"{table} (")]


def test_cast_that_can_fail_is_offered_with_the_guard_and_a_warning(advised):
    (offered,) = indexes(advised, "prod")
    assert offered.summary == "prod ((ref::bigint)) WHERE kind = 'num'"
    (risk,) = [r for r in offered.risks if r.code == "unwritable_values"]
    assert "such values can no longer be written" in risk.text


def test_cast_without_a_guard_is_rejected_with_the_reason(advised):
    assert indexes(advised, "bare_cast") == []
    (rejected,) = rejections(advised, "bare_cast", "can_fail")
    assert "a cast from text to int4 fails" in rejected.detail


@pytest.mark.parametrize(
    ("table", "index"),
    [
        ("hosts", "hosts USING gist (ip inet_ops)"),
        ("nets", "nets USING gist (net inet_ops)"),
        ("shifts", "shifts USING gist (during)"),
        ("bought", "bought (customer_id)"),
        ("employee", "employee (email)"),
        ("leads", "leads ((org_id::text), created_at)"),
        ("turns", "turns (at)"),
        ("pets", "pets (owner_id)"),
        ("visits", "visits (pet_id)"),
        ("papers", "papers ((body ->> 'nr'))"),
        ("keyed_by", "keyed_by ((data ->> 'ext'))"),
        ("flagged", "flagged ((flags & 8)) WHERE (flags & 8) = 8"),
        ("feed_a", "feed_a (at)"),
        ("feed_b", "feed_b (seen)"),
        ("names", "names (((first || ' ') || last))"),
    ],
)
def test_the_one_index_that_helps_is_offered(advised, table, index):
    assert [r.summary for r in indexes(advised, table)] == [index]


def test_the_size_of_an_index_over_an_expression_is_that_of_the_rows_values(advised):
    """Built on PostgreSQL 15 they take 19 and 2 pages."""
    (keyed,), (flagged,) = indexes(advised, "keyed_by"), indexes(advised, "flagged")
    assert keyed.size_bytes == pytest.approx(19 * 8192, rel=0.1) and flagged.size_bytes == 2 * 8192


def test_a_key_that_tells_most_rows_apart_leads_also_beside_an_expression(advised):
    (offered,) = indexes(advised, "nested")
    assert offered.definition.keys[0].column == "owner"


def test_texts_put_together_are_searched_by_an_index_over_the_whole(advised):
    (offered,) = indexes(advised, "books")
    assert offered.definition.method == "gin" and "setweight" in offered.summary and "||" in offered.summary


def test_a_form_that_spares_an_index_over_an_expression_is_told(advised):
    (offered,) = indexes(advised, "keyed")
    (hint,) = [r for r in advised.rewrites if r.table.name == "keyed"]
    assert offered.summary == "keyed ((id::text))" and f"{offered.summary} would be built" in hint.why
    assert (hint.rule, hint.index) == ("as_text", None) and hint.cost_after <= hint.cost_before / 0.9


def test_a_sum_of_columns_has_a_reason(advised):
    (rejected,) = rejections(advised, "names", "can_fail")
    assert rejected.subject == "names (a + b)" and "overflows" in rejected.detail


def test_a_partition_needs_no_index_of_its_own_beside_that_of_the_whole_table(advised):
    (offered,) = indexes(advised, "parts")
    assert offered.summary == "parts (ref)" and len(offered.templates) == 2
    assert indexes(advised, "parts_north") == []
    told = [(w.object, w.message) for w in advised.warnings if w.code == "index_twice"]
    assert told == [("public.parts_south_ref", "parts_south_ref can go once parts (ref) has a part beside it")]


def test_an_operator_means_what_its_type_says(advised):
    if not indexes(advised, "tree"):
        pytest.skip("ltree is not installed")
    assert [r.summary for r in indexes(advised, "tree")] == ["tree USING gist (path)"]


@pytest.mark.parametrize(
    ("table", "after", "index"),
    [
        ("docs", "words = 490", "docs (words)"),
        ("bills", "customer_id = 77", "bills (customer_id)"),
    ],
)
def test_the_form_that_an_index_serves_is_told_with_both_costs(advised, table, after, index):
    (hint,) = [r for r in advised.rewrites if r.table.name == table]
    assert (hint.after, hint.index) == (after, index) and hint.cost_after < hint.cost_before / 10
    (told,) = [r for r in advised.rejections if r.reason == "rewrite" and r.subject == table]
    assert f"write {after}" in told.detail and hint.before in told.detail
    assert indexes(advised, table) == []


def test_pages_by_key_with_or_are_a_risk_and_the_row_comparison_is_priced(advised):
    (hint,) = [r for r in advised.rewrites if r.table.name == "pages"]
    assert (hint.rule, hint.after) == ("keyset", "(at, id) < ('2024-01-03', 500)")
    assert 0 < hint.cost_after <= hint.cost_before
    (offered,) = indexes(advised, "pages")
    (risk,) = [r for r in offered.risks if r.code == "keyset"]
    assert "write (at, id) <" in risk.text


def test_a_limit_is_priced_for_a_common_and_a_rare_value(advised):
    (offered,) = indexes(advised, "posts")
    (risk,) = [r for r in offered.risks if r.code == "limit_order"]
    assert "status = 'live' costs" in risk.text and "status = 'held' costs" in risk.text


def test_a_table_with_ten_indexes_is_advised_and_told_what_could_go(advised):
    assert [r.summary for r in indexes(advised, "crowd")] == ["crowd (wanted)"]
    (warning,) = [w for w in advised.warnings if w.code == "too_many_indexes"]
    assert warning.message.startswith("crowd has 11 indexes and the plan adds 1; apply stops at 10")
    assert "crowd_a (crowd_a_b does its work)" in warning.message and "crowd_b (n" in warning.message
