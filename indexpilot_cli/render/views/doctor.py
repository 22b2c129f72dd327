"""What ``doctor`` and ``init`` found, and what ``init`` does."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from indexpilot_cli.admin.doctor import DoctorResult
from indexpilot_cli.admin.init import InitResult
from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.codec import Count, DocumentShape
from indexpilot_cli.core.estimator import Fidelity
from indexpilot_cli.render.document import Block, Code, Document, Facts, Lines, SqlStatement, TableBlock, columns
from indexpilot_cli.render.units import CheckDocument, checks_table, cost, facts, one_line, percent, plural


class DifferenceDocument(DocumentShape):
    """A template the twin plans differently."""

    template: str
    server_cost: float | None
    twin_cost: float | None
    error: float | None
    text: str


class FidelityDocument(DocumentShape):
    """How the twin's plans compare with the server's; errors are relative differences of total cost."""

    estimator: str
    compared: Count
    identical: Count
    not_compared: Count
    median_error: float | None
    p90_error: float | None
    max_error: float | None
    differences: tuple[DifferenceDocument, ...]


class DoctorDocument(DocumentShape):
    """Everything that was looked at."""

    checks: tuple[CheckDocument, ...]
    fidelity: FidelityDocument | None


_DIFFERENCE_COLUMNS = columns(
    "template|short", "server cost|number", "twin cost|number", "difference|number", "query|query"
)


def doctor_view(result: DoctorResult, *, verbose: bool = False) -> Document:
    """Checks in order, then the fidelity of the twin when it was measured."""
    blocks: list[Block] = [checks_table(result.checks), Lines((_doctor_summary(result),))]
    if result.fidelity is not None:
        blocks += _fidelity(result.fidelity, verbose)
    return Document(tuple(blocks), result, DoctorDocument)


def _doctor_summary(result: DoctorResult) -> str:
    counts = Counter(c.state for c in result.checks)
    bad = [plural(counts[s], s) for s in ("error", "warning") if counts[s]]
    bad += [f"{counts[s]} {s}" for s in ("missing", "unknown") if counts[s]]
    return ", ".join(bad) if bad else "all well"


def _fidelity(value: Fidelity, verbose: bool) -> list[Block]:
    if not value.compared:
        return [facts(("Twin", f"{value.estimator}: nothing was compared"))]
    share = value.identical / value.compared
    skipped = f", {value.not_compared} not compared" if value.not_compared else ""
    blocks: list[Block] = [
        facts(
            (
                "Twin",
                f"{value.estimator}: {value.identical} of {value.compared} plans identical ({percent(share)}){skipped}",
            ),
            (
                "Cost error",
                f"median {percent(value.median_error, 2)}, 90th percentile {percent(value.p90_error, 2)}, "
                f"largest {percent(value.max_error, 2)}",
            ),
        )
    ]
    shown = value.differences if verbose else value.differences[:5]
    if shown:
        rows = tuple(
            (d.template, cost(d.server_cost), cost(d.twin_cost), percent(d.error), one_line(d.text)) for d in shown
        )
        blocks.append(TableBlock(_DIFFERENCE_COLUMNS, rows))
    return blocks


_OTHERS = ("schema", "config", "genome", "grants")  # words of a plan that are not tables


class InitDocument(DocumentShape):
    """What is there, what is missing, what was or will be made."""

    schema: str
    schema_version: Count | None
    dry_run: bool
    planned: tuple[str, ...]
    created: tuple[str, ...]
    checks: tuple[CheckDocument, ...]
    sql: Annotated[tuple[str, ...], "runs as it is"]
    config_path: str | None
    tables_count: Count
    fields_count: Count


def init_view(
    result: InitResult, *, server: Server | None = None, verbose: bool = False, brief: bool = False
) -> Document:
    """Checks, then what will be done (dry run, question) or was done; the SQL in a dry run or with ``verbose``.

    ``brief`` leaves out what the question has shown already.
    """
    rows: list[tuple[str, str]] = []
    if not brief:
        rows += [("Server", server_line(server))] if server else []
        rows += [(f"  {c.state}", _check(c.name, c.text, c.fix)) for c in result.checks]
        rows += [("  will do", text) for text in _planned(result)]
    rows += [("done", _done(result))] if result.created or not result.planned else []
    if _tables(result.created) and not result.grantees:
        rows.append(("roles", "another role may look at them after  indexpilot init --grant ROLE"))
    blocks: list[Block] = [Facts(tuple(rows))] if rows else []
    if result.sql and (result.dry_run or verbose):
        blocks.append(Code("".join(f"{s.rstrip().rstrip(';')};\n" for s in result.sql)))
    if result.dry_run and result.planned:
        blocks.append(Lines(("dry run: nothing changed",)))
    statements = tuple(SqlStatement(s) for s in result.sql)
    return Document(tuple(blocks), result, InitDocument, statements)


def server_line(server: Server) -> str:
    """``PostgreSQL 16.4, database shop, user dba, primary``."""
    role = "standby" if server.in_recovery else "primary"
    return f"PostgreSQL {server.version}, database {server.database}, user {server.user}, {role}"


def _planned(result: InitResult) -> tuple[str, ...]:
    """What will be done: our tables in one line, then the rest."""
    if result.created:
        return ()
    words = {
        "schema": f"create schema {result.schema}",
        "config": f"write {result.config_path or 'the configuration file'}",
        "genome": "fill the genome catalog",
        "grants": f"let {', '.join(result.grantees)} read our tables",
    }
    tables = _tables(result.planned)
    made = f"create {plural(len(tables), 'table')} in schema {result.schema}: {', '.join(tables)}"
    told = tuple(words.get(word, one_line(word)) for word in result.planned if word not in tables)
    split = 1 if "schema" in result.planned else 0
    return (*told[:split], *((made,) if tables else ()), *told[split:])


def _tables(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in _OTHERS and word.isidentifier())


def _check(name: str, text: str, fix: str | None) -> str:
    told = f"{name:<24}  {one_line(text)}".rstrip()
    return f"{told}: {fix}" if fix and fix not in text else told


def _done(result: InitResult) -> str:
    tables = _tables(result.created)
    made = [word for word in result.created if word not in tables]
    if tables:
        made.insert(1 if "schema" in made else 0, plural(len(tables), "table"))
    parts = [f"made {', '.join(made)}" if made else "everything was there already"]
    if result.schema_version is not None:
        parts.append(f"schema version {result.schema_version}")
    if result.fields_count:
        parts.append(f"{plural(result.fields_count, 'column')} of {plural(result.tables_count, 'table')} catalogued")
    return ", ".join(parts)
