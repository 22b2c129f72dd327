"""``/openapi.json`` by the published schemas, and its pages, whose scripts come with a Python package."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from indexpilot_cli.render import schema

ASSETS = "/docs-assets"
_FOLDER = Path(fastapi_offline.__file__).parent / "static"
# The pages of Swagger UI and ReDoc begin with a script of their own and write styles; nothing comes from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{hash}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> Response:
    """Swagger UI."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="IndexPilot",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
        # Else Swagger UI sends the description to a server of its makers, for a badge.
        swagger_ui_parameters={"validatorUrl": None},
    )
    return _page(page)


@router.get("/redoc")
async def redoc() -> Response:
    """ReDoc."""
    page = get_redoc_html(
        openapi_url="/openapi.json",
        title="IndexPilot",
        redoc_js_url=f"{ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    return _page(page)


def _page(page: HTMLResponse) -> Response:

    text = bytes(page.body).decode()
    hashes = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in _SCRIPT.findall(text))
    # By the hash of its own script: with unsafe-inline any other that got into the page would run, too.
    allowed = next(hashes, "")
    policy = _POLICY.format(hash=allowed) if allowed else _POLICY.replace(" 'sha256-{hash}'", "")
    return HTMLResponse(text, headers={"Content-Security-Policy": policy})


def add_docs(app: FastAPI) -> None:
    """The pages, their scripts, and the description by the published schemas, which is made when somebody asks."""
    app.include_router(router)
    app.mount(ASSETS, StaticFiles(directory=_FOLDER), name="docs-assets")

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    whole = get_openapi(title=app.title, version=app.version, routes=app.routes, summary="What IndexPilot finds.")
    components = whole.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in schema.api_names():
        schemas |= _components(name, schema.schema(name))
    schemas |= {"api_error": _ERROR}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    # Either nothing or a token: which of them, is said when the server is started.
    whole["security"] = [{}, {"token": []}]
    return whole


_TEXT = {"type": ["string", "null"]}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "detail", "hint"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "detail": _TEXT, "hint": _TEXT},
        }
    },
}


def _components(name: str, whole: dict[str, Any]) -> dict[str, Any]:
    """The schema and its definitions, as components that refer to each other by the place where they stand there."""
    rest = {key: value for key, value in whole.items() if key not in ("$schema", "$id", "$defs")}
    parts = {f"{name}.{part}": _moved(content, name) for part, content in whole["$defs"].items()}
    return {name: _moved(rest, name), **parts}


def _moved(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _place(item, name) if key == "$ref" else _moved(item, name) for key, item in value.items()}
    return [_moved(item, name) for item in value] if isinstance(value, list) else value


def _place(reference: str, name: str) -> str:
    return reference.replace("#/$defs/", f"#/components/schemas/{name}.")
