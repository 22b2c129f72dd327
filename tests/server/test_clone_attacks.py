"""An attack corpus: each file is a hostile migration. It ends, is observed, and leaves no trace on the machine."""

import hashlib
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from indexpilot_cli.core.observation import RunState
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.evolve.review.clone.clone import PRISTINE
from indexpilot_cli.evolve.review.clone.plans import FullCopy
from indexpilot_cli.evolve.review.clone.sandbox import OWNER, SandboxLimits, UntrustedSession
from indexpilot_cli.evolve.review.migration import read_migration
from tests.server.cloning import observe, open_clone, snapshot_from
from tests.servers import binaries
from tests.waiting import LIMIT, eventually

FILES = sorted((Path(__file__).parent / "attacks").glob("*.sql"))
LIMITS = SandboxLimits(statement_seconds=0.5, run_seconds=8, memory=900 * 1024**2, disk=64 * 1024**2)
SCHEMA = """
CREATE DOMAIN short AS varchar(20);
CREATE TABLE c (id int PRIMARY KEY, code varchar(5), n int CHECK (n > 0), s short);
CREATE TABLE loose (id int, t text);
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
DO $$ DECLARE wanted text; BEGIN
    FOREACH wanted IN ARRAY ARRAY['dblink', 'postgres_fdw', 'file_fdw', 'adminpack', 'pageinspect'] LOOP
        IF wanted IN (SELECT name FROM pg_available_extensions) THEN EXECUTE 'CREATE EXTENSION ' || wanted; END IF;
    END LOOP;
END $$;
"""
HARMLESS = "ALTER TABLE c ALTER id TYPE bigint"


@contextmanager
def patient(clone, **limits):
    """The clone with as much time for harmless statements as a busy machine may take."""
    strict = clone.sandbox.limits
    clone.sandbox.limits = replace(strict, **{"statement_seconds": LIMIT, "run_seconds": LIMIT} | limits)
    try:
        yield
    finally:
        clone.sandbox.limits = strict


@pytest.fixture(scope="module")
def canary():
    """A directory that everybody may write to."""
    with tempfile.TemporaryDirectory(prefix="indexpilot-canary-", dir="/tmp") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture(scope="module")
def source():
    return snapshot_from(binaries(), SCHEMA)


@contextmanager
def watched_clone(source, cache):
    """A clone; afterwards its processes and files are gone and the cached twin is what it was."""
    with open_clone(source, cache_dir=cache, limits=LIMITS) as clone:
        home, before = clone.sandbox.server.data.parent, digest(cache)
        yield clone
    assert not home.exists()
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(home) in " ".join(p.info["cmdline"] or ())]
    assert digest(cache) == before


@pytest.fixture(scope="module")
def clone(source, twin_place):
    with watched_clone(source, twin_place) as opened:
        yield opened


def digest(place):
    """Every file of the cached twins."""
    files = sorted(path for path in place.glob("*/home/data/**/*") if path.is_file())
    assert files
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def attack(clone, text):
    """What each statement did; an error ends a file, so the rest follows as the next one."""
    seen = []
    while text.strip():
        migration = read_migration("attack.sql", text)
        found = clone.run(migration).statements
        assert [s.number for s in found] == [s.number for s in migration.statements]
        ended = next((s for s in reversed(found) if s.state is not RunState.SKIPPED), None)
        seen += [(migration.statements[s.number - 1].sql, s) for s in found if s.state is not RunState.SKIPPED]
        text = text[migration.statements[ended.number - 1].end + 1 :]
    return seen


def test_an_attack_leaves_no_trace(clone, canary, source):
    for path in FILES:
        text = path.read_text().replace("{canary}", str(canary)).replace("{socket}", str(clone.sandbox.server.socket))
        seen = attack(clone, text)
        assert seen, path.name
        plan_as_if_full(clone, source)
        assert list(canary.iterdir()) == [], path.name
        assert_unharmed(clone, path.name)
        clone.reset()
        assert_usable(clone, path.name)


def test_the_traps_would_spring(clone, canary):
    """They are set where a superuser's session could fall into them: one call of it writes the file."""
    text = (Path(__file__).parent / "attacks" / "traps.sql").read_text().replace("{canary}", str(canary))
    attack(clone, text)
    clone.copy(clone.database, "indexpilot_full_after")
    with clone.sandbox.superuser("indexpilot_full_after") as admin:
        admin.rows("SELECT evil.spring()")
    sprung = canary / "sprung"
    assert sprung.read_text().strip() == "indexpilot"
    sprung.unlink()
    clone.reset()


