"""Entities of a company: listed, a connection for each over one grant, and what is kept apart between them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import select

from tests.connections.support import Wire, register, sign_in
from tieout.connections import Connections
from tieout.errors import (
    ConfigurationError,
    ForbiddenError,
    IntacctError,
    NotAuthorisedError,
    RefusedError,
    UnknownNameError,
    Whose,
)
from tieout.simulator import Simulator
from tieout.store.access_tables import grants, tokens

ENTITY = "company-config/entity"


def change_user(simulator: Simulator, user: str, **changes: object) -> None:
    company = simulator.company()
    company.set_user(msgspec.structs.replace(company.users[user], **changes))


def test_entities_are_listed_whole_whatever_entity_the_connection_is_for(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("us", wire.origin, "E110", transport=wire.transport)
    found = connections.entities("us", transport=wire.transport)
    assert [(entity.id, entity.name, entity.status) for entity in found] == [
        ("E110", "Northlight Partners USA, Inc.", "active"),
        ("E120", "Northlight Partners Canada Ltd.", "active"),
        ("E130", "Northlight Partners UK Ltd", "active"),
    ]
    assert all(entity.key.isdigit() for entity in found)


def test_a_hundred_and_more_entities_are_all_listed(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("all", wire.origin, transport=wire.transport)
    with connections.open("all", transport=wire.transport) as client:
        bodies = [{"id": f"N{number:04}", "name": f"N {number}", "federalId": f"{number}"} for number in range(130)]
        assert client.create_many(ENTITY, bodies, check=False).posted
    assert len(connections.entities("all", transport=wire.transport)) == 133


@pytest.mark.parametrize(("no_permission", "raised"), [("forbidden", ForbiddenError), ("refused", RefusedError)])
def test_who_may_not_list_entities_is_told_whose_move_it_is(
    connections: Connections, wire: Wire, simulator: Simulator, no_permission: str, raised: type[IntacctError]
) -> None:
    simulator.settings.set({"no_permission": no_permission})
    connections.add_simulator("all", wire.origin, transport=wire.transport)
    change_user(simulator, "admin", permissions={"accounts-payable/*": ("list",)})
    with pytest.raises(raised) as refused:
        connections.entities("all", transport=wire.transport)
    assert refused.value.whose is Whose.ADMINISTRATOR
    assert "admin may not list the entities of demo" in refused.value.advice
    # The entity can be named all the same: nobody can say that it is wrong.
    made = connections.add_entity("all", "us", "E110", transport=wire.transport)
    assert (made.entity, made.level) == ("E110", "")


def test_a_connection_for_each_entity_borrows_one_grant(connections: Connections, wire: Wire) -> None:
    base = connections.add_simulator("all", wire.origin, transport=wire.transport)
    us = connections.add_entity("all", "us", "E110", transport=wire.transport)
    ca = connections.add_entity("us", "ca", "E120", transport=wire.transport)
    assert (us.grant_id, ca.grant_id) == (base.grant_id, base.grant_id)
    assert connections.get("ca") == ca
    assert wire.fetched == 1  # nobody signed in again
    with connections.open("us", transport=wire.transport) as client:
        assert [reference.id for reference in client.references(ENTITY)] == ["E110"]
    with connections.open("ca", transport=wire.transport) as client:
        assert [reference.id for reference in client.references(ENTITY)] == ["E120"]
    connections.remove("all")
    with connections.open("ca", transport=wire.transport) as client:
        assert client.references(ENTITY)
    with pytest.raises(UnknownNameError, match="E110"):
        connections.add_entity("us", "x", "E11O", transport=wire.transport)
    assert connections.names() == ("ca", "us")


def test_sharing_keeps_the_id_and_refuses_what_would_mix(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    connections.add_simulator("all", wire.origin, transport=wire.transport)
    before = connections.add_simulator("us", wire.origin, "E110", user="us", transport=wire.transport)
    shared = connections.share("us", with_="all", entity="E110")
    assert (shared.id, shared.user) == (before.id, "admin")
    with connections.store.read() as transaction:
        assert transaction.execute(select(grants.c.user_id)).scalars().all() == ["admin"]
    simulator.add_company("second", "empty")
    connections.add_simulator("other", wire.origin, company="second", transport=wire.transport)
    with pytest.raises(ConfigurationError, match=r"'other' is to second \(simulator\), not to demo"):
        connections.share("other", with_="all")
    with pytest.raises(ConfigurationError, match="must not be blank"):
        connections.share(" ", with_="all")
    with pytest.raises(ConfigurationError, match="cannot be an entity id"):
        connections.share("x", with_="all", entity="É\n")
    with pytest.raises(NotAuthorisedError, match="There is no connection 'all'"):
        connections.share("x", with_="all", owner="b")
    connections.prepare("later", environment="simulator", base_url=wire.origin)
    with pytest.raises(NotAuthorisedError, match=r"'later' gives no tokens that could be shared. Run `tieout connect"):
        connections.share("x", with_="later")


def signed_in_user(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    register(connections)
    sign_in(connections, simulator, "us", "us")


def credentials_user(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    connections.add_simulator("us", wire.origin, "E110", user="us", transport=wire.transport)


@pytest.mark.parametrize("connect", [signed_in_user, credentials_user])
def test_an_entity_that_gives_no_token_does_not_end_the_grant(
    connections: Connections,
    wire: Wire,
    simulator: Simulator,
    connect: Callable[[Connections, Wire, Simulator], None],
) -> None:
    """A refusal of a level that never worked says nothing of the refresh token."""
    change_user(simulator, "us", top_level=False, entities=("E110", "E130"))
    connect(connections, wire, simulator)
    with pytest.raises(NotAuthorisedError, match="no token of entity 'E120'"):
        connections.add_entity("us", "ca", "E120", transport=wire.transport)
    with pytest.raises(ConfigurationError, match="has no top level"):
        connections.share("top", with_="us")
    assert connections.names() == ("us",)
    uk = connections.add_entity("us", "uk", "E130", transport=wire.transport)
    assert (uk.level, uk.state) == ("E130", "connected")
    with connections.store.begin() as transaction:
        transaction.execute(tokens.delete())
    for name in ("us", "uk"):
        with connections.open(name, transport=wire.transport) as client:
            assert client.references(ENTITY)[0].id == connections.get(name).entity
    assert connections.trouble("us") == ""


@pytest.mark.parametrize(("company", "entity"), [("demo|E110", None), ("demo|E110", "E110"), ("demo", "E110")])
def test_a_user_name_with_an_entity_as_sage_writes_it(
    connections: Connections, wire: Wire, company: str, entity: str | None
) -> None:
    made = connections.add_simulator("us", wire.origin, entity, company=company, transport=wire.transport)
    assert (made.company, made.entity) == ("demo", "E110")


@pytest.mark.parametrize("entity", ["E120", ""])
def test_a_user_name_of_another_entity_than_asked_for(connections: Connections, wire: Wire, entity: str) -> None:
    given = {"user": "admin", "client_id": "demo-client", "client_secret": "demo-secret", "company": "demo|E110"}
    with pytest.raises(ConfigurationError, match="names the entity E110, but"):
        connections.add_client_credentials("us", **given, entity=entity, base_url=wire.origin, transport=wire.transport)
    assert wire.fetched == 0
