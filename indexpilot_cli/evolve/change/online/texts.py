"""Names and expressions of an online type change. Pure: from the plan to text.

Templates hold the word ``PLACE`` where the changing column stands, and ``PLACE_<number>`` for any column of the row;
the server itself printed them, so filling in a name needs no parser.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum

from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.names import NAME_LIMIT, QualifiedName, cut_name, quote_identifier, quote_literal
from indexpilot_cli.db import queries
from indexpilot_cli.execute.context import Pace

# Needs no quotes and is no name that people choose, so the server prints it as it is and a text search finds it.
PLACE = "ip_column_9d41c7"  # in templates: where the changing column stands
TRIGGERS = "zzzz_indexpilot_"  # what the names of our triggers begin with


def place(number: int) -> str:
    """In templates: where the column of that number stands."""
    return f"{PLACE}_{number}"


@dataclass(frozen=True, slots=True)
class OnlineRequest:
    """A column's new type. ``using`` is an expression over the row, None for the assignment cast."""

    table: QualifiedName
    column: str
    type: str
    using: str | None = None
    pace: Pace = field(default_factory=Pace)


class Side(StrEnum):
    """The two columns: the one with the new type and the one with the old."""

    NEW = "new"
    OLD = "old"

    @property
    def other(self) -> Side:
        """The opposite column."""
        return Side.OLD if self is Side.NEW else Side.NEW


@dataclass(frozen=True, slots=True)
class Both:
    """A text for the column of the old type and for the one of the new. ``PLACE`` in it stands for the column."""

    old: str
    new: str

    def of(self, side: Side) -> str:
        """The text for that side."""
        return self.new if side is Side.NEW else self.old


@dataclass(frozen=True, slots=True)
class OnlineIndex:
    """An index the column is in. ``body`` is what follows the table's name in ``pg_get_indexdef``.

    ``constraint`` is p or u where it belongs to a constraint of the same name; ``targets`` are statistics targets of
    expressions by number.
    """

    name: str
    body: Both
    unique: bool = False
    constraint: str | None = None
    deferrable: bool = False
    deferred: bool = False
    comment: str | None = None
    constraint_comment: str | None = None
    tablespace: str | None = None
    targets: tuple[tuple[int, int], ...] = ()
    clustered: bool = False
    replica_identity: bool = False


@dataclass(frozen=True, slots=True)
class OnlineConstraint:
    """A CHECK (``c``) or foreign key (``f``) the column is in; ``body`` is its definition without NOT VALID."""

    name: str
    kind: str
    body: Both
    validated: bool = True
    enforced: bool = True
    comment: str | None = None
    references: QualifiedName | None = None


