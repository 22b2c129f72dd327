"""Tables of statements that somebody exported: pg_stat_statements as CSV or JSON, and what consoles make of it.

What a file holds is told by what it calls its columns: one of texts, and counts or times beside it. Rows of JSON may
lie anywhere in it; texts that stand apart are joined by their id, and pgBadger's are keys.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from indexpilot_cli.core import files
from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.workload.packed import begin_of

_DELIMITERS = ",;\t|"
_TEXT = frozenset((
    "query", "query_text", "querytext", "query_sql_text", "sql", "sql_text", "sql_query", "statement",
    "statement_text", "sql_statement", "sql_statements", "normalized_query", "normalised_query", "query_string",
    "digest_text", "sql_tokenized_statement", "query_sample_text", "db_sql_tokenized_statement",
    "db_sql_statement", "normalized_sql",
))  # fmt: skip
_CALLS = frozenset((
    "calls", "ncalls", "count", "times_called", "call_count", "execution_count", "executions", "exec_count",
    "times_executed", "total_calls", "num_calls", "sum_calls", "calls_total", "total_executions",
    "execution_times",
))  # fmt: skip
_TOTAL = frozenset((
    "total_exec_time", "total_time", "total_duration", "duration", "exec_time", "total_execution_time",
    "total_elapsed_time", "sum_time", "duration_total", "time_total", "exec_time_total", "total",
))  # fmt: skip
_MEAN = frozenset((
    "mean_exec_time", "mean_time", "average_time", "avg_time", "avg_exec_time", "avg_execution_time",
    "mean_execution_time", "avg_duration", "average_execution_time", "avg_latency", "average_duration", "mean",
    "avg_latency_call", "avg_latency_per_call", "duration_avg",
))  # fmt: skip
# Of consoles that show load: calls each second, and sessions busy with the statement on average.
_RATE = frozenset(("calls_per_sec",))
_LOAD = frozenset(("load_by_waits", "load", "db_load", "aas", "average_active_sessions", "load_by_waits_aas"))
_DATABASE = frozenset(("datname", "database", "database_name", "dbname", "db", "db_name"))
_KEY = frozenset(("queryid", "query_id", "query_idx", "query_hash", "sql_id", "fingerprint", "digest"))
_LOG = re.compile(r'"(?:error_severity|message|log|textPayload|@message|msg)"\s*:|log_time')
_UNITS = {
    "ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "sec": 1e3, "seconds": 1e3, "secs": 1e3, "min": 6e4,
    "minutes": 6e4, "hours": 3.6e6,
}  # fmt: skip
_CLOCK = re.compile(r"(?:(?P<days>\d+) days? )?(?P<h>\d+):(?P<m>\d\d):(?P<s>\d\d(?:\.\d+)?)")
_NUMBER = re.compile(r"(-?[\d,]*\.?\d+(?:e[+-]?\d+)?)\s*([a-zµ]*)", re.IGNORECASE)
_HOUR = 3600.0  # seconds for which rates are taken where the file does not say
_HIDDEN = "<insufficient privilege>"
_PSQL_TABLE = re.compile(r"-+(?:\+-+)+|-\[ RECORD 1 \][-+]*")
EXPECTED = (
    "expected a table of statements: CSV with a header or JSON, with a column of texts (query) and calls or times, as "
    "of psql --csv -c 'SELECT query, calls, total_exec_time FROM pg_stat_statements' > statements.csv"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row under the names that matter; ``ms`` is the sum of all calls."""

    text: str = ""
    calls: float | None = None
    ms: float | None = None
    database: str = ""
    key: str = ""


def looks_exported(begin: str) -> bool:
    """Whether a text begins like such a table, or like one that psql drew for people."""
    first = begin.lstrip().split("\n", 1)[0]
    if _is_drawn(begin):
        return True
    if first[:1] in ("{", "["):
        names = {_name(found)[0] for found in re.findall(r'"([^"\\]{1,60})"\s*:', begin)}
        known = bool(names & (_TEXT | _KEY)) and bool(names & (_CALLS | _TOTAL | _MEAN))
        return (known or "normalyzed_info" in names or "db_sql_tokenized_statement" in names) and not _LOG.search(begin)
    return _LOG.search(first) is None and not first.startswith(("--", "/*")) and _shape(first) is not None


