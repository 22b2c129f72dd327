"""Entries of a jsonlog, and of a log in the JSON of a container, a collector or a cloud.

None of those is told by its name: an object that has PostgreSQL's fields is an entry, and a text in an object that
reads like a line of a plain log is one, whoever wrapped it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from indexpilot_cli.workload.clock import TIME, LogClock
from indexpilot_cli.workload.csvlog import lines_of, without_prefix
from indexpilot_cli.workload.records import LINE, MAX_ENTRY, Broken, LogEntry, PrefixReader, stderr_records, with_parts

Fields = Mapping[str, Any]
_LEVELS = ("error_severity", "errorLevel", "errorLevel_s")
_TIMES = ("timestamp", "@timestamp", "time", "ts", "log_time", "eventTimestamp", "__REALTIME_TIMESTAMP", "_time")
_COLUMN = re.compile(r"_[sdtgb]\Z")
_PREFIX = 18  # characters: a shorter prefix has no time in it and tells no line from a text
_DOCKER = 16_000  # characters from which on Docker cuts a line into several objects
_DEEP = 5  # objects in objects
_LIST = re.compile(r'\{\s*"\w+"\s*:\s*\[')
_DECODER = json.JSONDecoder(strict=False)


def json_records(lines: Iterable[str], broken: Broken, clock: LogClock) -> Iterator[LogEntry]:
    """Entries of a jsonlog (PostgreSQL 15 and newer), or of what containers and clouds make of a log."""
    return with_parts(_entries(lines, broken, clock))


def _entries(lines: Iterable[str], broken: Broken, clock: LogClock) -> Iterator[LogEntry]:
    reader = PrefixReader(clock)
    stream = _objects(lines, broken)
    for found in stream:
        fields = _structured(found)
        path = _path(found) if fields is None else None
        if fields is not None:
            entry = _entry(fields, clock)
            yield from (entry,) if "error_severity" in fields else _split(entry, reader)
        elif path is not None:
            # One stream has one wrapping: from here on the texts are lines of a plain log.
            yield from stderr_records(_texts(chain([found], stream), path, broken, clock), broken, clock)
        else:
            broken.foreign += 1


def _split(entry: LogEntry, reader: PrefixReader) -> Iterator[LogEntry]:
    """An entry whose text is that of a plain log: a collector may have made one of it and its parts."""
    line = LINE.match(entry.message)
    prefix = "" if line is None else line["prefix"]
    pieces = entry.message.split(f"\n{prefix}") if len(prefix) > _PREFIX else [entry.message]
    for number, piece in enumerate(pieces):
        # The server puts a tab before each further line of a plain log.
        if prefix and piece.count("\n\t") == piece.count("\n"):
            piece = piece.replace("\n\t", "\n")  # noqa: PLW2901
        yield without_prefix(entry._replace(message=f"{prefix}{piece}" if number else piece), reader)


def _objects(lines: Iterable[str], broken: Broken) -> Iterator[Fields]:
    """The objects that may be entries: one a line, one behind the other, in lists, or as text in others."""
    for value in _values(lines, broken):
        for found in _members(value):
            inner = None if "error_severity" in found else _within(found)
            yield found if inner is None else inner


def _values(lines: Iterable[str], broken: Broken) -> Iterator[Any]:
    """The JSON values of a file, whether each has a line to itself, or lines hold several values, or values lines."""
    rest = ""
    for line in lines:
        value = _loaded(line)
        if value is not None:
            if rest:
                broken.count += 1
            rest = ""
            yield value
        elif rest or "{" in line:
            rest += f"\n{line}"
            if line.rstrip().endswith(("}", "},", "]", "],")) or len(rest) > MAX_ENTRY:
                found, rest = _decoded(rest)
                yield from found
            if len(rest) > MAX_ENTRY:
                broken.count += 1
                rest = ""
    if "{" in rest:
        broken.count += 1


def _loaded(line: str) -> Any:
    try:
        return _DECODER.decode(line) if line[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return None


def _decoded(text: str) -> tuple[list[Any], str]:
    """The values of a text, and what is left of it: one that has only begun."""
    found: list[Any] = []
    position = text.find("{")
    while position >= 0:
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            inside = _LIST.match(text, position)
            if inside is None:
                return found, text[position:]
            position = inside.end()
        else:
            found.append(value)
        position = text.find("{", position)
    return found, ""


def _members(value: Any, depth: int = 0) -> Iterator[Fields]:
    """The objects of a list, wherever in an object it is, else the object itself."""
    if isinstance(value, list):
        named = [v for v in value if isinstance(v, dict) and v.keys() <= {"field", "value"}]
        if named and len(named) == len(value):  # a row of CloudWatch Logs Insights
            yield {str(v.get("field")).lstrip("@"): v.get("value") for v in named}
        elif len(value) == 2 and all(isinstance(v, str) for v in value):  # Loki
            yield {"timestamp": value[0], "message": value[1]}
        else:
            for member in value:
                yield from _members(member, depth + 1)
    elif isinstance(value, dict):
        lists = [] if "error_severity" in value or depth > _DEEP else list(_lists(value))
        for inner in lists:
            yield from _members(inner, depth + 1)
        if not lists:
            yield value


def _lists(value: Fields) -> Iterator[list[Any]]:
    for inner in value.values():
        if isinstance(inner, list) and inner and isinstance(inner[0], (dict, list)):
            yield inner
        elif isinstance(inner, dict):
            yield from _lists(inner)


def _within(found: Fields) -> Fields | None:
    """The entry that an object holds as a text: a jsonlog on its way through Docker."""
    for text in found.values():
        if isinstance(text, str) and text.startswith("{") and '"error_severity"' in text:
            inner = _loaded(text.strip())
            if isinstance(inner, dict):
                return inner
    return None


def _structured(found: Fields, depth: int = 2) -> Fields | None:
    """The object that has an entry's fields: itself or one in it."""
    if "Message" in found and any(level in found for level in _LEVELS):
        # Azure's tables put a letter for the type behind the names of columns.
        found = {_COLUMN.sub("", name): value for name, value in found.items()} | {"message": found["Message"]}
    if "message" in found and any(level in found for level in _LEVELS):
        return found
    inner = (_structured(v, depth - 1) for v in found.values() if depth and isinstance(v, dict))
    return next((fields for fields in inner if fields is not None), None)


