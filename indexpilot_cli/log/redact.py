"""Secrets out of everything that is written down: keys that name one, texts that carry one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

from indexpilot_cli.core.codec import to_json

MASK = "********"
Json: TypeAlias = Any

_WORD_LIST = """
    password passwords passwd pwd pass passphrase passcode secret secrets token tokens auth authorization
    credential credentials cookie cookies bearer apikey jwt dsn conninfo pgpassword
"""
_SECRET_WORDS = frozenset(_WORD_LIST.split())
_SECRET_PAIRS = ("apikey", "privatekey", "accesskey", "secretkey", "signingkey", "connectionstring", "sessionid")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_NAMES = (
    r"(?:pg|ssl|db|user)?_?(?:password|passwd|pwd|passphrase)"
    r"|secret(?:_?key)?|(?:api|access|private)_?key|(?:access_|auth_)?token"
)
_QUOTED = r"""[eE]?'(?:[^'\\]|\\.|'')*(?:'|\Z)|"(?:[^"\\]|\\.|"")*(?:"|\Z)|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)"""
_IN_TEXT = (
    # scheme://user:secret@host; greedy, because a badly written password may hold an @ of its own
    (re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s:/@?]*:)\S+@", re.IGNORECASE), "@"),
    # name=secret, name: secret, "name": "secret", and SQL's PASSWORD 'secret'
    (
        re.compile(
            rf"(?P<keep>(?<![a-z])(?:{_NAMES})[\"']?\s*(?:[=:]+\s*|\s(?=\s*[eE]?['$])\s*))(?:{_QUOTED}|[^\s'\"]\S*)",
            re.IGNORECASE | re.DOTALL,
        ),
        "",
    ),
    (re.compile(r"(?P<keep>--password\s+)\S+", re.IGNORECASE), ""),
    (re.compile(r"(?P<keep>\b(?:bearer|basic)\s+)[\w.+/=~-]{8,}", re.IGNORECASE), ""),
    (re.compile(r"(?P<keep>)\b(?:SCRAM-SHA-256\$[^\s'\"]+|md5[0-9a-f]{32}\b)"), ""),
)


def scrub_text(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with known secrets and everything that looks like one masked.

    What jsonb refuses goes too: NUL is taken out, lone surrogates become question marks.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    for pattern, tail in _IN_TEXT:
        text = pattern.sub(lambda match, tail=tail: f"{match['keep']}{MASK}{tail}", text)  # type: ignore[misc]
    return text.replace("\0", "").encode(errors="replace").decode()


def scrub_known(text: str | None, secrets: Iterable[str] = ()) -> str | None:
    """``scrub_text`` of a text that may be missing."""
    return None if text is None else scrub_text(text, secrets)


def scrub(value: object, secrets: Iterable[str] = ()) -> Json:
    """The value as JSON without secrets: values under telling keys are masked, texts are scrubbed.

    Takes what JSON takes, our dataclasses, dates, numbers and sets; anything else becomes its ``str()``.
    """
    known = tuple(s for s in secrets if s)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = to_json(value)
    if isinstance(value, Mapping):
        return {scrub_text(str(k), known): _under(str(k), v, known) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [scrub(item, known) for item in value]
    return _scalar(value, known)


def names_secret(key: str) -> bool:
    """Whether a key of that name holds a secret (``db_password``, ``apiKey``, ``Authorization``)."""
    words = [word.lower() for word in _WORDS.findall(key)]
    joined = "".join(words)
    return not _SECRET_WORDS.isdisjoint(words) or any(pair in joined for pair in (*_SECRET_PAIRS, "password", "passwd"))


def _under(key: str, value: object, secrets: tuple[str, ...]) -> Json:
    if names_secret(key) and value is not None and not isinstance(value, bool):
        return MASK
    return scrub(value, secrets)


def _scalar(value: object, secrets: tuple[str, ...]) -> Json:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return to_json(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Enum):
        return scrub(value.value, secrets)
    if isinstance(value, Decimal | UUID):
        return str(value)
    return scrub_text(str(value), secrets)
