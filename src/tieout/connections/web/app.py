"""The connect page as an ASGI application: routes, cookie, headers. What happens is `flow`'s, what is shown `pages`'.

Nothing in it trusts Host or X-Forwarded-*: every address follows from the settings.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tieout.connections.web import browsers, pages
from tieout.connections.web.background import LOG, delivering
from tieout.connections.web.browsers import Browser, csrf, is_ours
from tieout.connections.web.drawing import drawn, style, told
from tieout.connections.web.flow import Flow
from tieout.connections.web.pages import PLACES, Page, Redirect
from tieout.connections.web.settings import Settings
from tieout.errors import TieoutError

if TYPE_CHECKING:
    from tieout.connections.registry import Connections

COOKIE = "__Host-tieout-connect"
LONGEST_FORM = 65_536
"""Bytes of a form."""
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer."""

Answer = Page | Redirect
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Asked(msgspec.Struct, frozen=True):
    """A request as the page sees it. The repr shows nothing of it."""

    cookie: str
    query: str
    form: dict[str, list[str]]
    token: str
    """What a link's path holds, or ''."""
    site: str
    """Where the browser says that it was sent here from: `cross-site`, `same-origin` …; '' where it does not say."""

    def said(self, name: str) -> str:
        return self.form.get(name, [""])[0]

    def __repr__(self) -> str:
        return "Asked(…)"


Act = Callable[[Flow, Asked], Answer]


