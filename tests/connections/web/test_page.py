"""The connect page answers nobody but the browser it belongs to, and says no more than it must."""

from __future__ import annotations

import re
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.connections.web.conftest import BOTH
from tests.connections.web.served import listening, served
from tests.connections.web.visitor import BACK, Visitor, as_json, at_sage, settings_like
from tests.simulator.browser import control
from tieout.connections import Connections
from tieout.connections.sign_in_errors import SignInError
from tieout.connections.web import Settings, browsers, connect_app, sign_session
from tieout.connections.web.app import COOKIE, HEADERS
from tieout.connections.web.quiet import cleaned
from tieout.connections.web.words import FAILURES
from tieout.rest.call import Request
from tieout.rest.public import PublicTransport
from tieout.simulator import Simulator
from tieout.store.connect_tables import connect_sessions

# --- whose browser ----------------------------------------------------------------------------------------------------


def test_every_answer_carries_the_headers_and_the_cookie_its_attributes(
    connections: Connections, made: Settings, visitor: Visitor
) -> None:
    link = connections.connect_link("tenant-7", BACK, environment="simulator")
    begun = visitor.ask("POST", "/connect/session", {"session": sign_session(connections, made, "tenant-7", BACK)})
    assert re.fullmatch(
        rf"{COOKIE}=[\w-]{{43}}; HttpOnly; Max-Age=3600; Path=/; SameSite=lax; Secure", begun.header("set-cookie")
    )
    seen = [begun, visitor.get("/connect/start")]
    paths = ["", "/", "/go", "/same-user", "/sign-in", "/wait", "/entities", "/done", "/failed", "/callback", "/nope",
             "/link/x", "/connect.css", f"/link/{link.token}", "/callback?code=x&state=y"]  # fmt: skip
    for who in (visitor, Visitor(visitor.app)):
        seen += [who.ask(method, f"/connect{path}") for path in paths for method in ("GET", "POST", "PUT", "OPTIONS")]
    assert {one.status for one in seen} <= {200, 303, 403, 404, 405, 410}
    for one in seen:
        for name, value in HEADERS.items():
            assert [given for key, given in one.headers if key == name] == [value]
        assert "<script" not in one.text
        assert "access-control-allow-origin" not in dict(one.headers)


def test_a_form_of_another_site_or_browser_is_refused(
    connections: Connections, made: Settings, visitor: Visitor
) -> None:
    mine = visitor.begin(connections, made)
    other = Visitor(visitor.app)
    theirs = other.begin(connections, made, "tenant-8")
    for token in ("", "x", theirs.csrf, mine.csrf[:-1]):
        for path in ("/start", "/same-user", "/entities", "/restart"):
            seen = visitor.ask("POST", f"/connect{path}", {"csrf": token, "user": "us", "company": "demo"})
            assert (seen.status, seen.title) == (403, "This form is out of date")
    assert visitor.get("/connect/").title == "Connect Sage Intacct"


@pytest.mark.parametrize("owner", ["tenant-6", "tenant-7"])
def test_an_answer_of_another_browser_s_sign_in_is_refused_and_harms_neither(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator, owner: str
) -> None:
    """Login CSRF: an attacker signs in as himself and has the victim's browser bring the answer."""
    attacker = Visitor(visitor.app)
    attacked = attacker.to_sage(attacker.questions(attacker.begin(connections, made, owner), "ca"))
    answer = at_sage(served_simulator, attacked, "ca")
    url = visitor.to_sage(visitor.questions(visitor.begin(connections, made)))
    seen = visitor.home(answer)
    assert seen.title == "This is not the sign-in that this browser began"
    assert Visitor(visitor.app).home(answer).title == "This browser is not connecting anything"
    assert {one.state for one in connections.all("tenant-7")} == {"unconnected"}
    assert visitor.home(at_sage(served_simulator, url)).title == "What should be connected?"  # its own still works
    assert attacker.home(answer).title == "What should be connected?"


