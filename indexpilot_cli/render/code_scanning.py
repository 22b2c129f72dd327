"""Findings for code scanning: SARIF 2.1.0 logs, and annotations of GitHub Actions in the files of a pull request.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from indexpilot_cli import __version__
from indexpilot_cli.errors import IndexPilotError

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "indexpilot/v1"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_STDIN = "stdin"


@dataclass(frozen=True, slots=True)
class SarifRule:
    """A kind of result. ``level`` is error, warning or note; ``url`` a page to read on, or empty."""

    id: str
    name: str
    level: str
    title: str
    text: str = ""
    help: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class SarifPlace:
    """Where a result stands: a file, and lines and columns from 1 (``end_column`` is the first one after it)."""

    path: str
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class SarifResult:
    """One result. ``identity`` is what makes it the same result in the next run; ``objects`` are (kind, name).

    ``suppressed`` is why it does not count; ``external``: the source does not say so, a flag or the settings do.
    """

    rule: str
    level: str
    message: str
    place: SarifPlace | None = None
    identity: str = ""
    suppressed: str | None = None
    external: bool = False
    objects: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, Any], ...] = ()


def log(
    rules: Sequence[SarifRule], results: Iterable[SarifResult], notes: Iterable[str] = (), *, complete: bool = True
) -> str:
    """The document. ``notes`` tell what was not analysed; ``complete`` False: some input could not be analysed."""
    index = {rule.id: n for n, rule in enumerate(rules)}
    seen: dict[str, int] = {}
    return _text(
        {
            **_tool([_rule(r) for r in rules]),
            "invocations": [
                {
                    "executionSuccessful": complete,
                    "toolExecutionNotifications": [_notification(n, "warning") for n in notes],
                }
            ],
            "columnKind": "unicodeCodePoints",
            "results": [_result(r, index, seen) for r in results],
        }
    )


def failure(error: IndexPilotError) -> str:
    """A run that failed: no results, and why."""
    parts = (error.message, error.detail, error.hint and f"Try: {error.hint}")
    told = _notification(". ".join(part for part in parts if part), "error")
    invocation = {"executionSuccessful": False, "toolExecutionNotifications": [told]}
    return _text({**_tool([]), "invocations": [invocation], "results": []})


def _text(run: dict[str, Any]) -> str:
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _tool(rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"tool": {"driver": {"name": "IndexPilot", "version": __version__, "rules": rules}}}


def _rule(rule: SarifRule) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.text or rule.title},
        "help": {"text": rule.help or rule.text or rule.title},
        "defaultConfiguration": {"level": rule.level},
    }
    return {**described, "helpUri": rule.url} if rule.url else described


def _notification(text: str, level: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": text}}


def _result(result: SarifResult, index: dict[str, int], seen: dict[str, int]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ruleId": result.rule,
        "level": result.level,
        "message": {"text": result.message},
        "locations": _locations(result),
        "partialFingerprints": {FINGERPRINT: _fingerprint(result, seen)},
    }
    if result.rule in index:
        told["ruleIndex"] = index[result.rule]
    if result.suppressed is not None:
        kind = "external" if result.external else "inSource"
        told["suppressions"] = [{"kind": kind, "status": "accepted", "justification": result.suppressed}]
    if result.properties:
        told["properties"] = dict(result.properties)
    return told


def _fingerprint(result: SarifResult, seen: dict[str, int]) -> str:
    """The same for the same finding when lines move; twins in one file are told apart by their order."""
    path = result.place.path if result.place else ""
    text = "\0".join((result.rule, path, " ".join(result.identity.split())))
    seen[text] = seen.get(text, 0) + 1
    return sha256(f"{text}\0{seen[text]}".encode()).hexdigest()[:32]


def _locations(result: SarifResult) -> list[dict[str, Any]]:
    place: dict[str, Any] = {"physicalLocation": _physical(result.place)} if result.place else {}
    if result.objects:
        place["logicalLocations"] = [{"kind": kind, "fullyQualifiedName": name} for kind, name in result.objects]
    return [place] if place else []


def _physical(place: SarifPlace) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": max(place.line, 1)}
    if place.column:
        region["startColumn"] = place.column
    if place.end_line:
        region |= {"endLine": place.end_line, "endColumn": place.end_column}
    if place.snippet:
        region["snippet"] = {"text": place.snippet}
    return {"artifactLocation": artifact(place.path), "region": region}


def artifact(path: str) -> dict[str, str]:
    """The file as SARIF names it: a URI, below the repository's root unless the path is absolute."""
    if path == "-":
        return {"uri": _STDIN, "uriBaseId": "%SRCROOT%"}
    pure = PurePosixPath(path)
    if pure.is_absolute():
        return {"uri": "file://" + quote(str(pure), safe="/")}
    return {"uri": quote(str(pure), safe="/"), "uriBaseId": "%SRCROOT%"}


GITHUB_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def annotation(
    level: str, message: str, *, title: str, path: str | None = None, line: int = 0, column: int = 0, end_line: int = 0
) -> str:
    """One annotation. ``level`` is error, warning or notice; nothing in the texts can end or begin a command."""
    places = {"file": path, "line": line, "endLine": end_line, "col": column if end_line in (0, line) else 0}
    fields = [f"{key}={_property(str(value))}" for key, value in places.items() if value]
    return f"::{level} {','.join([*fields, f'title={_property(title)}'])}::{_data(message)}"


def failure_annotation(error: IndexPilotError) -> str:
    """An error of the run as an annotation."""
    parts = (error.message, error.detail, error.hint and f"hint: {error.hint}")
    return annotation("error", "\n".join(part for part in parts if part), title="indexpilot") + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