def application(connections: Connections, settings: Settings) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """See `connect_app`."""
    flow = Flow(connections, settings)

    def route(path: str, act: Act, method: str) -> Route:
        async def answer(request: Request) -> Response:
            asked = await _asked(request)
            return _response(await run_in_threadpool(_done, act, flow, asked), request, settings)

        return Route(path, answer, methods=[method])

    async def sheet(request: Request) -> Response:
        return Response(style(), media_type="text/css")

    async def missing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _response(flow.refused("broken" if status >= 500 else "missing", status), request, settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with delivering(connections, settings.deliver_every):
            yield

    inner = Starlette(
        routes=[
            *(route(path, _guarded(act), "POST") for path, act in _POSTS.items()),
            *(route(path, act, "GET") for path, act in _GETS.items()),
            route("/session", lambda flow, asked: flow.open_session(asked.said("session"), asked.cookie), "POST"),
            route("/link/{token}", _use_link, "POST"),
            Route("/connect.css", sheet, methods=["GET"]),
        ],
        exception_handlers={HTTPException: missing, Exception: missing},
        lifespan=lifespan,
    )
    inner.router.redirect_slashes = False  # it would build an address from Host
    return _with_headers(inner, settings.base)


def _with_headers(inner: Starlette, base: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """HEADERS on every answer, whoever made it. Where nobody has taken the page's own path off, that is done here."""
    always = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", []) if pair[0].decode("latin-1") not in HEADERS]
                message["headers"] = [*kept, *always]
            await send(message)

        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if base and not scope.get("root_path") and scope.get("path", "").startswith(f"{base}/"):
            scope = {**scope, "root_path": base}
        await inner(scope, receive, sent)

    return door


async def _asked(request: Request) -> Asked:
    cookie = request.cookies.get(COOKIE, "")
    form: dict[str, list[str]] = {}
    if request.method == "POST":
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LONGEST_FORM:
                raise HTTPException(413)
        try:
            text = body.decode()
            form = parse_qs(text, keep_blank_values=True, max_num_fields=2000, errors="replace")
        except ValueError:
            raise HTTPException(400) from None
    query = request.scope["query_string"].decode("latin-1")
    held = str(request.path_params.get("token", ""))
    site = request.headers.get("sec-fetch-site", "")
    return Asked(cookie if _COOKIE.fullmatch(cookie) else "", query, form, held, site)


def _done(act: Act, flow: Flow, asked: Asked) -> Answer:
    try:
        return act(flow, asked)
    except TieoutError as error:
        LOG.error("The connect page failed: %s", error)
        return flow.refused("broken", 503)


def _response(answer: Answer, request: Request, settings: Settings) -> Response:
    if isinstance(answer, Redirect):
        response: Response = RedirectResponse(answer.to, 303)
    else:
        as_json = _wants_json(request.headers.get("accept", ""))
        kind = "application/json" if as_json else "text/html"
        response = Response(told(answer) if as_json else drawn(answer, settings), answer.status, media_type=kind)
        if answer.refresh:
            response.headers["refresh"] = str(answer.refresh)
    if answer.cookie is not None:
        life = int(browsers.LIFETIME)
        response.set_cookie(COOKIE, answer.cookie, max_age=life, path="/", secure=True, httponly=True, samesite="lax")
    return response


def _wants_json(accept: str) -> bool:
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return "application/json" in kinds and "text/html" not in kinds


# --- what may be asked ------------------------------------------------------------------------------------------------


def _home(flow: Flow, asked: Asked) -> Answer:
    """The way in with a session in the address, or back to where the browser was."""
    given = parse_qs(asked.query, errors="replace").get("session")
    if given:
        return flow.open_session(given[0], asked.cookie)
    browser = flow.browser(asked.cookie)
    return flow.place(browser) if browser is not None else flow.refused("lost", 403)


def _look_at_link(flow: Flow, asked: Asked) -> Answer:
    return flow.look_at_link(asked.token, asked.cookie)


def _use_link(flow: Flow, asked: Asked) -> Answer:
    """The button, pressed on our own page: no other site can open a link in somebody's browser."""
    if not is_ours(asked.cookie, asked.said("csrf")):
        return flow.refused("form", 403)
    return flow.use_link(asked.token)


def _back(flow: Flow, asked: Asked) -> Answer:
    browser = flow.browser(asked.cookie)
    if browser is None:
        return Redirect(flow.settings.base + "/")
    return flow.back(browser, asked.query)


def _shown(show: Callable[[Flow, Browser, str], Answer], *stages: str) -> Act:
    """A page of one step; a browser that is at another step is led there."""

    def act(flow: Flow, asked: Asked) -> Answer:
        browser = flow.browser(asked.cookie)
        if browser is None:
            return flow.refused("lost", 403)
        if browser.stage not in stages:
            return flow.place(browser)
        return show(flow, browser, csrf(asked.cookie))

    return act


def _go(flow: Flow, asked: Asked) -> Answer:
    """The link on our own page: a link on another one would void the sign-in that is under way."""
    if asked.site not in ("", "none", "same-origin"):
        return Redirect(flow.settings.base + "/")
    return _shown(lambda flow, browser, token: flow.go(browser), "ready", "sent")(flow, asked)


def _failed(flow: Flow, asked: Asked) -> Answer:
    browser = flow.browser(asked.cookie)
    if browser is None:
        return flow.refused("lost", 403)
    if browser.stage != "failed" and not browser.reason:
        return flow.place(browser)
    return pages.failed(browser, flow.settings, csrf(asked.cookie))


def _guarded(act: Callable[[Flow, Browser, Asked], Answer]) -> Act:
    """A form of a known browser, made by a page of ours for this very cookie."""

    def guarded(flow: Flow, asked: Asked) -> Answer:
        browser = flow.browser(asked.cookie)
        if browser is None:
            return flow.refused("lost", 403)
        if not is_ours(asked.cookie, asked.said("csrf")):
            return flow.refused("form", 403)
        return act(flow, browser, asked)

    return guarded


def _answered(flow: Flow, browser: Browser, asked: Asked) -> Answer:
    if browser.stage in ("finishing", "choosing", "done"):
        return flow.place(browser)
    said = {name: asked.said(name) for name in ("user", "company", "environment")}
    return flow.answered(browser, said, csrf(asked.cookie))


def _chosen(flow: Flow, browser: Browser, asked: Asked) -> Answer:
    if browser.stage != "same_user":
        return flow.place(browser)
    choice, _, with_ = asked.said("choice").partition(":")
    return flow.chosen(browser, choice, with_)


def _picked(flow: Flow, browser: Browser, asked: Asked) -> Answer:
    if browser.stage != "choosing":
        return flow.place(browser)
    return flow.picked(browser, asked.form.get("entity", []), csrf(asked.cookie))


_ASKING = ("asking", "same_user", "ready", "sent", "failed")
_GETS: dict[str, Act] = {
    "/": _home,
    "/link/{token}": _look_at_link,
    "/callback": _back,
    "/go": _go,
    "/failed": _failed,
    PLACES["asking"]: _shown(lambda flow, browser, token: pages.start(browser, flow.settings, token), *_ASKING),
    PLACES["same_user"]: _shown(lambda flow, browser, token: flow.same_user(browser, token), "same_user"),
    PLACES["ready"]: _shown(lambda flow, browser, token: pages.sign_in(browser, flow.settings, token), "ready", "sent"),
    PLACES["finishing"]: _shown(lambda flow, browser, token: pages.wait(flow.settings, token), "finishing"),
    PLACES["choosing"]: _shown(lambda flow, browser, token: flow.entities(browser, token), "choosing"),
    PLACES["done"]: _shown(lambda flow, browser, token: pages.done(browser, flow.settings), "done"),
}
_POSTS: dict[str, Callable[[Flow, Browser, Asked], Answer]] = {
    "/start": _answered,
    "/same-user": _chosen,
    "/entities": _picked,
    "/restart": lambda flow, browser, asked: flow.restart(browser),
}
