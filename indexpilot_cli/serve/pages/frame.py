"""What every page is made of: sections, each a kept result in the words of its view, or why there is none yet."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Form, Request
from jinja2 import Environment
from markupsafe import Markup
from starlette.datastructures import URL
from starlette.responses import HTMLResponse

from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.units import seconds
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.render.document import Block, Document, TableBlock
from indexpilot_cli.render.html import environment, fragment
from indexpilot_cli.render.views.api.frame import AnswerStatus
from indexpilot_cli.serve.results import Kept, Question
from indexpilot_cli.serve.sessions import Sessions
from indexpilot_cli.serve.site import Site

TEMPLATES = Path(__file__).parents[1] / "templates"
# A page asked for by a form tells where it comes from, which is how its own forms are told from foreign ones:
# under no-referrer browsers send "Origin: null". https://fetch.spec.whatwg.org/#append-a-request-origin-header
_HEADERS = {"Referrer-Policy": "same-origin"}
NAVIGATION = (
    ("/", "Overview"),
    ("/performance", "Performance"),
    ("/health", "Health"),
    ("/decisions", "Decisions"),
    ("/plans", "Plans"),
    ("/migrations", "Migrations"),
    ("/history", "History"),
)
_SOON = 2  # seconds until a page whose numbers are on their way looks again
_MOMENT, _PATIENCE = 0.2, 5.0  # seconds to wait for numbers in place of older ones, and for the first
_OLD = timedelta(seconds=15)
_MOST_SHOWN = 128


@dataclass(frozen=True, slots=True)
class Pager:
    """Page ``number`` of ``count``, the first is 1; ``key`` is its name in the address."""

    label: str
    number: int
    count: int
    key: str
    url: URL

    def address(self, number: int) -> str:
        """Where another page is."""
        there = self.url.include_query_params(**{self.key: number})
        return f"{there.path}?{there.query}#{self.key.removesuffix('-page')}"


ROWS = 25  # on a phone each is a card: 50 indexes and as many findings were a page of 24,900 pixels
Shown = tuple[Markup, Pager | None]
_shown: OrderedDict[tuple[str, str, tuple[int, ...]], tuple[tuple[object, ...], Shown]] = OrderedDict()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """A titled section: what a view shows of a kept result, else in words why there is nothing to show.

    ``before`` and ``after`` are forms and links around it; ``brief``: what went wrong and the next step stand in full
    above it already.
    """

    id: str
    title: str
    kept: Kept[Any] = field(default_factory=lambda: Kept(Outcome("page", None)))
    body: Markup | None = None
    before: Markup = Markup("")  # noqa: RUF009 - text does not change
    after: Markup = Markup("")  # noqa: RUF009
    pager: Pager | None = None
    brief: bool = False

    @property
    def working(self) -> bool:
        """Whether what it shows is being worked out."""
        return is_working(self.kept)

    @property
    def age(self) -> str:
        """How old its numbers are."""
        age = self.kept.age
        return "" if age is None else seconds(max(0.0, age.total_seconds()))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was to be minded."""
        return () if self.kept.outcome is None else tuple(warning.line for warning in self.kept.outcome.warnings)


async def look(site: Site, question: Question[T]) -> Kept[T]:
    """What is known. For the first answer, and for one after a change, a page waits a while; numbers that are only old
    are shown at once, and the page looks again.
    """
    known = site.results.known(question)
    seen = known.outcome is not None and known.tried_at is not None
    return await site.results.ask(question, _MOMENT if seen else _PATIENCE)


def is_working(kept: Kept[Any]) -> bool:
    """Whether there is something to wait for: the first answer, work in the background, numbers in place of old ones.

    What was read a moment ago is read anew whenever somebody looks, which is nothing to wait for.
    """
    if kept.stage == "waiting" and kept.age is not None:
        return kept.age > _OLD
    return kept.status is AnswerStatus.LOADING or kept.stage not in (None, "waiting")


def part(
    id_: str,
    title: str,
    kept: Kept[T],
    view: Callable[[T], Document],
    *,
    before: Markup = Markup(""),  # noqa: B008 - text does not change
    url: URL | None = None,
) -> Part:
    """The section of a kept result; with ``url`` long tables come by pages, the one that the address names."""
    if kept.outcome is None:
        return Part(id_, title, kept)
    outcome = kept.outcome

    def make() -> Shown:
        document = view(outcome.result)
        if url is None:
            return linked(document), None
        document, pager = paged(document, url, id_, title)
        return linked(document), pager

    body, pager = shown_once(id_, url, (outcome,), make)
    return Part(id_, title, kept, body, before, pager=pager)


def shown_once(id_: str, url: URL | None, outcomes: tuple[object, ...], make: Callable[[], Shown]) -> Shown:
    """What was made of these outcomes for that address: outcomes do not change, and pictures and rows take most of the
    time of a page.
    """
    key = (id_, str(url or ""), tuple(map(id, outcomes)))
    if key not in _shown:
        # With the outcomes, so that their identity is nobody else's meanwhile.
        _shown[key] = (outcomes, make())
        while len(_shown) > _MOST_SHOWN:
            _shown.popitem(last=False)
    return _shown[key][1]


