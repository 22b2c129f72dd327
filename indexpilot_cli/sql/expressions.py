"""A small reader of SQL expressions: enough to compare, type and judge index expressions and predicates.

It reads what PostgreSQL and the workload's deparser write (manual, "Lexical Structure", table of operator
precedence); text that it cannot read gives None, and callers fall back on comparing text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

COLUMN, CONSTANT, PARAMETER, CALL, CAST, OPERATOR = "column", "constant", "parameter", "call", "cast", "operator"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of an expression. ``value`` is the column, literal text, function, type or operator (lower case).

    Operators include ``and``, ``or``, ``not``, ``in``, ``is null``, ``is not null``, ``is true``, ``array``,
    ``row``, ``[]`` and ``at time zone``; SQL spellings such as LIKE are given as ``~~``.
    """

    kind: str
    value: str
    arguments: tuple[Node, ...] = ()

    def walk(self) -> tuple[Node, ...]:
        """This node and all below it, in order of appearance."""
        return (self, *(n for a in self.arguments for n in a.walk()))


_TOKEN = re.compile(
    r"""\s+|--[^\n]*|
    (?P<string>[eE]?'(?:[^'\\]|''|\\.)*'|\$\$.*?\$\$)|
    (?P<quoted>"(?:[^"]|"")+")|
    (?P<parameter>\$\d+)|
    (?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|
    (?P<word>[^\W\d][\w$]*)|
    (?P<cast>::)|
    (?P<operator>[-+*/<>=~!@\#%^&|`?]+)|
    (?P<mark>[()\[\],.:])""",
    re.VERBOSE | re.DOTALL,
)
_TYPE_WORDS = {
    "double": ("precision",),
    "character": ("varying",),
    "bit": ("varying",),
    "timestamp": ("with", "without", "time", "zone"),
    "time": ("with", "without", "time", "zone"),
}
_TYPED_LITERAL = {"date", "timestamp", "timestamptz", "time", "interval", "numeric", "uuid", "jsonb", "text"}
_BARE_FUNCTIONS = {
    *("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user"),
    *("session_user", "user", "current_role", "current_catalog", "current_schema"),
}
_SEPARATORS = {"from", "for", "as", "in", "placing"}
_LIKE = {"like": "~~", "ilike": "~~*", "similar": "similar to"}
_LOOSE = {"or": 1, "and": 2}
_BINARY = {
    **dict.fromkeys(("<", ">", "=", "<=", ">=", "<>", "!="), 5),
    **dict.fromkeys(("+", "-"), 8),
    **dict.fromkeys(("*", "/", "%"), 9),
    "^": 10,
}


