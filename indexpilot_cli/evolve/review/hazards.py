"""Every hazard by its stable id: what ``explain L01`` prints and what SARIF calls a rule.

L: others wait. F: it will fail. W: something is lost or breaks. D: design. T: transactions and timeouts.
N: not known for sure. I: ignore comments. An id never changes its meaning and is never used again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from indexpilot_cli.core.hazard import Hazard
from indexpilot_cli.evolve.review import hazards_advice, hazards_failures, hazards_locks, hazards_losses

_ALL = (
    *hazards_locks.INDEXES,
    *hazards_locks.COLUMNS,
    *hazards_locks.CONSTRAINTS,
    *hazards_locks.TABLES,
    *hazards_failures.DATA,
    *hazards_failures.SERVER,
    *hazards_losses.OBJECTS,
    *hazards_advice.DESIGN,
    *hazards_advice.TRANSACTIONS,
    *hazards_advice.UNKNOWN,
    *hazards_advice.IGNORES,
)

HAZARDS: Mapping[str, Hazard] = MappingProxyType({hazard.id: hazard for hazard in _ALL})
