"""A browser without cookies and scripts, and the application that sent it: what the tests of sign-in pages share."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator

AUTHORIZE = "/ia/api/v1/oauth2/authorize"
TOKEN = "/ia/api/v1/oauth2/token"
FORM = {"content-type": "application/x-www-form-urlencoded"}
BACK = "http://127.0.0.1:4711/callback"


class Page(HTMLParser):
    """The forms of a page: where they go, and their fields with what stands in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.action = ""
        self.method = ""
        self.fields: dict[str, str] = {}
        self.buttons: list[str] = []
        self.labels: set[str] = set()
        self.ids: set[str] = set()
        self.scripts = 0
        self.alerts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.alerts += given.get("role") == "alert"
        if tag == "form":
            self.action, self.method = given["action"], given["method"]
        elif tag == "input":
            self.fields[given["name"]] = given.get("value", "")
            if given.get("type") != "hidden":
                self.ids.add(given["id"])
        elif tag == "label":
            self.labels.add(given["for"])
        elif tag == "button" and "value" in given:
            self.buttons.append(given["value"])
        elif tag == "script":
            self.scripts += 1


@dataclass
class Application:
    """One application and the browser that it sends to the simulator."""

    simulator: Simulator
    client: str = "demo-client"
    secret: str = "demo-secret"
    company: str = "demo"
    user: str = "admin"
    asked: dict[str, str] = field(default_factory=dict)

    def open(self, path: str = AUTHORIZE, **asked: str | None) -> Response:
        """The authorize URL; None leaves a parameter out."""
        query: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": BACK,
            "state": "s t&ate",
            "scope": "offline_access",
            **self.asked,
            **asked,
        }
        named = {name: value for name, value in query.items() if value is not None}
        return self.simulator.handle(Request.of("GET", f"{path}?{urlencode(named)}"))

    def submit(self, page: Response, **filled: str) -> Response:
        form = Page(page.body.decode())
        assert form.method == "post"
        body = urlencode({**form.fields, **filled}).encode()
        return self.simulator.handle(Request.of("POST", form.action, FORM, body))

    def sign_in(self, page: Response, password: str = "demo", **more: str) -> Response:
        return self.submit(page, **{"company": self.company, "user": self.user, "password": password, **more})

    def consent(self, **asked: str | None) -> Response:
        """The consent page."""
        return self.sign_in(self.open(**asked))

    def code(self, **asked: str | None) -> str:
        return returned(self.submit(self.consent(**asked), decision="allow"))["code"]

    def token(self, *, public: bool = False, **form: str) -> Response:
        named = {"client_id": self.client, **({} if public else {"client_secret": self.secret}), **form}
        return self.simulator.handle(Request.of("POST", TOKEN, FORM, urlencode(named).encode()))

    def redeem(self, code: str, **form: str) -> Response:
        return self.token(**{"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **form})

    def refresh(self, refresh_token: str, **form: str) -> Response:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, **form)

    def authorized(self, **asked: str | None) -> dict[str, Any]:
        """The tokens of a whole sign-in."""
        reply = self.redeem(self.code(**asked))
        assert reply.status == 200, reply.body
        return dict(reply.json())

    def credentials(self) -> dict[str, Any]:
        """The tokens of client credentials."""
        reply = self.token(grant_type="client_credentials", username=f"{self.user}@{self.company}")
        assert reply.status == 200, reply.body
        return dict(reply.json())

    def call(self, tokens: dict[str, Any]) -> Response:
        """One API call with an access token."""
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        return self.simulator.handle(Request.of("GET", "/ia/api/v1/objects/company-config/entity", headers))


def returned(reply: Response) -> dict[str, str]:
    """What a redirect to the application carries."""
    assert reply.status == 302, reply.body
    return dict(parse_qsl(urlsplit(reply.headers["location"]).query, keep_blank_values=True))


def control(simulator: Simulator, action: str, body: Any = None) -> Any:
    """One call of the control API; a body makes it a POST."""
    method = "GET" if body is None else "POST"
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    reply = simulator.handle(Request.of(method, f"/_simulator/{action}", headers, content))
    assert reply.status in (200, 201), reply.body
    return reply.json()


def claims(access_token: str) -> dict[str, Any]:
    part = access_token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def error_id(reply: Response) -> str:
    """The errorId, wherever it sits."""
    body = reply.json()
    found = body["error"] if "error" in body else body["ia::result"]["ia::error"]
    return str(found["errorId"])


def at_once(count: int, act: Callable[[], int]) -> list[int]:
    """The answers of `count` threads that start together."""
    gate, answers = threading.Barrier(count), list[int]()

    def run() -> None:
        gate.wait()
        answers.append(act())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
