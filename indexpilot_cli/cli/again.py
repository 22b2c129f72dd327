"""Command lines that we name for the server of this one: typed as they stand they must not meet another database."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from indexpilot_cli.errors import IndexPilotError

_NAMED = re.compile(
    r"\bindexpilot (?P<name>[a-z-]+)(?: (?P<below>[a-z][a-z-]*))?(?![\w-])(?P<rest>[^|;]*)",
)
_ELSEWHERE = re.compile(r"\s(?:--snapshot|--help|-d|--dbname)\b")
_OPTIONS = {"-h": "--host", "-p": "--port", "-U": "--username", "-d": "--dbname"}
_LISTENS = "serve"  # its --host and --port are not the server's


@dataclass
class _Known:
    """The program's commands by how they are typed; it says so itself, because each of them prints by us."""

    commands_of: Callable[[str], Mapping[str, Callable[..., int]]] = lambda _name: {}


_known = _Known()


def know(commands_of: Callable[[str], Mapping[str, Callable[..., int]]]) -> None:
    """``commands_of`` gives the command of that name and those below it, nothing for another word."""
    _known.commands_of = commands_of


def on_same_server(text: str, arguments: Sequence[str]) -> str:
    """The text, each command line in it with the connection options of ``arguments`` but without their secrets."""
    options = tuple(_given(arguments))
    return _NAMED.sub(lambda found: _with(found, options), text) if options else text


def _with(found: re.Match[str], options: Sequence[str]) -> str:
    path = _path(found["name"], found["below"])
    if path is None or _ELSEWHERE.search(found["rest"]):
        return found[0]
    end = found.end("below") if found["below"] and path.endswith(f" {found['below']}") else found.end("name")
    at = end - found.start()
    return f"{found[0][:at]} {shlex.join(options)}{found[0][at:]}"


def _path(name: str, below: str | None) -> str | None:
    """The command as it is typed, when it is one of ours and takes the connection; None otherwise."""
    commands = {} if name == _LISTENS else _known.commands_of(name)
    for path in (f"{name} {below}", name):
        if path in commands and "dbname" in inspect.signature(commands[path]).parameters:
            return path
    return None


def _given(arguments: Sequence[str]) -> Iterator[str]:
    """Options and values of the connection on the command line."""
    taken = {name: name for name in _OPTIONS.values()} | _OPTIONS
    if arguments[:1] == [_LISTENS]:
        taken = {name: name for name in taken if taken[name] not in ("--host", "--port")}
    words = iter(arguments)
    for word in words:
        if word == "--":
            return
        name, sign, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        if name in taken:
            value = value if sign else next(words, "")
            yield name
            yield _public(value) if taken[name] == "--dbname" else value


def _public(dbname: str) -> str:
    """The database's name or connection string without a password in it."""
    from indexpilot_cli.db.conninfo import without_secrets

    try:
        kept, secret = without_secrets(dbname, {})
    except IndexPilotError:
        return "…"
    return kept if secret else dbname