def test_ten_thousand_statements(clone):
    """They end within the file's limit; each is accounted for."""
    text = "".join(f"INSERT INTO loose VALUES ({i}, 'x');\n" for i in range(10_000))
    with patient(clone, run_seconds=LIMITS.run_seconds):
        seen = clone.run(read_migration("many.sql", text)).statements
    assert len(seen) == 10_000
    assert {s.state for s in seen} <= {RunState.RAN, RunState.NOT_RUN}
    assert seen[0].state is RunState.RAN
    clone.reset()


def test_a_session_that_cannot_be_cancelled_costs_the_server_but_not_the_clone(clone):
    """A backend stopped by the kernel obeys nobody: it is killed, the rest of the file is not run, the next one is."""
    with clone.session() as session:
        process = psutil.Process(session.backend_pid)
        process.suspend()
        assert session.run("SELECT 1", 0.2).overrun
        assert session.dead
    with patient(clone):
        seen = observe(clone, HARMLESS)
    assert seen.statements[0].state is RunState.RAN
    clone.reset()


def plan_as_if_full(clone, source):
    """What the superuser does with a database after the attack: a copy, sizes, statistics; then a stranger plans."""
    try:
        with FullCopy(clone, source, clone.database) as full:
            full.rows_read("SELECT * FROM c WHERE id = 1")
    except IndexPilotError as error:
        assert "as a template" not in str(error.detail), error


def assert_unharmed(clone, name):
    admin = clone.sandbox.admin
    assert [r.rolname for r in admin.rows("SELECT rolname FROM pg_roles WHERE rolsuper")] == ["indexpilot"], name
    assert not admin.rows(
        "SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles p ON p.oid = m.member"
        " WHERE p.rolname = %s AND (r.rolname LIKE 'pg\\_%%' OR r.rolsuper)",
        [OWNER],
    ), name
    known = {"postgres", "template0", "template1", PRISTINE, "shop", "indexpilot_full_after"}
    assert {r.datname for r in admin.rows("SELECT datname FROM pg_database")} <= known, name
    assert not admin.rows("SELECT FROM pg_prepared_xacts"), name
    eventually(lambda: not admin.rows("SELECT FROM pg_stat_activity WHERE usename = %s", [OWNER]))


def assert_usable(clone, name):
    """The next file finds everything as it was."""
    with patient(clone):
        seen = observe(clone, HARMLESS, "CREATE TABLE more (id int)")
    assert [s.state for s in seen.statements] == [RunState.RAN, RunState.RAN], (name, seen)
    assert {w.kind.value for w in seen.statements[0].work} == {"rewrite", "build_index"}, name
    clone.reset()


def test_a_snapshot_is_no_attack_either(canary, twin_cache):
    """Statistics of a domain are written by the superuser; its CHECK must not run then, and must be there after."""
    trap = f"""
        CREATE FUNCTION spring() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
            EXECUTE 'COPY (SELECT 1) TO PROGRAM ''cat >> {canary}/sprung'''; RETURN true;
            EXCEPTION WHEN OTHERS THEN RETURN true; END $$;
        CREATE DOMAIN d AS text; CREATE DOMAIN dd AS d; CREATE TABLE t (a d, b dd, c d[]);
        INSERT INTO t SELECT i % 5, i % 5, ARRAY['x', 'y'] FROM generate_series(1, 1000) i;
        ANALYZE;
        ALTER DOMAIN d ADD CONSTRAINT trap CHECK (spring()) NOT VALID;
    """
    source = snapshot_from(binaries(), trap)
    with open_clone(source, cache_dir=twin_cache) as clone:
        assert list(canary.iterdir()) == []
        assert [s.state for s in observe(clone, "ALTER DOMAIN d DROP CONSTRAINT trap").statements] == [RunState.RAN]
        with UntrustedSession(clone.sandbox, PRISTINE) as session:
            known = session.tell("SELECT count(*) FROM pg_stats WHERE tablename = 't'").sets[0]
    assert known == [("3",)]