@dataclass(frozen=True, slots=True)
class InboundKey:
    """A foreign key of another table that refers to the column; ``body`` is its definition without NOT VALID."""

    table: QualifiedName
    name: str
    body: str
    validated: bool = True
    enforced: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class OnlineStatistics:
    """An extended statistics object; ``head`` is what stands between its name and FROM in its definition."""

    schema: str
    name: str
    head: Both
    target: int = -1
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class OnlineGrant:
    """A privilege on the column; ``grantee`` None is PUBLIC."""

    privilege: str
    grantee: str | None
    grantable: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """The sequence of an identity column; ``options`` as in CREATE SEQUENCE, for the old type and the new."""

    always: bool
    sequence: QualifiedName
    options: Both
    grants: tuple[OnlineGrant, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class OnlinePlan:
    """Everything that is needed to carry the change out, to go on with it, and to take it back.

    ``expression`` makes the new value from a row of the old kind and ``reverse`` the old value from a row of the new
    (None: there is no way back for rows that change later); columns are written ``PLACE_<number>`` in both.
    ``assigned``: the new value is the column itself, cast as an assignment casts. ``pins`` are settings the
    expression may depend on. ``rewrites`` False: a plain ALTER TYPE does no work on this table.
    """

    op_id: str
    table: QualifiedName
    relid: int
    column: str
    attnum: int
    old_type: str
    new_type: str
    columns: tuple[tuple[int, str], ...]
    expression: str
    assigned: bool
    reverse: str | None
    reverse_assigned: bool
    pins: tuple[tuple[str, str], ...]
    rewrites: bool
    old_collation: str | None = None
    new_collation: str | None = None
    indexes: tuple[OnlineIndex, ...] = ()
    constraints: tuple[OnlineConstraint, ...] = ()
    inbound: tuple[InboundKey, ...] = ()
    statistics: tuple[OnlineStatistics, ...] = ()
    not_null: bool = False
    not_null_name: str | None = None
    default: Both | None = None
    target: int = -1
    options: tuple[str, ...] = ()
    comment: str | None = None
    grants: tuple[OnlineGrant, ...] = ()
    sequences: tuple[QualifiedName, ...] = ()
    identity: Identity | None = None
    quiet: bool = False
    bytes: int = 0
    rows: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Names of what hangs on the column and comes along."""
        built = {i.name for i in self.indexes} | {s.name for s in self.statistics}
        return frozenset(built | {c.name for c in self.constraints} | {key.name for key in self.inbound})


class OnlineStage(StrEnum):
    """Where the columns stand, as the catalog tells it.

    BARE: no second column. FILLING: the old column is in use and a second one is there. SWAPPED: the new column is in
    use and the old one kept. FINISHED: the old one is gone. STRANGE: neither is what the plan knows.
    """

    BARE = "bare"
    FILLING = "filling"
    SWAPPED = "swapped"
    FINISHED = "finished"
    STRANGE = "strange"


@dataclass(frozen=True, slots=True)
class OnlineReport:
    """How it ended. ``outcome`` is done, already_done, finished, reverted, interrupted or failed.

    ``rows_filled`` counts rows written by batches, ``seconds`` the whole run, ``lock_seconds`` the longest time the
    table was locked against reading by one of our transactions.
    """

    outcome: str
    table: QualifiedName
    column: str
    op_id: str | None = None
    summary: str = ""
    notes: tuple[str, ...] = ()
    rows_filled: int = 0
    seconds: float = 0.0
    lock_seconds: float = 0.0
    resumed: bool = False
    error_code: str | None = None
    error: str | None = None
    mutation_id: int | None = None


_NUMBERED = re.compile(PLACE + r"_(\d+)\b")
_ALONE = re.compile(PLACE + r"\b(?!_\d)")
# A name alone makes nothing ours: columns carry a comment too, and an index must have the definition we would give it.
_COLUMN_MARK = "_indexpilot_"
_MARK = "_ip"


def marked(name: str, mark: str) -> str:
    """The name with the mark behind it, at most 63 bytes and still different for different names."""
    if len((name + mark).encode()) <= NAME_LIMIT:
        return name + mark
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    room = NAME_LIMIT - len(mark) - len(digest) - 1
    return cut_name(name, room) + "_" + digest + mark


def column_name(plan: OnlinePlan, side: Side) -> str:
    """What the side's column is called while it is not the one in use."""
    return kept_name(plan.column, side)


def kept_name(column: str, side: Side = Side.OLD) -> str:
    """The same by the name of the column in use."""
    return marked(column, _COLUMN_MARK + side.value)


def aside(name: str, side: Side) -> str:
    """What an index, constraint or statistics object of the side's column is called while it is not in use."""
    return marked(name, _MARK + side.value)


def trigger_name(plan: OnlinePlan) -> str:
    """Triggers fire in order of their names: this one comes after any that a person is likely to have written."""
    # https://www.postgresql.org/docs/current/trigger-definition.html
    return TRIGGERS + _short(plan)


def function_name(plan: OnlinePlan, schema: str) -> QualifiedName:
    """The trigger's function, in our own schema."""
    # Not in the table's schema, where the role may not be allowed to create anything.
    return QualifiedName(schema, f"shadow_{_short(plan)}")


def check_name(plan: OnlinePlan) -> str:
    """The CHECK that proves NOT NULL before it is set."""
    return f"indexpilot_not_null_{_short(plan)}"


def tag(plan: OnlinePlan) -> str:
    """The comment on the column that is not in use: it is ours."""
    return f"indexpilot:{plan.op_id}"


def fill_in(template: str, name: str) -> str:
    """The template about the column of that name."""
    quoted = quote_identifier(name)
    return _ALONE.sub(lambda _: quoted, template)


def written(both: Both, side: Side, name: str) -> str:
    """The side's text about the column of that name."""
    return fill_in(both.of(side), name)


def assigned_value(plan: OnlinePlan, side: Side, prefix: str = "") -> str:
    """The expression that gives the side's column its value; ``prefix`` (``NEW.``) stands before every column.

    The way back keeps the old value wherever it still means what the new one says, so a type that holds less loses
    nothing, and converts only what has changed since.
    """
    if side is Side.NEW:
        return _forward(plan, _using(plan, prefix, plan.column))
    kept = prefix + quote_identifier(column_name(plan, Side.OLD))
    now = prefix + quote_identifier(plan.column)
    still = same(_cast(_forward(plan, _using(plan, prefix, column_name(plan, Side.OLD))), plan.new_type), now)
    return f"CASE WHEN {still} THEN {kept} ELSE {_backward(plan, prefix)} END"


def same(left: str, right: str) -> str:
    """Whether two values are equal to the last bit, NULLs included; any type has this, also one without equality.

    https://www.postgresql.org/docs/current/functions-comparisons.html#COMPOSITE-TYPE-COMPARISON
    """
    return f"pg_catalog.record_image_eq(ROW({left}), ROW({right}))"


def out_of_step(plan: OnlinePlan, side: Side) -> str:
    """The condition of a row whose second column does not hold what it must."""
    # With the type said, to compare with what is stored.
    value = _cast(assigned_value(plan, side), plan.new_type if side is Side.NEW else plan.old_type)
    return f"NOT {same(quote_identifier(column_name(plan, side)), value)}"


def lost(plan: OnlinePlan) -> str:
    """The condition of a row whose old column, as refilled, does not mean what the new one says."""
    value = _forward(plan, _using(plan, "", column_name(plan, Side.OLD)))
    return f"NOT {same(_cast(value, plan.new_type), quote_identifier(plan.column))}"


def trial(plan: OnlinePlan) -> str:
    """A DO block that assigns every row's new value to a variable of the new type: fails where the change would.

    https://www.postgresql.org/docs/current/plpgsql-control-structures.html#PLPGSQL-RECORDS-ITERATING
    """
    value = assigned_value(plan, Side.NEW)
    # Where statements within others are counted, this one is.
    rows = queries.marked(Select(value, f"ONLY {plan.table}"))
    # An assignment in PL/pgSQL converts as one to a column does, domains and lengths included, and nothing is kept.
    body = f"DECLARE made {plan.new_type}; BEGIN FOR made IN {rows} LOOP END LOOP; END"
    return f"DO {quote_literal(body)}"


def stage(plan: OnlinePlan, original: str | None, columns: Collection[str]) -> OnlineStage:
    """Where the columns stand: ``original`` is what the first column is called now, None when it is gone."""
    new, old = column_name(plan, Side.NEW), column_name(plan, Side.OLD)
    if original == plan.column:
        return OnlineStage.FILLING if new in columns else OnlineStage.BARE
    if plan.column not in columns:
        return OnlineStage.STRANGE
    return {old: OnlineStage.SWAPPED, None: OnlineStage.FINISHED}.get(original, OnlineStage.STRANGE)


def _forward(plan: OnlinePlan, name_of: Callable[[int], str]) -> str:
    return name_of(plan.attnum) if plan.assigned else _instantiate(plan.expression, name_of)


def _backward(plan: OnlinePlan, prefix: str) -> str:
    if plan.reverse is None:
        return "NULL"
    name_of = _using(plan, prefix, plan.column)
    if plan.reverse_assigned:
        # the branches of a CASE have one type, so the assignment's own cast is said: it is checked when stored
        return _cast(name_of(plan.attnum), plan.old_type)
    return _cast(_instantiate(plan.reverse, name_of), plan.old_type)


def _using(plan: OnlinePlan, prefix: str, changing: str) -> Callable[[int], str]:
    names = dict(plan.columns) | {plan.attnum: changing}
    return lambda number: prefix + quote_identifier(names[number])


def _instantiate(template: str, name_of: Callable[[int], str]) -> str:
    return "(" + _NUMBERED.sub(lambda match: name_of(int(match[1])), template) + ")"


def _cast(expression: str, type_name: str) -> str:
    return f"({expression})::{type_name}"


def _short(plan: OnlinePlan) -> str:
    # By number, which renaming the table or the column between two runs does not change.
    return hashlib.sha256(f"{plan.relid}.{plan.attnum}".encode()).hexdigest()[:10]
