"""Applications of the developer console: what it would refuse is refused first, and what never changes is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from tests.connections.support import Wire, sign_in
from tieout.connections import Connections
from tieout.errors import BusyError, CheckError, ConfigurationError, UnknownNameError
from tieout.simulator import Simulator
from tieout.store.access_tables import apps

BACK = "https://127.0.0.1:8766/callback"
WHOLE = {"redirect_uris": [BACK], "terms_url": "https://example.com/terms", "sender_id": "acme", "scope": "production"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)


def test_from_draft_to_approved(connections: Connections) -> None:
    made = connections.apps.draft("main", **WHOLE, origins=["https://app.example.com"], sender_password="pw-hush")
    assert (made.state, made.client_id, made.has_secret, made.has_sender_password) == ("draft", None, False, True)
    assert connections.apps.submit("main").state == "submitted"
    done = connections.apps.approve("main", "client-from-mail", "secret-hush")
    assert (done.state, done.client_id, done.has_secret) == ("approved", "client-from-mail", True)
    assert connections.apps.all() == [done]
    assert "hush" not in repr(done)
    with connections.store.read() as transaction:
        assert "hush" not in repr(transaction.execute(select(apps)).all())
    assert [entry.what for entry in connections.audit.entries()] == [
        "key made",
        "app drafted",
        "app submitted",
        "app secret set",
    ]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"redirect_uris": ["http://example.com/cb"]}, "must begin with https"),
        ({"redirect_uris": ["https://localhost:8766/cb"]}, "cannot be `localhost`: use 127.0.0.1"),
        ({"redirect_uris": ["https://example.com"]}, "needs a path"),
        ({"redirect_uris": ["https://*.example.com/cb"]}, "wildcard"),
        ({"redirect_uris": ["https://example.com/cb#x"]}, "fragment"),
        ({"redirect_uris": ["https://example.com/cb?x=1"]}, "query"),
        ({"redirect_uris": ["https://u:p@example.com/cb"]}, "user or password"),
        ({"redirect_uris": ["/callback"]}, "not a whole URL"),
        ({"redirect_uris": ["https://example.com:port/cb"]}, "not a whole URL"),
        ({"redirect_uris": ["https://exa mple.com/cb"]}, "not a whole URL"),
        ({"origins": ["https://example.com/"]}, "without a path"),
        ({"origins": ["http://example.com"]}, "must begin with https"),
        ({"terms_url": "example.com/terms"}, "not a whole URL"),
        ({"scope": "sandbox"}, "is production or non-production"),
    ],
)
def test_what_the_console_would_refuse_is_refused_first(
    connections: Connections, given: dict[str, object], fault: str
) -> None:
    with pytest.raises(CheckError, match=fault):
        connections.apps.draft("x", **given)  # type: ignore[arg-type]
    assert connections.apps.all() == []


def test_all_mistakes_are_named_at_once(connections: Connections) -> None:
    with pytest.raises(CheckError) as wrong:
        connections.apps.draft(" ", redirect_uris=["http://a/b", "x"], origins=["https://a/b"])
    assert [problem.path for problem in wrong.value.problems] == ["name", "redirect_uris", "redirect_uris", "origins"]


def test_a_scope_once_set_is_never_changed(connections: Connections) -> None:
    connections.apps.draft("x")
    assert connections.apps.change("x", scope="production").scope == "production"
    assert connections.apps.change("x", scope="production", terms_url="https://e.com/t").scope == "production"
    with pytest.raises(ConfigurationError, match="is production and cannot be changed"):
        connections.apps.change("x", scope="non-production", terms_url="https://other.com/t")
    assert connections.apps.get("x").terms_url == "https://e.com/t"


def test_a_sender_id_has_five_production_keys(connections: Connections) -> None:
    for number in range(6):
        connections.apps.draft(f"p{number}", **WHOLE)
    connections.apps.draft("sandbox", **(WHOLE | {"scope": "non-production"}))
    for number in range(4):
        connections.apps.submit(f"p{number}")
    start = threading.Barrier(2)
    refused = []

    def submit(name: str) -> None:
        start.wait()
        try:
            connections.apps.submit(name)
        except ConfigurationError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=submit, args=(name,)) for name in ("p4", "p5")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert "has 5 production applications" in refused[0]
    assert connections.apps.production_keys("acme") == 5
    assert connections.apps.submit("sandbox").state == "submitted"


def test_what_is_missing_is_named_before_it_is_submitted(connections: Connections) -> None:
    connections.apps.draft("x")
    with pytest.raises(CheckError, match=r"terms_url: is missing; sender_id: is missing; scope: .*; redirect_uris"):
        connections.apps.submit("x")


def test_a_client_id_is_kept_for_good_and_by_one(connections: Connections) -> None:
    for name in ("a", "b"):
        connections.apps.draft(name, **WHOLE)
    connections.apps.approve("a", "c1", "s")
    with pytest.raises(ConfigurationError, match="has another client id, c1"):
        connections.apps.approve("a", "c2", "s")
    with pytest.raises(ConfigurationError, match="Another application has this client id"):
        connections.apps.approve("b", "c1", "s")


@pytest.mark.parametrize(
    "do", [lambda a: a.get("mian"), lambda a: a.submit("mian"), lambda a: a.set_secret("mian", "s")]
)
def test_names_that_nothing_answers_to(connections: Connections, do: Callable[[object], object]) -> None:
    connections.apps.draft("main")
    with pytest.raises(UnknownNameError, match="Did you mean main"):
        do(connections.apps)
    with pytest.raises(ConfigurationError, match="already"):
        connections.apps.draft("main")


def test_a_real_secret_needs_a_key_of_ones_own(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIEOUT_KEY")
    connections.vault.keys.make_for_simulator()
    connections.apps.draft("x", scope="production")
    with pytest.raises(ConfigurationError, match="master key of your own"):
        connections.apps.approve("x", "c", "s")


def test_an_application_in_use_is_not_removed(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    connections.apps.draft("demo", redirect_uris=[BACK], scope="non-production")
    connections.apps.approve("demo", "demo-client", "demo-secret")
    sign_in(connections, simulator, "us")
    with pytest.raises(BusyError):
        connections.apps.remove("demo")
    connections.remove("us")
    connections.apps.remove("demo")
    assert connections.apps.all() == []
