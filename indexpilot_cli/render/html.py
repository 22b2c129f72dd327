"""Documents as HTML that works without scripts: pieces for pages, and one self-contained file to mail or attach.

Every text goes through the templates' escaping and loses what could steer its reader (control characters, turns of the
writing direction). Imported only where HTML is wanted: Jinja comes with the extra ``serve``.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from indexpilot_cli import __version__
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.render.charts import description, picture
from indexpilot_cli.render.document import Block, Chart, Code, Document, EntryBlock, Facts, Lines, PlanTrees, TableBlock
from indexpilot_cli.render.terminal import STATES
from indexpilot_cli.render.units import measured, stamp, visible

TEMPLATES = Path(__file__).parent / "templates"
_TONES = {"green": "good", "yellow": "warn", "cyan": "info", "red": "bad", "bold red": "bad"}


def environment(*folders: Path) -> Environment:
    """Templates of these folders and of our own, escaping everything that is not markup already."""
    made = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(tone=tone, measured=measured, version=__version__, stamp=stamp)
    return made


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def tone(state: str) -> str:
    """The class of a state's word: good, warn, bad, info, or nothing. The word is always there as well."""
    return _TONES.get(STATES.get(state.strip(), ""), "")


@cache
def _own() -> Environment:
    return environment()


def fragment(document: Document) -> Markup:
    """The document's blocks as HTML to put into a page."""
    return Markup("").join(map(_block, document.blocks))


def _block(block: Block) -> Markup:
    made: Any = _own().get_template("blocks.html").module
    match block:
        case TableBlock():
            found = made.table(block, _heading(block)) if block.rows or block.title else Markup("")
        case Facts():
            found = made.facts(block) if block.rows else Markup("")
        case Lines():
            found = made.lines(block) if any(block.lines) else Markup("")
        case Code():
            found = made.code(block)
        case EntryBlock():
            found = made.entry(block)
        case PlanTrees():
            found = made.trees(block, [[_node(line) for line in tree.nodes] for tree in block.trees])
        case Chart():
            found = made.chart(block, picture(block), description(block))
    return Markup(found)


def _heading(table: TableBlock) -> int:
    """The column that says what a row is about: the first of names, labels or ids."""
    return next((at for at, column in enumerate(table.columns) if column.role in ("name", "label", "short")), 0)


def _node(line: str) -> tuple[int, str]:
    """The depth of a line of a plan (two spaces each), and the line without."""
    text = line.lstrip(" ")
    return (len(line) - len(text)) // 2, text


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What stands around the result in a file: where it comes from, what to mind and how to go on."""

    generated_at: datetime
    server: str = ""
    command_line: str = ""
    warnings: tuple[str, ...] = ()
    next: tuple[str, ...] = ()


@cache
def css() -> str:
    """The style sheet of files and of served pages."""
    return (TEMPLATES / "indexpilot.css").read_text(encoding="utf-8")


def page(title: str, *fragments: Markup, facts: PageFacts) -> str:
    """One self-contained HTML file: nothing is fetched and nothing runs."""
    digest = base64.b64encode(hashlib.sha256(css().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    template = _own().get_template("report.html")
    text = template.render(title=title, fragments=fragments, facts=facts, policy=policy, css=Markup(css()))
    return text.encode("utf-8", "replace").decode()  # a file's name may be no text at all


def report(outcome: Outcome[Any], document: Document, command_line: str, now: datetime) -> str:
    """The outcome of a command as a page. ``command_line`` is shown as it is: its secrets are masked already."""
    server = outcome.server
    about = PageFacts(
        now,
        f"PostgreSQL {server.version}, database {server.database}" if server else "",
        command_line,
        tuple(warning.line for warning in outcome.warnings),
        outcome.next,
    )
    title = outcome.command.replace("_", " ")
    return page(f"{title}: {server.database}" if server else title, fragment(document), facts=about)
