"""New rules of a domain bind every column of it, in all tables."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.probes.needs import FOREIGN, not_null
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeKind, Question, probe
from indexpilot_cli.evolve.review.probes.shape import on_value
from indexpilot_cli.evolve.review.probes.virtual import VirtualColumn, VirtualTable
from indexpilot_cli.evolve.review.probes.virtual_tables import Domain, Tables
from indexpilot_cli.sql.ddl.action import Act, Action


def remember_type(action: Action, tables: Tables) -> None:
    """Remember types and domains that the migration makes."""
    name = action.object or ""
    if action.kind is Act.CREATE_TYPE and action.type == "enum":
        tables.new_types.add(name)
        tables.labels[name] = tables.safe.labels(action.sql) or action.columns
    elif action.kind is Act.ADD_ENUM_VALUE or action.kind is Act.CREATE_TYPE:
        tables.new_types.add(name)
    elif action.kind is Act.RENAME and action.has("type") and action.new_name:
        tables.rename_type(name, action.new_name)
    elif action.kind is Act.CREATE_DOMAIN:
        tables.domains[name] = Domain(action.type or "text", tables.safe.domain_checks(action.sql))


def domain_questions(action: Action, tables: Tables, number: int) -> Iterator[Probe]:
    """What ALTER DOMAIN asks of every column of the domain."""
    if action.kind is not Act.ALTER_DOMAIN or action.has("not_valid") or action.has("inline"):
        return
    for table, column in _domain_columns(action, tables):
        if action.has("set_not_null") or action.constraint == "not_null":
            question = not_null(table, column, tables)
            if question is not None:
                yield probe(table, number, question)
        elif action.has("add") and action.expression:
            yield probe(table, number, _domain_check(action.expression, table, column, tables, action.new_name))
        elif action.has("validate"):
            text = tables.domain_rules.get((action.object or "", action.new_name or ""))
            if text:
                yield probe(table, number, _domain_check(text, table, column, tables, action.new_name))


def remember_rule(action: Action, tables: Tables) -> None:
    """Keep a NOT VALID check of a domain for its VALIDATE."""
    if action.kind is Act.ALTER_DOMAIN and action.has("not_valid") and action.expression:
        tables.domain_rules[action.object or "", action.new_name or ""] = action.expression


def _domain_check(text: str, table: VirtualTable, column: str, tables: Tables, name: str | None) -> Question:
    words = f"{column} of {table.name.short} violates the new check of its domain"
    value = VirtualTable(table.name, None, (VirtualColumn("value", "text"),))
    found = tables.expression(text, value)
    if found is None:
        return Question(ProbeKind.CHECK, "23514", words, None, (column,), name, FOREIGN)
    body = on_value(found.sql, f"ip_t.{quote_identifier(column)}")
    return Question(ProbeKind.CHECK, "23514", words, body, (column,), name)


def _domain_columns(action: Action, tables: Tables) -> Iterator[tuple[VirtualTable, str]]:
    """(table, column) of the domain; partitions are read through their parents."""
    for real in tables.catalog.tables:
        table = tables.get(tables.now(real.name)) if not real.is_partition else None
        for column in table.columns if table else ():
            parts = column.type.split(".")
            if parts[-1].strip('"') == action.object and table is not None:
                yield table, column.name
