"""What a guard says: may we act now, why, and who decided that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from indexpilot_cli.core.names import QualifiedName


@dataclass(frozen=True, slots=True)
class Verdict:
    """One guard's answer. All guards answer; the first no does not silence the others.

    ``guard`` is a stable word, the name of the guard's file. ``reason`` is a sentence with the numbers, ``origin`` the
    setting, catalog view or host fact it rests on. ``warning`` marks an answer that allows and still wants to be read;
    ``retry_at`` (UTC) says when it may differ.
    ``forceable``: this no is a matter of judgement, not of safety, and ``--force`` overrules it; unless a guard says
    so its no stands.
    """

    guard: str
    allowed: bool
    reason: str
    origin: str
    warning: bool = False
    retry_at: datetime | None = None
    table: QualifiedName | None = None
    forceable: bool = False


def refused(verdicts: Sequence[Verdict], *, force: bool = False) -> tuple[Verdict, ...]:
    """The verdicts that stop the work. ``force`` overrides those whose guard says that it may be."""
    return tuple(v for v in verdicts if not v.allowed and not (force and v.forceable))