def read_export(name: str, *, database: str | None = None) -> Workload:
    """The statements of a file's table (``-``: of standard input) with their calls and times. Rows of other databases
    than ``database`` are left out and counted, where the file names them.

    Raises UsageError when the file cannot be read, and when it holds no such table.
    """
    data = files.read_bytes(name, files.SQL)
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    shown = "standard input" if name == "-" else name
    if _is_drawn(text):
        hint = "write it with psql --csv"
        raise UsageError(f"{shown} is a table that psql drew for people", hint=hint, code="unknown_export")
    rows, notes = _rows(text)
    if not rows:
        raise UsageError(f"{shown} holds no table of statements", hint=EXPECTED, code="unknown_export")
    return _workload(rows, notes, shown, database)


def begins_exported(source: Path | TextIO) -> bool:
    """The same for a file or standard input, which can still be read whole."""
    if isinstance(source, Path) and (source.is_dir() or files.plain_suffix(source) == ".sql"):
        return False
    try:
        return looks_exported(begin_of(source))
    except OSError:
        return False  # told when it is read whole


def _is_drawn(text: str) -> bool:
    head = text.lstrip("\n").split("\n", 2)
    return any(_PSQL_TABLE.fullmatch(line.strip()) for line in head[:2])


def _workload(rows: Sequence[_Row], notes: Sequence[str], name: str, database: str | None) -> Workload:
    others = sorted({r.database for r in rows if r.database and database is not None and r.database != database})
    kept = [row for row in rows if row.database not in others or not row.database]
    statements = [
        ObservedStatement(r.text, r.calls if r.calls is not None else 1.0, r.ms, origin=name)
        for r in kept
        if r.text != _HIDDEN and r.calls != 0
    ]
    hidden = [r for r in kept if r.text == _HIDDEN]
    calls, ms = sum(r.calls or 1.0 for r in hidden), sum(r.ms or 0.0 for r in hidden)
    skipped = (Skipped("hidden", "", f"statements of other roles ({name})", calls, ms),) if hidden else ()
    told = [f"{name}: {note}" for note in notes]
    if others:
        count = len(rows) - len(kept)
        told.append(
            f"{name}: {count:,} of {len(rows):,} statements are of {', '.join(others[:3])} (you are on {database}) and "
            f"were left out; --log-database {others[0]} reads them"
        )
    return Workload(SourceKind.STATEMENTS, tuple(statements), skipped, notes=tuple(told))


# -- rows


def _rows(text: str) -> tuple[list[_Row], list[str]]:
    begun = text.lstrip()
    if begun[:1] in ("{", "["):
        found = _documents(begun)
        seconds = next(filter(None, map(_seconds, found)), None)
        records = chain.from_iterable(map(_records, found))
    else:
        first = text.split("\n", 1)[0]
        shape = _shape(first)
        seconds, records = None, chain(() if shape is None else _csv_records(text, *shape))
    named = [{_name(key): value for key, value in record.items()} for record in records]
    rows = [_row(record, seconds or _HOUR) for record in named]
    rated = seconds is None and any(name in _RATE | _LOAD for record in named for name, _ in record)
    notes = ["calls and load per second are taken for an hour"] if rated else []
    counted = any(row.calls is not None for row in rows)
    notes += [] if counted or not rows else ["it does not say how often a statement runs; each counts once"]
    return _joined(rows), notes


def _joined(rows: Sequence[_Row]) -> list[_Row]:
    """Texts that stand apart from the numbers, beside those of their id."""
    texts = {row.key: row.text for row in rows if row.key and row.text}
    apart = [row for row in rows if not row.text and row.key in texts and (row.calls is not None or row.ms is not None)]
    if not apart:
        return [row for row in rows if row.text]
    counted = [row for row in rows if row.text and (row.calls is not None or row.ms is not None)]
    return [*counted, *(replace(row, text=texts[row.key]) for row in apart)]


def _documents(text: str) -> list[Any]:
    """The JSON of a file: one document, or several one behind the other."""
    decoder, place, found = json.JSONDecoder(strict=False), 0, []
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break  # cut short: what came before counts
        found.append(value)
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
    return found


def _records(value: Any) -> Iterator[Mapping[str, Any]]:
    """Objects that may be rows: each with the plain values of the objects in it."""
    stack = [value]
    while stack:
        here = stack.pop()
        if isinstance(here, list):
            stack += reversed(here)
        elif isinstance(here, dict):
            inner = [v for v in here.values() if isinstance(v, dict)]
            flat = {k: v for part in (here, *inner) for k, v in part.items() if not isinstance(v, dict | list)}
            if {_name(key)[0] for key in flat} & (_TEXT | _KEY):
                yield flat
            else:
                keyed = {k: tuple(_of_key(k, v)) for k, v in here.items() if isinstance(v, dict)}
                yield from chain.from_iterable(keyed.values())
                stack += [v for k, v in reversed(here.items()) if isinstance(v, dict | list) and not keyed.get(k)]


