"""Settings with where they come from, switches with who turned them, and approvals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from indexpilot_cli.apply.values import ApproveResult, BypassResult
from indexpilot_cli.core.codec import Count, DocumentShape, From
from indexpilot_cli.core.units import DASH
from indexpilot_cli.render.document import Code, Document, Facts, Lines, TableBlock, columns
from indexpilot_cli.render.units import notes, one_line, plural, stamp


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective setting. ``secret`` values are shown as set or unset only."""

    key: str
    value: object
    origin: str
    secret: bool = False
    variable: str = ""


def _published(setting: Setting) -> object:
    value = setting.value
    if setting.secret:
        return None
    if isinstance(value, tuple):
        return [v if isinstance(v, int | float | str) else str(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


class SettingDocument(DocumentShape):
    """One effective setting."""

    key: str
    value: Annotated[str | float | int | bool | list[Any] | None, "null for secrets", From(_published)]
    origin: str
    variable: str
    secret: bool


class ConfigDocument(DocumentShape):
    """Settings, and the files they come from."""

    files: tuple[str, ...]
    settings: tuple[SettingDocument, ...]


class ConfigCheckDocument(DocumentShape):
    """The configuration files have no mistakes."""

    files: tuple[str, ...]
    changed: Annotated[Count, "settings given"]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Configuration:
    """What the documents of ``config`` are made of."""

    files: tuple[str, ...]
    settings: tuple[Setting, ...] = ()
    changed: int = 0
    notes: tuple[str, ...] = ()


def config_view(
    settings: Sequence[Setting], files: Sequence[str], *, origins: bool = False, verbose: bool = False
) -> Document:
    """Settings as YAML (it can be saved and read back) or, with ``origins``, as a table."""
    told = _Configuration(tuple(files), tuple(settings))
    shown = [s for s in settings if verbose or not s.secret or s.value is not None]
    if origins:
        rows = tuple((s.key, setting_text(s), s.origin) for s in shown)
        blocks = (TableBlock(columns("key", "value", "from"), rows),)
        return Document(blocks, told, ConfigDocument)
    return Document((Code(yaml_text(shown), "yaml"),), told, ConfigDocument)


def checked(files: Sequence[str], changed: int, warnings: Sequence[str]) -> Document:
    """The answer of ``config check`` when nothing is wrong."""
    where = ", ".join(files) if files else "no configuration file found, defaults apply"
    line = f"ok: {where} ({plural(changed, 'setting')} given)" if files else f"ok: {where}"
    told = _Configuration(tuple(files), changed=changed, notes=tuple(warnings))
    return Document((Lines((line,)),), told, ConfigCheckDocument)


def setting_text(setting: Setting) -> str:
    """The value as YAML would write it."""
    if setting.secret:
        return "(unset)" if setting.value is None else "(set, not shown)"
    return scalar(setting.value)


def scalar(value: object) -> str:
    """A value in YAML's flow style, on one line."""
    import yaml

    plain = list(value) if isinstance(value, tuple) else value
    dumped: str = yaml.safe_dump(plain, default_flow_style=True, width=2**30, allow_unicode=True)
    return dumped.removesuffix("...\n").strip()


def yaml_text(settings: Sequence[Setting]) -> str:
    """The settings as a configuration file."""
    lines: list[str] = []
    before: list[str] = []
    for setting in settings:
        parts = setting.key.split(".")
        common = next((n for n, (a, b) in enumerate(zip(before, parts[:-1], strict=False)) if a != b), None)
        depth = min(len(before), len(parts) - 1) if common is None else common
        lines += [f"{'  ' * n}{parts[n]}:" for n in range(depth, len(parts) - 1)]
        shown = f"# {setting_text(setting)}" if setting.secret else scalar(setting.value)
        lines.append(f"{'  ' * (len(parts) - 1)}{parts[-1]}: {shown}")
        before = parts[:-1]
    return "\n".join(lines) + "\n"


class LevelDocument(DocumentShape):
    """One switch as it stands."""

    level: Literal["feature", "module", "system", "startup", "emergency"]
    name: str
    running: Annotated[bool, "false: this part is off"]
    source: Annotated[str, "who decided"]
    reason: str
    since: datetime | None
    until: datetime | None


class BypassDocument(DocumentShape):
    """The switches as they stand."""

    action: Literal["status", "enable", "disable"]
    running: Annotated[bool, "may indexes be changed now"]
    changed: bool
    levels: tuple[LevelDocument, ...]
    notes: tuple[str, ...]


class ApproveDocument(DocumentShape):
    """Who said yes to a plan."""

    plan: str
    digest: str
    approved_by: str
    approved_at: datetime | None
    indexes: Count
    reason: str
    already: bool


_LEVEL_COLUMNS = columns("level|short", "name", "state|short", "until|short", "decided by|text", "reason|text")


def bypass_view(result: BypassResult) -> Document:
    """Every level with who decided it, and the sum of it."""
    rows = tuple(
        (
            level.level,
            level.name,
            "on" if level.running else "off",
            stamp(level.until) if level.until else DASH,
            one_line(level.source),
            one_line(level.reason),
        )
        for level in result.levels
    )
    sentence = "IndexPilot may change indexes" if result.running else "IndexPilot is switched off: no index is changed"
    if result.action != "status":
        sentence += "" if result.changed else " (it was so already)"
    table = (TableBlock(_LEVEL_COLUMNS, rows),) if rows else ()
    return Document((*table, Lines((sentence,)), *notes(result.notes)), result, BypassDocument)


def approved(result: ApproveResult) -> Document:
    """Who approved which plan when."""
    who = f"{result.approved_by}, {stamp(result.approved_at)}" + (", already before" if result.already else "")
    rows = [
        (f"Plan {result.plan}", f"{plural(result.indexes, 'index', 'indexes')}, digest {result.digest}"),
        ("Approved", f"by {who}"),
    ]
    rows += [("Reason", one_line(result.reason))] if result.reason else []
    return Document((Facts(tuple(rows)),), result, ApproveDocument)