# Between > and <: an id within a sentence or an attribute stays as it is.
_ID = re.compile(r">((?:[PRFq]-[0-9a-f]{4,64}|M-[0-9]{1,18}))(?=<)")


def linked(document: Document) -> Markup:
    """The document as HTML, with a link on every id that stands alone, such as in a cell."""
    return Markup(_ID.sub(_link, fragment(document)))


def _link(found: re.Match[str]) -> str:
    place = "plans" if found[1].startswith("P") else "explain"
    return f'><a href="/{place}/{found[1]}">{found[1]}</a>'


@dataclass(frozen=True, slots=True)
class Page:
    """One page: ``refresh`` are the seconds after which it looks again, None where nothing is under way."""

    title: str
    lead: str = ""
    parts: tuple[Part, ...] = ()
    refresh: float | None = None
    filters: Markup = Markup("")  # noqa: RUF009
    template: str = "page.html"
    more: dict[str, Any] = field(default_factory=dict)


def _said_once(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts; those that would repeat the failure or the next step of one before are brief."""
    seen: set[object] = set()
    for one in parts:
        error, outcome = one.kept.error, one.kept.outcome
        told = (error.message, error.detail) if error is not None else outcome.next if outcome is not None else ()
        yield replace(one, brief=True) if told in seen else one
        seen.add(told)


def show(request: Request, page: Page, status: int = 200) -> HTMLResponse:
    """The page as HTML, with what stands around it on all pages."""
    site: Site = request.app.state.site
    sessions: Sessions = request.app.state.sessions
    session = sessions.of(request.scope)
    page = replace(page, parts=tuple(_said_once(page.parts)))
    working = any(p.working for p in page.parts)
    text = (
        templates()
        .get_template(page.template)
        .render(
            page=page,
            path=request.url.path,
            navigation=NAVIGATION,
            refresh=page.refresh if page.refresh is not None else _SOON if working else None,
            database=_database(page, site),
            writes=site.request.allow_apply,
            session=session,
            logged_in=sessions.needed and session is not None,
            key=lambda path: sessions.form_key(session or "", path),
            **page.more,
        )
    )
    return HTMLResponse(text, status, _HEADERS)


def _database(page: Page, site: Site) -> str:
    """What the database is called, as soon as it has answered once."""
    known = (*(p.kept for p in page.parts), site.results.known(site.metrics))
    servers = (kept.outcome.server for kept in known if kept.outcome is not None)
    return next((server.database for server in servers if server is not None), "")


@cache
def templates() -> Environment:
    """Our templates and those of blocks."""
    return environment(TEMPLATES)


def piece(name: str, macro: str, *values: Any, **named: Any) -> Markup:
    """What a macro of a template makes of the values."""
    made: Any = templates().get_template(name).module
    return Markup(getattr(made, macro)(*values, **named))


def _checked(request: Request, key: Annotated[str, Form()] = "") -> str:
    sessions: Sessions = request.app.state.sessions
    if not sessions.allows(request.scope, key):
        raise RefusedError(
            "this form is not from a page of this session", hint="load the page again", code="foreign_form"
        )
    return sessions.of(request.scope) or ""


def _writing(request: Request, session: Annotated[str, Depends(_checked)]) -> str:
    site: Site = request.app.state.site
    if not site.request.allow_apply:
        raise RefusedError("nothing is changed from here", hint="indexpilot serve --allow-apply", code="read_only")
    return session


Checked = Annotated[str, Depends(_checked)]
"""The session of a form that is ours."""
Writing = Annotated[str, Depends(_writing)]
"""The session of a form that is ours and may change the database."""


def pager_of(url: URL, id_: str, title: str, rows: int) -> Pager:
    """The page of the section that the address names; the nearest there is."""
    key = f"{id_}-page"
    asked = dict(part.split("=", 1) for part in url.query.split("&") if "=" in part).get(key, "1")
    count = max(1, -(-rows // ROWS))
    # No server has so many rows, and digits of other scripts are digits, too.
    number = int(asked) if asked.isdecimal() and len(asked) < 10 else 1
    return Pager(f"Pages of {title}", min(max(number, 1), count), count, key, url)


def on_page(rows: Sequence[T], pager: Pager) -> Sequence[T]:
    """The rows of the page."""
    return rows[(pager.number - 1) * ROWS : pager.number * ROWS]


def paged(document: Document, url: URL, id_: str, title: str) -> tuple[Document, Pager]:
    """The document with that page of its tables; those that are short are on every page."""
    longest = max((len(block.rows) for block in document.blocks if isinstance(block, TableBlock)), default=0)
    pager = pager_of(url, id_, title, longest)
    return replace(document, blocks=tuple(_cut(block, pager) for block in document.blocks)), pager


def _cut(block: Block, pager: Pager) -> Block:
    if isinstance(block, TableBlock) and len(block.rows) > ROWS:
        return replace(block, rows=tuple(on_page(block.rows, pager)))
    return block
