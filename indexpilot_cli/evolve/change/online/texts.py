"""Names and expressions of an online type change. Pure: from the plan to text.

Templates hold the word ``PLACE`` where the changing column stands, and ``PLACE_<number>`` for any column of the row;
the server itself printed them, so filling in a name needs no parser.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection

from indexpilot_cli.core.dml import Select
from indexpilot_cli.core.names import NAME_LIMIT, QualifiedName, cut_name, quote_identifier, quote_literal
from indexpilot_cli.evolve.change.online.values import PLACE, Both, OnlinePlan, Side, Stage

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
    return marked(plan.column, _COLUMN_MARK + side.value)


def aside(name: str, side: Side) -> str:
    """What an index, constraint or statistics object of the side's column is called while it is not in use."""
    return marked(name, _MARK + side.value)


def trigger_name(plan: OnlinePlan) -> str:
    """Triggers fire in order of their names: this one comes after any that a person is likely to have written."""
    # https://www.postgresql.org/docs/current/trigger-definition.html
    return f"zzzz_indexpilot_{_short(plan)}"


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


def compared_value(plan: OnlinePlan, side: Side) -> str:
    """The same with the type said, to compare with what is stored."""
    return _cast(assigned_value(plan, side), plan.new_type if side is Side.NEW else plan.old_type)


def same(left: str, right: str) -> str:
    """Whether two values are equal to the last bit, NULLs included; any type has this, also one without equality.

    https://www.postgresql.org/docs/current/functions-comparisons.html#COMPOSITE-TYPE-COMPARISON
    """
    return f"pg_catalog.record_image_eq(ROW({left}), ROW({right}))"


def out_of_step(plan: OnlinePlan, side: Side) -> str:
    """The condition of a row whose second column does not hold what it must."""
    return f"NOT {same(quote_identifier(column_name(plan, side)), compared_value(plan, side))}"


def lost(plan: OnlinePlan) -> str:
    """The condition of a row whose old column, as refilled, does not mean what the new one says."""
    value = _forward(plan, _using(plan, "", column_name(plan, Side.OLD)))
    return f"NOT {same(_cast(value, plan.new_type), quote_identifier(plan.column))}"


def trial(plan: OnlinePlan) -> str:
    """A DO block that assigns every row's new value to a variable of the new type: fails where the change would.

    https://www.postgresql.org/docs/current/plpgsql-control-structures.html#PLPGSQL-RECORDS-ITERATING
    """
    value = assigned_value(plan, Side.NEW)
    rows = Select(value, f"ONLY {plan.table}")
    # An assignment in PL/pgSQL converts as one to a column does, domains and lengths included, and nothing is kept.
    body = f"DECLARE made {plan.new_type}; BEGIN FOR made IN {rows} LOOP END LOOP; END"
    return f"DO {quote_literal(body)}"


def stage(plan: OnlinePlan, original: str | None, columns: Collection[str]) -> Stage:
    """Where the columns stand: ``original`` is what the first column is called now, None when it is gone."""
    new, old = column_name(plan, Side.NEW), column_name(plan, Side.OLD)
    if original == plan.column:
        return Stage.FILLING if new in columns else Stage.BARE
    if plan.column not in columns:
        return Stage.STRANGE
    return {old: Stage.SWAPPED, None: Stage.FINISHED}.get(original, Stage.STRANGE)


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