class Unreadable(ValueError):
    """The text is outside the part of SQL that is read here."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Node | None:
    """The expression as a tree, or None when it cannot be read."""
    try:
        reader = _Reader(_tokens(text))
        tree = reader.expression(0)
    except (Unreadable, RecursionError):
        return None
    return tree if reader.peek()[0] == "end" else None


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unreadable(text[position:])
        position = match.end()
        kind = match.lastgroup
        if kind == "word":
            found.append((kind, match.group().lower()))
        elif kind is not None:
            found.append((kind, match.group()))
    return [*found, ("end", "")]


def _literal(text: str) -> str:
    if text.startswith("$$"):
        return text[2:-2]
    if text[0] in "eE":
        return re.sub(r"\\(.)", r"\1", text[2:-1]).replace("''", "'")
    return text[1:-1].replace("''", "'")


class _Reader:
    """Precedence climbing over a list of tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.position = 0

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[min(self.position + ahead, len(self.tokens) - 1)]

    def take(self, *values: str) -> bool:
        kind, value = self.peek()
        if kind in ("word", "operator", "mark", "cast") and value in values:
            self.position += 1
            return True
        return False

    def need(self, value: str) -> None:
        if not self.take(value):
            raise Unreadable(self.peek()[1])

    def expression(self, least: int) -> Node:
        left = self.prefix()
        while True:
            following = self.infix(left, least)
            if following is None:
                return left
            left = following

    def infix(self, left: Node, least: int) -> Node | None:
        kind, value = self.peek()
        if kind == "word":
            return self.word_infix(left, value, least)
        if kind == "cast":
            self.position += 1
            return Node(CAST, self.type_name(), (left,))
        if kind == "mark" and value == "[":
            self.position += 1
            inner = self.expression(0)
            self.need("]")
            return Node(OPERATOR, "[]", (left, inner))
        level = _BINARY.get(value, 7)
        if kind != "operator" or level <= least:
            return None
        self.position += 1
        if value == "=" and self.peek() in (("word", "any"), ("word", "some")) and self.peek(1)[1] == "(":
            return self.any_of(left)
        return Node(OPERATOR, "<>" if value == "!=" else value, (left, self.expression(level)))

    def any_of(self, left: Node) -> Node:
        self.position += 1
        self.need("(")
        inner = self.expression(0)
        self.need(")")
        bare = inner.arguments[0] if inner.kind == CAST else inner
        items = bare.arguments if bare.value == "array" else (bare,)
        return Node(OPERATOR, "in" if bare.value == "array" else "= any", (left, *items))

    def word_infix(self, left: Node, word: str, least: int) -> Node | None:
        if word in _LOOSE and least < _LOOSE[word]:
            self.position += 1
            return Node(OPERATOR, word, (left, self.expression(_LOOSE[word])))
        negated = word == "not" and self.peek(1)[1] in ("like", "ilike", "in", "between", "similar")
        if negated:
            word = self.peek(1)[1]
        if word in ("is", "isnull", "notnull") and least < 4:
            return self.is_test(left)
        if word in ("like", "ilike", "similar", "in", "between") and least < 6:
            self.position += 2 if negated else 1
            test = self.pattern_or_set(left, word)
            return Node(OPERATOR, "not", (test,)) if negated else test
        if word == "at" and least < 11:
            self.position += 1
            self.need("time")
            self.need("zone")
            return Node(OPERATOR, "at time zone", (left, self.expression(11)))
        if word == "collate" and least < 12:
            self.position += 1
            return Node(OPERATOR, "collate", (left, Node(CONSTANT, self.name())))
        return None

    def is_test(self, left: Node) -> Node:
        if self.take("isnull"):
            return Node(OPERATOR, "is null", (left,))
        if self.take("notnull"):
            return Node(OPERATOR, "is not null", (left,))
        self.need("is")
        words = "is not" if self.take("not") else "is"
        kind, value = self.peek()
        if kind != "word" or value not in ("null", "true", "false", "unknown"):
            raise Unreadable(value)
        self.position += 1
        return Node(OPERATOR, f"{words} {value}", (left,))

    def pattern_or_set(self, left: Node, word: str) -> Node:
        if word == "in":
            self.need("(")
            return Node(OPERATOR, "in", (left, *self.rest_of_list()))
        if word == "between":
            self.take("symmetric", "asymmetric")
            low = self.expression(6)
            self.need("and")
            high = self.expression(6)
            return Node(OPERATOR, "and", (Node(OPERATOR, ">=", (left, low)), Node(OPERATOR, "<=", (left, high))))
        if word == "similar":
            self.need("to")
        return Node(OPERATOR, _LIKE[word], (left, self.expression(6)))

    def rest_of_list(self, closing: str = ")") -> tuple[Node, ...]:
        items: list[Node] = []
        while not self.take(closing):
            items.append(self.expression(0))
            if not self.take(",", *_SEPARATORS) and self.peek()[1] != closing:
                raise Unreadable(self.peek()[1])
        return tuple(items)

    def prefix(self) -> Node:
        kind, value = self.peek()
        self.position += 1
        if kind == "string":
            return Node(CONSTANT, _literal(value))
        if kind == "number":
            return Node(CONSTANT, value)
        if kind == "parameter":
            return Node(PARAMETER, value)
        if kind == "mark" and value == "(":
            return self.parenthesis()
        if kind == "operator":
            return self.unary(value)
        if kind in ("word", "quoted"):
            self.position -= 1
            return self.named()
        raise Unreadable(value)

    def unary(self, operator: str) -> Node:
        operand = self.expression(13)
        if operator in "+-" and operand.kind == CONSTANT:
            return Node(CONSTANT, operand.value if operator == "+" else f"-{operand.value}")
        return Node(OPERATOR, operator, (operand,))

    def parenthesis(self) -> Node:
        items = self.rest_of_list()
        if len(items) == 1:
            return items[0]
        return Node(OPERATOR, "row", items)

    def name(self) -> str:
        kind, value = self.peek()
        if kind not in ("word", "quoted"):
            raise Unreadable(value)
        self.position += 1
        text = value[1:-1].replace('""', '"') if kind == "quoted" else value
        return f"{text}.{self.name()}" if self.take(".") else text

    def named(self) -> Node:
        kind, word = self.peek()
        if kind == "word":
            special = self.special(word)
            if special is not None:
                return special
        name = self.name().removeprefix("pg_catalog.")
        if self.take("("):
            self.take("distinct")
            return Node(CALL, name, self.rest_of_list())
        return Node(COLUMN, name.rpartition(".")[2])

    def special(self, word: str) -> Node | None:
        following = self.peek(1)
        if word in ("true", "false", "null"):
            self.position += 1
            return Node(CONSTANT, word)
        if word == "not":
            self.position += 1
            return Node(OPERATOR, "not", (self.expression(3),))
        if word in _BARE_FUNCTIONS and following[1] != "(":
            self.position += 1
            return Node(CALL, word)
        if word == "case":
            return self.case()
        if word == "array" and following[1] == "[":
            self.position += 2
            return Node(OPERATOR, "array", self.rest_of_list("]"))
        if word == "cast" and following[1] == "(":
            return self.cast_call()
        if word == "extract" and following[1] == "(":
            return self.extract()
        return self.typed_literal(word)

    def typed_literal(self, word: str) -> Node | None:
        if word not in _TYPED_LITERAL:
            return None
        start = self.position
        name = self.type_name()
        kind, value = self.peek()
        if kind != "string":
            self.position = start
            return None
        self.position += 1
        return Node(CAST, name, (Node(CONSTANT, _literal(value)),))

    def cast_call(self) -> Node:
        self.position += 2
        inner = self.expression(0)
        self.need("as")
        name = self.type_name()
        self.need(")")
        return Node(CAST, name, (inner,))

    def extract(self) -> Node:
        self.position += 2
        kind, value = self.peek()
        self.position += 1
        field = _literal(value) if kind == "string" else value
        if not self.take("from", ","):
            raise Unreadable(self.peek()[1])
        return Node(CALL, "extract", (Node(CONSTANT, field.lower()), *self.rest_of_list()))

    def case(self) -> Node:
        self.position += 1
        parts: list[Node] = []
        while not self.take("end"):
            if not self.take("when", "then", "else") and parts:
                raise Unreadable(self.peek()[1])
            parts.append(self.expression(0))
        return Node(CALL, "case", tuple(parts))

    def type_name(self) -> str:
        name = self.name().removeprefix("pg_catalog.")
        for word in _TYPE_WORDS.get(name, ()):
            if self.take(word):
                name += f" {word}"
            if self.peek()[1] == "(" and word == "varying":
                break
            name += self.modifier()
        name += self.modifier()
        while self.take("["):
            if self.peek()[0] == "number":
                self.position += 1
            self.need("]")
            name += "[]"
        return name

    def modifier(self) -> str:
        if self.peek()[1] != "(" or self.peek(1)[0] != "number":
            return ""
        self.position += 1
        items = self.rest_of_list()
        return "(" + ",".join(i.value for i in items) + ")"
