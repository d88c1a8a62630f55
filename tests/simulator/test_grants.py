"""How tokens end: expiry, rotation, a second authorization, revocation, and the looks of it (REST reference 1.3, 1.7,
1.8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.simulator.browser import FORM, TOKEN, Application, at_once, claims, control, error_id
from tests.simulator.conftest import NOW

from tieout.simulator.clients import Client
from tieout.simulator.clock import Clock
from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator


@pytest.fixture
def app(simulator: Simulator) -> Application:
    return Application(simulator)


def choose(app: Application, **switches: object) -> None:
    """Set for the company only: its own choice goes before the server's."""
    app.simulator.company().settings.set(switches)


def works(app: Application, tokens: dict[str, Any]) -> bool:
    """Whether the access token still works."""
    return app.call(tokens).status == 200


def renews(app: Application, tokens: dict[str, Any]) -> bool:
    """Whether the refresh token still works (and uses it)."""
    return app.refresh(tokens["refresh_token"]).status == 200


# --- refreshing ---------------------------------------------------------------------------------------------------


def test_refreshing_moves_to_an_entity_and_stays_there(app: Application) -> None:
    moved = app.refresh(app.authorized()["refresh_token"], entity_id="E120").json()
    assert claims(moved["access_token"])["entityId"] == "E120"
    again = app.refresh(moved["refresh_token"]).json()
    assert claims(again["access_token"])["entityId"] == "E120"
    assert app.refresh(again["refresh_token"], entity_id="E999").json()["error"] == "invalid_grant"


def test_strict_rotation_with_grace(app: Application) -> None:
    choose(app, rotation="strict", rotation_grace=30)
    first = app.authorized()
    second = app.refresh(first["refresh_token"]).json()
    app.simulator.clock.advance(29)
    assert renews(app, first)
    app.simulator.clock.advance(1)
    assert not renews(app, first)
    assert renews(app, second)


@pytest.mark.parametrize("kills", [False, True])
def test_a_used_refresh_token_that_comes_again(app: Application, kills: bool) -> None:
    choose(app, rotation="strict", refresh_reuse_kills=kills)
    first = app.authorized()
    second = app.refresh(first["refresh_token"]).json()
    assert not renews(app, first)
    assert works(app, second) is not kills
    assert renews(app, second) is not kills


def test_of_many_that_refresh_with_one_token_one_wins(app: Application) -> None:
    choose(app, rotation="strict")
    tokens = app.authorized()
    assert sorted(at_once(8, lambda: app.refresh(tokens["refresh_token"]).status)) == [200] + [400] * 7


def test_refresh_tokens_may_grow_old(app: Application) -> None:
    choose(app, refresh_token_lifetime=3600)
    tokens = app.authorized()
    app.simulator.clock.advance(3599)
    renewed = app.refresh(tokens["refresh_token"]).json()
    app.simulator.clock.advance(1)
    assert not renews(app, tokens)
    assert renews(app, renewed)


def test_without_a_limit_they_do_not(app: Application) -> None:
    tokens = app.authorized()
    app.simulator.clock.advance(10 * 365 * 86400)
    assert renews(app, tokens)


@pytest.mark.parametrize("ends", [False, True])
def test_refreshing_may_end_the_access_token_before(app: Application, ends: bool) -> None:
    choose(app, refresh_ends_access=ends)
    first = app.authorized()
    second = app.refresh(first["refresh_token"]).json()
    assert works(app, first) is not ends
    assert works(app, second)


@pytest.mark.parametrize(("look", "status"), [("invalid_grant", 400), ("invalid_client", 401)])
def test_how_a_dead_refresh_token_looks(app: Application, look: str, status: int) -> None:
    app.simulator.settings.set({"dead_grant_error": look})
    dead = app.authorized()
    app.authorized()
    for token in (dead["refresh_token"], "never-was"):
        reply = app.refresh(token)
        assert (reply.status, reply.json()["error"]) == (status, look)


# --- a second authorization ---------------------------------------------------------------------------------------


def test_a_second_authorization_kills_the_first_refresh_token_only(app: Application) -> None:
    first, credentials = app.authorized(), app.credentials()
    us = Application(app.simulator, user="us").authorized()
    second = app.authorized()
    assert not renews(app, first)
    assert works(app, first)
    for living in (second, credentials, us):
        assert renews(app, living)


def test_it_may_leave_the_first_alone_or_end_its_access_too(app: Application) -> None:
    choose(app, second_authorization="keeps")
    first, second = app.authorized(), app.authorized()
    assert renews(app, first)
    choose(app, second_authorization="kills", second_authorization_ends_access=True)
    third = app.authorized()
    assert not works(app, first)
    assert not renews(app, second)
    assert works(app, third)


def test_a_consent_alone_kills_nothing(app: Application) -> None:
    first = app.authorized()
    code = app.code()
    assert renews(app, first)
    app.redeem(code)
    assert not renews(app, first)


@pytest.mark.parametrize(("scope", "survives"), [("user", False), ("client", True)])
def test_whether_the_application_matters(app: Application, scope: str, survives: bool) -> None:
    app.simulator.clients["other"] = Client(id="other", secret="s", loopback=True)
    choose(app, grant_scope=scope)
    first = app.authorized()
    Application(app.simulator, "other", "s").authorized()
    assert renews(app, first) is survives


def test_companies_are_apart(app: Application) -> None:
    app.simulator.add_company("second")
    first = app.authorized()
    Application(app.simulator, company="second").authorized()
    assert renews(app, first)


