"""Every command in every form, byte by byte, as transcripts in ``pins/``: what was typed, printed, told, the exit code.

A scenario is a list of command lines on a home and, where it needs one, a database of its own. What the clock, the
machine or the PostgreSQL at hand decide is masked by the smallest mask that does (MASKS, each with its reason).
``INDEXPILOT_TEST_WRITE_PINS=1 pytest tests/cli/test_pins*.py`` writes them again; read the diff before it is kept.
``pins/shop.ipsnap`` is a snapshot of the database below; the scenarios that need no server read it.
"""

import difflib
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import psycopg
import pytest

from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.db.conninfo import without_secrets
from tests.cli.changes import CALM
from tests.cli.conftest import SHOP, WORKLOAD
from tests.cli.pinned import SCENARIOS
from tests.cli.process import run
from tests.servers import session_to

FOLDER = Path(__file__).parent / "pins"
CORPUS = Path(__file__).parents[1] / "corpus" / "migrations"
MAJOR = 15  # of the snapshot, and of the server the pins were written on
WRITE = "INDEXPILOT_TEST_WRITE_PINS"
# Under 30,000 rows ANALYZE reads every row: the statistics, and all that follows from them, are the same every time.
STATEMENTS = (SHOP.replace("1, 40000", "1, 20000"), "ANALYZE")

KEYS = (
    (
        "clock",
        "generated_at|created_at|started_at|finished_at|taken_at|retry_at|next_opening|since|until|at|analyzed_at",
    ),
    ("clock", "ms|seconds|total_ms|elapsed_ms|age_seconds"),
    ("machine", "host|port"),
)


def values_of(keys, value=r"(?!null)[^\n{\[]+?"):
    """The values of these keys in a JSON or a YAML document, which is printed with a line for each."""
    return re.compile(rf'^( *(?:- )?(?P<q>"?)(?:{keys})(?P=q): )(?:{value})(,?)$', re.MULTILINE)