def _entry(fields: Fields, clock: LogClock) -> LogEntry:
    session = str(fields.get("session_id") or fields.get("pid") or _first(fields, ("process_id", "processId")))
    time = clock.time(_first(fields, ("timestamp", "log_time")))
    database = fields.get("dbname") or fields.get("database_name") or None
    level = _first(fields, _LEVELS)
    message, detail = _first(fields, ("message",)), _first(fields, ("detail", "detail_s"))
    application = _first(fields, ("application_name",))
    entry = LogEntry(session, message, detail, database, time, level, application=application)
    if level == "LOG":
        return entry
    state = _first(fields, ("state_code", "sql_state_code", "sqlerrcode"))
    return entry._replace(
        statement=_first(fields, ("statement", "query")), context=_first(fields, ("context",)), state=state
    )


def _first(fields: Fields, names: Iterable[str]) -> str:
    return next((str(fields[name]) for name in names if fields.get(name)), "")


Path = tuple[str, ...]


def _path(found: Fields, depth: int = _DEEP) -> Path | None:
    """Where in the object a line of a plain log stands."""
    for name, value in found.items():
        if isinstance(value, str) and (LINE.match(value[:1000]) or value.startswith("duration: ")):
            return (name,)
        inner = _path(value, depth - 1) if depth and isinstance(value, dict) else None
        if inner is not None:
            return (name, *inner)
    return None


def _texts(objects: Iterable[Fields], path: Path, broken: Broken, clock: LogClock) -> Iterator[str]:
    """The lines inside, with the time of the wrapping where they have none."""
    cut = ""
    for found in objects:
        holder: Any = found
        for name in path[:-1]:
            holder = holder.get(name) if isinstance(holder, dict) else None
        text = holder.get(path[-1]) if isinstance(holder, dict) else None
        if not isinstance(text, str):
            broken.foreign += 1
            continue
        if len(text) >= _DOCKER and not text.endswith("\n"):
            cut += text
            continue
        text, cut = cut + text, ""
        if text.startswith("duration: "):  # a collector has taken the rest away
            text = f"LOG:  {text}"
        elif LINE.match(text) is None and text.strip():
            text = f"\t{text.removeprefix(chr(9))}"
        yield from lines_of(text, _time(found, clock))
        detail = holder.get("detail")
        if isinstance(detail, str) and detail:
            yield f"DETAIL:  {detail}"
    if cut:
        yield from lines_of(cut, "")


def _time(found: Fields, clock: LogClock) -> str:
    text = _first(found, _TIMES)
    if TIME.match(text):
        return text
    moment = clock.epoch(float(text)) if text.replace(".", "", 1).isdigit() else None
    return moment.isoformat() if moment else ""
