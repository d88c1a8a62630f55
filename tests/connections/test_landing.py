"""Whose grant a sign-in is (DESIGN rule 3), at which level it works, and that owners never meet."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select

from tests.connections.support import Wire, register, sign_in, signed_in
from tests.simulator.browser import Application
from tieout.connections import Connection, Connections
from tieout.errors import ConfigurationError, NotAuthorisedError, TokenRefusedError, UnknownNameError
from tieout.rest.tokens import Grant
from tieout.simulator import Simulator
from tieout.store.access_tables import grants, tokens

ENTITY = "company-config/entity"


@pytest.fixture(autouse=True)
def app(connections: Connections) -> None:
    register(connections)


def prepared(connections: Connections, simulator: Simulator, name: str, **options: str) -> Connection:
    return connections.prepare(name, base_url=simulator.origin, environment="simulator", **options)


def works(connections: Connections, wire: Wire, name: str, owner: str = "default") -> bool:
    with connections.open(name, owner=owner, transport=wire.transport) as client:
        return bool(client.references(ENTITY))


def grant_rows(connections: Connections) -> list[tuple[str, str, str]]:
    with connections.store.read() as transaction:
        found = transaction.execute(select(grants).order_by(grants.c.user_id))
        return [(row.user_id, row.owner, row.state) for row in found]


def test_a_connection_waits_for_its_sign_in_and_says_so(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    waiting = prepared(connections, simulator, "us")
    assert (waiting.state, waiting.company, waiting.user) == ("unconnected", "", "")
    with pytest.raises(NotAuthorisedError, match=r"'us' is not connected: Nobody has signed in yet. Run: tieout"):
        connections.open("us")
    landed = connections.land(waiting, signed_in(simulator), app="demo")
    assert (landed.user, landed.company, landed.also) == ("admin", "demo", ())
    assert connections.get("us") == landed.connection
    assert (landed.connection.id, landed.connection.kind) == (waiting.id, "authorization_code")
    assert works(connections, wire, "us")


def test_another_user_than_promised_gets_its_own_grant_and_nothing_dies(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    sign_in(connections, simulator, "us", "us")
    waiting = prepared(connections, simulator, "ca", user="ca")
    landed = connections.land(waiting, signed_in(simulator, "us"), app="demo", promised_user="ca")
    assert (landed.connection.state, landed.user) == ("unconnected", "us")
    assert "us signed in, but ca was meant" in landed.connection.why
    assert "us signed in, but ca was meant" in connections.trouble("ca")
    assert grant_rows(connections) == [("us", "default", "active")]
    with connections.store.begin() as transaction:
        transaction.execute(tokens.delete())
    assert works(connections, wire, "us")  # by the refresh token of the second sign-in: the first one's is dead
    assert connections.land(waiting, signed_in(simulator, "ca"), app="demo").connection.state == "connected"


def test_another_user_s_sign_in_leaves_a_connection_that_works_alone(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    before = sign_in(connections, simulator, "us", "us").connection
    landed = connections.land(before, signed_in(simulator, "ca"), app="demo", promised_user="us")
    assert "ca signed in, but us was meant" in landed.connection.why
    assert connections.get("us") == before
    assert grant_rows(connections) == [("ca", "default", "active"), ("us", "default", "active")]
    assert works(connections, wire, "us")


def test_a_sign_in_to_another_company_does_not_connect(connections: Connections, simulator: Simulator) -> None:
    simulator.add_company("second", "empty")
    sign_in(connections, simulator, "us")
    answer = Application(simulator, company="second").authorized()
    other = Grant(answer["access_token"], answer["expires_in"], answer["refresh_token"])
    landed = connections.land(connections.get("us"), other, app="demo", promised_user="admin")
    assert "signed in, but this connection is to demo" in landed.connection.why
    assert connections.get("us").company == "demo"


def test_a_sage_user_of_another_owner_is_never_shared(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    """Its sign-in killed the first one's refresh token, so it goes to the grant that it belongs to; the second owner
    gets nothing and is told."""
    sign_in(connections, simulator, "x", owner="a")
    landed = sign_in(connections, simulator, "x", owner="b")
    assert landed.connection.state == "unconnected"
    assert "already works for another account" in landed.connection.why
    assert landed.also == ()
    with pytest.raises(NotAuthorisedError):
        connections.open("x", owner="b")
    with connections.store.begin() as transaction:
        transaction.execute(tokens.delete())
    assert works(connections, wire, "x", "a")
    with pytest.raises(ConfigurationError, match="already works for another account"):
        connections.add_simulator("y", simulator.origin, owner="b", transport=wire.transport)


def test_owners_see_nothing_of_each_other(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    made = sign_in(connections, simulator, "x", "us", owner="a").connection
    theirs = sign_in(connections, simulator, "x", "ca", owner="b").connection
    assert connections.get("x", "a") == made
    assert connections.get("x", "b") == theirs
    assert connections.by_id(made.id, "a") == made
    with pytest.raises(UnknownNameError):
        connections.by_id(made.id, "b")
    for ask in (connections.get, connections.remove, connections.trouble):
        with pytest.raises(NotAuthorisedError):
            ask("x", "c")
    assert (connections.names("a"), connections.names()) == (("x",), ())
    connections.remove("x", "b")
    assert works(connections, wire, "x", "a")


def test_somebody_mistaken_for_another_does_not_change_how_unattended_work_is_connected(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    """Client credentials lose nothing by a sign-in, and a refresh token would be a thing to lose."""
    connections.add_simulator("nightly", simulator.origin, user="us", transport=wire.transport)
    waiting = prepared(connections, simulator, "ca", user="ca")
    landed = connections.land(waiting, signed_in(simulator, "us"), app="demo", promised_user="ca")
    assert (landed.reason, landed.connection.state) == ("wrong_user", "unconnected")
    assert connections.get("nightly").kind == "client_credentials"
    assert works(connections, wire, "nightly")


def test_the_kind_changes_in_place(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    by_hand = sign_in(connections, simulator, "us").connection
    given = {"client_id": "demo-client", "client_secret": "demo-secret", "user": "admin", "company": "demo"}
    given |= {"base_url": wire.origin, "environment": "simulator"}
    alone = connections.add_client_credentials("us", **given, transport=wire.transport)
    assert (alone.id, alone.grant_id, alone.kind) == (by_hand.id, by_hand.grant_id, "client_credentials")
    with connections.store.read() as transaction:
        row = transaction.execute(select(grants)).one()
    assert (row.refresh_token_sealed, row.app_id) == (None, None)
    assert works(connections, wire, "us")
    back = sign_in(connections, simulator, "us").connection
    assert (back.id, back.grant_id, back.kind) == (by_hand.id, by_hand.grant_id, "authorization_code")
    assert works(connections, wire, "us")


def test_client_credentials_of_a_registered_application_follow_its_secret(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    given = {"user": "admin", "company": "demo", "base_url": wire.origin, "environment": "sandbox"}
    connections.add_client_credentials("us", app="demo", **given, transport=wire.transport)
    with connections.store.begin() as transaction:
        assert transaction.execute(select(grants.c.client_secret_sealed)).scalar_one() is None
        transaction.execute(tokens.delete())
    connections.apps.set_secret("demo", "changed in the console")
    with pytest.raises(TokenRefusedError):
        works(connections, wire, "us")
    connections.apps.set_secret("demo", "demo-secret")
    assert works(connections, wire, "us")
    with pytest.raises(ConfigurationError, match="The client id and the client secret of the connection must not be"):
        connections.add_client_credentials("x", **given)


def test_an_application_without_its_secret_signs_nobody_in(connections: Connections) -> None:
    connections.apps.draft("new")
    with pytest.raises(ConfigurationError, match=r"has no client id and secret yet \(draft\)"):
        connections.apps.credentials("new")


def test_without_a_refresh_token_nothing_is_stored(connections: Connections, simulator: Simulator) -> None:
    waiting = prepared(connections, simulator, "us")
    with pytest.raises(NotAuthorisedError, match="offline_access"):
        connections.land(waiting, signed_in(simulator, scope=""), app="demo")
    assert grant_rows(connections) == []


def test_a_token_that_does_not_say_who_it_is_needs_to_be_told(connections: Connections, simulator: Simulator) -> None:
    waiting = prepared(connections, simulator, "us")
    opaque = msgspec.structs.replace(signed_in(simulator), access_token="opaque")
    with pytest.raises(NotAuthorisedError, match="does not say which Sage user"):
        connections.land(waiting, opaque, app="demo")
    landed = connections.land(waiting, opaque, app="demo", user="admin", company="demo")
    assert landed.connection.state == "connected"


# Levels.


def only_entities(simulator: Simulator, user: str = "us") -> None:
    company = simulator.company()
    company.set_user(msgspec.structs.replace(company.users[user], top_level=False))


def test_with_a_top_level_the_entity_is_a_header(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    made = connections.add_simulator("all", wire.origin, "E110", transport=wire.transport)
    assert (made.entity, made.level) == ("E110", "")
    landed = sign_in(connections, simulator, "us", entity="E110").connection
    assert (landed.entity, landed.level) == ("E110", "")


@pytest.mark.parametrize("no_top_level", ["first_entity", "refused"])
def test_a_user_without_top_level_gets_a_token_of_the_entity(
    connections: Connections, wire: Wire, simulator: Simulator, no_top_level: str
) -> None:
    simulator.settings.set({"no_top_level": no_top_level})
    only_entities(simulator)
    made = connections.add_simulator("us", wire.origin, "E110", user="us", transport=wire.transport)
    assert (made.entity, made.level) == ("E110", "E110")
    with connections.store.begin() as transaction:
        assert transaction.execute(select(grants.c.top_level)).scalar_one() is False
        transaction.execute(tokens.delete())
    assert works(connections, wire, "us")
    with connections.store.read() as transaction:
        assert transaction.execute(select(tokens.c.level)).scalars().all() == ["E110"]


def test_a_user_without_top_level_who_names_no_entity(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    only_entities(simulator)
    assert connections.add_simulator("us", wire.origin, user="us", transport=wire.transport).entity == "E110"
    simulator.settings.set({"no_top_level": "refused"})
    with pytest.raises(TokenRefusedError):
        connections.add_simulator("us2", wire.origin, user="us", transport=wire.transport)


def test_a_sign_in_by_browser_without_top_level(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    only_entities(simulator)
    made = sign_in(connections, simulator, "us", "us").connection
    assert (made.entity, made.level) == ("E110", "E110")
    assert works(connections, wire, "us")
