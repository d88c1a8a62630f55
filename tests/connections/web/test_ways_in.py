"""Nobody comes onto the connect page but by a link or a session of the vendor's, and nobody is sent off elsewhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.connections.web.conftest import BOTH
from tests.connections.web.visitor import BACK, Visitor, at_sage, settings, settings_like
from tieout.connections import Connections
from tieout.connections.web import Settings, connect_app, sign_session
from tieout.errors import ConfigurationError
from tieout.simulator import Simulator
from tieout.store.connect_tables import connect_sessions


def owners(connections: Connections) -> set[str]:
    with connections.store.read() as transaction:
        return set(transaction.execute(select(connect_sessions.c.owner)).scalars())


def test_owner_and_return_url_come_from_the_signed_session_alone(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    session = sign_session(connections, made, "tenant-7", BACK, label="Contoso <b>Ltd</b>")
    evil = "owner=tenant-8&return_url=https://evil.example/&company=other"
    seen = visitor.get(f"/connect/?session={session}&{evil}")
    assert "Contoso &lt;b&gt;Ltd&lt;/b&gt;" in seen.text
    assert owners(connections) == {"tenant-7"}
    questions = {
        "csrf": seen.csrf,
        "user": "us",
        "company": "demo",
        "owner": "tenant-8",
        "return_url": "https://evil.example/",
    }
    visitor.post(f"/connect/start?{evil}", questions)
    url = visitor.ask("GET", f"/connect/go?{evil}").header("location")
    seen = visitor.home(at_sage(served_simulator, url))
    done = visitor.submit(seen, entity="")
    assert connections.names("tenant-8") == ()
    (one,) = connections.all("tenant-7")
    link = f"https://vendor.example/settings/sage?tab=1&amp;status=connected&amp;connection={one.id}"
    assert f'href="{link}"' in done.text
    assert "evil" not in done.text


@pytest.mark.parametrize("url", [
    "https://vendor.example/settings/../admin", "https://vendor.example/settings/%2e%2e/admin",
    "https://vendor.example/settings/%252e%252e/x", "https://vendor.example/settingsx", "https://vendor.example/",
    "https://vendor.example:444/settings", "http://vendor.example/settings", "https://vendor.example.evil.example/settings",
    "https://vendor.example@evil.example/settings", "https://evil.example/?https://vendor.example/settings",
    "https://vendor.example/settings\\..\\x", "javascript:alert(1)", "//vendor.example/settings",
])  # fmt: skip
def test_where_nobody_is_sent_back_to(simulator: Simulator, url: str) -> None:
    allowed = settings(simulator)
    assert not allowed.returns(url)
    for good in (BACK, "https://VENDOR.example:443/settings/x?y=../z", "https://vendor.example/settings"):
        assert allowed.returns(good)


@pytest.mark.parametrize("changed", [
    {"redirect_uri": "https://vendor.example/connect"}, {"redirect_uri": "http://vendor.example/connect/callback"},
    {"redirect_uri": "https://vendor.example/callback?x=1"}, {"return_urls": ()}, {"return_urls": ("vendor.example",)},
    {"return_urls": ("https://vendor.example/a/../b",)}, {"return_urls": ("https://vendor.example/?a",)},
    {"secret": "short"},
])  # fmt: skip
def test_settings_that_will_not_do(simulator: Simulator, changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        settings(simulator, **changed)
    assert "hidden-hidden" not in repr(settings(simulator, secret="hidden-hidden-hidden-hidden-hidden"))


def test_a_return_url_outside_the_list_is_refused_when_signing_and_again_when_coming(
    connections: Connections, made: Settings, visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigurationError, match="return_urls"):
        sign_session(connections, made, "tenant-7", "https://evil.example/")
    wider = settings_like(made, return_urls=("https://evil.example/",))
    session = sign_session(connections, wider, "tenant-7", "https://evil.example/")
    seen = visitor.post("/connect/session", {"session": session})
    assert (seen.status, seen.title) == (403, "This page is not set up right")
    link = connections.connect_link("tenant-7", "https://evil.example/", environment="simulator")
    seen = visitor.get(f"/connect/link/{link.token}")
    seen = visitor.ask("POST", f"/connect/link/{link.token}", {"csrf": seen.csrf})
    assert (seen.status, seen.title) == (403, "This page is not set up right")
    assert owners(connections) == set()
    connections.links.look(link.token)  # not used up
    assert "return_urls" in caplog.text


def test_a_session_is_good_once_for_one_page_and_for_minutes(
    connections: Connections, made: Settings, visitor: Visitor
) -> None:
    session = sign_session(connections, made, "tenant-7", BACK)
    stranger = Visitor(visitor.app)
    assert visitor.post("/connect/session", {"session": session}).status == 200
    assert visitor.post("/connect/session", {"session": session}).title == "Connect Sage Intacct"  # its own browser
    assert stranger.post("/connect/session", {"session": session}).title == "This page was opened before"
    elsewhere = settings_like(made, redirect_uri="https://vendor.example/other/callback")
    head, body, signature = sign_session(connections, made, "tenant-8", BACK).split(".")
    forged = [
        sign_session(connections, elsewhere, "tenant-7", BACK),
        sign_session(None, settings_like(made, secret="x" * 32), "tenant-7", BACK),
        f"{head}.{body}.{signature[:-2]}AA", f"{head}.{body[:-4]}AAAA.{signature}", f"cs2.{body}.{signature}",
        "", "..", "é", "x" * 20_000,
    ]  # fmt: skip
    for token in forged:
        seen = stranger.post("/connect/session", {"session": token})
        assert (seen.status, seen.title) == (403, "This page has to be opened from Vendor &amp; Co")
    with pytest.raises(ConfigurationError, match="15 minutes"):
        sign_session(connections, made, "tenant-7", BACK, lifetime=timedelta(minutes=16))
    assert owners(connections) == {"tenant-7"}


def test_a_session_expires(
    connections: Connections, made: Settings, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sign_session(connections, made, "tenant-7", BACK, lifetime=timedelta(seconds=60))
    from tieout.connections.web import flow

    moment = flow.time.time()
    monkeypatch.setattr(flow.time, "time", lambda: moment + 61)
    seen = visitor.post("/connect/session", {"session": session})
    assert (seen.status, seen.title) == (403, "That took a little too long")


def test_a_backend_without_the_database_signs_with_the_secret_of_the_settings(
    connections: Connections, made: Settings
) -> None:
    own = settings_like(made, secret="a secret of the vendor's own, long enough")
    session = sign_session(None, own, "tenant-7", BACK)
    assert Visitor(connect_app(connections, own)).post("/connect/session", {"session": session}).status == 200
    with pytest.raises(ConfigurationError, match="nothing to sign with"):
        sign_session(None, made, "tenant-7", BACK)


@BOTH
def test_mail_programs_look_at_links_and_only_the_button_uses_one(
    connections: Connections, made: Settings, visitor: Visitor
) -> None:
    link = connections.connect_link("tenant-7", BACK, environment="simulator", label="Contoso Ltd")
    path = link.url.removeprefix("https://vendor.example")
    for method in ("GET", "HEAD", "GET"):
        assert Visitor(visitor.app).ask(method, path).status == 200
    seen = visitor.get(path)
    assert "Contoso Ltd" in seen.text
    assert visitor.ask("POST", path, {"csrf": "forged"}).status == 403
    cookie = visitor.cookie
    seen = visitor.post(path, {"csrf": seen.csrf})
    assert seen.title == "Connect Sage Intacct"
    assert visitor.cookie != cookie  # a cookie from before is worth nothing afterwards
    for late in (visitor, Visitor(visitor.app)):
        assert (late.get(path).status, late.get(path).title) == (410, "This link was used already")
    assert Visitor(visitor.app).get("/connect/link/forged").status == 404


def test_a_link_that_expired_while_its_page_lay_open(
    connections: Connections, made: Settings, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = connections.connect_link("tenant-7", BACK, timedelta(seconds=1), environment="simulator")
    path = link.url.removeprefix("https://vendor.example")
    seen = visitor.get(path)
    monkeypatch.setattr(connections.links, "_now", lambda: link.expires)
    seen = visitor.post(path, {"csrf": seen.csrf})
    assert (seen.status, seen.title) == (410, "This link has expired")


def test_a_page_that_sends_the_browser_to_the_callback_does_not_end_its_sign_in(
    connections: Connections, made: Settings, visitor: Visitor, simulator: Simulator
) -> None:
    url = visitor.to_sage(visitor.questions(visitor.begin(connections, made)))
    for nonsense in ("", "?x=1", "?state=s", "?state=s&code=c", "?state=s&state=s&code=c"):
        visitor.get(f"/connect/callback{nonsense}")
    assert visitor.home(at_sage(simulator, url)).title == "What should be connected?"
