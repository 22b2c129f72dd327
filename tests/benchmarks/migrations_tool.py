"""What ``schema-evolve check`` says of each case: in this process, or as the program that users run."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from indexpilot_cli.model.progress import Silent
from indexpilot_cli.model.requests import CheckRequest, Connection, Record, WorkloadRequest
from indexpilot_cli.model.workload import SourceKind
from tests.benchmarks import migrations_corpus as corpus
from tests.cli import process as program

WORKLOAD = corpus.FOLDER / "workload.sql"


@dataclass(frozen=True)
class Seen:
    """``impacts`` by statement; ``breaks`` and ``changes`` are texts of recorded queries."""

    impacts: tuple[str, ...]
    fails: bool
    breaks: tuple[str, ...]
    changes: tuple[str, ...]
    note: str


def check_all(dsn, cases, process):
    """What the tool says by case, each file by itself against the loaded database."""
    return {case: by_process(dsn, case) if process else in_process(dsn, case) for case in cases}


def in_process(dsn, case):
    from indexpilot_cli.workflows import evolve_check

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
        raise SystemExit(f"{case.name}: {ran.out}{ran.err}")
    result = document["result"]
    report = result["files"][0]
    return seen(
        report["verdict"],
        [(s["verdict"]["impact"], s["verdict"]["why"], s["verdict"]["work"]) for s in report["statements"]],
        [(t["status"], t["sql"], (t["error"] or {}).get("sqlstate", "")) for t in result["templates"]],
    )


def seen(verdict, statements, templates):
    breaks = tuple(f"{sql} ({state})" for status, sql, state in templates if status == "breaks")
    changes = tuple(sql for status, sql, _ in templates if status == "columns_change")
    parts = [f"{n}: {impact} {why} {'; '.join(work)}".strip() for n, (impact, why, work) in enumerate(statements, 1)]
    parts += [f"breaks {text}" for text in breaks] + [f"changes {text}" for text in changes]
    impacts = tuple(impact for impact, _, _ in statements)
    return Seen(impacts, verdict == "fails", breaks, changes, f"{verdict}: " + " | ".join(parts))
