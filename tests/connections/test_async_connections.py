"""The connections for asyncio: the same surface, the same state, a client of their own kind."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.connections.support import Wire, one_database
from tieout.connections import AsyncConnections, Connections, Vault
from tieout.connections.keys import Keys
from tieout.errors import UnknownNameError
from tieout.rest import AsyncIntacct
from tieout.simulator import Simulator
from tieout.store.tables import requests

ENTITY = "company-config/entity"


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, where a test does not ask for both."""
    return one_database(request, tmp_path)


def surface(what: object) -> dict[str, Any]:
    """Public methods of an object, by name."""
    members = {name: getattr(type(what), name) for name in dir(type(what)) if not name.startswith("_")}
    methods = {name: member for name, member in members.items() if callable(member)}
    # What takes part in a transaction of its caller's stays in the caller's thread.
    return {name: each for name, each in methods.items() if "transaction" not in inspect.signature(each).parameters}


def services(what: object) -> dict[str, object]:
    """What hangs at an object and is of this room: `apps`, `audit` ..."""
    found = {name: value for name, value in vars(what).items() if not name.startswith("_")}
    return {
        name: value
        for name, value in found.items()
        if type(value).__module__.startswith("tieout.connections") and name not in ("vault", "blocking")
    }


def test_every_method_and_service_has_its_twin_with_the_same_parameters(connections: Connections) -> None:
    twin = AsyncConnections(connections)
    assert services(twin).keys() == services(connections).keys()
    pairs = [(connections, twin), *((value, services(twin)[name]) for name, value in services(connections).items())]
    for one, other in pairs:
        blocking, awaited = surface(one), surface(other)
        blocking["open"] = blocking.pop("open_async", blocking.get("open"))  # the same method, another transport
        if blocking["open"] is None:
            del blocking["open"]
        assert blocking.keys() == awaited.keys(), type(one).__name__
        for name, method in blocking.items():
            mine, its = inspect.signature(method), inspect.signature(awaited[name])
            assert mine.parameters == its.parameters, name
            waits = inspect.iscoroutinefunction(awaited[name]) or inspect.isasyncgenfunction(awaited[name])
            assert waits or name == "acting_as", f"{name} blocks"


def test_a_client_of_tasks_shares_tokens_memory_log_and_slots(connections: Connections, wire: Wire) -> None:
    async def story() -> None:
        twin = AsyncConnections(connections)
        made = await twin.add_simulator("us", wire.origin, owner="tenant", transport=wire.transport)
        assert (await twin.get("us", owner="tenant")) == made
        clients = [await twin.open("us", owner="tenant", transport=wire.transport) for _ in range(3)]
        assert all(isinstance(client, AsyncIntacct) for client in clients)
        await asyncio.gather(*(client.references(ENTITY) for client in clients))
        await clients[0].model("vendor")
        for client in clients:
            await client.close()
        with pytest.raises(UnknownNameError):
            await twin.get("su", owner="tenant")

    asyncio.run(story())
    assert wire.fetched == 1  # by add_simulator: the clients took it from the database
    with connections.open("us", owner="tenant", transport=wire.transport) as blocking:
        assert blocking.memory.model("accounts-payable/vendor") is not None
    with connections.store.read() as transaction:
        assert len(transaction.execute(requests.select()).all()) >= 4


def test_who_acts_is_the_same_in_the_thread(connections: Connections, wire: Wire) -> None:
    async def connect(who: str, twin: AsyncConnections) -> None:
        with twin.acting_as(who):
            await twin.add_simulator(who, wire.origin, user="us", owner=who, transport=wire.transport)

    async def story() -> list[tuple[str, str]]:
        twin = AsyncConnections(connections)
        await connect("jane", twin)
        return [(entry.actor, entry.what) async for entry in twin.audit.entries("jane")]

    assert asyncio.run(story()) == [("jane", "key made"), ("jane", "connected")]


def test_opened_and_closed_without_a_project(state_url: str, tmp_path: Path, simulator: Simulator, wire: Wire) -> None:
    vault = Vault(Keys(tmp_path))
    with Connections.at(state_url, vault) as connections:
        connections.add_simulator("us", simulator.origin, transport=wire.transport)

    async def names() -> tuple[str, ...]:
        async with await AsyncConnections.at(state_url, vault) as twin:
            return await twin.names()

    assert asyncio.run(names()) == ("us",)
