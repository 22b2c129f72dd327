"""Experiments and what was measured in them, as rows: they outlive every process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import Jsonb, filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.log.metadata import SCHEMA, of_this_version, question

RUNNING, STOPPED = "running", "stopped"
INDEX, HOST = "index", "host"
_TOO_OLD = "knows no experiments"
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Experiment:
    """Two variants on one table. ``kind``: of indexes that we put there, or of what the host does differently.

    ``variants`` describe both as JSON, ``split`` is the share of keys that get variant b (0-1); ``settings`` do not
    change, ``state`` says how far it is. ``winner`` is a, b, undecided, or None before an answer.
    """

    name: str
    table: QualifiedName
    kind: str
    variants: Mapping[str, Any]
    split: float = 0.5
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    status: str = RUNNING
    winner: str | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class OutcomeSample:
    """Values of one metric of one variant. ``variance`` is about their own mean, for the whole sample."""

    variant: str
    metric: str
    look: int
    number: int
    mean: float
    variance: float


def check_name(name: str) -> None:
    """Raises UsageError for a name that nobody could read; a key of the server's ends at 2,704 bytes as well."""
    if not name.strip() or len(name) > _LONGEST_NAME:
        text = f"an experiment's name has 1 to {_LONGEST_NAME} letters, not {len(name.strip()):,}"
        raise UsageError(text, hint="indexpilot experiment start --help", code="bad_name")


def add(session: Session, wanted: Experiment, actor: str | None, *, schema: str = SCHEMA) -> Experiment:
    """The experiment with its id. Raises UsageError for a name that was used or is none, RefusedError where the table
    has one already, PrerequisiteError before an upgrade.
    """
    check_name(wanted.name)
    values = {
        "name": wanted.name,
        "schema_name": wanted.table.schema,
        "table_name": wanted.table.name,
        "a": Jsonb(wanted.variants["a"]),
        "b": Jsonb(wanted.variants["b"]),
        "split": wanted.split,
        "kind": wanted.kind,
        "settings": Jsonb(dict(wanted.settings)),
        "state": Jsonb(dict(wanted.state)),
        "actor": actor,
    }
    with of_this_version(_TOO_OLD):
        # Nothing is inserted beside a row with the name, or one that runs on the table: an error of the server's would
        # end the transaction, and which of both it is could not be asked any more.
        made = session.value(question(session, "log/experiment_add", schema), values)
    if made is not None:
        return replace(wanted, id=int(made))
    if find(session, wanted.name, schema=schema) is not None:
        text = f"there was an experiment {wanted.name!r} already"
        raise UsageError(text, hint="indexpilot experiment status", code="name_taken")
    text = f"an experiment runs on {wanted.table.short} already"
    raise RefusedError(text, hint="indexpilot experiment status", code="experiment_running")


def read(session: Session, name: str | None = None, *, schema: str = SCHEMA) -> tuple[Experiment, ...]:
    """All of them, those that run first, then the newest; or the one of that name.

    Raises UsageError where there is none of that name, PrerequisiteError before an upgrade.
    """
    return _found(session, None, schema) if name is None else (require(session, name, schema=schema),)


def find(session: Session, name: str, *, schema: str = SCHEMA) -> Experiment | None:
    """The experiment of that name, or None."""
    return next(iter(_found(session, name, schema)), None)


def require(session: Session, name: str, *, schema: str = SCHEMA) -> Experiment:
    """The experiment of that name. Raises UsageError where there is none."""
    found = find(session, name, schema=schema)
    if found is None:
        hint = "indexpilot experiment status lists them"
        raise UsageError(f"no experiment {name[:80]!r}", hint=hint, code="unknown_experiment")
    return found


def move(
    session: Session,
    experiment: Experiment,
    state: Mapping[str, Any],
    *,
    status: str = RUNNING,
    winner: str | None = None,
    window: tuple[str, float, Mapping[str, Any]] | None = None,
    schema: str = SCHEMA,
) -> Experiment:
    """The experiment in its new state, with a window (variant, calls, details) that ended in it, or neither.

    Raises RefusedError when another run has moved it since it was read.
    """
    values = {
        "id": experiment.id,
        "state": Jsonb(dict(state)),
        "before": Jsonb(dict(experiment.state)),
        "status": status,
        "winner": winner,
    }
    with session.transaction():  # a window counts once, or the state is as it was
        if session.value(question(session, "log/experiment_update", schema), values) is None:
            raise RefusedError(f"another run works on experiment {experiment.name}", code="locked")
        if window is not None:
            variant, calls, details = window
            one = {"id": experiment.id, "variant": variant, "value": calls, "details": Jsonb(dict(details))}
            session.execute(question(session, "log/experiment_window_add", schema), one)
    return replace(experiment, state=state, status=status, winner=winner)


def forget(session: Session, experiment: Experiment, *, schema: str = SCHEMA) -> None:
    """Remove an experiment that never began."""
    session.execute(question(session, "log/experiment_forget", schema), {"id": experiment.id})


def windows(session: Session, experiment: Experiment, *, schema: str = SCHEMA) -> tuple[Mapping[str, Any], ...]:
    """What was kept of each window, in the order they ended."""
    rows = session.rows(question(session, "log/experiment_windows", schema), {"id": experiment.id})
    return tuple(row.details_json for row in rows)


def add_outcomes(
    session: Session, name: str, variant: str, metric: str, values: Sequence[float], *, schema: str = SCHEMA
) -> int:
    """Keep outcomes of a running experiment of the host's; gives how many were kept, 0 where it does not run."""
    given = {"name": name, "variant": variant, "metric": metric, "values": list(values)}
    return len(session.rows(question(session, "log/outcomes_add", schema), given))


def outcome_samples(
    session: Session, experiment: Experiment, first: int, *, schema: str = SCHEMA
) -> tuple[OutcomeSample, ...]:
    """The outcomes in the order they came: ``look`` 0 are the first so many of each variant, 1 as many again, 2 as many
    as those two together, and so on, so that each look sees twice what the one before saw.
    """
    rows = session.rows(question(session, "log/outcome_looks", schema), {"id": experiment.id, "first": first})
    return tuple(OutcomeSample(r.variant, r.metric, r.look, r.number, r.mean, r.variance) for r in rows)


def _found(session: Session, name: str | None, schema: str) -> tuple[Experiment, ...]:
    with of_this_version(_TOO_OLD):
        return tuple(map(_experiment, session.rows(question(session, "log/experiments", schema), {"name": name})))


def _experiment(row: Row) -> Experiment:
    return filled(
        Experiment,
        row,
        table=QualifiedName(row.schema_name, row.table_name),
        variants={"a": row.variant_a, "b": row.variant_b},
    )