# --- revocation ---------------------------------------------------------------------------------------------------


def revoke(app: Application, token: str) -> Response:
    body = f"client_id={app.client}&client_secret={app.secret}&token={token}".encode()
    return app.simulator.handle(Request.of("POST", TOKEN.replace("token", "revoke"), FORM, body))


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
@pytest.mark.parametrize("pool", [True, False])
def test_revoking_one_token(app: Application, kind: str, pool: bool) -> None:
    """REST reference 1.7: by documentation client-credentials tokens of the user go with it."""
    choose(app, revoke_pool=pool)
    tokens, credentials = app.authorized(), app.credentials()
    us = Application(app.simulator, user="us").authorized()
    assert revoke(app, tokens[kind]).status == 200
    assert not works(app, tokens)
    assert not renews(app, tokens)
    assert works(app, credentials) is not pool
    assert renews(app, credentials) is not pool
    assert works(app, us)
    assert works(app, app.authorized())


def test_revoking_takes_the_client_and_forgives_unknown_tokens(app: Application) -> None:
    tokens = app.authorized()
    assert revoke(Application(app.simulator, secret="wrong"), tokens["access_token"]).status == 401
    assert revoke(app, "never-was").status == 200
    app.simulator.clients["other"] = Client(id="other", secret="s")
    for kind in ("refresh_token", "access_token"):
        revoke(Application(app.simulator, "other", "s"), tokens[kind])
    assert works(app, tokens)


# --- looks of an access token that does not work --------------------------------------------------------------------

LOOKS = [("GW-0040", 401), ("GW-0031", 401), ("REST-1206", 400), ("REST-2102", 401)]


@pytest.mark.parametrize(("look", "status"), LOOKS)
def test_how_expired_and_dead_tokens_look(app: Application, look: str, status: int) -> None:
    choose(app, expired_token_error=look, dead_token_error=look, token_lifetime=60)
    tokens, ended = app.credentials(), app.credentials()
    control(app.simulator, "sessions", {"as": "dead", "session": claims(ended["access_token"])["sessionId"]})
    app.simulator.clock.advance(59)
    assert (app.call(ended).status, error_id(app.call(ended))) == (status, look)
    assert works(app, tokens)
    app.simulator.clock.advance(1)
    assert (app.call(tokens).status, error_id(app.call(tokens))) == (status, look)


# --- the control API ------------------------------------------------------------------------------------------------


def test_expiring_now_leaves_the_refresh_token(app: Application) -> None:
    mine, us = app.authorized(), Application(app.simulator, user="us").authorized()
    assert control(app.simulator, "sessions", {"user": "us"})["ended"] == 1
    assert error_id(app.call(us)) == "GW-0040"
    assert works(app, mine)
    assert control(app.simulator, "sessions", {})["ended"] == 1
    assert error_id(app.call(mine)) == "GW-0040"
    renewed = app.refresh(mine["refresh_token"]).json()
    assert works(app, renewed)


def test_a_session_that_cannot_be_renewed(app: Application) -> None:
    tokens = app.authorized()
    (session,) = control(app.simulator, "sessions")["sessions"]
    assert session["refreshable"]
    ended = control(app.simulator, "sessions", {"as": "no_refresh", "session": session["session"]})
    assert (ended["ended"], ended["sessions"][0]["refreshable"]) == (1, False)
    assert works(app, tokens)
    assert not renews(app, tokens)


def test_the_list_of_sessions_gives_nothing_away(app: Application) -> None:
    tokens = app.authorized()
    listed = control(app.simulator, "sessions")
    (session,) = listed["sessions"]
    full = claims(tokens["access_token"])["sessionId"]
    assert full.startswith(session["session"])
    assert len(session["session"]) == 8
    for secret in (full, tokens["access_token"], tokens["refresh_token"]):
        assert secret not in str(listed)
    assert (session["user"], session["client"], session["grant_type"]) == ("admin", "demo-client", "authorization_code")
    assert session["expires"] == "2026-03-20T22:00:00Z"


def test_tokens_and_endings_outlive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "company.sqlite"
    with Simulator("empty", path=path, clock=Clock(NOW), switches={"rotation": "strict"}) as before:
        app = Application(before)
        code = app.code()
        spent = app.authorized()
        kept = app.refresh(spent["refresh_token"]).json()
        revoked = Application(before, user="us").authorized()
        revoke(app, revoked["access_token"])
        control(before, "clients", {"id": "web", "secret": "s"})
        web = Application(before, "web", "s").credentials()
        control(before, "access", {"clients": ["demo-client", "web"]})
        control(before, "users", {"id": "ca", "permissions": {}, "status": "inactive"})
    with Simulator("empty", path=path, clock=Clock(NOW), switches={"rotation": "strict"}) as after:
        app = Application(after)
        assert works(app, kept)
        assert works(app, web)
        assert not renews(app, spent)
        assert not works(app, revoked)
        assert control(after, "access")["access"]["clients"] == ["demo-client", "web"]
        ca = next(user for user in control(after, "users")["users"] if user["id"] == "ca")
        assert (ca["permissions"], ca["status"]) == ({}, "inactive")
        assert app.redeem(code).status == 200
        assert not renews(app, kept)


def test_no_secret_lies_in_the_company_file(tmp_path: Path) -> None:
    path = tmp_path / "company.sqlite"
    with Simulator("empty", path=path) as simulator:
        app = Application(simulator)
        code = app.code()
        tokens = app.redeem(code).json()
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (code, tokens["refresh_token"], tokens["access_token"]):
        assert secret.encode() not in held
