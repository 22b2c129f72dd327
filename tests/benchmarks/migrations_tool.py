"""What ``schema-evolve check`` says of each case: in this process, or as the program that users run."""

import json
import re
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from indexpilot_cli.core.command import Connection, Record, Silent, WorkloadRequest
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.evolve.requests import CheckRequest
from tests.benchmarks import migrations_corpus as corpus
from tests.cli import process as program

WORKLOAD = corpus.FOLDER / "workload.sql"


@dataclass(frozen=True)
class Seen:
    """``impacts`` by statement; ``breaks`` and ``changes`` are numbers (from 1) of recorded statements."""

    impacts: tuple[str, ...]
    fails: bool
    breaks: frozenset[int]
    changes: frozenset[int]
    note: str


def check_all(dsn, cases, process):
    """What the tool says by case, each file by itself against the loaded database."""
    if process:
        return {case: guarded(by_process, dsn, case) for case in cases}
    with one_clone():
        return {case: guarded(in_process, dsn, case) for case in cases}


@contextmanager
def one_clone():
    """The server of the empty clone is started once and put back to its first state for each case: half the time."""
    from indexpilot_cli.evolve.review.clone import clone

    kept, real = [], clone.open_clone

    def reopened(snapshot, **options):
        if not kept:
            kept.append(real(snapshot, **options))
        else:
            kept[0].reset()
        return nullcontext(kept[0])

    clone.open_clone = reopened
    try:
        yield
    finally:
        clone.open_clone = real
        for opened in kept:
            opened.close()


def guarded(check, dsn, case):
    """A crash is an answer too: a wrong one. Says on stderr what each case got."""
    started = time.perf_counter()
    try:
        found = check(dsn, case)
        print(f"{time.perf_counter() - started:6.1f} s  {case.name}: {found.note}", file=sys.stderr)
        return found
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cases are still asked
        print(f"{case.name}: {type(error).__name__}: {error}", file=sys.stderr)
        return Seen((), False, frozenset(), frozenset(), f"CRASHED {type(error).__name__}: {error}")


def in_process(dsn, case):
    from indexpilot_cli.evolve.review import check as evolve_check

    request = CheckRequest(
        files=(str(case.path),),
        connection=Connection(dsn),
        workload=WorkloadRequest(SourceKind.SQL, (str(WORKLOAD),)),
        record=Record(enabled=False),
    )
    result = evolve_check.run(request, Silent()).result
    report = result.files[0]
    return seen(
        report.verdict.value,
        [(s.verdict.impact.value, s.verdict.why, s.verdict.work) for s in report.statements],
        [(t.status, t.sql, t.error.sqlstate if t.error else "") for t in result.templates],
    )


def by_process(dsn, case):
    with tempfile.TemporaryDirectory(prefix="corpus-") as home:
        ran = program.run(
            Path(home), "schema-evolve", "check", str(case.path), "--json", "--file", str(WORKLOAD), "-d", dsn
        )
    document = json.loads(ran.out)
    if "result" not in document:
        raise RuntimeError(f"{ran.out}{ran.err}")
    result = document["result"]
    report = result["files"][0]
    return seen(
        report["verdict"],
        [(s["verdict"], s["why"], s["takes"]) for s in report["statements"]],
        [(t["status"], t["sql"], (t["error"] or {}).get("sqlstate", "")) for t in result["templates"]],
    )


def seen(verdict, statements, templates):
    numbers = {shape(text): number for number, text in enumerate(corpus.workload(), 1)}
    broken = [(sql, state) for status, sql, state in templates if status == "breaks"]
    changed = [sql for status, sql, _ in templates if status == "columns_change"]
    parts = [f"{n}: {impact} {why} {'; '.join(work)}".strip() for n, (impact, why, work) in enumerate(statements, 1)]
    parts += [f"breaks {sql} ({state})" for sql, state in broken] + [f"changes {sql}" for sql in changed]
    return Seen(
        tuple(impact for impact, _, _ in statements),
        verdict == "fails",
        frozenset(numbers[shape(sql)] for sql, _ in broken),
        frozenset(numbers[shape(sql)] for sql in changed),
        f"{verdict}: " + " | ".join(parts),
    )


def shape(sql):
    """What a statement and its template have in common: the words, without values, parentheses and casts."""
    bare = re.sub(r"'(?:[^']|'')*'|\$\d+|\b\d+(\.\d+)?\b|\b(true|false|null)\b", "", sql, flags=re.I)
    return re.sub(r"\s+as\s+|::\w+|[\s()]+", "", bare.lower())
