"""What a GIN index keeps of a value, from its text: words, trigrams, keys and values of documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

OF_KIND = "\0"  # between the kind of a key and the key
_HSTORE = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)')


def trigrams(text: str) -> set[str]:
    """Trigrams as pg_trgm makes them: of each word in lower case with two blanks before and one after."""
    cleaned = "".join(c if c.isalnum() else " " for c in text.lower())
    found: set[str] = set()
    for word in cleaned.split():
        padded = f"  {word} "
        found |= {padded[i : i + 3] for i in range(len(word) + 1)}
    return found


def lexemes(text: str) -> set[str]:
    """Words in lower case, for what to_tsvector would keep."""
    return set("".join(c if c.isalnum() else " " for c in text.lower()).split())


def hstore_keys(text: str) -> set[str]:
    """The keys and the values of an hstore, which are kept apart."""
    pairs = _HSTORE.findall(text)
    return {f"{OF_KIND}K{key}" for key, _ in pairs} | {f"{key}{OF_KIND}V{value}" for key, value in pairs}


def json_paths(text: str) -> set[str]:
    """The hashed items of jsonb_path_ops: each value together with the keys above it, which are its kind."""
    return {" ".join(path[:-1]) + OF_KIND + path[-1] for path in _walk(_parsed(text), ())}


def json_keys(text: str) -> set[str]:
    """The items of jsonb_ops: every key and every value, whose kind is the keys above it."""
    found: set[str] = set()
    for path in _walk(_parsed(text), ()):
        found.update("K" + p for p in path[:-1])
        found.add(" ".join(path[:-1]) + OF_KIND + "V" + path[-1])
    return found


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _walk(value: object, above: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*above, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, above)
    else:
        yield (*above, str(value))
