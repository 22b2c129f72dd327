"""Settings from environment variables: ``INDEXPILOT_*`` and the ``DB_*`` names host applications use."""

from __future__ import annotations

from collections.abc import Mapping

from indexpilot_cli.settings.keys import PREFIX, Key, keys, nearest
from indexpilot_cli.settings.sections import Origin
from indexpilot_cli.settings.values import convert

# Variables that other parts read themselves.
_ELSEWHERE = ("INDEXPILOT_CONFIG", "INDEXPILOT_PAGER", "INDEXPILOT_PG_BINARIES", "INDEXPILOT_DEBUG")
_ELSEWHERE_PREFIXES = ("INDEXPILOT_TEST_", "INDEXPILOT_DEMO_")
_BYPASS = "INDEXPILOT_BYPASS_"
DATABASE_VARIABLES = {
    "DB_HOST": "connection.host",
    "DB_PORT": "connection.port",
    "DB_NAME": "connection.dbname",
    "DB_USER": "connection.user",
    "DB_PASSWORD": "connection.password",
    "DB_SSLMODE": "connection.sslmode",
}
_SHORT = {"INDEXPILOT_DSN": "connection.dsn"}

Found = dict[str, tuple[object, Origin]]


def from_environment(environment: Mapping[str, str]) -> tuple[Found, list[str], list[str]]:
    """Values with origins, mistakes, and warnings about variables nobody knows.

    An empty variable counts as unset. A misspelt bypass variable is a mistake, because a safety switch that is
    silently ignored is worse than none.
    """
    variables = {key.variable: key for key in keys().values() if key.path != "connection.password"}
    variables |= {name: keys()[path] for name, path in _SHORT.items()}
    values: Found = {}
    problems: list[str] = []
    warnings: list[str] = []
    for name, path in DATABASE_VARIABLES.items():
        if environment.get(name):
            _take(values, problems, keys()[path], name, environment[name])
    for name in sorted(n for n in environment if n.startswith(PREFIX) and environment[n]):
        if name in variables:
            _take(values, problems, variables[name], name, environment[name])
        elif name not in _ELSEWHERE and not name.startswith(_ELSEWHERE_PREFIXES):
            (problems if name.startswith(_BYPASS) else warnings).append(_unknown(name, variables))
    return values, problems, warnings


def _unknown(name: str, variables: Mapping[str, Key]) -> str:
    meant = nearest(name, variables)
    return f"unknown environment variable {name}" + (f", did you mean {meant}?" if meant else "")


def _take(values: Found, problems: list[str], key: Key, name: str, text: str) -> None:
    try:
        values[key.path] = (convert(key, text, text=True), Origin("environment", name))
    except ValueError as error:
        problems.append(f"environment variable {name}: {key.path} {error}")
