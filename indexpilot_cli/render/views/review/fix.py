"""The safer file as a difference, and what the clone said of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from indexpilot_cli.evolve.review.values import FileReport, Impact
from indexpilot_cli.render.document import BLANK, Block, Code, Facts, Lines
from indexpilot_cli.render.units import one_line
from indexpilot_cli.render.views.review.words import verdict

_NOT_RUN = "a safer form is made only where the file can be run, on a copy of the schema"


def fixes(files: Iterable[FileReport]) -> Iterator[Block]:
    """Per file a sentence, and the difference where there is one."""
    for file in files:
        path = one_line(file.path)
        if file.fixed is None or file.fixed == file.text:
            ran = file.method.startswith("clone")
            yield Lines((f"{path}: {'no safer form was found' if ran else _NOT_RUN}",))
        else:
            yield Lines((f"{path}: safer form, {_checked(file)}", ""))
            yield Code(difference(file), "diff")
            yield BLANK
        if file.fixed_notes:
            yield Facts(tuple(("note", one_line(note)) for note in file.fixed_notes))
            yield BLANK


def better(file: FileReport) -> bool:
    """Whether the safer form may take the file's place: it differs, and was found to be no worse."""
    changed = file.fixed is not None and file.fixed != file.text
    return changed and file.fixed_verdict is not None and _fits(file.fixed_verdict, file.verdict)


def _fits(fixed: Impact, was: Impact) -> bool:
    return fixed.rank <= was.rank and fixed is not Impact.FAILS


def _checked(file: FileReport) -> str:
    if file.fixed_verdict is None:
        return "not checked again"
    worse = "" if _fits(file.fixed_verdict, file.verdict) else " (no better: not written)"
    refused = any(answer.found for statement in file.statements for answer in statement.probes)
    still = "; the data refuse what they refused" if refused else ""
    return f"run again on the empty copy: {verdict(file.fixed_verdict)}{worse}{still}"


def difference(file: FileReport) -> str:
    """A unified difference that ``patch`` can apply."""
    path = one_line(file.path)
    old, new = _lines(file.text), _lines(file.fixed or "")
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join(line if line.strip() else "" for line in lines)


def _lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
