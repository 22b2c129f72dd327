"""What hides in DO blocks and function bodies, literal EXECUTE included, as nested Actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from indexpilot_cli.core.names import quote_identifier, quote_literal
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.ddl.script import cut
from indexpilot_cli.sql.ddl.words import constant, qualified, relation, strings, value, words
from indexpilot_cli.sql.parser import Node, Unparsed, embedded_sql, parse, parse_expression

Read = Callable[[Node, str], Iterator[Action]]

UNKNOWN = "indexpilot_not_known"
MAX_NESTED = 2_000  # Actions of one body
_LEADING = re.compile(
    r"\A(?:\s|--[^\n]*\n|/\*.*?\*/|begin\b|else\b|loop\b|declare\b|exception\b|<<\w+>>"
    r"|(?:if|elsif|elseif|when)\b.*?\bthen\b|(?:for|foreach|while)\b.*?\bloop\b)",
    re.IGNORECASE | re.DOTALL,
)
_EXECUTE = re.compile(r"execute\s+(?P<text>.*?)(?:\s+(?:using|into)\b.*)?\Z", re.IGNORECASE | re.DOTALL)
_PERFORM = re.compile(r"perform\s+", re.IGNORECASE)
_PLACE = re.compile(r"%(?:(?P<position>\d+)\$)?-?\d*(?P<kind>[sIL%])")
_TEXT_FUNCTIONS = ("quote_ident", "quote_literal", "quote_nullable", "format", "concat")


def do_block(node: Node, sql: str, read: Read) -> Iterator[Action]:
    """DO, then what its body runs."""
    given = dict(_strings(node, "args"))
    language = given.get("language", "plpgsql")
    yield Action(Act.DO, type=language, expression=given.get("as"), sql=sql)
    yield from _body(language, sql, given.get("as"), read)


def create_function(node: Node, sql: str, read: Read) -> Action:
    """CREATE_FUNCTION, with what its body would run when it is called."""
    schema, name = qualified(node.names("funcname"))
    given = dict(_strings(node, "options"))
    language = given.get("language", "sql").lower()
    returned = node.child("return_type")
    flags = words(
        node.flag("replace") and "or_replace",
        node.flag("is_procedure") and "procedure",
        node.child("sql_body") is not None and "atomic",
        given.get("volatility", "volatile"),
        returned is not None and strings(returned)[-1:] == ("trigger",) and "trigger",
    )
    parameters = tuple((k, v) for k, v in given.items() if k not in ("as", "language"))
    atomic = node.child("sql_body")
    body = _body(language, sql, given.get("as"), read) if atomic is None else _atomic(atomic, sql, read)
    return Action(
        Act.CREATE_FUNCTION,
        None,
        None,
        name,
        schema,
        type=language,
        expression=given.get("as"),
        parameters=parameters,
        options=flags,
        body=tuple(body),
        sql=sql,
    )


def _strings(node: Node, field: str) -> Iterator[tuple[str, str]]:
    for option in node.children(field):
        argument = option.child("arg")
        if argument is not None and argument.kind == "List":
            yield option.text("defname"), (strings(argument) or ("",))[0]
        else:
            yield option.text("defname"), value(argument)


def _atomic(body: Node, sql: str, read: Read) -> Iterator[Action]:
    lists = [body] if body.kind != "List" else [n for n in body.children("items") if n.kind == "List"] or [body]
    for inner in lists:
        for statement in inner.children("items") if inner.kind == "List" else (inner,):
            if statement.kind.endswith("Stmt") and statement.kind != "ReturnStmt":
                yield from _nested(read(statement, sql))


def _body(language: str, sql: str, text: str | None, read: Read) -> Iterator[Action]:
    if language == "plpgsql":
        found = embedded_sql(sql)
        if isinstance(found, Unparsed):
            yield Action(Act.DYNAMIC, expression=text, nested=True, options=frozenset({"unread"}), sql=sql)
            yield from _fragments(text or "", read)
            return
        for piece in found[:MAX_NESTED]:
            yield from _executed(piece.text, read) if piece.dynamic else _read(piece.text, read)
    elif language == "sql" and text is not None:
        for start, end in cut(text).statements[:MAX_NESTED]:
            yield from _read(text[start:end], read)
    elif language not in ("internal", "c") and text is not None:
        yield Action(Act.DYNAMIC, expression=text, nested=True, options=frozenset({"unread", language}), sql=sql)


def _fragments(text: str, read: Read) -> Iterator[Action]:
    """What can be recognised in a body that PL/pgSQL's parser refuses (types of other schemas, undeclared names)."""
    for start, end in cut(text).statements[:MAX_NESTED]:
        fragment, before = text[start:end], ""
        while fragment != before:
            before, fragment = fragment, _LEADING.sub("", fragment)
        executed = _EXECUTE.match(fragment)
        if executed is not None:
            yield from _executed(executed["text"], read)
        elif _PERFORM.match(fragment):
            yield from _known(_PERFORM.sub("SELECT ", fragment), read)
        else:
            yield from _known(fragment, read)


