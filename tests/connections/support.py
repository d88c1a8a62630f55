"""A wire to a simulated Intacct that counts the tokens fetched over it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.simulator.browser import Application
from tieout.connections import Connections, Landed
from tieout.rest import InProcessTransport
from tieout.rest.effects import NoAnswer
from tieout.rest.tokens import Grant
from tieout.simulator import Simulator
from tieout.simulator.http import Request

BOTH = pytest.mark.parametrize("state_url", ["sqlite", "postgresql"], indirect=True)
"""On both databases, in a module whose `state_url` is `one_database`."""


def one_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty state database: SQLite, unless the test is `BOTH`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'tieout.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


class Wire:
    """`transport` reaches the simulator. `fetched` counts tokens, `most_at_once` how many were asked for together;
    `meanwhile` runs while a token is on its way back; `lost` answers are processed and do not arrive; a `broken` wire
    answers 503."""

    def __init__(self, simulator: Simulator) -> None:
        self.origin = simulator.origin
        self.fetched = 0
        self.most_at_once = 0
        self.meanwhile: Callable[[], None] = lambda: None
        self.lost = 0
        self.broken = False
        self._under_way = 0
        self.transport = InProcessTransport(self._answer)
        self._simulator = simulator
        self._lock = threading.Lock()

    def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        if "/oauth2/token" not in target:
            return self._simulator.answer(method, target, headers, body)
        with self._lock:
            self.fetched += 1
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            if self.broken:
                return 503, {}, b"<html>maintenance</html>"
            answer = self._simulator.answer(method, target, headers, body)
            self.meanwhile()
            if self.lost:
                self.lost -= 1
                raise NoAnswer("the connection broke", sent=True)
            return answer
        finally:
            with self._lock:
                self._under_way -= 1


def signed_in(simulator: Simulator, user: str = "admin", company: str = "demo", **asked: str) -> Grant:
    """What the token endpoint answers to a sign-in by browser."""
    answer = Application(simulator, user=user, company=company).authorized(**asked)
    return Grant(answer["access_token"], answer["expires_in"], answer.get("refresh_token"))


def register(connections: Connections) -> None:
    """The application `demo`, which every simulator knows."""
    connections.vault.keys.make_for_simulator()
    connections.apps.draft("demo", redirect_uris=["https://127.0.0.1:4711/callback"], scope="non-production")
    connections.apps.approve("demo", "demo-client", "demo-secret")


def sign_in(connections: Connections, simulator: Simulator, name: str, user: str = "admin", **options: Any) -> Landed:
    """Prepare a connection, sign in by browser, and land what came."""
    origin = options.pop("origin", simulator.origin)
    waiting = connections.prepare(name, base_url=origin, environment="simulator", **options)
    answer = signed_in(simulator, user, options.get("company", "demo"))
    return connections.land(waiting, answer, app="demo", promised_user=user)


def come_back(simulator: Simulator, url: str, user: str = "admin", *, company: str = "demo", allow: bool = True) -> str:
    """Sign in at an authorize URL as a person does -> where the browser ends."""
    app = Application(simulator, company=company, user=user)
    parts = urlsplit(url)
    page = simulator.handle(Request.of("GET", f"{parts.path}?{parts.query}"))
    if page.status == 200:
        page = app.submit(app.sign_in(page), decision="allow" if allow else "deny")
    assert page.status == 302, page.body
    return page.headers["location"]