def test_a_browser_is_known_for_an_hour(connections: Connections, made: Settings, visitor: Visitor) -> None:
    visitor.begin(connections, made)
    with connections.store.begin() as transaction:
        transaction.execute(update(connect_sessions).values(expires=0.0))
    assert visitor.get("/connect/start").status == 403
    for cookie in ("", "x", "A" * 43, "' or 1=1; --"):
        assert Visitor(visitor.app, cookie=cookie).get("/connect/start").status == 403


def test_host_and_forwarded_headers_lead_nobody_astray(
    connections: Connections, made: Settings, visitor: Visitor
) -> None:
    visitor.headers = {"host": "evil.example", "x_forwarded_host": "evil.example", "x_forwarded_proto": "http",
                       "forwarded": "host=evil.example", "x_forwarded_prefix": "/evil"}  # fmt: skip
    seen = visitor.begin(connections, made)
    url = visitor.to_sage(visitor.questions(seen))
    assert "redirect_uri=https%3A%2F%2Fvendor.example%2Fconnect%2Fcallback" in url
    answers = [
        visitor.ask("GET", f"/connect{path}") for path in ("", "/", "/start", "/start/", "/sign-in", "//evil.example")
    ]
    assert all("evil" not in one.text + str(one.headers) for one in [seen, *answers])


@pytest.mark.parametrize("root", ["/connect", "", "/outer/connect"])
def test_mounted_served_alone_or_behind_a_proxy_that_takes_the_path_off(
    connections: Connections, made: Settings, root: str
) -> None:
    made = settings_like(made, redirect_uri=f"https://vendor.example{root}/callback")
    inner = connect_app(connections, made)
    inside = Starlette(routes=[Mount(root, inner)]) if root else inner
    for app, visible in ((inside, root), (inner, root), (inner, "")):
        visitor = Visitor(app, base=root, mount="")
        session = sign_session(connections, made, "tenant-7", BACK)
        seen = visitor.ask("POST", f"{visible}/session", {"session": session})
        assert seen.header("location") == f"{root}/start"
        seen = visitor.ask("GET", f"{visible}/start")
        assert (seen.status, seen.action) == (200, f"{root}/start")
        assert f'href="{root}/connect.css"' in seen.text
        assert visitor.ask("GET", f"{visible}/connect.css").header("content-type").startswith("text/css")


# --- what people type, and what Sage says -----------------------------------------------------------------------------


def test_answers_that_are_missing_are_asked_for_again(
    connections: Connections, made: Settings, visitor: Visitor
) -> None:
    seen = visitor.begin(connections, made)
    for said in ({"user": " ", "company": ""}, {"user": "x" * 256, "company": "a\x00b"}, {}):
        seen = visitor.submit(seen, **said)
        assert (seen.status, seen.text.count('class="fault"')) == (422, 2)
        assert seen.text.count('aria-invalid="true"') == 2
    assert visitor.ask("POST", "/connect/start", b"csrf=" + b"x" * 70_000).status == 413
    assert visitor.ask("POST", "/connect/start", b"\xff\xfe=%ff").status in (400, 403)


def test_real_books_or_a_copy_must_fit_the_application(connections: Connections, made: Settings) -> None:
    connections.vault.keys.require_own = lambda: None  # type: ignore[method-assign]  # no real company is asked
    real = settings_like(made, base_url=None)
    visitor = Visitor(connect_app(connections, real))
    seen = visitor.begin(connections, real)
    assert "Real books" in seen.text
    seen = visitor.submit(seen, user="us", company="demo")
    assert "Say which kind of company it is." in seen.text
    seen = visitor.submit(seen, user="us", company="demo", environment="production")
    assert "sandboxes and trial copies only" in seen.text
    seen = visitor.submit(seen, user="us", company="demo", environment="sandbox")
    assert seen.title == "Now sign in at Sage"
    assert visitor.ask("GET", "/connect/go").header("location").startswith("https://api.intacct.com/")


EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_text_from_outside_stays_text(connections: Connections, made: Settings, visitor: Visitor) -> None:
    seen = visitor.begin(connections, made, label=EVIL)
    pages = [seen, visitor.submit(seen, user=EVIL, company="")]
    pages.append(visitor.submit(pages[-1], user=EVIL, company=EVIL))
    assert pages[-1].title == "Now sign in at Sage"
    pages.append(visitor.get(f"/connect/callback?error=access_denied&state={EVIL}&error_description={EVIL}"))
    for page in pages:
        assert "<script" not in page.text
        assert "<img" not in page.text


def test_entity_names_stay_text(connections: Connections, made: Settings, visitor: Visitor) -> None:
    visitor.begin(connections, made)
    facts = b'{"entities":[{"id":"E<b>1","key":"1","name":"<script>alert(1)</script>","status":"active"}]}'
    with connections.store.begin() as transaction:
        transaction.execute(update(connect_sessions).values(stage="choosing", facts=facts.decode(), said_company="<i>"))
    seen = visitor.get("/connect/")
    assert seen.title == "What should be connected?"
    assert "<script" not in seen.text
    assert 'value="E&lt;b&gt;1"' in seen.text
    assert "&lt;i&gt;" in seen.text


@pytest.mark.parametrize(
    ("sage", "title"),
    [
        ({"error": "access_denied"}, "The access was not allowed"),
        ({"error": "unauthorized_client"}, "Your company has not authorised Vendor &amp; Co yet"),
        ({"error": "server_error"}, "Sage Intacct did not answer"),
        ({"error": "invalid_scope"}, "Sage took its answer back"),
        ({"code": "made-up"}, "Sage took its answer back"),
        ({}, "Sage’s answer could not be read"),
    ],
)
def test_what_sage_says_no_with(
    connections: Connections, made: Settings, visitor: Visitor, sage: dict[str, str], title: str
) -> None:
    from urllib.parse import parse_qs, urlencode, urlsplit

    url = visitor.to_sage(visitor.questions(visitor.begin(connections, made)))
    state = parse_qs(urlsplit(url).query)["state"][0]
    first = visitor.ask("GET", f"/connect/callback?{urlencode({'state': state, **sage})}")
    assert (first.status, first.header("location").partition("?")[2]) == (303, "")
    seen = visitor.get(first.header("location"))
    assert seen.title == title
    assert state not in seen.text
    assert "status=failed&amp;reason=" in seen.text
    seen = visitor.submit(seen)
    assert seen.title == "Connect Sage Intacct"
    assert 'value="us"' in seen.text  # nothing has to be typed again


