"""A statement that a stage cannot handle is set aside with its share; the run goes on with the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from indexpilot_cli.core.plan import Warn
from indexpilot_cli.core.workload import FAILED, FoldedWorkload, QueryTemplate, Skipped, Stage
from indexpilot_cli.errors import IndexPilotError

_ROUNDS = 5  # looks for culprits in one stage before its error is taken for one that no statement causes
_LOG = logging.getLogger(__name__)  # shown with --debug

Templates = tuple[QueryTemplate, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a stage could not handle a statement."""

    stage: Stage
    error: Exception

    def __str__(self) -> str:
        words = " ".join(str(self.error).split())
        return f"{type(self.error).__name__}: {words}" if words else type(self.error).__name__

    def of(self, text: str, calls: float, total_ms: float | None) -> Skipped:
        """The statement as one that was left out."""
        return Skipped(FAILED, text, str(self), calls, total_ms or 0.0, self.stage)


def attempted(stage: Stage, work: Callable[[], T]) -> T | Fault:
    """What the work gives, or its fault.

    Raises errors that no statement is to blame for: the server gone, a privilege missing, a wrong flag.
    """
    try:
        return work()
    except IndexPilotError as error:
        if error.exit_code != IndexPilotError.exit_code:
            raise
        return _fault(stage, error)
    # The one broad except around a statement. SQL has more forms than anybody's tests, and the stages are pure: what
    # one of them raises for one statement leaves nothing behind that could harm the next. A run of thousands of
    # statements must not end because of one; the fault is told with the statement, and --debug shows where it was.
    except Exception as error:  # noqa: BLE001
        return _fault(stage, error)


def _fault(stage: Stage, error: Exception) -> Fault:
    _LOG.debug("a statement is set aside in stage %s", stage.value, exc_info=error)
    return Fault(stage, error)


@dataclass(frozen=True, slots=True)
class Attempt(Generic[T]):
    """What a stage gave for the templates it could handle, and those it could not."""

    result: T
    lost: tuple[tuple[QueryTemplate, Fault], ...] = ()

    def without_lost(self, folded: FoldedWorkload) -> FoldedWorkload:
        """The workload with the lost templates among the skipped."""
        if not self.lost:
            return folded
        names = {template.id for template, _ in self.lost}
        kept = tuple(t for t in folded.templates if t.id not in names)
        skipped = tuple(fault.of(t.text, t.calls, t.total_ms) for t, fault in self.lost)
        return replace(folded, templates=kept, skipped=(*folded.skipped, *skipped))


def each(stage: Stage, templates: Iterable[QueryTemplate], work: Callable[[QueryTemplate], T]) -> Attempt[list[T]]:
    """The work done for one template after another."""
    found: list[T] = []
    lost: list[tuple[QueryTemplate, Fault]] = []
    for template in templates:
        result = attempted(stage, partial(work, template))
        if isinstance(result, Fault):
            lost.append((template, result))
        else:
            found.append(result)
    return Attempt(found, tuple(lost))


def together(stage: Stage, templates: Sequence[QueryTemplate], work: Callable[[Templates], T]) -> Attempt[T]:
    """Work that needs all templates at once, done without those that make it fail: they are found by halving.

    Raises the work's own error when no single template is to blame.
    """
    kept = tuple(templates)
    lost: list[tuple[QueryTemplate, Fault]] = []
    for _ in range(_ROUNDS):
        result = attempted(stage, partial(work, kept))
        if not isinstance(result, Fault):
            return Attempt(result, tuple(lost))
        found = _culprits(stage, kept, work, result)
        if not found:
            raise result.error
        lost += found
        names = {template.id for template, _ in found}
        kept = tuple(t for t in kept if t.id not in names)
    raise lost[-1][1].error


def _culprits(
    stage: Stage, templates: Templates, work: Callable[[Templates], object], fault: Fault
) -> list[tuple[QueryTemplate, Fault]]:
    """The templates that fail by themselves, given that all of these together do."""
    if len(templates) < 2:
        return [(t, fault) for t in templates]
    middle = len(templates) // 2
    found: list[tuple[QueryTemplate, Fault]] = []
    for half in (templates[:middle], templates[middle:]):
        result = attempted(stage, partial(work, half))
        if isinstance(result, Fault):
            found += _culprits(stage, half, work, result)
    return found


def fault_warnings(skipped: Iterable[Skipped]) -> tuple[Warn, ...]:
    """One warning per stage and fault: how much was set aside, and that it should be reported."""
    groups: dict[tuple[str, str], list[Skipped]] = {}
    for item in skipped:
        if item.reason == FAILED:
            groups.setdefault((item.stage.value, item.detail), []).append(item)
    return tuple(Warn("set_aside", stage, _sentence(stage, detail, items)) for (stage, detail), items in groups.items())


def _sentence(stage: str, detail: str, items: Sequence[Skipped]) -> str:
    share = sum(item.share for item in items)
    many = "1 statement" if len(items) == 1 else f"{len(items):,} statements"
    carried = f" ({share:.1%} of the workload)" if share else ""
    return (
        f"{many}{carried} set aside: a fault of indexpilot in stage {stage} ({detail}); "
        "please report it with the statement, --debug shows where it was"
    )
