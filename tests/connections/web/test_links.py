"""A connect link opens one door once: to whom it was made for, in its time, whoever races for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.connections.support import sign_in
from tests.connections.web.conftest import BOTH
from tests.connections.web.receiver import programs
from tests.forks import Forks
from tieout.connections import Connections
from tieout.connections.links import LinkError, checked_return_url
from tieout.errors import ConfigurationError, UnknownNameError
from tieout.simulator import Simulator
from tieout.store.access_tables import connect_links

PAGE = "https://vendor.example/connect"
BACK = "https://vendor.example/settings"


@pytest.fixture(autouse=True)
def app(connections: Connections) -> None:
    connections.vault.keys.make_for_simulator()
    uris = [f"{PAGE}/callback", "https://127.0.0.1:8766/callback"]
    connections.apps.draft("demo", redirect_uris=uris, scope="non-production")
    connections.apps.approve("demo", "demo-client", "demo-secret")


def used(connections: Connections, token: str) -> str:
    with connections.store.begin() as transaction:
        return connections.links.use(transaction, token).owner


def test_a_link_says_what_it_was_made_with_and_is_stored_as_a_hash(connections: Connections) -> None:
    link = connections.connect_link("tenant-7", BACK, company="acme", label="Contoso Ltd", name="books")
    assert link.url == f"{PAGE}/link/{link.token}"
    seen = connections.links.look(link.token)
    assert (seen.owner, seen.company, seen.label, seen.name, seen.return_url) == (
        "tenant-7", "acme", "Contoso Ltd", "books", BACK,
    )  # fmt: skip
    assert link.token not in repr(link)
    with connections.store.read() as transaction:
        stored = str(transaction.execute(select(connect_links)).all())
    assert link.token not in stored
    audited = [entry.what for entry in connections.audit.entries("tenant-7")]
    assert audited == ["link made"]


@BOTH
def test_looking_does_not_use_it_up_and_using_does(connections: Connections) -> None:
    link = connections.connect_link("tenant-7", BACK)
    for _ in range(3):
        connections.links.look(link.token)
    assert used(connections, link.token) == "tenant-7"
    for act in (connections.links.look, lambda token: used(connections, token)):
        with pytest.raises(LinkError, match="used already") as refused:
            act(link.token)
        assert refused.value.reason == "used"


def test_a_use_that_is_rolled_back_leaves_the_link_good(connections: Connections) -> None:
    link = connections.connect_link("tenant-7", BACK)
    with connections.store.begin() as transaction:
        connections.links.use(transaction, link.token)
        transaction.get_transaction().rollback()
    assert used(connections, link.token) == "tenant-7"


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "' or 1=1 --"])
def test_a_forged_link_opens_nothing(connections: Connections, token: str) -> None:
    connections.connect_link("tenant-7", BACK)
    with pytest.raises(LinkError) as refused:
        connections.links.look(token)
    assert refused.value.reason == "unknown"


def test_a_link_expires(connections: Connections) -> None:
    now = [1_000_000.0]
    later = Connections(connections.store, connections.vault, now=lambda: now[0])
    link = later.connect_link("tenant-7", BACK, timedelta(minutes=30))
    now[0] += 1799
    later.links.look(link.token)
    now[0] += 1
    with pytest.raises(LinkError, match="expired"):
        used(later, link.token)
    now[0] += 31 * 86_400
    later.connect_link("tenant-7", BACK)  # forgets what expired a month ago
    with pytest.raises(LinkError, match="no such link"):
        later.links.look(link.token)


@pytest.mark.parametrize("expires", [timedelta(days=7, seconds=1), timedelta(0), timedelta(seconds=-1)])
def test_seven_days_at_most(connections: Connections, expires: timedelta) -> None:
    with pytest.raises(ConfigurationError, match="7 days"):
        connections.connect_link("tenant-7", BACK, expires)
    with pytest.raises(ConfigurationError, match="https"):
        connections.connect_link("tenant-7", "http://vendor.example/")
    connections.connect_link("tenant-7", BACK, timedelta(days=7))


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example/", "javascript:alert(1)", "//vendor.example", "/settings", "https://", "https://a b/",
        "https://me@vendor.example/", "https://vendor.example/#x", "https://vendor.example:0x/", "https://[/", "",
        "https://vendor.example/\r\nset-cookie:a=b", "https://vendor.example\\@evil.example/",
    ],
)  # fmt: skip
def test_the_address_to_return_to_is_a_whole_https_url(url: str) -> None:
    with pytest.raises(ConfigurationError):
        checked_return_url(url)


def test_a_link_to_connect_anew_is_to_that_company_and_owner(connections: Connections, simulator: Simulator) -> None:
    before = sign_in(connections, simulator, "us", owner="tenant-7").connection
    link = connections.connect_link("tenant-7", BACK, connection_id=before.id)
    seen = connections.links.look(link.token)
    assert (seen.connection_id, seen.company, seen.name, seen.environment) == (before.id, "demo", "us", "simulator")
    with pytest.raises(ConfigurationError, match="is to demo"):
        connections.connect_link("tenant-7", BACK, company="other", connection_id=before.id)
    with pytest.raises(UnknownNameError, match="no connection"):
        connections.connect_link("tenant-8", BACK, connection_id=before.id)


def test_the_page_is_told_where_the_application_does_not_tell_it(connections: Connections) -> None:
    connections.apps.draft("other", redirect_uris=["https://second.example/c/callback"])
    with pytest.raises(ConfigurationError, match="Several redirect URIs"):
        connections.connect_link("tenant-7", BACK)
    assert connections.connect_link("tenant-7", BACK, app="demo").url.startswith(f"{PAGE}/link/")
    assert connections.connect_link("tenant-7", BACK, page="https://x.example/y/").url.startswith(
        "https://x.example/y/link/"
    )
    connections.apps.draft("none")
    with pytest.raises(ConfigurationError, match="No redirect URI"):
        connections.connect_link("tenant-7", BACK, app="none")


RACER = """
import sys, json
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.connections.links import LinkError
from tieout.store import open_store
from pathlib import Path
store = open_store(sys.argv[1])
connections = Connections(store, Vault(Keys(Path("."))))
connections.links.look(sys.argv[2])
print("ready", flush=True)
input()
try:
    with store.begin() as transaction:
        connections.links.use(transaction, sys.argv[2])
    print(json.dumps("won"))
except LinkError as error:
    print(json.dumps(error.reason))
"""


@BOTH
def test_of_two_processes_that_use_a_link_at_once_one_wins(
    connections: Connections, state_url: str, forked: Forks
) -> None:
    link = connections.connect_link("tenant-7", BACK)
    assert sorted(programs(forked, RACER, state_url, link.token, count=2)) == ["used", "won"]
