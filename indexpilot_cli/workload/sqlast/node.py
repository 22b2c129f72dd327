"""One node of a parse tree, with typed access to its fields."""

from __future__ import annotations

from collections.abc import Iterator

import postgast
from google.protobuf.message import Message

pb = postgast.pg_query_pb2

_WRAPPER = pb.Node
_MESSAGE = 11  # FieldDescriptor.TYPE_MESSAGE
ONEOF = {f.message_type.name: f.name for f in pb.Node.DESCRIPTOR.fields}
_NOTHING: frozenset[str] = frozenset()


def unwrapped(message: Message) -> Message | None:
    """The concrete message inside a ``Node`` wrapper; None for an empty one."""
    if type(message) is not _WRAPPER:
        return message
    which = message.WhichOneof("node")
    return getattr(message, which) if which else None


class Node:
    """A parse tree node. ``kind`` is its type in the server's sources, such as ``SelectStmt`` or ``A_Expr``.

    Field names are those of libpg_query's protobuf schema. A Node is a view: trees are not to be changed
    through it, editing functions make copies.
    """

    __slots__ = ("kind", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.kind: str = type(message).__name__

    def child(self, field: str) -> Node | None:
        """The node in a singular field, or None."""
        if not self.message.HasField(field):
            return None
        inner = unwrapped(getattr(self.message, field))
        return None if inner is None else Node(inner)

    def children(self, field: str) -> tuple[Node, ...]:
        """The nodes of a repeated field (empty places left out)."""
        inner = [unwrapped(m) for m in getattr(self.message, field)]
        return tuple(Node(m) for m in inner if m is not None)

    def text(self, field: str) -> str:
        """A text field ('' when not set)."""
        return str(getattr(self.message, field))

    def number(self, field: str) -> int:
        """A whole-number field."""
        return int(getattr(self.message, field))

    def flag(self, field: str) -> bool:
        """A boolean field."""
        return bool(getattr(self.message, field))

    def enum(self, field: str) -> str:
        """The symbol of an enumeration field, such as ``AEXPR_OP``."""
        descriptor = self.message.DESCRIPTOR.fields_by_name[field]
        return str(descriptor.enum_type.values_by_number[getattr(self.message, field)].name)

    def names(self, field: str) -> tuple[str, ...]:
        """The texts of a repeated field of String nodes (stars come as ``*``)."""
        return tuple("*" if n.kind == "A_Star" else n.text("sval") for n in self.children(field) if n.kind != "List")

    def below(self) -> Iterator[Node]:
        """The direct child nodes."""
        for descriptor, value in self.message.ListFields():
            if descriptor.type != _MESSAGE:
                continue
            for item in (value,) if isinstance(value, Message) else value:
                inner = unwrapped(item)
                if inner is not None:
                    yield Node(inner)

    def walk(self, stop: frozenset[str] = _NOTHING) -> Iterator[Node]:
        """This node and all below it, parents first; nodes of a kind in ``stop`` are given but not entered."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            if node.kind not in stop or node is self:
                stack.extend(reversed(list(node.below())))

    def extent(self) -> tuple[int, int]:
        """(nodes, depth) of the tree."""
        count, deepest = 0, 0
        stack = [(self, 1)]
        while stack:
            node, depth = stack.pop()
            count, deepest = count + 1, max(deepest, depth)
            stack.extend((n, depth + 1) for n in node.below())
        return count, deepest

    def __repr__(self) -> str:
        return f"<{self.kind}>"
