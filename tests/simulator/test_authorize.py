"""Signing in by browser: pages, redirects, codes and PKCE (REST reference 1.2)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulator.browser import AUTHORIZE, BACK, FORM, Application, Page, at_once, claims, control, returned

from tieout.simulator.app import SimulatorThread
from tieout.simulator.clients import DEMO_CLIENT, Client
from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # both from RFC 7636, appendix B
REGISTERED = "https://app.example/back?tenant=7"


@pytest.fixture
def app(simulator: Simulator) -> Application:
    return Application(simulator)


def test_the_whole_way_over_http_without_cookies() -> None:
    """Login, consent, redirect, tokens, a call: what a browser and an application do, over a real port."""

    def ask(server: HTTPConnection, method: str, target: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        server.request(method, target, urlencode(form) if form else None, FORM if form else {})
        reply = server.getresponse()
        text = reply.read().decode()
        assert reply.getheader("set-cookie") is None
        return reply.status, reply.getheader("location") or text

    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        server = HTTPConnection("127.0.0.1", running.port)
        query = {"response_type": "code", "client_id": "demo-client", "redirect_uri": BACK, "state": "x", "scope": ""}
        _, text = ask(server, "GET", f"/ia/authorize?{urlencode(query)}")
        login = Page(text)
        filled = {**login.fields, "company": "demo", "user": "us", "password": "demo"}
        _, text = ask(server, login.method.upper(), login.action, filled)
        consent = Page(text)
        status, location = ask(server, "POST", consent.action, {**consent.fields, "decision": "allow"})
        assert status == 302
        assert location.startswith(f"{BACK}?")
        told = dict(parse_qsl(urlsplit(location).query))
        assert told["state"] == "x"
        form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": BACK}
        form |= {"client_id": "demo-client", "client_secret": "demo-secret"}
        status, text = ask(server, "POST", "/ia/api/v1/oauth2/token", form)
        assert (status, "refresh_token" in text) == (200, False)
        server.close()


def test_the_tokens_of_a_code(app: Application) -> None:
    tokens = app.authorized()
    assert list(tokens) == ["token_type", "access_token", "refresh_token", "expires_in"]
    said = claims(tokens["access_token"])
    assert (said["userId"], said["cnyId"], said["clientId"], said["entityId"]) == ("admin", "demo", "demo-client", None)
    assert app.call(tokens).status == 200


def test_without_offline_access_there_is_no_refresh_token(app: Application) -> None:
    for scope in (None, "", "openid", "offline_access2"):
        assert "refresh_token" not in app.authorized(scope=scope)
    assert "refresh_token" in app.authorized(scope="openid offline_access")


def test_both_pages_name_who_asks_for_what(app: Application) -> None:
    """Readable without scripts, every field with its label, nothing to frame or cache."""
    opened = app.open()
    consent = app.sign_in(opened)
    for reply in (opened, consent):
        page = Page(reply.body.decode())
        assert (reply.status, page.scripts, page.alerts) == (200, 0, 0)
        assert page.ids == page.labels
        assert "Demo Application" in page.text
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert reply.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert set(Page(opened.body.decode()).fields) == {"ticket", "company", "user", "password"}
    assert Page(consent.body.decode()).buttons == ["deny", "allow"]
    for name in ("demo", "admin", "stay connected"):
        assert name in consent.body.decode()
    assert "stay connected" not in app.consent(scope="").body.decode()


@pytest.mark.parametrize(
    "wrong", [{"password": "Demo"}, {"user": "Admin"}, {"user": "nobody"}, {"company": "other"}, {"password": ""}]
)
def test_a_mistake_at_sign_in_can_be_corrected(app: Application, wrong: dict[str, str]) -> None:
    refused = app.sign_in(app.open(), **wrong)
    page = Page(refused.body.decode())
    assert (refused.status, page.alerts) == (401, 1)
    assert page.fields["company"] == wrong.get("company", "demo")
    assert page.fields["password"] == ""
    assert app.sign_in(refused).status == 200


@pytest.mark.parametrize(("status", "words"), [("inactive", "inactive"), ("lockedOut", "locked out")])
def test_a_user_who_is_not_active_does_not_sign_in(app: Application, status: str, words: str) -> None:
    control(app.simulator, "users", {"id": "admin", "status": status})
    refused = app.consent()
    assert refused.status == 401
    assert words in refused.body.decode()
    reply = app.token(grant_type="client_credentials", username="admin@demo")
    assert reply.json() == {"error": "invalid_grant", "error_description": "The provided credentials are invalid"}


def test_denying_is_told_to_the_application(app: Application) -> None:
    told = returned(app.submit(app.consent(), decision="deny"))
    assert told == {"error": "access_denied", "error_description": "The user denied the request", "state": "s t&ate"}
    assert "state" not in returned(app.submit(app.consent(state=None), decision=""))
    assert returned(app.submit(app.consent(state=""), decision="deny"))["state"] == ""


@pytest.mark.parametrize(
    "asked",
    [
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1@evil.example/"},
        {"redirect_uri": "http://evil.example@127.0.0.1/"},
        {"redirect_uri": "http://127.0.0.1:99999/"},
        {"redirect_uri": "http://127.0.0.1/#x"},
        {"redirect_uri": "http://127.0.0.1/\r\nset-cookie: a=b"},
        {"redirect_uri": "http://127.0.0.1\\@evil.example/"},
        {"redirect_uri": "javascript://127.0.0.1/%0aalert(1)"},
        {"client_id": None},
        {"client_id": "<script>alert(1)</script>"},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(app: Application, asked: dict[str, str | None]) -> None:
    reply = app.open(**asked, response_type="nonsense")
    assert reply.status == 400
    assert "location" not in reply.headers
    assert Page(reply.body.decode()).alerts == 1
    assert "<script>" not in reply.body.decode()


@pytest.mark.parametrize("back", ["http://localhost/", "https://127.0.0.1:8000/a?b=c", "http://[::1]:1/x"])
def test_the_demo_client_returns_to_any_address_of_this_machine(app: Application, back: str) -> None:
    reply = app.submit(app.consent(redirect_uri=back), decision="allow")
    assert reply.headers["location"].startswith(back.partition("?")[0])


def test_a_registered_address_must_be_equal_and_keeps_its_query() -> None:
    client = Client(id="web", secret="s", redirect_uris=(REGISTERED,))
    with Simulator("empty", clients=(DEMO_CLIENT, client)) as simulator:
        app = Application(simulator, "web", "s", asked={"redirect_uri": REGISTERED})
        told = returned(app.submit(app.consent(), decision="allow"))
        assert (told["tenant"], told["state"]) == ("7", "s t&ate")
        assert app.redeem(told["code"], redirect_uri=REGISTERED).status == 200
        for other in (REGISTERED + "&x=1", REGISTERED.upper(), "https://app.example/back", BACK):
            assert app.open(redirect_uri=other).status == 400


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S512"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
    ],
)
def test_other_mistakes_are_told_to_the_application(app: Application, asked: dict[str, str], error: str) -> None:
    told = returned(app.open(**asked))
    assert (told["error"], told["state"]) == (error, "s t&ate")


def test_a_page_is_good_once(app: Application) -> None:
    login = app.open()
    consent = app.sign_in(login)
    assert app.sign_in(login).status == 400
    assert app.submit(consent, decision="allow").status == 302
    for again in (app.submit(consent, decision="allow"), app.submit(login, ticket="forged", decision="allow")):
        assert again.status == 400
        assert "no longer valid" in again.body.decode()


def test_consent_needs_a_sign_in(app: Application) -> None:
    """The ticket of the login page opens no other door."""
    assert app.submit(app.open(), decision="allow").status == 401
    body = urlencode({"decision": "allow", "company": "demo", "user": "admin"}).encode()
    assert app.simulator.handle(Request.of("POST", AUTHORIZE, FORM, body)).status == 400


def test_a_page_that_lay_open_too_long(app: Application) -> None:
    consent = app.consent()
    app.simulator.clock.advance(599)
    late = app.consent()
    app.simulator.clock.advance(1)
    assert app.submit(consent, decision="allow").status == 400
    assert app.submit(late, decision="allow").status == 302


def test_text_from_outside_stays_text(app: Application) -> None:
    evil = '"><script>alert(1)</script>'
    control(app.simulator, "clients", {"id": "demo-client", "name": evil})
    for reply in (app.open(), app.consent(), app.sign_in(app.open(), user=evil, company=evil)):
        assert "<script" not in reply.body.decode()
        assert "&lt;script&gt;" in reply.body.decode()


# --- codes --------------------------------------------------------------------------------------------------------


def refused(reply: Response) -> str:
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant"), reply.body
    return str(reply.json()["error_description"])


def test_a_code_is_good_once_and_its_replay_ends_what_it_gave(app: Application) -> None:
    code = app.code()
    tokens = app.redeem(code).json()
    assert "already used" in refused(app.redeem(code))
    assert app.call(tokens).status == 401
    assert app.refresh(tokens["refresh_token"]).status == 400


def test_a_replay_may_leave_the_tokens_alone(app: Application) -> None:
    app.simulator.settings.set({"code_replay_kills": False})
    code = app.code()
    tokens = app.redeem(code).json()
    assert refused(app.redeem(code))
    assert app.call(tokens).status == 200
    assert app.refresh(tokens["refresh_token"]).status == 200


@pytest.mark.parametrize("lifetime", [60, 600])
def test_a_code_lives_shortly(app: Application, lifetime: int) -> None:
    app.simulator.settings.set({"code_lifetime": lifetime})
    first, second = app.code(), app.code()
    app.simulator.clock.advance(lifetime - 1)
    assert app.redeem(first).status == 200
    app.simulator.clock.advance(1)
    assert "expired" in refused(app.redeem(second))


def test_a_code_is_bound_to_client_and_address(app: Application) -> None:
    app.simulator.clients["other"] = Client(id="other", secret="s", loopback=True)
    code = app.code()
    assert refused(Application(app.simulator, "other", "s").redeem(code))
    assert "redirect_uri" in refused(app.redeem(code, redirect_uri=BACK + "/"))
    assert app.redeem(code, client_secret="wrong").status == 401
    assert refused(app.redeem(code + "x"))
    for name in ("code", "redirect_uri"):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, name: ""}
        reply = app.token(**form)
        assert reply.json() == {"error": "invalid_request", "error_description": f"The {name} parameter is required"}
    assert app.redeem(code).status == 200


@pytest.mark.parametrize(("challenge", "method"), [(CHALLENGE, "S256"), (VERIFIER, "plain"), (VERIFIER, None)])
def test_pkce(app: Application, challenge: str, method: str | None) -> None:
    code = app.code(code_challenge=challenge, code_challenge_method=method)
    assert "code_verifier" in refused(app.redeem(code, code_verifier=VERIFIER[:-1] + "x"))
    assert "code_verifier" in refused(app.redeem(code))
    reply = app.redeem(code, public=True, code_verifier=VERIFIER)  # a public client has no secret to send
    assert reply.status == 200
    refresh_token = reply.json()["refresh_token"]
    assert app.token(public=True, grant_type="refresh_token", refresh_token=refresh_token).status == 401
    assert app.refresh(refresh_token).status == 200


def test_a_verifier_is_no_secret_of_a_code_without_challenge(app: Application) -> None:
    code = app.code()
    assert refused(app.redeem(code, public=True, code_verifier=VERIFIER))
    assert app.redeem(code, public=True).status == 401
    assert app.redeem(code, client_secret="wrong", code_verifier=VERIFIER).status == 401


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(verifier=st.text("ABCxyz019-._~", min_size=43, max_size=128), other=st.text(min_size=1, max_size=60))
def test_any_verifier_proves_its_own_challenge_only(app: Application, verifier: str, other: str) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = app.code(code_challenge=challenge, code_challenge_method="S256")
    assert app.redeem(code, code_verifier=other).status == (200 if other == verifier else 400)
    assert app.redeem(code, code_verifier=verifier).status == (400 if other == verifier else 200)


def test_of_many_that_redeem_one_code_one_wins(app: Application) -> None:
    app.simulator.settings.set({"code_replay_kills": False})
    code = app.code()
    assert sorted(at_once(8, lambda: app.redeem(code).status)) == [200] + [400] * 7


# --- any request --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with Simulator("empty") as made:
        yield made


_names = st.sampled_from(
    ["response_type", "client_id", "redirect_uri", "state", "scope", "code_challenge", "ticket", "company", "decision"]
)


@settings(deadline=None, max_examples=150)
@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    fields=st.dictionaries(_names | st.text(max_size=4), st.sampled_from(["code", "demo-client", BACK]) | st.text()),
    raw=st.none() | st.binary(max_size=30),
)
def test_any_request_is_answered(shared: Simulator, method: str, fields: dict[str, str], raw: bytes | None) -> None:
    """A page, a redirect to a registered address, or a refusal; never a crash."""
    text = urlencode(fields, errors="replace")
    body = raw if raw is not None else text.encode()
    reply = shared.handle(Request.of(method, f"{AUTHORIZE}?{text}", FORM, body if method == "POST" else b""))
    assert reply.status in (200, 302, 400, 401, 405)
    if reply.status == 302:
        assert reply.headers["location"].startswith(BACK)
    else:
        assert "<h1>" in reply.body.decode() or reply.status == 405