def test_another_user_another_company_and_a_user_of_another_customer_are_told_apart(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    url = visitor.to_sage(visitor.questions(visitor.begin(connections, made), "us"))
    seen = visitor.home(at_sage(served_simulator, url, "ca"))
    assert seen.title == "That was another Sage user"
    assert "sign in as “us”" in seen.text
    served_simulator.add_company("second", "empty")
    url = visitor.to_sage(visitor.questions(visitor.submit(seen), "us"))
    seen = visitor.home(at_sage(served_simulator, url, "us", company="second"))
    assert seen.title == "That was another company"
    other = Visitor(visitor.app)
    url = other.to_sage(other.questions(other.begin(connections, made, "tenant-8"), "admin"))
    seen = other.home(at_sage(served_simulator, url, "ca"))
    assert seen.title == "This Sage user serves another account"
    assert "tenant-7" not in seen.text


def test_no_refresh_token_and_a_refused_client(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    url = visitor.to_sage(visitor.questions(visitor.begin(connections, made)))
    seen = visitor.home(at_sage(served_simulator, url.replace("offline_access", "")))
    assert seen.title == "Sage did not allow a lasting connection"
    url = visitor.to_sage(visitor.questions(visitor.submit(seen)))
    back = at_sage(served_simulator, url)
    connections.apps.set_secret("demo", "another-secret")
    assert visitor.home(back).title == "Sage does not accept Vendor &amp; Co itself"


def test_connecting_anew_keeps_the_connection_and_its_entity(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    seen = visitor.connect(connections, made, served_simulator, "us")
    visitor.submit(seen, entity="E110")
    (before,) = connections.all("tenant-7")
    again = Visitor(visitor.app)
    seen = again.begin(connections, made, connection_id=before.id)
    assert seen.title == "Connect Sage Intacct again"
    assert 'name="company"' not in seen.text
    assert 'value="us"' in seen.text
    seen = again.submit(seen, user="us", company="second")  # the company is fixed
    seen = again.home(at_sage(served_simulator, again.to_sage(seen), "us"))
    assert seen.title == "Sage Intacct is connected"
    (after,) = connections.all("tenant-7")
    assert (after.id, after.entity, after.company, after.state) == (before.id, "E110", "demo", "connected")
    stranger = Visitor(visitor.app).begin(connections, made, "tenant-8", connection_id=before.id)
    assert (stranger.status, stranger.title) == (403, "This page is not set up right")


def test_a_name_is_a_browser_s_own_before_there_is_a_connection(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    names = []
    for one in (visitor, Visitor(visitor.app)):
        one.questions(one.begin(connections, made))
        browser = browsers.find(connections.store, one.cookie)
        assert browser is not None
        like = connections.prepare("like", base_url=served_simulator.origin, environment="simulator")
        names.append(browsers.claim_name(connections.store, browser, "demo", like))
    assert names == ["demo", "demo-2"]


@BOTH
def test_two_browsers_of_one_customer_make_a_connection_each(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    """Also at the same moment; and what somebody left unfinished is taken up when their hour is over."""
    visitors = [Visitor(visitor.app) for _ in range(4)]
    for one in visitors:
        one.questions(one.begin(connections, made))
    with ThreadPoolExecutor(4) as pool:
        urls = list(pool.map(lambda one: one.ask("GET", "/connect/go").header("location"), visitors))
    assert len(set(urls)) == 4
    assert connections.names("tenant-7") == ("demo", "demo-2", "demo-3", "demo-4")
    with connections.store.begin() as transaction:
        transaction.execute(update(connect_sessions).values(expires=0.0))
    seen = visitor.connect(connections, made, served_simulator)
    assert seen.title == "What should be connected?"
    assert [one.name for one in connections.all("tenant-7") if one.state == "connected"] == ["demo"]


def test_two_tabs_and_the_way_back_connect_once(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    seen = visitor.questions(visitor.begin(connections, made))
    first, second = visitor.to_sage(seen), visitor.to_sage(seen)  # the second voids the first
    answer = at_sage(served_simulator, first)
    assert visitor.home(answer).title == "This is not the sign-in that this browser began"
    with pytest.raises(SignInError, match="cancelled"):
        connections.sign_ins.finish(answer)  # by no way
    good = at_sage(served_simulator, second)
    assert visitor.home(good).title == "What should be connected?"
    assert visitor.home(good).title == "What should be connected?"  # reloaded: nothing is exchanged again
    assert visitor.get("/connect/go").title == "What should be connected?"
    assert visitor.get("/connect/go", sec_fetch_site="cross-site").title == "What should be connected?"
    assert visitor.get("/connect/start").title == "What should be connected?"
    seen = visitor.post("/connect/start", {"csrf": visitor.get("/connect/").csrf, "user": "ca", "company": "demo"})
    assert seen.title == "What should be connected?"
    assert len(connections.all("tenant-7")) == 1


def test_a_link_on_another_site_does_not_void_a_sign_in_that_is_under_way(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    url = visitor.to_sage(visitor.questions(visitor.begin(connections, made)))
    assert visitor.get("/connect/go", sec_fetch_site="cross-site").title == "Now sign in at Sage"
    assert visitor.home(at_sage(served_simulator, url)).title == "What should be connected?"


def test_a_sign_in_that_was_cut_off_can_be_begun_again(
    connections: Connections, made: Settings, visitor: Visitor
) -> None:
    visitor.to_sage(visitor.questions(visitor.begin(connections, made)))
    with connections.store.begin() as transaction:  # the process died in the middle
        transaction.execute(update(connect_sessions).values(stage="finishing"))
    seen = visitor.get("/connect/")
    assert (seen.title, seen.header("refresh")) == ("One moment", "3")
    assert visitor.submit(seen).title == "Connect Sage Intacct"


def test_a_user_who_may_not_list_entities_is_connected_at_the_top_level(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    control(served_simulator, "users", {"id": "us", "permissions": {"company-config/entity": []}})
    seen = visitor.connect(connections, made, served_simulator, "us")
    assert seen.title == "Sage Intacct is connected"
    assert "The whole company" in seen.text


def test_the_json_twin_says_the_same(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    visitor.begin(connections, made)
    visitor.headers = {"accept": "application/json"}
    start = as_json(visitor.get("/connect/"))
    assert (start["page"], start["product"], start["faults"]) == ("start", "Vendor & Co", {})
    again = as_json(visitor.post("/connect/start", {"csrf": start["csrf"], "user": "", "company": "demo"}))
    assert again["faults"] == {"user": "Say which Sage user will sign in."}
    sign_in = as_json(visitor.post("/connect/start", {"csrf": start["csrf"], "user": "us", "company": "demo"}))
    url = visitor.ask("GET", sign_in["go"]).header("location")
    chosen = as_json(visitor.home(at_sage(served_simulator, url)))
    assert [one["id"] for one in chosen["entities"]] == ["E110"]
    done = as_json(visitor.post("/connect/entities", {"csrf": start["csrf"], "entity": ["", "E110", "E999"]}))
    assert [(one["name"], one["entity"]) for one in done["connections"]] == [("demo", None), ("demo-E110", "E110")]
    assert done["return_url"].count("connection=") == 2
    lost = as_json(Visitor(visitor.app, headers=visitor.headers).get("/connect/start"))
    assert (lost["page"], lost["reason"]) == ("refused", "lost")


def test_choosing_nothing_or_what_is_not_offered_asks_again(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    seen = visitor.connect(connections, made, served_simulator)
    for wanted in ([], ["E999"]):
        seen = visitor.submit(seen, entity=wanted)
        assert (seen.status, "Choose at least one." in seen.text) == (422, True)


def test_a_mistake_of_ours_is_a_page_and_not_a_trace(
    connections: Connections, made: Settings, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.begin(connections, made)
    monkeypatch.setattr("tieout.connections.web.pages.start", lambda *_: 1 / 0)
    seen = visitor.ask("GET", "/connect/start")
    assert (seen.status, seen.title) == (500, "Something went wrong here")
    assert "ZeroDivision" not in seen.text
    assert visitor.mistakes == ["ZeroDivisionError"]  # for the server's own log


def test_every_reason_has_words() -> None:
    from typing import get_args

    from tieout.connections.sign_in_errors import Reason

    assert set(get_args(Reason)) <= set(FAILURES)


# --- logs -------------------------------------------------------------------------------------------------------------


def test_neither_code_nor_state_nor_links_are_in_the_access_log(
    connections: Connections, made: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = listening()
    where = f"https://127.0.0.1:{listener.getsockname()[1]}/connect"
    transport = PublicTransport(allow_local=True)
    transport._trusted = unverified()
    with served(connect_app(connections, made), tmp_path, listener, log_level="info", access_log=True):
        for path in ("/callback?code=PLANTED1&state=PLANTED2", "/?session=PLANTED3", "/link/PLANTED4"):
            assert transport.send(Request("GET", where + path, {}), 20).status in (303, 403, 404)
    said = "".join(capsys.readouterr())
    assert re.findall(r'"GET (\S+) HTTP/1.1"', said)[:3] == ["/connect/callback", "/connect/", "/connect/link/…"]
    assert "PLANTED" not in said
    assert cleaned("/a/link/x/y?z") == "/a/link/…/y"


def unverified() -> Any:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
