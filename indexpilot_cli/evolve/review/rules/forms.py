"""The safer form of a statement as the text that stands behind ``instead``."""

from __future__ import annotations

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.fix.columns import filled_later
from indexpilot_cli.evolve.review.fix.forms import column_apart, forms
from indexpilot_cli.evolve.review.fix.parts import Ground, Step, dotted
from indexpilot_cli.evolve.review.rules.review import Case
from indexpilot_cli.sql.ddl.action import Act, Action

_SAME = {"F03": "L21", "F04": "L20"}


def safer(hazard: str, action: Action, case: Case) -> str:
    """Statements to run instead, ready to run; empty when there is no better way."""
    ground = Ground(case.review.catalog, case.review.catalog.version if case.review.catalog else 0)
    if hazard == "L10":
        return _online_type(action)
    if hazard == "F21":
        return _outside(case)
    if hazard in _SAME:
        return _promised(action, ground)
    steps = _apart(action, case, ground) if hazard == "L13" else forms(hazard, action, ground)
    if not steps:
        return ""
    begun = case.review.migration.one_transaction or case.seen.transaction in case.review.blocks
    lines = [f"{step.sql};" for step in steps]
    if any(step.alone for step in steps) and begun:
        lines.insert(0, "-- outside the transaction:")
    elif begun and hazard != "L22":
        lines = [line if not step.apart else f"COMMIT;\n{line}" for line, step in zip(lines, steps, strict=True)]
    elif hazard == "L22":
        lines.insert(0, "COMMIT;")
    if hazard == "L12":
        lines += [f"-- then, until no row is left: {text};" for text in filled_later(action, ground)[:1]]
    return "\n".join(lines)


def _apart(action: Action, case: Case, ground: Ground) -> tuple[Step, ...]:
    """A column whose constraints come after it; ``action`` is one of them."""
    column = next((a for a in case.actions if a.kind is Act.ADD_COLUMN and a.columns == action.columns), None)
    inline = [a for a in case.actions if a.kind is Act.ADD_CONSTRAINT and a.has("inline")]
    return column_apart(column, [a for a in inline if a.columns == action.columns], ground) if column else ()


def _online_type(action: Action) -> str:
    if action.table is None or action.type is None or not action.columns:
        return ""
    kind = f'"{action.type}"' if " " in action.type or "(" in action.type else action.type
    table = dotted(action.schema, action.table)
    return f"-- indexpilot schema-evolve alter-type {table} {quote_identifier(action.columns[0])} {kind}"


def _outside(case: Case) -> str:
    wrapped = case.review.migration.one_transaction
    lead = "-- in a file that the migration tool does not wrap in a transaction:" if wrapped else "COMMIT;"
    return f"{lead}\n{case.written.sql};"


def _promised(action: Action, ground: Ground) -> str:
    if action.kind is not Act.ADD_CONSTRAINT or action.has("not_valid"):
        return ""
    steps = forms(_SAME_OF.get(action.constraint or "", ""), action, ground)
    return f"{steps[0].sql};" if steps else ""


_SAME_OF = {"foreign_key": "L21", "check": "L20"}
