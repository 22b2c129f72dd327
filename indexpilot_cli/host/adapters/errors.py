"""Error trackers: Sentry, and Rollbar and what is called in its way, over their own client libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SentryErrors:
    """Events of sentry_sdk, with the client that the host has set up by ``sentry_sdk.init``."""

    def __init__(self) -> None:
        import sentry_sdk

        self._sdk = sentry_sdk

    def capture_exception(self, error: BaseException, context: Mapping[str, Any]) -> None:
        """An event tagged ``indexpilot``, with the command and what else is known as a context of that name."""
        # A scope of its own: tags set on the host's would stand on the host's events, too.
        with self._sdk.new_scope() as scope:
            scope.set_tag("indexpilot", str(context.get("command", "")))
            scope.set_context("indexpilot", dict(context))
            scope.capture_exception(error)


class RollbarErrors:
    """Items of rollbar, with the settings of the host's ``rollbar.init``; or of a module that is called in its way."""

    def __init__(self, client: Any = None):
        if client is None:
            import rollbar

            client = rollbar
        self._client = client

    def capture_exception(self, error: BaseException, context: Mapping[str, Any]) -> None:
        """An item of the error, with the command and what else is known as extra data."""
        found = (type(error), error, error.__traceback__)
        self._client.report_exc_info(found, extra_data={"indexpilot": dict(context)})