def _known(text: str, read: Read) -> Iterator[Action]:
    statement = parse(text)
    if not isinstance(statement, Unparsed) and statement.node.kind != "TransactionStmt":
        yield from _nested(read(statement.node, text))


def _read(text: str, read: Read) -> Iterator[Action]:
    statement = parse(text)
    if not isinstance(statement, Unparsed):
        yield from _nested(read(statement.node, text.strip()))
    elif statement.reason != "empty":
        yield Action(Act.DYNAMIC, expression=text, nested=True, options=frozenset({"unread"}), sql=text)


def _nested(actions: Iterator[Action]) -> Iterator[Action]:
    return (replace(a, nested=True) for a in actions)


def _executed(text: str, read: Read) -> Iterator[Action]:
    """What EXECUTE of an expression runs: read where the text is known, DYNAMIC where a part of it is not."""
    known = written(text)
    exact = known is not None and UNKNOWN not in known
    if not exact:
        yield Action(Act.DYNAMIC, expression=text, nested=True, sql=text)
    if known is None:
        return
    for start, end in cut(known).statements:
        statement = parse(known[start:end])
        if isinstance(statement, Unparsed):
            if exact:
                yield Action(Act.DYNAMIC, expression=text, nested=True, sql=text)
            continue
        for action in _nested(read(statement.node, known[start:end])):
            yield action if exact else _without_unknown(action)


def _without_unknown(action: Action) -> Action:
    def known(name: str | None) -> str | None:
        return None if name == UNKNOWN else name

    references = action.references
    return replace(
        action,
        schema=known(action.schema),
        table=known(action.table),
        object=known(action.object),
        object_schema=known(action.object_schema),
        columns=tuple(c for c in action.columns if c != UNKNOWN),
        new_name=known(action.new_name),
        references=references if references and UNKNOWN not in references else None,
        options=action.options | {"dynamic"},
    )


def written(text: str) -> str | None:
    """The text an expression gives, unknown parts as the identifier ``UNKNOWN``; None when nothing is known."""
    try:
        found = _text(parse_expression(text))
    except ValueError:
        return None
    return None if found == UNKNOWN else found


def _text(node: Node) -> str:
    """What a text expression gives."""
    if node.kind == "A_Const":
        return constant(node) or ""
    if node.kind == "TypeCast":
        inner = node.child("arg")
        return _text(inner) if inner is not None else UNKNOWN
    if node.kind == "A_Expr" and node.names("name") == ("||",):
        sides = (node.child("lexpr"), node.child("rexpr"))
        return "".join(_text(s) for s in sides if s is not None)
    if node.kind == "FuncCall" and node.names("funcname")[-1] in _TEXT_FUNCTIONS:
        return _called(node.names("funcname")[-1], [_text(a) for a in node.children("args")])
    return UNKNOWN


def _called(name: str, arguments: list[str]) -> str:
    if not arguments:
        return UNKNOWN
    if name == "format":
        return _format(arguments[0], arguments[1:])
    if name == "concat":
        return "".join(arguments)
    if arguments[0] == UNKNOWN:
        return UNKNOWN if name == "quote_ident" else "NULL"
    return _identifier(arguments[0]) if name == "quote_ident" else quote_literal(arguments[0])


def _format(pattern: str, arguments: list[str]) -> str:
    position = 0

    def place(match: re.Match[str]) -> str:
        nonlocal position
        if match["kind"] == "%":
            return "%"
        position = int(match["position"]) if match["position"] else position + 1
        given = arguments[position - 1] if 0 < position <= len(arguments) else UNKNOWN
        if match["kind"] == "L":
            return "NULL" if given == UNKNOWN else quote_literal(given)
        return _identifier(given) if match["kind"] == "I" else given

    return _PLACE.sub(place, pattern)


def _identifier(text: str) -> str:
    return quote_identifier(text) if text and "\0" not in text else UNKNOWN


def call(node: Node, sql: str) -> Action:
    """CALL of a procedure: its name in ``object``."""
    inner = node.child("funccall")
    schema, name = qualified(inner.names("funcname")) if inner else (None, None)
    return Action(Act.CALL, object=name, object_schema=schema, options=frozenset({"call"}), sql=sql)


def rule(node: Node, sql: str) -> Action:
    """CREATE RULE."""
    schema, table = relation(node.child("relation"))
    return Action(Act.OTHER, schema, table, node.text("rulename"), options=frozenset({"rule"}), sql=sql)
