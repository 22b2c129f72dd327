"""From what is kept to an answer: its document, made once for all who ask within the same second."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from indexpilot_cli.core.codec import to_document
from indexpilot_cli.render import schema
from indexpilot_cli.render.document import Document
from indexpilot_cli.render.envelope import finite
from indexpilot_cli.render.views.api.frame import ApiAnswer, ApiSource
from indexpilot_cli.serve.results import Kept, Question
from indexpilot_cli.serve.site import Site

_TRIES_OF_ITS_OWN = ("unknown_id", "ambiguous_id")


def source(name: str, kept: Kept[Any]) -> ApiSource:
    """What is known of it, as the answer tells it."""
    outcome = kept.outcome
    return ApiSource(
        name,
        kept.status,
        kept.at,
        None if kept.age is None else kept.age.total_seconds(),
        kept.stage,
        kept.error,
        None if outcome is None else outcome.server,
        () if outcome is None else outcome.warnings,
    )


async def result(site: Site, name: str, question: Question[Any], view: Callable[[Any], Document]) -> Response:
    """The answer that holds what the command prints. Raises what was asked wrongly."""
    kept = await site.results.ask(question)
    return await framed(name, kept, view)


async def framed(name: str, kept: Kept[Any], view: Callable[[Any], Document], status: int = 200) -> Response:
    """What is kept in the frame of an answer. Raises the error of an id that nobody knows."""
    if kept.error is not None and kept.error.code in _TRIES_OF_ITS_OWN:
        raise kept.error.with_traceback(None)  # which grows each time it is raised again
    payload = None if kept.result is None else await run_in_threadpool(lambda: view(kept.result).payload)
    return await answer(ApiAnswer(name, (source(name.removeprefix("api_"), kept),), payload), status)


async def answer(told: ApiAnswer, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The document as JSON; made in a thread, for it may be long."""
    return Response(await run_in_threadpool(_json, told), status, headers, "application/json")


def _json(told: ApiAnswer) -> bytes:
    document = to_document(told, schema.answer_kind(told.name))
    # Half of a surrogate pair is no UTF-8: one text must not cost the whole answer.
    return json.dumps(finite(document), ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


def documented(name: str, *more: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of an endpoint's answers: the published schema, and errors."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/api_error"}}}
    told: dict[int | str, dict[str, Any]] = {
        code: {"description": text, "content": refused} for code, text in _REFUSALS.items()
    }
    answers: dict[int | str, dict[str, Any]] = {
        code: {"description": "The answer", "content": content} for code in (200, *more)
    }
    return {**answers, **told}


_REFUSALS = {
    400: "not a request",
    401: "a token is needed",
    403: "not allowed here",
    404: "no such thing",
    409: "not now",
    413: "too long",
    421: "this name is not served here",
    422: "a value that cannot be",
    429: "too often",
    500: "a fault of IndexPilot",
}
