"""Lists of allowed and denied statements.

A pattern is a whole statement in any spelling, where ``*`` stands for any text, or ``re:`` and a regular expression for
the whole statement. Statements are compared in their one spelling (``statement_text.normal_form``), so comments, case
and layout do not matter.

Python's ``re`` cannot be interrupted, so what an expression can take is bounded beforehand: at most two repetitions,
none of them of a group, no back reference, and texts of 2,000 characters. A longer statement is compared by its
template, and one whose template is longer, too, is denied by every regex and allowed by none. ``*`` has no such limits:
it is compared in a time that grows with the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.errors import UsageError
from indexpilot_cli.host.interceptor.statement_text import ReadStatement, normal_form

REGEX = "re:"
_LONGEST_REGEX = 300
_LONGEST_TEXT = 2_000
_MOST_REPEATS = 2
_MOST_CHOICES = 8
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StatementPattern:
    """A pattern, ready to be compared: ``pieces`` between the stars, or ``regex``."""

    pieces: tuple[str, ...] = ()
    regex: re.Pattern[str] | None = None

    def fits(self, statement: ReadStatement, *, too_long: bool) -> bool:
        """Whether it is the statement, with its values or without; ``too_long`` is the answer nobody can compute."""
        if self.regex is None:
            return any(_fits(self.pieces, text) for text in (statement.normal, statement.template))
        texts = [text for text in (statement.normal, statement.template) if len(text) <= _LONGEST_TEXT]
        return any(self.regex.fullmatch(text) for text in texts) if texts else too_long


def read_pattern(text: str) -> StatementPattern:
    """The pattern. Raises UsageError for one that is empty, cannot be read, or could take too long."""
    if text.startswith(REGEX):
        return StatementPattern(regex=_regex(text[len(REGEX) :]))
    # A star in quotes is one too. It is hidden from the scanner as a word, so that the spelling around it is made one.
    mark = "indexpilotstar"
    try:
        whole = normal_form(text.replace("*", f" {mark} "))
    except ValueError as error:
        raise UsageError(f"cannot read the pattern {text[:80]!r}: {error}", code="bad_pattern") from None
    pieces = tuple(piece.strip() for piece in whole.split(mark))
    if not any(pieces):
        raise UsageError(f"the pattern {text[:80]!r} names no statement", code="bad_pattern")
    return StatementPattern(pieces)


def _fits(pieces: Sequence[str], text: str) -> bool:
    """The first piece at the beginning, the last at the end, the others in their order between them."""
    if len(pieces) == 1:
        return text == pieces[0]
    first, *middle, last = pieces
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    place, end = len(first), len(text) - len(last)
    for piece in middle:
        # The leftmost place leaves the most room for what follows, so no other needs to be tried.
        found = text.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True


def _regex(text: str) -> re.Pattern[str]:
    parts = _PART.findall(text)
    repeats = [i for i, part in enumerate(parts) if part in ("*", "+", "{")]
    choices = sum(part in ("?", "|") for part in parts)
    if not text or len(text) > _LONGEST_REGEX:
        raise _refused(text, f"a regex has 1 to {_LONGEST_REGEX} characters")
    if len(repeats) > _MOST_REPEATS or choices > _MOST_CHOICES:
        raise _refused(text, f"at most {_MOST_REPEATS} repetitions and {_MOST_CHOICES} choices; * has no such limit")
    if any(i == 0 or parts[i - 1] == ")" for i in repeats):
        raise _refused(text, "a repetition of a group can take longer than anybody waits")
    if any(part[0] == "\\" and part[1:2].isdigit() for part in parts) or "(?P=" in text:
        raise _refused(text, "a back reference can take longer than anybody waits")
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise _refused(text, str(error)) from None


def _refused(text: str, hint: str) -> UsageError:
    return UsageError(f"cannot use the regex {text[:80]!r}", hint=hint, code="bad_pattern")
