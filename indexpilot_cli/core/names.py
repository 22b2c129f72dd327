"""Names of database objects, quoted exactly as the server would quote them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from itertools import chain, count, repeat

NAME_LIMIT = 63  # NAMEDATALEN - 1, in bytes
_SAFE = re.compile(r"[a-z_][a-z0-9_]*\Z")

# Every key word of PostgreSQL 18 that is not "unreserved" (src/include/parser/kwlist.h);
# quote_ident() quotes exactly these.
_QUOTED_WORDS_TEXT = """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
    case cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
    interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query
    json_scalar json_serialize json_table json_value lateral leading least left like limit localtime
    localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset on
    only or order out outer overlaps overlay placing position precision primary real references returning right
    row select session_user setof similar smallint some substring symmetric system_user table tablesample then
    time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when
    where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi
    xmlroot xmlserialize xmltable
"""
_QUOTED_WORDS = frozenset(_QUOTED_WORDS_TEXT.split())


def quote_identifier(text: str) -> str:
    """The identifier as SQL text, in double quotes only where PostgreSQL needs them (as ``quote_ident``).

    Raises ValueError for text no identifier can hold (empty, or with a NUL character).
    """
    if not text or "\0" in text:
        raise ValueError(f"not an identifier: {text!r}")
    if _SAFE.match(text) and text not in _QUOTED_WORDS:
        return text
    return '"' + text.replace('"', '""') + '"'


def cut_name(text: str, size: int = NAME_LIMIT) -> str:
    """The name as the server would cut it: so many bytes at most, no letter cut in two."""
    return text.encode()[:size].decode(errors="ignore")


def quote_literal(text: str) -> str:
    """The text as a SQL string literal that is safe under any ``standard_conforming_strings``."""
    quoted = "'" + text.replace("'", "''").replace("\\", "\\\\") + "'"
    return "E" + quoted if "\\" in text else quoted


def dotted(schema: str | None, name: str) -> str:
    """A name as SQL text, with its schema where there is one."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}" if schema else quote_identifier(name)


@dataclass(frozen=True, slots=True, order=True)
class QualifiedName:
    """A schema and a name as they stand in the catalog (unquoted); ``str()`` gives quoted SQL text."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"

    @property
    def short(self) -> str:
        """Quoted SQL text without the schema when that is ``public``: for tables a person reads."""
        return quote_identifier(self.name) if self.schema == "public" else str(self)


def object_name(table: str, columns: str, label: str, taken: Container[str] = ()) -> str:
    """``table_columns_label`` in 63 bytes, as the server itself would call it, and not among ``taken``.

    Without ``columns`` it is ``table_label``.
    """
    labels = chain([label], map("{}{}".format, repeat(label), count(1)))
    names = (_fitting(table, columns, one) for one in labels)
    return next(name for name in names if name not in taken)


def _fitting(first: str, second: str, label: str) -> str:
    end = f"_{label}"
    middle = "_" if second else ""
    # makeObjectName() of the server: the longer of the two parts gives way, the label never does.
    while len(f"{first}{middle}{second}{end}".encode()) > NAME_LIMIT:
        longer = len(first.encode()) > len(second.encode())
        first, second = (first[:-1], second) if longer else (first, second[:-1])
    return f"{first}{middle}{second}{end}"


def statistics_name(table: QualifiedName, parts: Iterable[str], taken: Container[QualifiedName] = ()) -> QualifiedName:
    """A free name for extended statistics of these columns, in the table's schema."""
    stem = "_".join((table.name, *parts))
    ends = chain(["_stat"], map("_stat{}".format, count(2)))
    names = (QualifiedName(table.schema, cut_name(stem, NAME_LIMIT - len(end)) + end) for end in ends)
    return next(name for name in names if name not in taken)


_TYPED = re.compile(r'(?:(?P<schema>"(?:[^"]|"")*"|[^".][^.]*)\.)?(?P<name>"(?:[^"]|"")*"|[^"].*)?', re.DOTALL)


def split_table(typed: str) -> tuple[str | None, str]:
    """Schema (None when there is none) and table of a typed name: ``orders``, ``sales.orders``, ``"a.b".c``.

    In a quoted part two quotes are one, as in SQL; a quote within an unquoted part is a letter of the name.
    """
    found = _TYPED.fullmatch(typed.strip())
    if found is None:  # a quote too few or too many: as a person may have meant it
        return None, typed.strip().strip('"')
    schema, name = found["schema"], found["name"] or ""
    return (None if schema is None else _unquoted(schema)), _unquoted(name)


def _unquoted(part: str) -> str:
    quoted = len(part) > 1 and part[0] == part[-1] == '"'
    return part[1:-1].replace('""', '"') if quoted else part
