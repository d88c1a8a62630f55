"""The connect page has ends: to the text it takes, to sign-ins of one browser, to sessions of an owner who left."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.connections.web.conftest import BOTH
from tests.connections.web.visitor import BACK, Visitor, at_sage
from tieout.connections import Connections, audit
from tieout.connections.web import Settings, browsers, sessions, sign_session
from tieout.errors import ConfigurationError, UnknownNameError
from tieout.simulator import Simulator
from tieout.store.access_tables import authorizations, connect_links, owners


@pytest.mark.parametrize("what", ["label", "name", "company", "owner"])
@pytest.mark.parametrize(("text", "why"), [("x" * 256, "longer than 255"), ("a\0b", "none"), ("\udc80", "none")])
def test_text_that_no_column_holds_is_refused_by_name(
    connections: Connections, made: Settings, what: str, text: str, why: str
) -> None:
    given: dict[str, Any] = {"owner": "tenant-7"} | {what: text}
    with pytest.raises(ConfigurationError, match=f"The {what} .*{why}"):
        sign_session(connections, made, return_url=BACK, **given)
    with pytest.raises(ConfigurationError, match=f"The {what} .*{why}"):
        connections.connect_link(return_url=BACK, **given)
    with connections.store.read() as transaction:
        assert transaction.execute(select(func.count()).select_from(connect_links)).scalar() == 0


@BOTH
def test_text_as_long_as_its_column_opens_the_page(connections: Connections, made: Settings, visitor: Visitor) -> None:
    long: dict[str, Any] = {"label": "é" * 255, "name": "n" * 255, "company": "c" * 255}
    assert long["label"] in visitor.begin(connections, made, "o" * 255, **long).text
    connections.connect_link("o" * 255, BACK, **long)


def test_an_environment_that_is_none_is_refused_before_anything_is_made(
    connections: Connections, made: Settings
) -> None:
    wrong: Any = "prod"
    with pytest.raises(UnknownNameError, match="no environment 'prod'"):
        connections.connect_link("tenant-7", BACK, environment=wrong)
    with pytest.raises(UnknownNameError, match="no environment 'prod'"):
        sign_session(connections, made, "tenant-7", BACK, environment=wrong)
    with connections.store.read() as transaction:
        assert transaction.execute(select(func.count()).select_from(connect_links)).scalar() == 0


def test_a_name_made_of_others_is_cut_to_what_its_column_holds() -> None:
    long = "n" * 255
    assert browsers.free(long + "-E110", set()) == long
    assert browsers.free(long, {long}) == "n" * 253 + "-2"
    assert browsers.free(long, {long, "n" * 253 + "-2"}) == "n" * 253 + "-3"


@BOTH
def test_entities_of_a_connection_whose_name_fills_its_column(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    url = visitor.to_sage(visitor.questions(visitor.begin(connections, made, name="n" * 255), "admin"))
    visitor.submit(visitor.home(at_sage(served_simulator, url, "admin")), entity=["E110", "E120"])
    assert {len(name) for name in connections.names("tenant-7")} == {255}
    assert [name[-5:] for name in connections.names("tenant-7")] == ["-E120", "nnnnn"]


@BOTH
def test_a_browser_goes_to_sage_ten_times_and_the_last_one_counts(
    connections: Connections, made: Settings, visitor: Visitor, served_simulator: Simulator
) -> None:
    seen = visitor.questions(visitor.begin(connections, made))
    for _ in range(browsers.MOST_SIGN_INS - 1):
        url = visitor.to_sage(seen)
        seen = visitor.questions(visitor.get("/connect/start"))  # new answers are no new beginning
    url = visitor.to_sage(seen)
    rows = len(list(connections.audit.entries()))
    for _ in range(2):
        seen = visitor.ask("GET", "/connect/go")
        assert (seen.status, seen.title) == (429, "That was too often")
    with connections.store.read() as transaction:
        assert transaction.execute(select(func.count()).select_from(authorizations)).scalar() == 10
    assert len(list(connections.audit.entries())) == rows
    assert visitor.home(at_sage(served_simulator, url)).title == "What should be connected?"


def test_the_last_page_before_sage_says_to_whom_one_connects(
    connections: Connections, made: Settings, visitor: Visitor
) -> None:
    seen = visitor.questions(visitor.begin(connections, made, label="Mallory <& Co>"))
    assert seen.title == "Now sign in at Sage"
    assert "connecting to <strong>Mallory &lt;&amp; Co&gt;</strong>" in seen.text
    assert "connecting to" not in visitor.questions(visitor.begin(connections, made, "tenant-8")).text


@BOTH
def test_a_session_from_before_its_owner_left_makes_the_owner_no_more(
    connections: Connections, made: Settings, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.begin(connections, made)
    early = sign_session(connections, made, "tenant-7", BACK)
    other = sign_session(connections, made, "tenant-8", BACK)
    connections.offboard("tenant-7")
    assert visitor.get("/connect/start").status == 403  # the page that was open is over, too
    seen = visitor.post("/connect/session", {"session": early})
    assert (seen.status, seen.title) == (403, "This account was closed")
    with connections.store.read() as transaction:
        assert transaction.execute(select(owners.c.id).where(owners.c.id == "tenant-7")).first() is None
        left = audit.last_moment(transaction, "offboarded", "tenant-7")
    assert visitor.post("/connect/session", {"session": other}).title == "Connect Sage Intacct"
    after = datetime.fromisoformat(left).timestamp() + 1
    monkeypatch.setattr(sessions.time, "time", lambda: after)
    assert visitor.begin(connections, made).title == "Connect Sage Intacct"  # they came back
