"""CREATE INDEX needs the table's owner (or a member of it) and CREATE on its schema and tablespace.

https://www.postgresql.org/docs/current/sql-createindex.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from indexpilot_cli.core.mutation import Operation
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.guards.context import Guard, GuardContext, ServerFacts, TableFacts, Verdict

_INDEXABLE = frozenset("rmp")  # tables, materialized views, partitioned tables


def judge(
    server: ServerFacts, tables: Sequence[TableFacts], operations: Sequence[Operation] = ()
) -> tuple[Verdict, ...]:
    """Every right that is missing, with the GRANT that gives it; or one verdict that all are there."""
    # All of them before the run: the server names one at a time (42501), when other indexes are built already.
    found = [*_missing(tables, operations), *_rights(server, tables)]
    if not server.may_use_tablespace:
        text = f"no CREATE on tablespace {quote_identifier(server.tablespace)} for {quote_identifier(server.role)}"
        found.append(Verdict("privileges", False, text, "has_tablespace_privilege()"))
    if found:
        return tuple(dict.fromkeys(found))
    tables_text = "the table" if len(tables) == 1 else f"{len(tables)} tables"
    return (Verdict("privileges", True, f"{server.role} may create indexes on {tables_text}", "pg_class.relowner"),)


def _missing(tables: Sequence[TableFacts], operations: Sequence[Operation]) -> Iterator[Verdict]:
    known = {t.relid for t in tables}
    for operation in operations:
        if operation.relid not in known:
            text = f"{operation.table.short} (oid {operation.relid}) is not there any more"
            yield Verdict("privileges", False, text, "pg_class", table=operation.table)


def _rights(server: ServerFacts, tables: Sequence[TableFacts]) -> Iterator[Verdict]:
    role = quote_identifier(server.role)
    for table in tables:
        if table.kind not in _INDEXABLE:
            text = f"{table.table.short} is of kind {table.kind}, which takes no index"
            yield Verdict("privileges", False, text, "pg_class.relkind", table=table.table)
        if not table.owned:
            # Who is a member of a superuser is one: then the table gets another owner instead.
            owner = quote_identifier(table.owner)
            way = f"ALTER TABLE {table.table} OWNER TO {role};" if table.superuser_owns else f"GRANT {owner} TO {role};"
            text = f"{role} does not own {table.table.short}; {way}"
            yield Verdict("privileges", False, text, "pg_class.relowner", table=table.table)
        if not table.may_create:
            schema = quote_identifier(table.table.schema)
            text = f"no CREATE on schema {schema}; GRANT CREATE ON SCHEMA {schema} TO {role};"
            yield Verdict("privileges", False, text, "has_schema_privilege()", table=table.table)


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    return judge(context.server, context.tables, context.request.creating)


GUARD = Guard("privileges", 15, _ask, each_index=False)
