"""Every rule of the folder ``rules`` by its stable id, and ``explain L01``: what a kind of hazard is.

L: others wait. F: it will fail. W: something is lost or breaks. D: design. T: transactions and timeouts.
N: not known for sure. I: ignore comments. An id never changes its meaning and is never used again.
"""

from __future__ import annotations

import difflib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType

from indexpilot_cli.advise.values import ExplainResult
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.hazard import Hazard
from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve.review import rules
from indexpilot_cli.evolve.review.rule import HazardRule

_FAMILIES = "LFWDTNI"
_ID = re.compile(r"[A-Za-z]{1,3}[0-9]{1,3}\Z")


def collect(modules: Iterable[ModuleType]) -> Mapping[str, HazardRule]:
    """The rules of the modules by id, family by family. Raises ValueError for a rule that is not complete.

    A file without a rule, an id or a name twice, a missing text, example or trigger: none of them is passed over.
    """
    found: dict[str, HazardRule] = {}
    for module in modules:
        own = [value for value in vars(module).values() if isinstance(value, HazardRule)]
        if not own:
            raise ValueError(f"{module.__name__} has no rule")
        for rule in own:
            if found.setdefault(rule.id, rule) is not rule:
                raise ValueError(f"{rule.id} stands twice, the second time in {module.__name__}")
            if not all((*rule.texts, rule.has_trigger)) or rule.id[0] not in _FAMILIES:
                raise ValueError(f"{rule.id} lacks a text, an example or a trigger")
    return MappingProxyType({key: found[key] for key in sorted(found, key=lambda k: (_FAMILIES.index(k[0]), k))})


RULES = collect(import_module(module.name) for module in pkgutil.iter_modules(rules.__path__, f"{rules.__name__}."))
HAZARDS: Mapping[str, Hazard] = MappingProxyType({key: rule.hazard for key, rule in RULES.items()})
_NAMES = MappingProxyType({hazard.name: key for key, hazard in HAZARDS.items()})


def is_hazard(subject: str) -> bool:
    """Whether the text is meant to be a hazard: its id, what looks like one, or its name."""
    return _ID.match(subject) is not None or subject.lower() in _NAMES


def explain_hazard(subject: str) -> Outcome[ExplainResult]:
    """The hazard with that id or name. Raises UsageError for an unknown one, with the nearest."""
    word = subject.strip()
    found = HAZARDS.get(word.upper()) or HAZARDS.get(_NAMES.get(word.lower(), ""))
    if found is None:
        close = difflib.get_close_matches(word.upper(), HAZARDS, n=1, cutoff=0.5)
        meant = f", did you mean {close[0]}?" if close else ""
        hint = f"indexpilot explain {close[0] if close else next(iter(HAZARDS))}"
        raise UsageError(f"no hazard {subject!r}{meant}", hint=hint, code="unknown_id")
    return Outcome(
        "explain", ExplainResult("hazard", found.id, found.title, sql=found.safe_example or None, hazard=found)
    )
