"""Room on the disk, and the budget."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.facts import HostFacts, Target
from indexpilot_cli.core.units import size
from indexpilot_cli.core.verdict import Verdict
from indexpilot_cli.guards.limits import DEFAULT, Limits


def disk(host: HostFacts, targets: Sequence[Target], limits: Limits = DEFAULT) -> Verdict:
    """Whether the indexes, the sort of the biggest one and a reserve fit into what is free."""
    sizes = [t.size_bytes for t in targets]
    needed = sum(sizes) + int(max(sizes, default=0) * limits.spill)
    if not host.local:
        text = f"the server's disk cannot be seen from here ({needed_text(needed)} needed); only the budget counts"
        return Verdict("disk", True, text, host.proof, warning=needed > limits.unseen_disk_warn)
    if host.disk_free is None:
        text = f"our role may not know the data directory ({needed_text(needed)} needed); only the budget counts"
        return Verdict("disk", True, text, "data_directory", warning=needed > limits.unseen_disk_warn)
    origin = f"file system of {host.disk_path}"
    text = f"{size(host.disk_free)} free, {needed_text(needed)} needed"
    if host.disk_free - needed < limits.reserve:
        return Verdict("disk", False, f"{text} and {size(limits.reserve)} to stay free", origin)
    return Verdict("disk", True, text, origin)


def budget(limit_bytes: int | None, targets: Sequence[Target], spent_bytes: int = 0) -> Verdict:
    """Whether the new indexes, with ``spent_bytes`` of this run's earlier ones, stay within the budget."""
    if limit_bytes is None:
        return Verdict("budget", True, "no storage budget is set", "advisor.budget")
    total = spent_bytes + sum(t.size_bytes for t in targets)
    text = f"{size(total)} of {size(limit_bytes)}"
    if total > limit_bytes:
        return Verdict("budget", False, f"the new indexes need {text} allowed", "advisor.budget", forceable=True)
    return Verdict("budget", True, text, "advisor.budget")


def needed_text(needed: int) -> str:
    """The size, or that it is not known."""
    return size(needed) if needed else "an unknown size"
