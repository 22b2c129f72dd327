"""All guards before an apply, and again, those whose facts change meanwhile, before each index.

A guard is a file of this package that names a ``GUARD``; nothing else has to know of it. The files that are no guards
are listed, so that a guard that forgot to say so is an error and not a guard less.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib import import_module

from indexpilot_cli import guards
from indexpilot_cli.db.session import Session
from indexpilot_cli.guards.context import Guard, GuardContext, PermitRequest, Verdict

_NO_GUARDS = frozenset({"calendar", "context", "run"})


@cache
def all_guards() -> tuple[Guard, ...]:
    """Every guard there is, in the order of their answers. Raises TypeError for a file that does not say its own."""
    names = {module.name for module in pkgutil.iter_modules(guards.__path__)} - _NO_GUARDS
    return tuple(sorted((_guard(name) for name in names), key=lambda guard: (guard.place, guard.name)))


def check(session: Session, request: PermitRequest, now: datetime | None = None) -> tuple[Verdict, ...]:
    """Every guard's answer about building the operations, refusals and permissions alike; nothing is written
    except the moment a configured emergency was first seen.

    ``now`` None: the server's clock. Raises UsageError for a window that cannot be read, UnreachableError.
    """
    return _answers(all_guards(), GuardContext(session, request, now))


def recheck(session: Session, request: PermitRequest, now: datetime | None = None) -> tuple[Verdict, ...]:
    """What may have changed since ``check``; the request holds the next index only."""
    return _answers((g for g in all_guards() if g.each_index), GuardContext(session, request, now))


def ask(session: Session, request: PermitRequest, *names: str, now: datetime | None = None) -> tuple[Verdict, ...]:
    """The answers of the named guards, in their order, for work that builds nothing. KeyError: no such guard."""
    known = {guard.name: guard for guard in all_guards()}
    return _answers((known[name] for name in names), GuardContext(session, request, now))


def _answers(asked: Iterable[Guard], context: GuardContext) -> tuple[Verdict, ...]:
    found: list[Verdict] = []
    for guard in asked:
        found += guard.ask(context)
    return tuple(found)


def _guard(name: str) -> Guard:
    guard = import_module(f"{guards.__name__}.{name}").__dict__.get("GUARD")
    if not isinstance(guard, Guard) or guard.name != name:
        raise TypeError(f"guards/{name}.py does not name the guard {name}")
    return guard
