"""What an access token says of itself, to a client and to the bearer of one (RFC 7662, REST reference 1.1)."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.simulator.browser import FORM, TOKEN, Application, claims

from tieout.simulator.clients import Client
from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator

INTROSPECT = TOKEN.replace("token", "introspect")


@pytest.fixture
def app(simulator: Simulator) -> Application:
    return Application(simulator)


def ask(app: Application, token: str, authorization: str | None = None, **form: str) -> Response:
    headers = FORM | ({"authorization": authorization} if authorization is not None else {})
    body = urlencode({"token": token, **form}).encode()
    return app.simulator.handle(Request.of("POST", INTROSPECT, headers, body))


def basic(client: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


def test_a_client_or_the_bearer_is_told_whose_token_it_is(app: Application) -> None:
    token = app.authorized()["access_token"]
    told = ask(app, token, f"Bearer {token}").json()
    assert told == ask(app, token, basic(app.client, app.secret)).json()
    assert told == ask(app, token, client_id=app.client, client_secret=app.secret).json()
    said = claims(token)
    assert told == {
        "active": True, "token_type": "bearer", "client_id": "demo-client", "user_id": said["userId"],
        "user_key": said["userKey"], "cny_id": "demo", "company_key": said["cnyKey"], "exp": said["exp"],
        "iat": said["iat"], "ai_enabled": False,
    }  # fmt: skip


def test_a_token_of_an_entity_names_it(app: Application) -> None:
    tokens = app.refresh(app.authorized()["refresh_token"], entity_id="E120").json()
    told = ask(app, tokens["access_token"], f"Bearer {tokens['access_token']}").json()
    assert (told["entity_id"], bool(told["entity_key"])) == ("E120", True)


@pytest.mark.parametrize("way", ["expired", "revoked", "refresh", "nonsense", "none"])
def test_what_does_not_work_is_only_not_active(app: Application, way: str) -> None:
    tokens: dict[str, Any] = app.authorized()
    token = {"nonsense": "x.y.z", "none": "", "refresh": tokens["refresh_token"]}.get(way, tokens["access_token"])
    if way == "expired":
        app.simulator.clock.advance(43_201)
    if way == "revoked":
        body = urlencode({"client_id": app.client, "client_secret": app.secret, "token": token}).encode()
        answer = app.simulator.handle(Request.of("POST", TOKEN.replace("token", "revoke"), FORM, body))
        assert answer.json() == {"revoked": True}
    assert ask(app, token, basic(app.client, app.secret)).json() == {"active": False}
    refused = ask(app, token, f"Bearer {token}")
    assert (refused.status, refused.json()["error"]) == (401, "invalid_token")


def test_nobody_else_is_told(app: Application) -> None:
    token = app.authorized()["access_token"]
    app.simulator.clients["other"] = Client(id="other", secret="s")
    for authorization in (None, basic(app.client, "wrong"), basic("nobody", "s")):
        assert ask(app, token, authorization).status == 401
    assert ask(app, token, basic("other", "s")).status == 200
    assert app.simulator.handle(Request.of("GET", INTROSPECT)).status == 405
