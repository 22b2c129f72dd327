"""``config``: effective settings and where each comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.render.document import Code, Column, Document, Json, JsonValue, Lines, Table
from indexpilot_cli.render.units import plural


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective setting. ``secret`` values are shown as set or unset only."""

    key: str
    value: object
    origin: str
    secret: bool = False
    variable: str = ""


def view(
    settings: Sequence[Setting], files: Sequence[str], *, origins: bool = False, verbose: bool = False
) -> Document:
    """Settings as YAML (it can be saved and read back) or, with ``origins``, as a table."""
    shown = [s for s in settings if verbose or not s.secret or s.value is not None]
    if origins:
        rows = tuple((s.key, text(s), s.origin) for s in shown)
        blocks = (Table((Column("key"), Column("value"), Column("from")), rows),)
        return Document(blocks, _payload(settings, files))
    return Document((Code(yaml_text(shown), "yaml"),), _payload(settings, files))


def checked(files: Sequence[str], changed: int, warnings: Sequence[str]) -> Document:
    """The answer of ``config check`` when nothing is wrong."""
    where = ", ".join(files) if files else "no configuration file found, defaults apply"
    line = f"ok: {where} ({plural(changed, 'setting')} given)" if files else f"ok: {where}"
    payload: Json = {"files": list(files), "changed": changed, "notes": list(warnings)}
    return Document((Lines((line,)),), payload)


def text(setting: Setting) -> str:
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
        shown = f"# {text(setting)}" if setting.secret else scalar(setting.value)
        lines.append(f"{'  ' * (len(parts) - 1)}{parts[-1]}: {shown}")
        before = parts[:-1]
    return "\n".join(lines) + "\n"


def _payload(settings: Sequence[Setting], files: Sequence[str]) -> Json:
    return {
        "files": list(files),
        "settings": [
            {"key": s.key, "value": _json(s), "origin": s.origin, "variable": s.variable, "secret": s.secret}
            for s in settings
        ],
    }


def _json(setting: Setting) -> JsonValue:
    value = setting.value
    if setting.secret:
        return None
    if isinstance(value, tuple):
        return [v if isinstance(v, int | float | str) else str(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
