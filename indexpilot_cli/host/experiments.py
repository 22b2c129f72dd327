"""Experiments of a host application: it asks for a key's variant, does what that says, and tells what came of it.

The same tables, error rates and status (``indexpilot experiment status``) as experiments of indexes, which the command
line starts. Every function works on the database of the process's pool.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import UnreachableError, UsageError
from indexpilot_cli.host import place
from indexpilot_cli.host.place import TtlCache
from indexpilot_cli.log import experiments, metadata
from indexpilot_cli.log.experiments import HOST, RUNNING, STOPPED, Experiment
from indexpilot_cli.log.redact import scrub

Result = dict[str, Any]
VARIANTS = ("a", "b")
_known: TtlCache[str, Experiment] = TtlCache(60.0, 1000)
_last: dict[str, Experiment] = {}  # by name, for when the database cannot be reached
place.on_schema_change(_known.clear)


def create_experiment(
    name: str,
    table_name: str,
    variant_a: Any = "a",
    variant_b: Any = "b",
    *,
    split: float = 0.5,
    metric: str = "duration_ms",
    higher_is_better: bool = False,
) -> Result:
    """Begin an experiment of the host's; gives it as ``get_experiment_status`` does.

    ``variant_a`` and ``variant_b`` say what each is, as text or anything JSON can hold (of other things their text);
    what looks like a secret is masked. ``split`` is the share of keys that get b (0-1). The outcomes of ``metric``
    decide. Raises UsageError for a name that was used before or a share that is none, RefusedError where an experiment
    runs on the table already.
    """
    checked = place.checked_name(name, "experiment")
    if not (isinstance(split, int | float) and 0 <= split <= 1):
        raise UsageError(f"split is a share from 0 to 1, not {split!r}", code="invalid_value")
    schema_name, table = place.checked_table(table_name)
    settings = {"metric": place.checked_name(metric, "metric"), "higher_is_better": bool(higher_is_better)}
    wanted = Experiment(
        checked,
        QualifiedName(schema_name or "public", str(table)),
        HOST,
        {"a": scrub(variant_a), "b": scrub(variant_b)},
        float(split),
        settings,
    )
    facts = {"action": "create_experiment", "experiment": checked}
    with place.logged(MutationType.SYSTEM_CONFIG_CHANGE, "create_experiment", **facts) as note:
        note.table(wanted.table.name, wanted.table.schema)
        with place.session() as session:
            metadata.require(session, place.metadata_schema())
            experiments.add(session, wanted, "host application", schema=place.metadata_schema())
    _known.clear()
    (found,) = get_experiment_status(checked)
    return found


def assign_variant(name: str, key: object) -> str:
    """``"a"`` or ``"b"`` for the key (a user, a tenant, a session): the same key always gets the same.

    Nothing is stored for it. Once the experiment has ended, everybody gets the winner, or a where there is none. The
    experiment is read once a minute, and what was read last stays while the database cannot be reached. Raises
    UsageError for an unknown one, UnreachableError before anything was read.
    """
    found = _known.get(place.checked_name(name, "experiment"), lambda: _read(name))
    if found.status != RUNNING:
        return found.winner if found.winner in VARIANTS else "a"
    return variant_of(found.name, key, found.split)


def variant_of(name: str, key: object, split: float) -> str:
    """The variant of a key by a hash that also depends on the experiment, so that two do not split alike."""
    # Not hash(): Python salts that of a text in every process anew.
    digest = hashlib.sha256(f"{name}\0{key}".encode(errors="surrogatepass")).digest()
    return "b" if int.from_bytes(digest[:8], "big") < split * 2**64 else "a"


def record_outcome(name: str, variant: str, value: float | Iterable[float], *, metric: str = "duration_ms") -> int:
    """Keep what came of one use of a variant, or of several in the order they came; gives how many were kept.

    0 when the experiment does not run (any more). Raises UsageError for another variant, and for values that are not
    finite numbers: then none is kept; UnreachableError.
    """
    if variant not in VARIANTS:
        raise UsageError(f"a variant is a or b, not {variant!r}", code="invalid_value")
    values = _numbers(value)
    checked, of_metric = place.checked_name(name, "experiment"), place.checked_name(metric, "metric")
    with place.session() as session:
        return experiments.add_outcomes(session, checked, variant, of_metric, values, schema=place.metadata_schema())


def _numbers(value: object) -> list[float]:
    """The outcomes. A text is one value, not its letters, and no number."""
    many = value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else (value,)
    values = [_number(v) for v in many]
    if not all(map(math.isfinite, values)):
        raise UsageError("an outcome is a finite number", code="invalid_value")
    return values


def _number(value: Any) -> float:
    try:
        return math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):  # what is no number, or larger than a float can be
        return math.nan


def get_experiment_status(name: str | None = None) -> list[Result]:
    """Experiments of both kinds as they stand, those that run first: ``name``, ``status``, ``variants``, ``verdict``
    (``answer`` is a, b, undecided or not_enough_evidence, with ``text``), ``winner``, ``metrics`` …

    Asking often does not make a false answer more likely. Raises UsageError for an unknown name.
    """
    from indexpilot_cli.apply.experiments.status import report_of

    schema = place.metadata_schema()
    with place.session() as session:
        checked = None if name is None else place.checked_name(name, "experiment")
        found = [report_of(session, one, schema) for one in experiments.read(session, checked, schema=schema)]
    told: list[Result] = [to_json(one) for one in found]
    return told


def stop_experiment(name: str, keep: str = "winner") -> Result:
    """End an experiment of the host's: ``assign_variant`` gives the winner from now on (``keep``: winner, a or b).

    Raises UsageError for one that is unknown, has ended, or is about indexes: those the command line ends, which asks
    before it drops.
    """
    from indexpilot_cli.apply.experiments.status import settled_answer

    if keep not in (*VARIANTS, "winner"):
        raise UsageError(f"keep is winner, a or b, not {keep!r}", code="invalid_value")
    schema = place.metadata_schema()
    facts = {"action": "stop_experiment", "experiment": place.checked_name(name, "experiment"), "keep": keep}
    with place.logged(MutationType.SYSTEM_CONFIG_CHANGE, "stop_experiment", **facts), place.session() as session:
        found = experiments.require(session, name, schema=schema)
        if found.status != RUNNING or found.kind != HOST:
            what = "ended before" if found.status != RUNNING else "is about indexes"
            raise UsageError(f"experiment {name} {what}", hint=f"indexpilot experiment stop {name}", code="ended")
        winner = settled_answer(session, found, keep, schema)
        experiments.move(session, found, {"kept": keep}, status=STOPPED, winner=winner, schema=schema)
    _known.clear()
    (ended,) = get_experiment_status(name)
    return ended


def _read(name: str) -> Experiment:
    try:
        with place.session() as session:
            found = experiments.require(session, name, schema=place.metadata_schema())
    except UnreachableError:
        # A host goes on with what it knew: for the same key another variant would be worse than an old answer.
        if name not in _last:
            raise
        return _last[name]
    _last[name] = replace(found, settings={}, state={})
    return _last[name]
