"""Making, proving and finding connections."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.connections.support import Wire
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.errors import ConfigurationError, NotAuthorisedError, TokenRefusedError, UnknownNameError, UnreachableError
from tieout.simulator import Simulator
from tieout.store import open_store
from tieout.store.access_tables import connections as connection_rows
from tieout.store.access_tables import grants, tokens


def rows(connections: Connections) -> tuple[int, int, int]:
    with connections.store.read() as transaction:
        return tuple(len(transaction.execute(select(table)).all()) for table in (connection_rows, grants, tokens))  # type: ignore[return-value]


def dump(connections: Connections) -> str:
    with connections.store.read() as transaction:
        return repr([transaction.execute(select(table)).all() for table in (connection_rows, grants, tokens)])


def test_a_simulator_is_connected_without_a_secret(connections: Connections, wire: Wire) -> None:
    made = connections.add_simulator("demo", wire.origin, transport=wire.transport)
    assert connections.get("demo") == made
    assert (made.environment, made.company, made.user, made.is_simulator) == ("simulator", "demo", "admin", True)
    assert made.base_url.endswith("/ia/api/v1")
    assert connections.names() == ("demo",)


@pytest.mark.parametrize("name", ["", "  ", "n" * 256, "a\0b"])
def test_a_name_that_is_none_is_refused_however_it_is_connected(
    connections: Connections, wire: Wire, name: str
) -> None:
    connections.add_simulator("demo", wire.origin, transport=wire.transport)
    known = {"user": "admin", "company": "demo", "base_url": wire.origin, "environment": "simulator"}
    ways = (
        lambda: connections.add_simulator(name, wire.origin, transport=wire.transport),
        lambda: connections.share(name, with_="demo"),
        lambda: connections.prepare(name, **known),  # type: ignore[arg-type]
        lambda: connections.add_client_credentials(
            name,
            client_id="demo-client",
            client_secret="demo-secret",
            transport=wire.transport,
            **known,  # type: ignore[arg-type]
        ),
    )
    for way in ways:
        with pytest.raises(ConfigurationError, match="name"):
            way()
    assert connections.names() == ("demo",)


def test_the_token_of_the_proof_is_used_and_not_fetched_again(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("demo", wire.origin, transport=wire.transport)
    client = connections.open("demo", transport=wire.transport)
    assert "E110" in {reference.id for reference in client.references("company-config/entity")}
    assert wire.fetched == 1


def test_no_secret_stands_in_the_database(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("demo", wire.origin, transport=wire.transport)
    client = connections.open("demo", transport=wire.transport)
    text = dump(connections)
    assert "demo-client" in text
    assert "demo-secret" not in text
    assert "eyJ" not in text
    assert "demo-secret" not in repr(client) + repr(connections.get("demo"))


def test_a_connection_is_forgotten_and_its_grant_with_the_last_that_borrows_it(
    connections: Connections, wire: Wire
) -> None:
    connections.add_simulator("all", wire.origin, transport=wire.transport)
    connections.add_simulator("us", wire.origin, "E110", transport=wire.transport)
    assert connections.remove("us").entity == "E110"
    assert [connection.name for connection in connections.all()] == ["all"]
    assert rows(connections)[:2] == (1, 1)
    connections.remove("all")
    assert rows(connections) == (0, 0, 0)
    with pytest.raises(NotAuthorisedError):
        connections.remove("all")


@pytest.mark.parametrize(
    "url", ["https://u:secretpw@host/ia/api/v1", "ftp://u:secretpw@host", "http://host/?password=secretpw"]
)
def test_an_address_with_credentials_is_refused_and_not_repeated(connections: Connections, url: str) -> None:
    with pytest.raises(ConfigurationError, match="must not hold a user, a password") as refused:
        connections.add_simulator("demo", url)
    assert "secretpw" not in f"{refused.value} {refused.value.to_dict()}"


def test_connections_of_one_user_borrow_one_grant(connections: Connections, wire: Wire) -> None:
    first = connections.add_simulator("all", wire.origin, transport=wire.transport)
    second = connections.add_simulator("us", wire.origin, "E110", transport=wire.transport)
    other = connections.add_simulator("ca", wire.origin, "E120", user="ca", transport=wire.transport)
    assert first.grant_id == second.grant_id != other.grant_id
    assert rows(connections) == (3, 2, 2)


def test_connecting_anew_keeps_the_id_and_leaves_no_grant_behind(connections: Connections, wire: Wire) -> None:
    before = connections.add_simulator("x", wire.origin, transport=wire.transport)
    after = connections.add_simulator("x", wire.origin, "E110", user="us", transport=wire.transport)
    assert (after.id, after.entity, after.user) == (before.id, "E110", "us")
    assert connections.get("x") == after
    assert rows(connections) == (1, 1, 1)


def test_a_name_is_never_given_to_another_company(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    simulator.add_company("second", "empty")
    connections.add_simulator("x", wire.origin, transport=wire.transport)
    with pytest.raises(ConfigurationError, match=r"'x' is to demo \(simulator\), not to second \(simulator\)"):
        connections.add_simulator("x", wire.origin, company="second", transport=wire.transport)
    assert connections.get("x").company == "demo"


def test_a_company_in_another_case_is_the_same_and_stays_spelt_as_it_was(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    simulator.add_company("DEMO", "empty")  # the simulator tells cases apart
    before = connections.add_simulator("x", wire.origin, transport=wire.transport)
    after = connections.add_simulator("x", wire.origin, company="DEMO", transport=wire.transport)
    assert (after.id, after.company) == (before.id, "demo")  # the ledger goes by the letters
    assert rows(connections) == (1, 1, 1)


def test_the_entity_is_looked_up_before_anything_is_stored(connections: Connections, wire: Wire) -> None:
    with pytest.raises(UnknownNameError, match="E11O") as caught:
        connections.add_simulator("x", wire.origin, "E11O", transport=wire.transport)
    assert caught.value.nearest[0] == "E110"
    assert rows(connections) == (0, 0, 0)


@pytest.mark.parametrize(("user", "company"), [("nobody", "demo"), ("admin", "nowhere"), ("ADMIN", "demo")])
def test_wrong_credentials_are_one_sentence_and_store_nothing(
    connections: Connections, wire: Wire, user: str, company: str
) -> None:
    with pytest.raises(TokenRefusedError, match="Check client id, client secret and user@company") as caught:
        connections.add_simulator("x", wire.origin, user=user, company=company, transport=wire.transport)
    assert caught.value.exit_code == 3
    assert "demo-secret" not in str(caught.value)
    assert rows(connections) == (0, 0, 0)


def test_a_wrong_secret_is_refused(connections: Connections, wire: Wire) -> None:
    given = {"client_id": "demo-client", "user": "admin", "company": "demo", "base_url": wire.origin}
    with pytest.raises(TokenRefusedError) as caught:
        connections.add_client_credentials("x", client_secret="hush-hush", transport=wire.transport, **given)
    assert "hush-hush" not in str(caught.value) + repr(caught.value)
    assert connections.add_client_credentials("x", client_secret="demo-secret", transport=wire.transport, **given)


@pytest.mark.usefixtures("impatient")
def test_a_host_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with open_store(f"sqlite:///{tmp_path / 't.db'}") as store:
        connections = Connections(store, Vault(Keys(tmp_path)))
        with pytest.raises(UnreachableError, match="did not answer") as caught:
            connections.add_simulator("x", f"http://127.0.0.1:{port}")
        assert caught.value.exit_code == 4
        assert rows(connections) == (0, 0, 0)


REAL = {"client_id": "c", "client_secret": "hush", "user": "u", "company": "Acme"}


def test_a_real_company_needs_a_key_before_anything_is_sent(connections: Connections, wire: Wire) -> None:
    connections.vault.keys.make_for_simulator()
    with pytest.raises(ConfigurationError, match="master key of your own"):
        connections.add_client_credentials("x", **REAL, transport=wire.transport)
    assert wire.fetched == 0


def test_a_real_company_with_a_key_is_asked(
    connections: Connections, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_KEY", secrets.token_hex(32))
    with pytest.raises(TokenRefusedError):
        connections.add_client_credentials("x", **REAL, transport=wire.transport)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"client_secret": " "}, "The client secret of the connection must not be blank"),
        ({"user": "", "company": ""}, "The user and the company of the connection must not be blank"),
        ({"environment": "prod"}, "environment 'prod'"),
        ({"base_url": "http://api.intacct.com"}, "not encrypted"),
        ({"base_url": "api.intacct.com"}, "not an http"),
    ],
)
def test_what_cannot_be_right_is_refused_first(
    connections: Connections, wire: Wire, change: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        connections.add_client_credentials("x", **(REAL | change), transport=wire.transport)
    assert wire.fetched == 0


def test_names_that_nothing_answers_to(connections: Connections, wire: Wire) -> None:
    with pytest.raises(NotAuthorisedError, match="tieout connect us"):
        connections.get("us")
    connections.add_simulator("production", wire.origin, transport=wire.transport)
    with pytest.raises(UnknownNameError, match="Did you mean production"):
        connections.get("produktion")


def test_a_client_works_in_the_connection_s_entity_unless_told_otherwise(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("us", wire.origin, "E110", transport=wire.transport)
    assert connections.open("us").entity == "E110"
    assert connections.open("us", entity="E120").entity == "E120"
    assert connections.open("us", entity="").entity is None
