"""From a statement and a catalog to how each relation is used."""

from __future__ import annotations

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.workload import RelationUse
from indexpilot_cli.sql.parser import Node, Statement
from indexpilot_cli.workload.predicates.blocks import Blocks
from indexpilot_cli.workload.predicates.scopes import Block, Scope


def relation_uses(statement: Statement | Node, catalog: Catalog) -> tuple[RelationUse, ...]:
    """How a SELECT, INSERT, UPDATE, DELETE or MERGE uses each relation, one value per relation and block.

    Names are resolved as the server does it: aliases, search_path, WITH queries, views (by their definition),
    enclosing blocks. Conditions on columns of subqueries, views and inlined WITH queries are attributed to the
    tables below wherever the planner can move them there. Tables that the catalog does not have are left out.
    """
    node = statement.node if isinstance(statement, Statement) else statement
    scope = Scope(Block(None), None, catalog, [])
    Blocks(node).statement(node, scope)
    return tuple(use.frozen() for use in scope.uses)
