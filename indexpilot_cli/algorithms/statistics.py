"""Names for extended statistics that algorithms ask for, so that none meets others that are there."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.core.names import QualifiedName, statistics_name
from indexpilot_cli.core.statistics import ExtendedStatistics
from indexpilot_cli.sql.normal import tells_all

_MEMORY = "statistics"


@dataclass(frozen=True, slots=True)
class _OthersNames(Container[QualifiedName]):
    """Names of statistics that would not do for the wanted ones: on the server, or asked for in the same run."""

    study: Study
    wanted: ExtendedStatistics

    def __contains__(self, name: object) -> bool:
        assert isinstance(name, QualifiedName)
        there = self.study.memory.get(_MEMORY, {}).get(name) or self.study.samples.statistics(name)
        return there is not None and not tells_all(there, self.wanted)


def named(study: Study, wanted: ExtendedStatistics, parts: Iterable[str] = ()) -> ExtendedStatistics:
    """The wanted statistics under a name of their columns (or ``parts``) that no others have.

    Where what has the name tells as much, it keeps it: a run that was stopped meets its own remnant.
    """
    name = statistics_name(wanted.table, tuple(parts) or wanted.columns, _OthersNames(study, wanted))
    made = replace(wanted, name=name)
    study.memory.setdefault(_MEMORY, {})[name] = made
    return made
