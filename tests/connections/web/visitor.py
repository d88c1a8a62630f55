"""A browser without scripts on the connect page, a simulator that it signs in at, and the vendor that sent it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec.structs import replace

from tests.simulator.browser import Application, returned
from tieout.connections import Connections
from tieout.connections.web import Settings, sign_session
from tieout.connections.web.app import COOKIE
from tieout.simulator import Simulator
from tieout.simulator.http import Request

PAGE = "https://vendor.example/connect"
BACK = "https://vendor.example/settings/sage?tab=1"


def settings(simulator: Simulator, **changed: Any) -> Settings:
    given: dict[str, Any] = {
        "app": "demo",
        "redirect_uri": f"{PAGE}/callback",
        "return_urls": ("https://vendor.example/settings",),
        "product": "Vendor & Co",
        "base_url": simulator.origin,
        "deliver_every": 0,
    }
    return Settings(**given | changed)


def settings_like(made: Settings, **changed: Any) -> Settings:
    return replace(made, **changed)


def register(connections: Connections, simulator: Simulator, page: str = PAGE) -> None:
    """The application `demo`, with the connect page as its redirect URI, here and at Sage."""
    demo = simulator.clients["demo-client"]
    simulator.clients["demo-client"] = replace(demo, redirect_uris=(f"{page}/callback",))
    connections.vault.keys.make_for_simulator()
    connections.apps.draft("demo", redirect_uris=[f"{page}/callback"], scope="non-production")
    connections.apps.approve("demo", "demo-client", "demo-secret")


@dataclass
class Seen:
    """An answer of the page."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def title(self) -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", self.text.partition("<h1>")[2].partition("</h1>")[0]))

    @property
    def action(self) -> str:
        return unescape(self.text.partition('<form method="post" action="')[2].partition('"')[0])

    @property
    def csrf(self) -> str:
        return self.text.partition('name="csrf" value="')[2].partition('"')[0]


@dataclass
class Visitor:
    """Keeps the cookie, follows the page's own redirects."""

    app: Any
    base: str = "/connect"
    """Where the application says it is; it is mounted at `mount`."""
    mount: str = "/connect"
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    visited: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    """What the application raised after it had answered."""

    def ask(self, method: str, target: str, body: dict[str, Any] | bytes | None = None, **headers: str) -> Seen:
        path, _, query = target.partition("?")
        self.visited.append(path)
        content = body if isinstance(body, bytes) else urlencode(body or {}, doseq=True).encode()
        given = {"host": "vendor.example", "accept": "text/html", **self.headers, **headers}
        if self.cookie:
            given["cookie"] = f"other=1; {COOKIE}={self.cookie}"
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "https",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": self.mount,
            "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": ("127.0.0.1", 1), "server": ("vendor.example", 443),
        }  # fmt: skip
        seen = asyncio.run(_exchange(self.app, scope, content, self.mistakes))
        found = re.match(rf"{COOKIE}=([^;]*)", seen.header("set-cookie"))
        if found:
            self.cookie = found[1]
        return seen

    def get(self, target: str, **headers: str) -> Seen:
        """Follows the page's own redirects; one that leads elsewhere is the answer."""
        return self._followed(self.ask("GET", target, **headers))

    def post(self, target: str, form: dict[str, Any], **headers: str) -> Seen:
        return self._followed(self.ask("POST", target, form, **headers))

    def _followed(self, seen: Seen) -> Seen:
        for _ in range(5):
            to = seen.header("location")
            if seen.status != 303 or not to.startswith(f"{self.base}/"):
                return seen
            seen = self.ask("GET", to)
        raise AssertionError("the page leads in a circle")

    def submit(self, seen: Seen, **filled: Any) -> Seen:
        return self.post(seen.action, {"csrf": seen.csrf} | filled)

    # --- the usual way ------------------------------------------------------------------------------------------------

    def begin(self, connections: Connections, made: Settings, owner: str = "tenant-7", **fixed: Any) -> Seen:
        """Sent by the vendor, to the questions."""
        session = sign_session(connections, made, owner, BACK, **fixed)
        return self.post(f"{self.base}/session", {"session": session})

    def questions(self, seen: Seen, user: str = "us", company: str = "demo") -> Seen:
        return self.submit(seen, user=user, company=company)

    def to_sage(self, seen: Seen) -> str:
        """Follows the link to Sage -> its address."""
        assert f'href="{self.base}/go"' in seen.text, seen.text
        return self.ask("GET", f"{self.base}/go").header("location")

    def home(self, returned_to: str) -> Seen:
        """Sage sends the browser back."""
        parts = urlsplit(returned_to)
        return self.get(f"{parts.path}?{parts.query}")

    def connect(self, connections: Connections, made: Settings, simulator: Simulator, user: str = "us") -> Seen:
        """All of it, to the page after Sage's."""
        url = self.to_sage(self.questions(self.begin(connections, made), user))
        return self.home(at_sage(simulator, url, user))


async def _exchange(app: Any, scope: dict[str, Any], body: bytes, mistakes: list[str]) -> Seen:
    sent: list[Any] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return given.pop() if given else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception as error:
        if not sent:
            raise
        mistakes.append(type(error).__name__)
    headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    return Seen(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def at_sage(simulator: Simulator, url: str, user: str = "us", *, decision: str = "allow", company: str = "demo") -> str:
    """Sign in and decide on Sage's pages -> where Sage sends the browser."""
    sage = Application(simulator, user=user, company=company)
    parts = urlsplit(url)
    opened = simulator.handle(Request.of("GET", f"{parts.path}?{parts.query}", {}))
    reply = sage.submit(sage.sign_in(opened), decision=decision)
    assert returned(reply)
    return reply.headers["location"]


def as_json(seen: Seen) -> dict[str, Any]:
    assert seen.header("content-type") == "application/json"
    found: dict[str, Any] = msgspec.json.decode(seen.body)
    return found
