"""S4: the pages, looked at by a real browser: every state, width and colour; by keyboard; and by who means harm."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from psycopg import sql

from indexpilot_cli.core.command import Connection, Outcome, WorkloadRequest
from indexpilot_cli.core.index import Reason, Rejection
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Risk
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.db.session import open_session
from indexpilot_cli.lifecycle import indexes, lifecycle
from indexpilot_cli.lifecycle.indexes import IndexesResult
from indexpilot_cli.lifecycle.metric_families import MeasuredIndex
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFinding,
    LifecycleResult,
    LifecycleSeverity,
    LifecycleState,
)
from indexpilot_cli.log import plans
from indexpilot_cli.serve.sessions import WRONG_TOKENS
from indexpilot_cli.settings.sections import Settings
from tests.browsing import FOREIGN, Watched, chromium
from tests.payloads import PAYLOADS
from tests.server.applying import CALM, definition, fill, keep_plan
from tests.server.applying import sql as sql_rows
from tests.server.test_apply_faults import alongside
from tests.servers import new_database
from tests.serving import NOWHERE, TOKEN, client, serving
from tests.unit.render.samples import PLAN
from tests.waiting import LIMIT, eventually

PATHS = ("/", "/performance", "/health", "/decisions", "/plans", f"/plans/{PLAN.id}", "/migrations", "/history")
SIZES = ((360, "dark"), (1920, "light"), (1024, "dark"))  # benchmarks/pages.py has all of them
MOST_BYTES = 1_500_000
# What ``pwned`` of the corpus would do.
ALARM = "window.alarms = []; window.pwned = (n) => { window.alarms.push(n); alert(n); };"


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


def hostile_name(number, length=60):
    """The payload as a name that the server keeps whole."""
    return f"{number} {PAYLOADS[number]}".encode()[:length].decode(errors="ignore")


def hostile_plan():
    """A plan whose every text is a payload."""
    texts = iter([*PAYLOADS, *PAYLOADS, *PAYLOADS])
    first = PLAN.recommendations[0]
    reasons = tuple(Reason(f"r{n}", text, next(texts)) for n, text in enumerate(PAYLOADS))
    bad = replace(
        first,
        summary=next(texts),
        name=next(texts)[:60],
        reasons=reasons,
        risks=tuple(Risk("risk", next(texts), next(texts)) for _ in range(9)),
        confidence_why=next(texts),
        size_method=next(texts),
    )
    refused = tuple(Rejection(text, next(texts)[:60], text, by=next(texts)) for text in PAYLOADS[:40])
    return replace(
        PLAN,
        recommendations=(bad, *PLAN.recommendations[1:]),
        rejections=(*PLAN.rejections, *refused),
        notes=PAYLOADS[:20],
        estimator=next(texts),
        database="",
        budget_curve=((1 << 20, 0.9), (1 << 30, 0.7), (5 << 30, 0.538)),
    )


def fill_hostile(dsn):
    """``orders`` and our tables; a table for each payload, with a comment, an index and the same once more."""
    fill(dsn, 2000)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for number, text in enumerate(PAYLOADS):
            name = hostile_name(number)
            table, index, again = map(sql.Identifier, (name, name[:-1], f"{name[:-1]}2"[-60:]))
            connection.execute(sql.SQL("CREATE TABLE public.{0} ({0} int)").format(table))
            connection.execute(sql.SQL("CREATE INDEX {0} ON public.{1} ({1})").format(index, table))
            connection.execute(sql.SQL("CREATE INDEX {0} ON public.{1} ({1})").format(again, table))
            connection.execute(sql.SQL("COMMENT ON TABLE public.{} IS {}").format(table, sql.Literal(text)))
            connection.execute(
                "INSERT INTO indexpilot.mutation_log (mutation_type, table_name, field_name, details_json)"
                " VALUES ('ANALYZE_WORKLOAD', %s, %s, jsonb_build_object('actor', %s::text, 'note', %s::text))",
                (text, text, text, text),
            )
    with open_session(dsn, read_only=False) as session:
        plans.store(session, hostile_plan())


@pytest.fixture(scope="module")
def database(pg):
    with new_database(pg) as dsn:
        fill_hostile(dsn)
        yield dsn


@pytest.fixture(scope="module")
def statements(tmp_path_factory):
    path = tmp_path_factory.mktemp("workload") / "workload.sql"
    lines = ["SELECT * FROM orders WHERE status = 'open';"]
    for number, text in enumerate(PAYLOADS):
        name, literal = hostile_name(number).replace('"', '""'), text.replace("'", "''")
        lines.append(f'SELECT count(*) AS "{name}" FROM "{name}" WHERE "{name}"::text = \'{literal}\';')
    path.write_text("\n".join(lines))
    return WorkloadRequest(SourceKind.SQL, (str(path),))


@pytest.fixture(scope="module")
def site(database, statements):
    with serving(connection=Connection(database), workload=statements) as url:
        yield url


@pytest.fixture
def look(browser):
    """Pages of a server; nothing foreign may be asked for, and no script may fail."""
    opened = []

    def watch(url, **context):
        opened.append(Watched(browser, url, **context))
        opened[-1].page.add_init_script(ALARM)
        return opened[-1]

    yield watch
    for one in opened:
        one.close()
        assert one.faults == []


def fits(page):
    """Whether nothing is beside the screen."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def grave(page):
    """What axe-core finds that is serious, as a reader of the test wants it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]


def in_every_size(watched, name):
    """The page is shown, small and large, dark and light; benchmarks/pages.py keeps pictures of it."""
    watched.page.wait_for_load_state()  # on a busy machine the words may be there before the style sheet
    for width, scheme in SIZES:
        watched.page.emulate_media(color_scheme=scheme)
        watched.page.set_viewport_size({"width": width, "height": 900})
        assert fits(watched.page), f"{name} is wider than {width}"
    assert grave(watched.page) == [], name


@pytest.mark.parametrize("path", PATHS)
def test_s4_pages_with_data_fit_and_are_accessible(site, look, path):
    watched = look(site)
    assert watched.go(path) == 200
    watched.settle()
    assert 5_000 < watched.transferred <= MOST_BYTES
    told = watched.text("main")
    assert "--verbose" not in told and "--show-rejected" not in told  # nobody can add a flag to a page
    in_every_size(watched, path.strip("/").replace("/", "-") or "overview")
    assert watched.page.locator("h1").count() == 1
    assert watched.page.title().endswith("IndexPilot")


def test_s4_an_empty_database_is_told_in_words(pg, look):
    with new_database(pg) as dsn, serving(connection=Connection(dsn)) as url:
        watched = look(url)
        for path in ("/", "/performance", "/health", "/decisions", "/plans", "/history"):
            assert watched.go(path) == 200
            watched.settle()
            assert "Being worked out" not in watched.text("main")
            assert fits(watched.page)
        assert "indexpilot init" in watched.text("main")
        watched.go("/health")
        assert "there is no index in this database" in watched.text("#indexes")
        in_every_size(watched, "empty")


def test_s4_a_database_that_is_away_is_a_state(look):
    with serving(connection=NOWHERE) as url:
        watched = look(url)
        for path in ("/", "/performance", "/health", "/decisions", "/plans", "/history", "/migrations"):
            assert watched.go(path) == 200, path
            if path != "/migrations":
                watched.page.wait_for_selector("text=The database does not answer")
            assert fits(watched.page)
        watched.go("/health")
        watched.settle()
        in_every_size(watched, "away")


@pytest.fixture
def ten_thousand(monkeypatch):
    """Answers as of a database with so many indexes; making them takes a server ten seconds of processor time."""
    now = datetime.now(UTC)
    known = tuple(
        MeasuredIndex("public", f"table_{n % 250}", f"index_{n}", 8192 * (n % 97 + 1), n % 5, 0, 0, 1 << 24, 1000)
        for n in range(10_000)
    )
    findings = tuple(
        LifecycleFinding(
            LifecycleState.UNUSED,
            LifecycleSeverity.WARNING,
            LifecycleAction.DROP,
            QualifiedName("public", one.table),
            QualifiedName("public", one.index),
            one.bytes,
            0,
            evidence=(Reason("scans", "nothing has read it for 40 d", "statistics"),),
        )
        for one in known
        if not one.scans
    )
    monkeypatch.setattr(indexes, "run", lambda *_: Outcome("indexes", IndexesResult(known, now)))
    found = LifecycleResult(findings, now, indexes=len(known))
    monkeypatch.setattr(lifecycle, "run", lambda *_: Outcome("lifecycle", found))


def test_s4_ten_thousand_indexes_are_shown_by_pages(ten_thousand, look):
    with serving(connection=NOWHERE) as url:
        watched = look(url)
        watched.go("/health")
        watched.page.wait_for_function("() => document.querySelector('#findings table')")
        page = watched.page
        assert "10,000 indexes" in watched.text("#indexes")
        assert 5_000 < watched.transferred <= MOST_BYTES
        assert page.locator("#indexes tbody tr").count() == 25
        watched.click("#indexes nav a[rel=next]")
        assert "page 2 of 400" in watched.text("#indexes")
        page.fill("#search", "index_9999")
        watched.click("form[role=search] button")
        assert page.locator("#indexes tbody tr").count() == 1
        page.fill("#search", "")
        page.select_option("#state", "unused")
        page.select_option("#order", "table")
        watched.click("form[role=search] button")
        assert "2,000 indexes of 10,000" in watched.text("#indexes")
        in_every_size(watched, "ten-thousand")


def test_the_keyboard_alone_is_enough(site, look):
    watched = look(site)
    watched.go("/plans")
    page = watched.page
    focused = "document.activeElement.textContent.trim()"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Skip to the content"
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(focused))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert seen[:8] == [
        "IndexPilot",
        "Overview",
        "Performance",
        "Health",
        "Decisions",
        "Plans",
        "Migrations",
        "History",
    ]
    page.locator("nav[aria-label=Pages] a", has_text="Health").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/health")
    assert page.get_by_role("link", name="Health").get_attribute("aria-current") == "page"


def test_everything_works_without_scripts(site, look):
    watched = look(site, java_script_enabled=False)
    watched.go("/decisions")
    page = watched.page
    page.locator("#budget-value").fill("0")
    watched.click(".slider button")
    assert "budget=0" in page.url
    assert "1.0 MB" in watched.text("#budget-shown")
    watched.go("/health?order=table")
    page.fill("#search", "orders")
    watched.click("form[role=search] button")
    assert "orders_pkey" in watched.text("#indexes")
    assert page.locator("#indexes tbody tr").count() == 1


def test_the_slider_shows_its_budget_while_it_moves(site, look):
    watched = look(site)
    watched.go("/decisions")
    slider = watched.page.locator("#budget-value")
    slider.focus()
    slider.press("Home")
    assert "1.0 MB" in watched.text("#budget-shown")
    assert "1.0 MB" in slider.get_attribute("aria-valuetext")
    watched.page.wait_for_url("**budget=0*")


HOSTILE_PAGES = (
    "/",
    "/performance",
    "/performance?templates-page=2",
    "/health",
    "/health?indexes-page=2",
    "/health?indexes-page=3",
    "/health?findings-page=2",
    "/decisions",
    "/plans",
    f"/plans/{PLAN.id}",
    f"/explain/{PLAN.recommendations[0].id}",
    "/history",
    "/history?log-page=2",
)


def test_s4_no_text_of_the_corpus_becomes_script_or_markup(site, look):
    assert len(PAYLOADS) >= 60
    watched = look(site)
    told = ""
    for path in HOSTILE_PAGES:
        assert watched.go(path) == 200
        watched.settle()
        assert harmless(watched.page), path
        told += watched.page.evaluate("document.body.textContent")
    shown = [text for text in PAYLOADS if re.sub(r"[\x00-\x1f\u202e]", "\N{REPLACEMENT CHARACTER}", text) in told]
    assert len(shown) == len(PAYLOADS)


@pytest.fixture
def hostile_builder(database):
    """A role, schema, table, type, label and comment of such names, and a build of that role that waits for such an
    application. Gives the names that a page of builds tells.
    """
    names = [hostile_name(number) for number in (6, 12, 51, 73)]
    role, schema, table, label = map(sql.Identifier, names)
    words = sql.Literal(PAYLOADS[7])
    steps = (
        sql.SQL("CREATE ROLE {} LOGIN").format(role),
        sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(schema, role),
        sql.SQL("CREATE TYPE {}.{} AS ENUM ({})").format(schema, label, sql.Literal(names[3])),
        sql.SQL("CREATE TABLE {0}.{1} ({2} {0}.{2})").format(schema, table, label),
        sql.SQL("INSERT INTO {}.{} VALUES ({})").format(schema, table, sql.Literal(names[3])),
        sql.SQL("ALTER TABLE {}.{} OWNER TO {}").format(schema, table, role),
        sql.SQL("COMMENT ON TABLE {}.{} IS {}").format(schema, table, words),
        sql.SQL("COMMENT ON ROLE {} IS {}").format(role, words),
    )
    build = sql.SQL("CREATE INDEX CONCURRENTLY ON {}.{} ({})").format(schema, table, label)
    with psycopg.connect(database, autocommit=True) as admin:
        for step in steps:
            admin.execute(step)
        try:
            with (
                psycopg.connect(database, user=names[0], application_name=names[1]) as writer,
                psycopg.connect(database, user=names[0], application_name=names[2], autocommit=True) as builder,
            ):
                writer.execute(sql.SQL("LOCK {}.{} IN ROW EXCLUSIVE MODE").format(schema, table))
                with alongside(builder.execute, build):
                    yield names
                    builder.cancel()
        finally:
            admin.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))
            admin.execute(sql.SQL("DROP ROLE {}").format(role))


def test_s4_who_builds_and_who_is_in_the_way_may_have_any_name(site, look, hostile_builder):
    watched = look(site)

    def builds():
        # What was known a moment ago is believed for a while, and nothing tells the page to look again.
        watched.go("/plans")
        watched.settle()
        return watched.text("#builds")

    told = eventually(lambda: "waiting for" in (text := builds()) and text)
    assert harmless(watched.page)
    for path in ("/", "/health", "/history"):
        watched.go(path)
        watched.settle()
        assert harmless(watched.page), path
    assert [name for name in hostile_builder[:3] if name not in told] == []


def harmless(page):
    return page.evaluate("window.alarms") == [] and page.evaluate(FOREIGN) == []


def test_s4_what_is_typed_is_shown_as_it_is(site, look):
    watched = look(site)
    for path in (
        "/health?search=",
        "/health?state=",
        "/history?table=",
        "/history?kind=",
        "/plans/",
        "/explain/",
        "/x/",
    ):
        text = PAYLOADS[7] + PAYLOADS[0] + PAYLOADS[44]
        watched.page.goto(site + path + text.replace("/", "%2f"))
        assert harmless(watched.page), path
    watched.faults = [fault for fault in watched.faults if "status of 4" not in fault]


def test_s4_a_hostile_migration_is_reviewed_as_text(site, look):
    watched = look(site)
    watched.go("/migrations")
    watched.page.fill("#sql", "\n".join(PAYLOADS))
    watched.click("main form button")
    watched.page.wait_for_url("**/migrations/*")
    watched.settle()
    assert harmless(watched.page)
    assert watched.page.input_value("#sql").startswith(PAYLOADS[0])
    assert "syntax error" in watched.text("#review")


@pytest.fixture(scope="module")
def closed_site(database, statements):
    with serving(connection=Connection(database), workload=statements, token=TOKEN, allow_apply=True) as url:
        yield url


def test_pages_want_the_token_once(closed_site, look):
    watched = look(closed_site)
    watched.go("/health?search=orders")
    page = watched.page
    assert page.url.endswith("/login?next=%2Fhealth%3Fsearch%3Dorders")
    assert grave(page) == []
    page.fill("#token", "wrong" * 8)
    watched.click("main button")
    assert "not the token" in watched.text("[role=alert]")
    page.fill("#token", TOKEN)
    watched.click("main button")
    assert page.url.endswith("/health?search=orders")
    (cookie,) = watched.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert TOKEN not in str(cookie)
    watched.click("text=Log out")
    watched.go("/health")
    assert "/login" in page.url
    watched.faults = [fault for fault in watched.faults if "status of 403" not in fault]


@pytest.fixture
def logged_in(closed_site):
    """A client with the cookie of a session."""
    with httpx.Client(base_url=closed_site, timeout=LIMIT, trust_env=False) as found:
        answer = found.post("/login", data={"token": TOKEN, "next": "//evil.test"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield found


def form_key(client, path, action):
    """The key of the form that is sent to ``action``."""
    text = client.get(path).text
    return re.search(
        rf'action="{re.escape(action)}"[^>]*>\s*<input type="hidden" name="key" value="([0-9a-f]+)"', text
    )[1]


def test_a_cookie_counts_for_our_own_pages_alone(logged_in):
    assert logged_in.get("/plans").status_code == 200
    foreign = (
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": f"http://127.0.0.1:{logged_in.base_url.port + 1}"},
        {"Origin": "null"},
    )
    for headers in foreign:
        assert logged_in.get("/plans", headers=headers).status_code in (401, 403), headers


def test_a_form_counts_with_the_key_of_its_page_alone(logged_in):
    action = f"/plans/{PLAN.id}/approve"
    key = form_key(logged_in, f"/plans/{PLAN.id}", action)
    for wrong in ("", key[:-1] + "01"[key[-1] == "0"], form_key(logged_in, "/migrations", "/migrations")):
        assert logged_in.post(action, data={"key": wrong}).status_code == 403
    assert logged_in.post(action, data={"key": key}, headers={"Sec-Fetch-Site": "same-site"}).status_code == 401
    assert logged_in.post(action, data={"key": key}).status_code == 303
    assert "by " in logged_in.get("/plans").text


def test_the_cookie_is_no_token_for_programs_that_write(logged_in):
    assert logged_in.post("/api/lifecycle/weekly").status_code == 401


def test_a_plan_is_approved_built_watched_and_taken_back(pg, shops, look):
    settings = Settings(production_safeguards=CALM)
    with new_database(pg, shops(2000)) as dsn:
        plan = keep_plan(dsn, definition("customer_id"))
        writer = psycopg.connect(dsn, application_name="long report")
        writer.execute("UPDATE orders SET note = 'x' WHERE id = 1")
        with serving(connection=Connection(dsn), token=TOKEN, allow_apply=True, settings=settings) as url:
            watched = look(url)
            page = watched.page
            watched.go(f"/plans/{plan.id}")
            page.fill("#token", TOKEN)
            watched.click("main button")
            page.fill("#reason", "seen by two")
            watched.click("text=Approve")
            watched.click("text=Apply now")
            page.wait_for_selector("#builds >> text=long report")
            assert "waiting for" in watched.text("#builds")
            assert page.locator("text=Apply now").count() == 0
            writer.rollback()
            page.wait_for_selector("#work >> text=built")
            watched.go("/performance")
            assert "orders_customer_id" in watched.text("#impact")
            watched.go(f"/plans/{plan.id}")
            watched.click("text=Take back")
            page.wait_for_selector("#work >> text=dropped")
            watched.go("/plans")
            assert "by " in watched.text("#plans")
        writer.close()
        assert sql_rows(dsn, "SELECT count(*) FROM pg_indexes WHERE tablename = 'orders'") == [(1,)]


def test_wrong_tokens_are_not_to_be_guessed(no_time_passes):
    with client(TOKEN, connection=NOWHERE) as site:
        codes = [site.post("/login", data={"token": f"guess {n}"}).status_code for n in range(30)]
    assert codes == [403] * WRONG_TOKENS + [429] * (30 - WRONG_TOKENS)


def test_what_may_not_be_written_is_refused(site):
    with httpx.Client(base_url=site, timeout=LIMIT, trust_env=False) as found:
        assert "Apply now" not in found.get(f"/plans/{PLAN.id}").text
        answer = found.post(f"/plans/{PLAN.id}/apply", data={"key": "0"}, headers={"Accept": "text/html"})
        assert (answer.status_code, "form is not from a page" in answer.text) == (403, True)