def _of_key(text: str, value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """pgBadger's statements are keys; real ones of each lie beside their numbers."""
    if not {"count", "duration"} <= value.keys() or not isinstance(value["count"], int | float):
        return
    samples = value.get("samples") or {}
    real = [s for s in samples.values() if isinstance(s, dict) and s.get("query")] if isinstance(samples, dict) else []
    count, duration = float(value["count"]), _milliseconds(value["duration"], 1.0) or 0.0
    for sample in real or [{"query": text}]:
        shared = {"calls": count / max(len(real), 1), "total_time": duration / max(len(real), 1)}
        yield {"query": sample["query"], "database": sample.get("db", ""), **shared}


def _seconds(document: Any) -> float | None:
    """How long the time is that a document speaks of, where it says so."""
    ends = [document.get(name) for name in ("AlignedStartTime", "AlignedEndTime")] if isinstance(document, dict) else []
    start, end = ends if len(ends) == 2 else (None, None)
    known = isinstance(start, int | float) and isinstance(end, int | float) and end > start
    return float(end - start) if known else None  # type: ignore[operator]


def _shape(header: str) -> tuple[str, list[str]] | None:
    """Delimiter and columns of a first line that names a column of texts, and counts or times."""
    for delimiter in _DELIMITERS:
        names = [cell.strip() for cell in next(csv.reader([header.strip("\r\n")], delimiter=delimiter), [])]
        known = {_name(name)[0] for name in names}
        if known & _TEXT and known & (_CALLS | _TOTAL | _MEAN | _RATE | _LOAD):
            return delimiter, names
    return None


def _csv_records(text: str, delimiter: str, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(files.SQL.most)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    next(rows, None)
    # COPY's own form of a text knows no quotes.
    plain = delimiter == "\t" and "\\n" in text and '"' not in text.split("\n", 1)[0]
    for row in rows:
        cells = [_unescaped(cell) for cell in row] if plain else row
        yield dict(zip(names, cells, strict=False))


def _unescaped(cell: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), cell)


# -- columns


def _name(title: str) -> tuple[str, float]:
    """The name of a column in small letters with ``_``, and how many milliseconds its unit is."""
    words = re.findall(r"[a-zµ0-9%]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title).lower())
    if "stats" in words[:-1]:  # Performance Insights: db.sql_tokenized.stats.calls_per_sec.avg
        words = words[words.index("stats") + 1 :]
        words = words[:-1] if words[-1] == "avg" else words
    if words[:1] in (["calls"], ["executions"]) and words[-1] in ("sec", "s"):
        return "calls_per_sec", 1.0
    unit = next((_UNITS[word] for word in words if word in _UNITS), 1.0)
    return "_".join(w for w in words if w not in _UNITS), unit


def _row(record: Mapping[tuple[str, float], Any], seconds: float) -> _Row:
    def first(names: Iterable[str]) -> tuple[Any, float]:
        found = ((v, unit) for (name, unit), v in record.items() if name in names and v not in (None, ""))
        return next(found, (None, 1.0))

    words = (first(names)[0] for names in (_TEXT, _KEY, _DATABASE))
    text, key, database = ("" if word is None else str(word) for word in words)
    calls, total, mean = _number(first(_CALLS)[0]), _milliseconds(*first(_TOTAL)), _milliseconds(*first(_MEAN))
    rate, load = _number(first(_RATE)[0]), _number(first(_LOAD)[0])
    if calls is None and rate is not None:
        calls = rate * seconds
    if "db_sql_tokenized_statement" in {name for name, _ in record}:  # its total is a load, too
        load, total = _number(first(("total",))[0]), None
    if load is not None and total is None:
        total = load * seconds * 1e3
    if calls is None and total is not None and mean:
        calls = total / mean
    if total is None and mean is not None:
        total = mean * (calls if calls is not None else 1.0)
    return _Row(text.strip(), calls, total, database, key)


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    found = _NUMBER.fullmatch(str(value or "").strip().rstrip("%").strip())
    return float(found[1].replace(",", "")) if found is not None else None


def _milliseconds(value: Any, unit: float) -> float | None:
    text = str(value or "").strip()
    clock, found = _CLOCK.fullmatch(text), _NUMBER.fullmatch(text)
    if clock is not None:
        hours = float(clock["days"] or 0) * 24 + float(clock["h"])
        return ((hours * 60 + float(clock["m"])) * 60 + float(clock["s"])) * 1e3
    number = _number(value)
    known = _UNITS.get(found[2].lower(), unit) if found is not None and found[2] else unit
    return None if number is None else number * known
