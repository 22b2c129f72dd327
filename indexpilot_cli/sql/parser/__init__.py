"""The SQL parser behind a dozen functions: nothing outside this package knows which parser it is."""

from indexpilot_cli.sql.parser.edit import (
    bind,
    cast,
    function_call,
    parameters,
    renumber,
    rewrite,
    set_child,
    unqualified,
    with_only,
)
from indexpilot_cli.sql.parser.native import MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Unparsed, walk_all
from indexpilot_cli.sql.parser.normal import Normalised, normalise, shaping_constants
from indexpilot_cli.sql.parser.procedural import Embedded, embedded_sql
from indexpilot_cli.sql.parser.text import (
    Piece,
    Statement,
    deparse,
    deparse_expression,
    deparse_type,
    fingerprint,
    parse,
    parse_expression,
    skeleton,
    split,
)

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Embedded",
    "Node",
    "Normalised",
    "Piece",
    "Statement",
    "Unparsed",
    "bind",
    "cast",
    "deparse",
    "deparse_expression",
    "deparse_type",
    "embedded_sql",
    "fingerprint",
    "function_call",
    "normalise",
    "parameters",
    "parse",
    "parse_expression",
    "renumber",
    "rewrite",
    "set_child",
    "shaping_constants",
    "skeleton",
    "split",
    "unqualified",
    "walk_all",
    "with_only",
]
