"""Generated databases and the statements asked of them: a help desk of many tenants, and films joined widely.

``helpdesk``: 18 tables, tenants of very different size, 64 templates with their calls an hour, several sets of values
each. ``films``: 15 tables with keys only, 48 joins. Each folder has schema, rows and statements; ``$name`` in the rows
are counts, in the statements values. The same seed gives the same rows and values. The path of a folder of somebody
else's with these three files does as a name too; nothing is filled in there.
"""

import hashlib
import random
import re
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from indexpilot_cli.sql.parser.text import split

HERE = Path(__file__).parent
NOW = datetime(2025, 1, 1) + timedelta(days=500)
COUNTS = {
    "helpdesk": {
        **{"accounts": 600, "users": 9_000, "companies": 8_000, "contacts": 120_000, "tickets": 160_000},
        **{"messages": 450_000, "events": 500_000, "tags": 6_000, "invoices": 60_000, "sessions": 120_000},
        **{"jobs": 150_000, "audit": 350_000},
    },
    "films": {
        **{"films": 120_000, "people": 160_000, "parts": 60_000, "companies": 12_000, "words": 12_000},
        **{"cast": 900_000, "infos": 500_000, "film_companies": 160_000, "film_words": 250_000},
    },
}
AS_THEY_ARE = ("accounts", "tags", "words", "companies")  # whatever the scale


@dataclass(frozen=True)
class Call:
    """One statement of a workload with its values in it; the variants of a template share its calls."""

    name: str
    sql: str
    calls: float
    write: bool = False


def make(name, dsn, scale=1.0):
    """Create, fill and analyze the tables of that workload. At scale 1 about 400 MB and 230 MB."""
    folder = HERE / name
    rows = (folder / "rows.sql").read_text()
    if name in COUNTS:
        rows = string.Template(rows).substitute(_counts(name, scale))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set max_parallel_workers_per_gather = 0")  # the order of random() must not depend on it
        connection.execute((folder / "schema.sql").read_text())
        connection.execute("select setseed(0.42)")
        for piece in split(rows):
            connection.execute(piece.text)
        connection.execute("vacuum analyze")


def _counts(name, scale):
    return {n: c if n in AS_THEY_ARE else max(100, int(c * scale)) for n, c in COUNTS[name].items()}


def statements(name, scale=1.0, variants=3, seed=7):
    """Every template of the workload filled in with ``variants`` sets of values; once where it has none."""
    generator = random.Random(seed)
    found = []
    for weight, title, text in _templates(name):
        count = variants if name in COUNTS and "$" in text else 1
        write = not text.lower().startswith(("select", "with"))
        for _ in range(count):
            filled = text
            if name in COUNTS:
                filled = string.Template(text).substitute(_values(generator, _counts("helpdesk", scale)))
            found.append(Call(title, filled, weight / count, write))
    return tuple(found)


def _templates(name):
    text = (HERE / name / "statements.sql").read_text()
    for weight, title, statement in re.findall(r"^-- (\d+) (\S+)\n(.*?);$", text, re.MULTILINE | re.DOTALL):
        yield int(weight), title, " ".join(statement.split())


def _zipf(generator, count, steepness=3.0):
    """A number from 1 to ``count``, small ones much more often, as the rows have it."""
    return int(count * generator.random() ** steepness) + 1


def _values(generator, rows):
    contact = _zipf(generator, rows["contacts"], 2.0)
    invoice = generator.randint(1, rows["invoices"])
    return {
        "account": _zipf(generator, rows["accounts"]),
        "user": _zipf(generator, rows["users"], 2.0),
        "contact": contact,
        "mail": contact % 900,
        "phone": 1_000_000 + contact,
        "company": _zipf(generator, rows["companies"], 2.0),
        "ticket": generator.randint(rows["tickets"] // 2, rows["tickets"]),
        "message": generator.randint(1, rows["messages"]),
        "invoice": invoice,
        "invoice_number": f"{invoice:08}",
        "payment_hash": _md5(invoice),
        "job": generator.randint(1, rows["jobs"]),
        "tag": _zipf(generator, rows["tags"]),
        "ref": generator.randint(0, 4999),
        "hex": _md5(generator.randint(1, rows["tickets"]))[:3],
        "session": _md5(generator.randint(int(rows["sessions"] * 0.97), rows["sessions"])),
        "queue": generator.choice(("mail", "webhook", "export")),
        "offset": generator.choice((0, 0, 50, 200)),
        "now": NOW,
        "later": NOW + timedelta(days=14),
        "week": NOW - timedelta(days=7),
        "month": NOW - timedelta(days=30),
        "month_day": (NOW - timedelta(days=30)).date(),
        "past": NOW - timedelta(days=90),
        "oldest": NOW - timedelta(days=485),
    }


def _md5(number):
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
