"""A schema review as a comment on a pull request: a table of verdicts, and the details folded away."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from indexpilot_cli.evolve.review.values import CheckResult, FileReport, Impact
from indexpilot_cli.render.document import Code, EntryBlock
from indexpilot_cli.render.text import fenced, tame
from indexpilot_cli.render.units import one_line, percent, visible
from indexpilot_cli.render.views.review.entries import better, entries
from indexpilot_cli.render.views.review.words import (
    BASES,
    all_statements,
    counted,
    file_verdict,
    sentence,
    template_change,
    unchecked,
)

_ROOM = 60_000  # letters a comment may have on GitHub, with something to spare
_SPECIAL = re.compile(r"([\\`*_{}\[\]#!|<>~@&])")
_WORSE = ("breaks", "columns_change", "slower")


def markdown(result: CheckResult) -> str:
    """The comment. When it would be too long for one, whole files are left out and counted."""
    parts = [*_summary(result)]
    room = _ROOM - sum(map(len, parts))
    left = 0
    for file in result.files:
        details = _details(file, result)
        if details and len(details) > room:
            left += 1
        elif details:
            parts.append(details)
            room -= len(details)
    if left:
        parts.append(f"_The details of {left} more files are too long for a comment; `--format json` has them._")
    return tame(visible("\n\n".join(parts))) + "\n"


def _summary(result: CheckResult) -> Iterator[str]:
    words = counted(result.findings) or "no findings"
    yield f"### Schema review: {words}"
    rows = [
        f"| {_cell(f.path)} | {_verdict(f)} | {_prose(sentence(f))} | {counted(f.findings) or '-'} |"
        for f in result.files
    ]
    if rows:
        yield "\n".join(["| file | verdict | | findings |", "|---|---|---|---|", *rows])
    queries = [t for t in result.templates if t.status in _WORSE]
    if queries:
        lines = [
            f"| {t.template} | {percent(t.share)} | {t.status.replace('_', ' ')} | {_prose(template_change(t))} "
            f"| {_cell(t.sql)} |"
            for t in queries[:20]
        ]
        head = ["| recorded query | share | | what changes | text |", "|---|---:|---|---|---|"]
        yield "\n".join([*head, *lines])
    open_ = unchecked(result)
    if open_:
        shown = [f"- {_prose(text)}" for text in open_[:20]]
        more = [f"- {len(open_) - 20} more"] if len(open_) > 20 else []
        yield "\n".join(["<details><summary>Not checked</summary>\n", *shown, *more, "\n</details>"])
    if any(s.verdict.duration for s in all_statements(result)):
        yield f"_Times: {BASES.get(result.rates.basis, result.rates.basis)}._"


def _verdict(file: FileReport) -> str:
    word = file_verdict(file)
    return f"**{word}**" if file.verdict.rank >= Impact.LONG_BLOCKS_WRITES.rank else word


def _details(file: FileReport, result: CheckResult) -> str:
    told = entries(file, result, verbose=True)
    parts = [_entry(entry) for entry in told]
    if better(file):
        parts.append("**Safer form of the whole file**\n\n" + fenced(Code((file.fixed or "").replace("\r\n", "\n"))))
    if not parts:
        return ""
    title = f"<code>{html.escape(one_line(file.path))}</code>: {file_verdict(file)}"
    words = counted(file.findings)
    summary = f"<details><summary>{title}{', ' + words if words else ''}</summary>"
    return "\n\n".join((summary, *parts, "</details>"))


def _entry(entry: EntryBlock) -> str:
    rows = []
    for label, fact in entry.rows:
        if isinstance(fact, Code):
            rows.append(f"\n{_prose(label)}:\n\n{fenced(fact)}\n")
        else:
            rows.append(f"- {_prose(label)}: {_prose(fact)}")
    text = _code(entry.text) if entry.sql else _prose(entry.text)
    parts = (f"**{_prose(entry.word)}** at {_code(entry.place)}", text, "\n".join(rows).strip("\n"))
    return "\n\n".join(part for part in parts if part)


def _prose(text: str) -> str:
    """Text in which nothing is markup: no link, no image, no HTML, nobody is mentioned."""
    return _SPECIAL.sub(r"\\\1", one_line(text)).replace("\\@", "&#64;").replace("\\<", "&lt;").replace("\\&", "&amp;")


def _cell(text: str) -> str:
    """The text as code in a table, where a bar would end the cell."""
    return _code(text).replace("|", "\\|")


def _code(text: str) -> str:
    """The text as code on one line; ends with the fence it began with, whatever is in it."""
    folded = one_line(text)
    tick = "`"
    while tick in folded:
        tick += "`"
    pad = " " if folded.startswith("`") or folded.endswith("`") or not folded else ""
    return f"{tick}{pad}{folded}{pad}{tick}"
