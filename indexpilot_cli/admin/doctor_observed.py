"""What ``doctor`` says of indexes under observation."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.admin.values import Check
from indexpilot_cli.apply.verify import statistics
from indexpilot_cli.apply.verify.verdict import Word
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.snapshot.source import Source

_LOOK = "indexpilot apply --verify statistics --auto-revert"


def observation_checks(source: Source) -> Iterator[Check]:
    """One line for each index whose verdict is still open; nothing is decided here, and nothing written."""
    initialised = source.capabilities is not None and source.capabilities.metadata_version is not None
    if source.session is None or not initialised:
        return
    try:
        found = statistics.look(source.session, source.catalog, source.connection.metadata_schema)
    except PrerequisiteError as error:
        yield Check("warning", "verification", f"observed indexes cannot be judged: {error.message}", error.hint)
        return
    for one in found:
        yield _check(one)


def _check(one: statistics.Observed) -> Check:
    found = one.verification
    text = f"{one.operation.name}: {found.text}" + (f"; {one.size}" if one.size else "")
    if one.crashed:
        return Check("warning", "verification", text, _LOOK, "observed_index")
    if found.verdict is Word.NOT_ENOUGH:
        remedy = f"DROP INDEX CONCURRENTLY {one.operation.index}; if you do not want it" if one.expired else None
        return Check("warning" if one.expired else "ok", "verification", text, remedy, "observed_index")
    return Check("warning" if found.harmful else "ok", "verification", text, _LOOK, "observed_index")
