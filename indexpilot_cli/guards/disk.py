"""Room on the disk for the indexes, the sort of the biggest one, and a reserve."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.units import size
from indexpilot_cli.guards.context import Guard, HostFacts, Verdict

# Bytes. The sort of a build spills about as much as the index is big. On a full disk (SQLSTATE 53100) the unfinished
# index keeps its space until it is dropped.
RESERVE = 512 << 20
UNSEEN_WARN = 1 << 30


def judge(host: HostFacts, sizes: Sequence[int]) -> Verdict:
    """Whether indexes of those sizes (0: not known) fit into what is free."""
    needed = sum(sizes) + max(sizes, default=0)
    wanted = size(needed) if needed else "an unknown size"
    if not host.local:
        text = f"the server's disk cannot be seen from here ({wanted} needed); only the budget counts"
        return Verdict("disk", True, text, host.proof, warning=needed > UNSEEN_WARN)
    if host.disk_free is None:
        text = f"our role may not know the data directory ({wanted} needed); only the budget counts"
        return Verdict("disk", True, text, "data_directory", warning=needed > UNSEEN_WARN)
    origin = f"file system of {host.disk_path}"
    text = f"{size(host.disk_free)} free, {wanted} needed"
    if host.disk_free - needed < RESERVE:
        return Verdict("disk", False, f"{text} and {size(RESERVE)} to stay free", origin)
    return Verdict("disk", True, text, origin)


GUARD = Guard("disk", 6, lambda context: (judge(context.host, [o.size_bytes for o in context.request.creating]),))
