"""The corpus of migrations: its cases, its database, and how psql would cut a file into statements."""

import hashlib
import json
import re
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.planner.twin.server import LocalServer, new_home

FOLDER = Path(__file__).parent.parent / "corpus"
SHARED_MEMORY = Path("/dev/shm")
BASE = "corpus_base"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "512MB",
    "max_parallel_maintenance_workers": "0",  # a worker's scans are not counted in the session that is watched
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "max_connections": "40",
}
_TOKEN = re.compile(
    r"""--[^\n]*|/\*|\*/|(?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][\w]*)?\$)|(?P<quote>[eE]?'|")"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<open>\()|(?P<close>\))|(?P<end>;)""",
)


@dataclass(frozen=True)
class Case:
    """One migration: ``part`` is corpus or held_out; ``classes`` what its author had in mind."""

    name: str
    part: str
    classes: tuple[str, ...]
    path: Path

    @property
    def text(self):
        return self.path.read_text()

    @property
    def digest(self):
        return hashlib.md5(self.path.read_bytes(), usedforsecurity=False).hexdigest()[:12]


def cases(part="corpus"):
    """The cases of a part, in the manifest's order."""
    held_out = part == "held_out"
    folder = FOLDER / ("held_out" if held_out else "migrations")
    manifest = (folder if held_out else FOLDER) / "manifest.toml"
    named = tomllib.loads(manifest.read_text())
    return tuple(Case(name, part, tuple(classes), folder / f"{name}.sql") for name, classes in named.items())


def truth_path(major, part="corpus"):
    return (FOLDER / "held_out" if part == "held_out" else FOLDER) / f"truth-{major}.json"


def read_truth(major, part="corpus"):
    """Truth by the name of the case."""
    return json.loads(truth_path(major, part).read_text())["cases"]


def workload():
    """The recorded statements."""
    return split((FOLDER / "workload.sql").read_text())


def split(text):
    """Statements as psql sends them: cut at semicolons outside quotes, comments, parentheses and SQL bodies.

    Text that holds nothing but comments and blanks is no statement.
    """
    found, start, at = [], 0, 0
    state = _State()
    while match := _TOKEN.search(text, at):
        at = _after(text, match)
        if match["end"] and state.depth == 0 and state.bodies == 0:
            found.append(text[start : match.start()])
            start, state = at, _State()
        else:
            state.see(match)
    found.append(text[start:])
    return tuple(piece.strip() for piece in found if _bare(piece))


class _State:
    """Depth of parentheses and of BEGIN ATOMIC bodies within one statement."""

    def __init__(self):
        self.depth, self.bodies, self.words = 0, 0, []

    def see(self, match):
        self.depth += bool(match["open"]) - bool(match["close"])
        if match["word"] and self.depth == 0:
            self._word(match["word"].lower())

    def _word(self, word):
        self.words.append(word)
        routine = self.words[0] == "create" and any(w in ("function", "procedure") for w in self.words[:4])
        if routine and (word == "begin" or (self.bodies and word == "case")):
            self.bodies += 1
        elif self.bodies and word == "end":
            self.bodies -= 1


def _after(text, match):
    """Where reading goes on after a token: behind the whole quoted text or comment it opens."""
    if match["dollar"]:
        end = text.find(match["dollar"], match.end())
        return len(text) if end < 0 else end + len(match["dollar"])
    if match["quote"]:
        return _end_of_quote(text, match.end(), match["quote"])
    if match.group() == "/*":
        return _end_of_comment(text, match.end())
    return match.end()


def _end_of_quote(text, at, opening):
    escapes = opening[0] in "eE"
    while at < len(text):
        if escapes and text[at] == "\\":
            at += 1
        elif text[at] == opening[-1]:
            return at + 1
        at += 1
    return at


def _end_of_comment(text, at):
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def _bare(piece):
    return re.sub(r"--[^\n]*|/\*.*?\*/", "", piece, flags=re.S).strip()


def binaries_of(major):
    """The installation of exactly that major version that has the contrib extensions the corpus uses."""
    for found in installed():
        root = found.directory.parent
        usual = [root / "share/extension", root / "share/postgresql/extension"]
        distribution = Path("/usr/share/postgresql") / str(major) / "extension"
        places = [*usual, *([distribution] if found.origin == "local" else [])]
        if found.major == major and any((p / "citext.control").exists() for p in places):
            return found
    raise SystemExit(f"no PostgreSQL {major} with citext and btree_gist here (name one in INDEXPILOT_PG_BINARIES)")


@contextmanager
def loaded_server(major):
    """A server of that version with the loaded database ``corpus_base``; gives the LocalServer."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with LocalServer(binaries_of(major), new_home(parent), SETTINGS) as server:
        load(server.dsn(), BASE)
        yield server


def load(admin_dsn, name, tables=None):
    """Create the database ``name`` with the corpus's schema and data."""
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(admin_dsn, dbname=name, autocommit=True) as conn:
        for script in ("schema.sql", "data.sql"):
            for statement in split((FOLDER / script).read_text()):
                conn.execute(statement)


@contextmanager
def copy(server, name):
    """A copy of the loaded database; gives its DSN and drops it afterwards."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(BASE)
            )
        )
        try:
            yield server.dsn(name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