MASKS = (
    *((values_of(keys), rf'\g<1>"<{why}>"\g<3>') for why, keys in KEYS),
    (re.compile(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?"), "<moment>"),  # the clock
    (re.compile(r"\b(\d+ (s|min|h|d) ago|now)(?=$| \|)", re.MULTILINE), "<ago>"),  # the clock
    (re.compile(r"\bP-[0-9a-f]{6}\b"), "P-<id>"),  # a digest with the moment in it
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (values_of("oid"), r'\g<1>"<oid>"\g<3>'),
    (re.compile(r"\boid: \d+"), "oid: <oid>"),
    (re.compile(r"\b\d{19}/\d+\b"), "<identity>"),  # system identifier and OID of a database
    (re.compile(r"^(starting a private server|schema|statistics)\n", re.MULTILINE), ""),  # no twin in the cache yet
    (re.compile(r"""(digest(?:"?: "?| ))[0-9a-f]{16}\b"""), r"\1<digest>"),  # of a schema with its OIDs, of its plan
    (re.compile(r'(s\.ipsnap(?:",\n +"bytes": |, ))[\d.]+( kB)?'), r"\1<size>"),  # of a document with OIDs and moments
    (re.compile(r"(available )[\d.]+(?=, not needed)"), r"\1<version>"),  # HypoPG
    (re.compile(r"^(  missing +(?:pg_stat_statements|hypopg) ).*", re.MULTILINE), r"\1<server>"),
    (re.compile(r'("judged_by": "server )\d+'), r"\1<version>"),
    (re.compile(r"[\d.,]+ [kMGT]B free"), "<size> free"),  # the machine
    (re.compile(r"done +[\d.,]+ (ms|s|min) +"), "done <time> "),  # the clock
    (re.compile(r"(built|dropped) +[\d.,]+ (ms|s|min) +"), r"\1 <time> "),
    (re.compile(r"undone already +taken"), "undone already  taken"),  # beside a column as wide as the times in it
    (re.compile(r"state +took +tries"), "state took tries"),  # a column as wide as the times in it
    (re.compile(r"backend \d+"), "backend <pid>"),
    (re.compile(r"/\S*indexpilot-pg-[^/\s\":]+"), "<server>"),
    (re.compile(r"(PostgreSQL |twin/|clone/)\d\d\.\d+( \((local|given|embedded)\))?"), r"\1<version>"),
    (values_of("version", r"[\"']\d\d\.\d+[\"']"), r'\g<1>"<version>"\g<3>'),
)
# How long the work of a statement takes is told from the speed of the server at hand, which is measured.
TIME = r"[\d.,]+ (?:ms|s|min|h)"
MEASURED = (
    (values_of("low|high|scan|rewrite|sort|join|write", r"-?\d[\d.e+-]*"), r'\g<1>"<measured>"\g<3>'),
    (values_of("table_bytes"), r'\g<1>"<vacuum>"\g<3>'),  # how often it came while the rows were changed
    (re.compile(r"(rows, )[\d.]+ [kM]B"), r"\1<vacuum>"),
    (re.compile(rf"\bfor {TIME}( to {TIME})?"), "for <time>"),
    (re.compile(rf"\b(under 1 s|(about|up to) {TIME}|{TIME} to {TIME})"), "<time>"),
)


def masked(text, masks, *places):
    """The text without what the clock, the machine and the server's version decide."""
    for place, name in places:
        text = text.replace(place, name)
    for pattern, mask in masks:
        text = pattern.sub(mask, text)
    return text


@pytest.fixture(scope="module")
def shop_dsn(pg):
    """The DSN of a database that is made anew whenever this is called."""
    names = []

    def create(name):
        with psycopg.connect(pg.dsn, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        names.append(name)
        for statement in STATEMENTS:
            with session_to(pg.database(name)) as connection:
                connection.execute(statement.encode())
        return pg.database(name)

    yield create
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def files(home, scenario):
    """What the command lines name: statements, the snapshot, migrations, settings."""
    (home / "workload.sql").write_text(WORKLOAD)
    shutil.copy(FOLDER / "shop.ipsnap", home)
    for every in (2, 10, 40):
        (home / f"corpus{every}").mkdir()
        for path in sorted(CORPUS.glob("*.sql"))[::every]:
            shutil.copy(path, home / f"corpus{every}")
    for name, text in scenario.files.items():
        (home / name).write_text(text)


def transcript(scenario, dsn, home, cache):
    """What the scenario's command lines print, one after the other."""
    plan = "P-none"
    fixed = {"XDG_CACHE_HOME": cache, "LOGNAME": "somebody", **CALM}
    for line in scenario.lines:
        variables, line = scenario.variables(line)
        words = shlex.split(line.replace("{plan}", plan))
        where = [] if dsn is None or "-h" in words else ["-d", dsn]
        ran = run(home, *words, *where, **{**fixed, **variables})
        plan = next(iter(re.findall(r"\bP-[0-9a-f]{6}\b", ran.out)), plan)
        yield (
            f"$ indexpilot {line}\n{ran.out}"
            + (f"--- stderr\n{ran.err}" if ran.err else "")
            + f"--- exit {ran.code}\n\n"
        )


def skip_elsewhere(scenario, request):
    """Pins hold on the major they were written on where costs are printed or a server is asked.

    The planner's costs differ between majors, and so does what hangs on a column: NOT NULL is a constraint from 18 on.
    """
    if not scenario.server:
        usable = any(each.major == MAJOR for each in installed())
    else:
        with psycopg.connect(request.getfixturevalue("pg").dsn) as connection:
            hypopg = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'").fetchone()
            usable = connection.info.server_version // 10000 == MAJOR and hypopg
    if not usable:
        pytest.skip(f"its answers are those of PostgreSQL {MAJOR} with HypoPG at hand")


def public_dsn(dsn):
    kept, secret = without_secrets(dsn, {})
    return kept if secret else dsn


def check_transcript(name, request):
    """Run the scenario and compare what is printed with what is kept."""
    home, cache = (request.getfixturevalue(fixture) for fixture in ("home", "cache"))
    scenario = SCENARIOS[name]
    if scenario.planner or scenario.server:
        skip_elsewhere(scenario, request)
    dsn = request.getfixturevalue("shop_dsn")(f"t_pins_{name}") if scenario.server else None
    files(home, scenario)
    for statement in scenario.sql:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement.encode())
    masks = (*MASKS, *MEASURED) if scenario.server else MASKS
    places = [(str(home), "<home>"), (cache, "<cache>")]
    if dsn:
        told_dsn = shlex.quote(public_dsn(dsn))  # as the next command line has it, and how JSON writes that
        places = [(json.dumps(told_dsn)[1:-1], "<dsn>"), (told_dsn, "<dsn>"), *places]
        places.insert(2, (psycopg.conninfo.conninfo_to_dict(dsn)["host"], "<server>"))
    told = masked("".join(transcript(scenario, dsn, home, cache)), masks, *places)
    path = FOLDER / f"{name}.txt"
    if os.environ.get(WRITE):
        path.write_text(told)
    kept = path.read_text()
    assert told == kept, "".join(
        difflib.unified_diff(kept.splitlines(True), told.splitlines(True), "kept", "told", n=2)
    )


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if not scenario.server])
def test_transcript(name, request):
    check_transcript(name, request)
