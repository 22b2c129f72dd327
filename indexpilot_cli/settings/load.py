"""Settings from all places, in order: flag, environment, project file, user file, default."""

from __future__ import annotations

import dataclasses
import zoneinfo
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.keys import PREFIX, SettingKey, build, convert, keys, nearest
from indexpilot_cli.settings.sections import Origin, Settings

PROJECT_FILES = ("indexpilot.yaml", "indexpilot_config.yaml")
CONFIG_VARIABLE = "INDEXPILOT_CONFIG"
Values = dict[str, tuple[object, Origin]]


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file and how messages call it. ``kind`` is project, user or file."""

    path: Path
    kind: str
    shown: str


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """A value from the command line. ``name`` is the flag as typed, such as ``--budget``."""

    name: str
    value: object


def load(
    environment: Mapping[str, str],
    directory: Path,
    config: str | None = None,
    flags: Mapping[str, Flag] = MappingProxyType({}),
) -> Settings:
    """The effective settings, each with its origin. ``config`` replaces the project and user files.

    Raises UsageError that lists every mistake of all files and variables together.
    """
    values: Values = {}
    problems: list[str] = []
    places = find(environment, directory, config)
    for place in reversed(places):
        problems += _add_file(values, place)
    found, wrong, warnings = from_environment(environment)
    values |= found
    problems += wrong
    values |= {path: (flag.value, Origin("flag", flag.name)) for path, flag in flags.items()}
    settings = build({path: value for path, (value, _) in values.items()})
    origins = MappingProxyType({path: origin for path, (_, origin) in values.items()})
    files = tuple(place.shown for place in places)
    settings = dataclasses.replace(settings, origins=origins, files=files, warnings=tuple(warnings))
    problems += contradictions(settings)
    if problems:
        raise _refusal(problems)
    return settings


def _refusal(problems: list[str]) -> UsageError:
    count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
    return UsageError(
        f"the configuration has {count}",
        detail="\n".join(problems),
        hint="indexpilot config check",
        code="config",
    )


def _add_file(values: Values, place: ConfigFile) -> list[str]:
    from indexpilot_cli.settings.yaml_file import read

    entries, problems = read(place.path, place.shown)
    for entry in entries:
        values[entry.path] = (entry.value, Origin(place.kind, f"{place.shown}:{entry.line}"))
    return [str(problem) for problem in problems]


def find(environment: Mapping[str, str], directory: Path, config: str | None = None) -> tuple[ConfigFile, ...]:
    """The configuration files that count, most important first."""
    named = config or environment.get(CONFIG_VARIABLE)
    if named:
        return (ConfigFile(Path(named), "file", named),)
    return tuple(place for place in (_project(directory), _user(environment)) if place is not None)


def _project(directory: Path) -> ConfigFile | None:
    for folder in (directory, *directory.parents):
        for name in PROJECT_FILES:
            path = folder / name
            if path.is_file():
                return ConfigFile(path, "project", f"./{name}" if folder == directory else str(path))
    return None


def _user(environment: Mapping[str, str]) -> ConfigFile | None:
    path = user_file(environment)
    return ConfigFile(path, "user", str(path)) if path is not None and path.is_file() else None


def user_file(environment: Mapping[str, str]) -> Path | None:
    """Where the user's own file would be, or None without a home directory."""
    base = environment.get("XDG_CONFIG_HOME")
    home = environment.get("HOME")
    if base:
        return Path(base) / "indexpilot" / "config.yaml"
    return Path(home) / ".config" / "indexpilot" / "config.yaml" if home else None


def flag_value(path: str, value: object) -> object:
    """A flag's value checked by the rule of its key. Raises ValueError."""
    return convert(keys()[path], value, text=True)


def contradictions(settings: Settings) -> Iterator[str]:
    """Values that are each right and together wrong."""
    safeguards = settings.production_safeguards
    writes = safeguards.write_performance
    if writes.warn_indexes_per_table > writes.max_indexes_per_table:
        yield (
            f"production_safeguards.write_performance.warn_indexes_per_table is {writes.warn_indexes_per_table}, "
            f"more than max_indexes_per_table ({writes.max_indexes_per_table})"
        )
    window = safeguards.maintenance_window
    if window.start_hour == window.end_hour % 24 and window.end_hour != 24:
        yield f"production_safeguards.maintenance_window is never open: it starts and ends at {window.start_hour}"
    if not window.days_of_week:
        yield "production_safeguards.maintenance_window.days_of_week is empty: the window never opens"
    zones = {
        "production_safeguards.maintenance_window.timezone": window.timezone,
        "operational.maintenance.timezone": settings.operational.maintenance.timezone,
    }
    for key, zone in zones.items():
        if not _zone_known(zone):
            yield f"{key} is {zone!r}, which is no known zone"


def _zone_known(name: str) -> bool:
    if name == "UTC":
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


# Variables that other parts read themselves.
_ELSEWHERE = (
    "INDEXPILOT_CONFIG",
    "INDEXPILOT_PAGER",
    "INDEXPILOT_PG_BINARIES",
    "INDEXPILOT_DEBUG",
    "INDEXPILOT_SERVE_TOKEN",
)
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


def _unknown(name: str, variables: Mapping[str, SettingKey]) -> str:
    meant = nearest(name, variables)
    return f"unknown environment variable {name}" + (f", did you mean {meant}?" if meant else "")


def _take(values: Found, problems: list[str], key: SettingKey, name: str, text: str) -> None:
    try:
        values[key.path] = (convert(key, text, text=True), Origin("environment", name))
    except ValueError as error:
        problems.append(f"environment variable {name}: {key.path} {error}")


def profile_text(name: str) -> str:
    """The YAML text of a shipped profile: small, oltp or analytics."""
    return (files("indexpilot_cli.settings") / "profiles" / f"{name}.yaml").read_text(encoding="utf-8")
