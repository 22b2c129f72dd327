"""Workflow commands of GitHub Actions: annotations in the files of a pull request.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from indexpilot_cli.errors import IndexPilotError

LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def annotation(
    level: str, message: str, *, title: str, path: str | None = None, line: int = 0, column: int = 0, end_line: int = 0
) -> str:
    """One annotation. ``level`` is error, warning or notice; nothing in the texts can end or begin a command."""
    places = {"file": path, "line": line, "endLine": end_line, "col": column if end_line in (0, line) else 0}
    fields = [f"{key}={_property(str(value))}" for key, value in places.items() if value]
    return f"::{level} {','.join([*fields, f'title={_property(title)}'])}::{_data(message)}"


def failure(error: IndexPilotError) -> str:
    """An error of the run as an annotation."""
    parts = (error.message, error.detail, error.hint and f"hint: {error.hint}")
    return annotation("error", "\n".join(part for part in parts if part), title="indexpilot") + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
