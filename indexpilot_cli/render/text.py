"""Documents as plain text for pipes, files and mails: nothing wrapped, nothing shortened, no escapes."""

from __future__ import annotations

import textwrap

from indexpilot_cli.render.document import Block, Code, Document, Facts, Lines, Statement, Table
from indexpilot_cli.render.units import visible

LABEL = 12


def plain(document: Document) -> str:
    """The document as text that ends with a line feed (empty when there is nothing)."""
    blocks = (visible(_block(block)) for block in document.blocks)
    return "".join(text + "\n" for text in blocks if text)


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Facts():
            return "\n".join(label_text(label, text) for label, text in block.rows)
        case Lines():
            return "\n".join(block.lines)
        case Code():
            return block.text.rstrip("\n")


def label_text(label: str, text: str) -> str:
    """``Together    workload cost …``: a label and its text in one line."""
    return (f"{label:<{LABEL}}" if len(label) < LABEL - 1 else f"{label}   ") + text


def _table(table: Table) -> str:
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
    return visible("\n\n".join(part for part in parts if part)) + "\n"


def _markdown_block(block: Block) -> str:
    match block:
        case Table():
            return _markdown_table(block)
        case Facts():
            return "\n".join(f"- **{_escape(label)}**: {_escape(text)}" for label, text in block.rows)
        case Lines():
            return "\n\n".join(_escape(line) for line in block.lines)
        case Code():
            fence = "```"
            while fence in block.text:
                fence += "`"
            return f"{fence}{block.language}\n{block.text.rstrip()}\n{fence}"


def _markdown_table(table: Table) -> str:
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
    if role in ("name", "query") and text:
        tick = "``" if "`" in text else "`"
        pad = " " if text.startswith("`") or text.endswith("`") else ""
        return f"{tick}{pad}{_one(text)}{pad}{tick}"
    return _escape(_one(text))


def _one(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _escape(text: str) -> str:
    for character in "*_<`":
        text = text.replace(character, "\\" + character)
    return text


def sql(statements: tuple[Statement, ...], heading: tuple[str, ...] = ()) -> str:
    """Pure SQL: each statement with its reasons as comments above. Runs in psql as it is."""
    parts = ["\n".join(comment(line) for line in heading)] if heading else []
    parts += ["\n".join([*map(comment, s.comments), s.sql.rstrip().rstrip(";") + ";"]) for s in statements]
    return "\n\n".join(parts) + "\n" if parts else ""


def comment(text: str) -> str:
    """The text as SQL comment lines; a line feed inside cannot end the comment."""
    lines = [line for part in text.splitlines() for line in (textwrap.wrap(part, 116, break_long_words=False) or [""])]
    return "\n".join(f"-- {line}".rstrip() for line in lines or [""])
