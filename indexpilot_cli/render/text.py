"""Documents as plain text for pipes, files and mails: nothing wrapped, nothing shortened, no escapes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from indexpilot_cli.render.document import (
    BLANK,
    Block,
    Chart,
    Code,
    Document,
    EntryBlock,
    Facts,
    Lines,
    PlanTree,
    PlanTrees,
    SqlStatement,
    TableBlock,
)
from indexpilot_cli.render.units import one_line, visible

LABEL = 12
INDENT = 4
ENTRY_LABEL = 9
# A line of a CI log that begins so is a command to GitHub Actions, and a migration is somebody else's text.
_COMMANDS = re.compile(
    r"^(\s*)::(?=(?:error|warning|notice|debug|group|endgroup|add-mask|add-matcher|remove-matcher|stop-commands|"
    r"set-output|set-env|add-path|save-state|echo)\b)",
    re.MULTILINE | re.IGNORECASE,
)


def plain(document: Document) -> str:
    """The document as text that ends with a line feed (empty when there is nothing)."""
    texts = ((block, tame(visible(_block(block)))) for block in document.blocks)
    return "".join(text + "\n" for block, text in texts if text or block == BLANK)


def tame(text: str) -> str:
    """The text without lines that GitHub Actions would take for commands."""
    return _COMMANDS.sub("\\1:\N{ZERO WIDTH SPACE}:", text)


def _block(block: Block) -> str:
    match block:
        case TableBlock():
            return _table(block)
        case Facts():
            return "\n".join(label_text(label, text) for label, text in block.rows)
        case Lines():
            return "\n".join(block.lines)
        case Code():
            return block.text.rstrip("\n")
        case EntryBlock():
            return "\n".join((entry_head(block), *entry_facts(block)))
        case PlanTrees():
            return "\n".join(map(tree_text, block.trees)) if block.told else ""
        case Chart():  # the table beside it has the numbers
            return ""


def tree_text(tree: PlanTree) -> str:
    """The plan below its label."""
    return "\n".join([f"{tree.label}:", *(f"  {node}" for node in tree.nodes)])


def entry_head(entry: EntryBlock) -> str:
    """``a.sql:3  error[L01 name]  CREATE INDEX …``."""
    return "  ".join(part for part in (entry.place, entry.word, entry.text) if part)


def entry_facts(entry: EntryBlock) -> Iterator[str]:
    """The facts of an entry, each label before its first line."""
    for label, fact in entry.rows:
        lines = fact.text.rstrip("\n").split("\n") if isinstance(fact, Code) else [fact]
        yield (entry_label(label) + lines[0]).rstrip()
        yield from (" " * len(entry_label(label)) + line for line in lines[1:])


def entry_label(label: str) -> str:
    """The label of an entry's fact with what stands around it."""
    return " " * INDENT + (f"{label:<{ENTRY_LABEL}}" if len(label) < ENTRY_LABEL - 1 else f"{label}  ")


def label_text(label: str, text: str) -> str:
    """``Together    workload cost …``: a label and its text in one line."""
    return (f"{label:<{LABEL}}" if len(label) < LABEL - 1 else f"{label}   ") + text


def _table(table: TableBlock) -> str:
    from tabulate import tabulate

    title = f"{table.title}\n" if table.title else ""
    if not table.rows:
        return title.rstrip("\n")
    # Titles go in as a row: given as headers they widen their columns by two.
    titles = [[c.title for c in table.columns]] if table.header else []
    text = tabulate(
        [*titles, *map(list, table.rows)],
        tablefmt="plain",
        disable_numparse=True,
        colalign=["right" if c.role == "number" else "left" for c in table.columns],
    )
    return title + "\n".join(line.rstrip() for line in text.splitlines())


def markdown(document: Document) -> str:
    """The document as Markdown for a pull request."""
    parts = [_markdown_block(block) for block in document.blocks]
    return tame(visible("\n\n".join(part for part in parts if part))) + "\n"


def _markdown_block(block: Block) -> str:
    match block:
        case TableBlock():
            return _markdown_table(block)
        case Facts():
            return "\n".join(f"- **{_escape(label)}**: {_escape(text)}" for label, text in block.rows)
        case Lines():
            return "\n\n".join(_escape(line) for line in block.lines)
        case Code():
            return fenced(block)
        case EntryBlock():
            rows = [
                f"- **{_escape(n)}**: {_escape(v) if isinstance(v, str) else _cell(v.text, 'name')}"
                for n, v in block.rows
            ]
            return "\n".join((f"{_escape(entry_head(block))}\n", *rows))
        case PlanTrees():
            return "\n\n".join(fenced(Code(tree_text(t), "")) for t in block.trees) if block.told else ""
        case Chart():
            return ""


def fenced(code: Code) -> str:
    """The code in a fence that nothing inside can end."""
    fence = "```"
    while fence in code.text:
        fence += "`"
    return f"{fence}{code.language}\n{code.text.rstrip()}\n{fence}"


def _markdown_table(table: TableBlock) -> str:
    title = f"**{_escape(table.title)}**\n\n" if table.title else ""
    if not table.rows:
        return title.strip()
    head = "| " + " | ".join(_escape(c.title) for c in table.columns) + " |"
    rule = "| " + " | ".join("---:" if c.role == "number" else "---" for c in table.columns) + " |"
    rows = [
        "| " + " | ".join(_cell(text, column.role) for text, column in zip(row, table.columns, strict=True)) + " |"
        for row in table.rows
    ]
    return title + "\n".join([head, rule, *rows])


def _cell(text: str, role: str) -> str:
    if role in ("name", "query", "after") and text:
        return code_span(text).replace("|", "\\|")
    return _escape(_one(text))


def code_span(text: str) -> str:
    """The text as code on one line; ends with the fence it began with, whatever is in it."""
    folded = one_line(text)
    tick = "`"
    while tick in folded:
        tick += "`"
    pad = " " if folded.startswith("`") or folded.endswith("`") or not folded else ""
    return f"{tick}{pad}{folded}{pad}{tick}"


def _one(text: str) -> str:
    return one_line(text).replace("|", "\\|")


def _escape(text: str) -> str:
    for character in "*_<`":
        text = text.replace(character, "\\" + character)
    return text


def sql(statements: tuple[SqlStatement, ...], heading: tuple[str, ...] = ()) -> str:
    """Pure SQL: each statement with its reasons as comments above. Runs in psql as it is."""
    parts = ["\n".join(comment(line) for line in heading)] if heading else []
    parts += ["\n".join([*map(comment, s.comments), s.sql.rstrip().rstrip(";") + ";"]) for s in statements]
    return "\n\n".join(parts) + "\n" if parts else ""


def comment(text: str) -> str:
    """The text as SQL comment lines; a line feed inside cannot end the comment."""
    lines: list[str] = []
    for part in text.splitlines():
        lines += textwrap.wrap(part, 116, break_long_words=False) or [""]
    return "\n".join(f"-- {line}".rstrip() for line in lines or [""])
