"""What stands for a value of a type whose values have no surrogates in order: valid input of that type, no more.

A constant is read while a statement is planned, so one that is no input of its type makes an error of a query that has
none. Where the type is not known a value keeps its form: a value in brackets stays one, an address an address.
https://www.postgresql.org/docs/current/datatype.html
"""

from __future__ import annotations

import re
from collections.abc import Callable

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_BRACKETS = re.compile(r"[\[\](){}<>,\s]+")
_UNITS = "year mon week day hour min s"
_UNIT = re.compile(r"(?P<sign>-?)\s*\d+(?:\.\d+)?\s*(?P<unit>y|mon|w|d|h|m|s)[a-z]*", re.IGNORECASE)
_INTERVAL = re.compile(
    r"@?\s*(?:[+-]?\s*\d+(?:\.\d+)?\s*(?:y|years?|yrs?|mons?|months?|w|weeks?|d|days?|h|hours?|hrs?|m|mins?|minutes?"
    r"|s|secs?|seconds?|ms|milliseconds?|us|microseconds?|decades?|centur(?:y|ies))\s*)+(?:[+-]?\d+:\d\d(?::\d\d(?:\.\d+)?)?)?"
    r"(?:\s*ago)?\Z|P(?=[\dT-])[\dYMWDTHS.,:-]+\Z",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\d\d?:\d\d(?::\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?\Z", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|(?P<six>(?=[^:]*:[^:]*:)[0-9a-fA-F:.]+))(?P<mask>/\d{1,3})?\Z")
_HARDWARE = re.compile(
    r"[0-9a-fA-F]{2}(?:(?P<by>[:-])[0-9a-fA-F]{2})(?:(?P=by)[0-9a-fA-F]{2}){4}(?P<more>(?:(?P=by)[0-9a-fA-F]{2}){2})?\Z"
)
_PATH = re.compile(r"(?:lax |strict )?\$(?:[.\[@ ?]|\Z)")
_MONEY = re.compile(r"-?\$\s?\d[\d,]*(?:\.\d+)?\Z")
_PATTERN = re.compile(
    r"(?:[YMDHISQWJ0-9 .,:;/_-]|am|pm|a\.m\.|p\.m\.|th|of|tz|mon(?:th)?|d(?:a)?y|fm|us|ff\d)*\Z", re.IGNORECASE
)
_SETTING = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?\Z")


def _interval(value: str) -> str:
    """The unit that comes first, so that a time relative to now keeps its order of magnitude."""
    found = _UNIT.search(value)
    if found is None:
        return "1 hour"
    unit = next(u for u in _UNITS.split() if u.startswith(found["unit"].lower()))
    return f"{found['sign']}1 {unit}"


def _numbers(value: str) -> bool:
    """Whether there is nothing but numbers in the brackets."""
    parts = [part for part in _BRACKETS.split(value) if part]
    return bool(parts) and all(_NUMBER.fullmatch(part) for part in parts)


def _ones(value: str) -> str:
    """The same brackets and commas, and 1 for each number: a range of integers, a point, a vector of that length."""
    return _NUMBER.sub("1", value)


def _json(value: str) -> str:
    return {"{": "{}", "[": "[]", '"': '""'}.get(value.lstrip()[:1], "1")


def _bits(value: str) -> str:
    digits = value[1:] if value[:1].lower() in ("b", "x") else value
    return "0" * (len(digits) * (4 if value[:1].lower() == "x" else 1)) or "0"


def _address(value: str) -> str:
    found = _ADDRESS.match(value.strip())
    return ("::" if ":" in value else "0.0.0.0") + ((found["mask"] or "") if found else "")


def _network(value: str) -> str:
    return _address(value) if "/" in value else _address(value) + ("/128" if ":" in value else "/32")


def _array(value: str) -> str:
    return _ones(value) if _numbers(value) and value[0] == "{" else "{}"


def _row(value: str) -> str:
    """As many fields, all NULL."""
    bare = re.sub(r'"(?:[^"\\]|\\.|"")*"', "", value)
    return f"({',' * bare.count(',')})"


def _vector(value: str) -> str:
    return _ones(value) if _numbers(value) else "[1]"


def _kept(pattern: re.Pattern[str], otherwise: str) -> Callable[[str], str]:
    return lambda value: value if pattern.match(value) else otherwise


def _always(text: str) -> Callable[[str], str]:
    return lambda _value: text


_BRACKETED = dict.fromkeys(
    ("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "range"), "empty"
)
_MULTI = ("int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange", "datemultirange")
_CONSTANT = {
    **_BRACKETED,
    **dict.fromkeys(_MULTI, "{}"),
    "time": "12:00:00",
    "timetz": "12:00:00+00",
    "jsonpath": "$",
    "xml": "<x/>",
    "money": "1",
    "macaddr": "00:00:00:00:00:00",
    "macaddr8": "00:00:00:00:00:00:00:00",
    "point": "(1,1)",
    "lseg": "[(1,1),(2,2)]",
    "box": "(1,1),(2,2)",
    "path": "((1,1))",
    "polygon": "((1,1))",
    "circle": "<(1,1),1>",
    "line": "{1,1,1}",
    "bytea": r"\x00",
    "tsvector": "v",
    "tsquery": "v",
    "hstore": "",
    "ltree": "v",
    "lquery": "v",
    "cube": "(1)",
    "geometry": "POINT(0 0)",
    "geography": "POINT(0 0)",
    "tid": "(0,0)",
    "pg_lsn": "0/0",
    "xid": "1",
    "xid8": "1",
    "cid": "1",
    "regclass": "pg_catalog.pg_class",
    "regtype": "text",
    "regproc": "pg_catalog.now",
    "regprocedure": "pg_catalog.now()",
    "regnamespace": "pg_catalog",
    "regrole": "pg_monitor",
    "regconfig": "simple",
    "regdictionary": "simple",
    "zone": "UTC",
    "year": "2000",
    "year_format": "YYYY",
    "one": "1",
    "one_format": "9",
}
_MADE: dict[str, Callable[[str], str]] = {
    **{name: _always(text) for name, text in _CONSTANT.items()},
    "interval": _interval,
    "json": _json,
    "jsonb": _json,
    "bit": _bits,
    "varbit": _bits,
    "inet": _address,
    "cidr": _network,
    "record": _row,
    "vector": _vector,
    "halfvec": _vector,
    "format": _kept(_PATTERN, "YYYY"),
    "setting": _kept(_SETTING, "server_version"),
    "bool": lambda value: value,  # booleans are schema, not data
}


def of_type(kind: str, value: str) -> str | None:
    """Valid input of a type, ``[]`` behind its name for arrays; None for types that we know nothing of.

    ``zone``, ``format``, ``setting``, ``year`` and ``one`` are what functions take as text; ``range`` and ``record``
    any such type.
    """
    made = _array if kind.endswith("[]") else _MADE.get(kind)
    return made(value) if made is not None else None


def of_form(text: str) -> str | None:
    """What stands for a value of an unknown type that has a form of its own; None for plain text."""
    if text[0] in "{[(<" and text[-1] in "}])>":
        return _bracketed(text)
    if text[0] == text[-1] == '"' and len(text) > 1:
        return '""'
    for pattern, made in _FORMS:
        if pattern.match(text):
            return made(text)
    return None


_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (_INTERVAL, _interval),
    (_CLOCK, lambda value: "12:00:00+00" if value[-1] in "zZ" or "+" in value or "-" in value else "12:00:00"),
    (_HARDWARE, lambda value: ":".join(["00"] * (8 if len(value) > 17 else 6))),
    (_ADDRESS, _address),
    (_PATH, _always("$")),
    (_MONEY, _always("1")),
    (re.compile(r"\\x[0-9a-fA-F]*\Z"), _always(r"\x00")),
)


def _bracketed(text: str) -> str:
    """An array, JSON document, range or geometry with nothing of its own in it."""
    if text[0] == "<":
        return _ones(text) if _numbers(text) else "<x/>"
    if _numbers(text):
        return _ones(text)
    if text[0] == "{":
        return "{}"
    return "[]" if text[0] == "[" and text[-1] == "]" else "empty"
