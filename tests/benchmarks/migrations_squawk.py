"""squawk over the corpus, read as charitably as its rules' own words allow.

squawk (https://squawkhq.com) is a linter: it sees neither the database nor the data, so it has no notion of a long
lock, of failing or of recorded queries. A rule counts as an alarm where its documentation promises that very thing:

*long block*  the table is scanned, rewritten or indexed while others wait. Rules about locks that are only taken
              (drops, renames, missing timeouts) or about style count as silence, which is to squawk's favour.
*fails*       the statement cannot work: syntax, CONCURRENTLY in a transaction, a required column without default.
*breaks*      clients of the old schema break: drops and renames, opt-in rules included.

All opt-in rules of those three lists are switched on. ``Statement`` numbers come from the place of each message.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

LONG = frozenset(
    {
        "require-concurrent-index-creation",
        "require-concurrent-reindex",
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-not-nullable-field",
        "adding-serial-primary-key-field",
        "changing-column-type",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "ban-alter-domain-with-add-constraint",
        "prefer-repack",
    }
)
FAILS = frozenset({"syntax-error", "ban-concurrent-index-creation-in-transaction", "adding-required-field"})
BREAKS = frozenset(
    {
        "ban-drop-column",
        "ban-drop-table",
        "ban-drop-view",
        "ban-drop-function",
        "ban-drop-sequence",
        "ban-drop-schema",
        "ban-set-schema",
        "renaming-column",
        "renaming-table",
        "renaming-object",
    }
)
OPT_IN = (
    "prefer-repack",
    "ban-drop-view",
    "ban-drop-function",
    "ban-drop-sequence",
    "ban-drop-schema",
    "ban-set-schema",
    "renaming-object",
)


def program():
    """The squawk beside this Python, else on the path; None when it is not installed."""
    beside = Path(sys.executable).with_name("squawk")
    return str(beside) if beside.exists() else shutil.which("squawk")


def run(cases, major):
    """Messages by the name of the case: (rule, line from 0)."""
    options = [word for rule in OPT_IN for word in ("--include", rule)]
    paths = [str(case.path) for case in cases]
    done = subprocess.run(
        [program(), "--reporter", "json", "--pg-version", f"{major}.0", *options, *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    found = {case.name: [] for case in cases}
    names = {case.path.name: case.name for case in cases}
    for message in json.loads(done.stdout or "[]"):
        found[names[Path(message["file"]).name]].append((message["rule_name"], message["line"]))
    return found


def version():
    return subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
