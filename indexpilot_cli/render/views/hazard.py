"""``explain L01``: a kind of danger in a schema change, and the safe form."""

from __future__ import annotations

from indexpilot_cli.core.hazard import Hazard
from indexpilot_cli.render.document import BLANK, Block, Code, EntryBlock, Facts, Lines
from indexpilot_cli.render.units import one_line


def hazard_blocks(hazard: Hazard) -> tuple[Block, ...]:
    """What it is, why it hurts, what to write instead, and where the manual says so."""
    blocks: list[Block] = [
        EntryBlock(hazard.id, f"{hazard.severity.value}[{hazard.name}]", hazard.severity.value, one_line(hazard.title)),
        BLANK,
        *_paragraphs(hazard.explanation),
    ]
    if hazard.example:
        blocks += [Code(_indented(hazard.example)), BLANK]
    if hazard.instead or hazard.safe_example:
        blocks += [Lines(("Instead:",)), *_paragraphs(hazard.instead)]
    if hazard.safe_example:
        blocks += [Code(_indented(hazard.safe_example)), BLANK]
    rows = (("Ignore", f"-- indexpilot: ignore {hazard.id} -- your reason"), ("Manual", hazard.url))
    return (*blocks, Facts(tuple(row for row in rows if row[1])))


def _paragraphs(text: str) -> list[Block]:
    parts = [one_line(part) for part in text.strip().split("\n\n") if part.strip()]
    return [block for part in parts for block in (Lines((part,)), BLANK)]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip("\n").split("\n"))
