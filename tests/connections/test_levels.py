"""Which level a token really has, and the warning before a write at another one. What only SQL could change is tested
on both databases elsewhere; this runs on SQLite."""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import msgspec
import pytest

from tests.connections.support import register, sign_in
from tieout.connections import Connections, Level, Vault
from tieout.connections.keys import Keys
from tieout.errors import CheckWarning
from tieout.rest import InProcessTransport, Intacct
from tieout.simulator import Simulator
from tieout.store import open_store
from tieout.store.access_tables import tokens

VENDORS = "accounts-payable/vendor"


class Opaque:
    """A simulator whose tokens say nothing: what the client gets is a number, what the simulator gets is its own."""

    def __init__(self, simulator: Simulator, *, opaque: bool) -> None:
        self.transport = InProcessTransport(self._answer)
        self.origin = simulator.origin
        self.asked: list[str] = []
        self.opaque = opaque
        self._simulator, self._real = simulator, dict[str, str]()

    def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        self.asked.append(f"{method} {target}")
        given = {name.lower(): value for name, value in headers.items()}
        hidden = given.get("authorization", "").removeprefix("Bearer ")
        if hidden in self._real:
            given["authorization"] = f"Bearer {self._real[hidden]}"
        status, answered, content = self._simulator.answer(method, target, given, body)
        if "/oauth2/token" in target and status == 200 and self.opaque:
            answer = json.loads(content)
            hidden = f"opaque-{len(self._real)}"
            self._real[hidden] = answer["access_token"]
            content = json.dumps(answer | {"access_token": hidden}).encode()
        return status, answered, content


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[Connections]:
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
        yield Connections(store, Vault(Keys(tmp_path)))


@pytest.fixture(params=[False, True], ids=["claims", "opaque"])
def wire(request: pytest.FixtureRequest, simulator: Simulator) -> Opaque:
    return Opaque(simulator, opaque=request.param)


@pytest.fixture
def from_(wire: Opaque) -> Literal["read", "claims"]:
    return "read" if wire.opaque else "claims"


def no_top_level(simulator: Simulator, user: str, *entities: str) -> None:
    company = simulator.company()
    changed = msgspec.structs.replace(company.users[user], top_level=False, entities=entities)
    company.set_user(changed)


def forget_tokens(connections: Connections) -> None:
    with connections.store.begin() as transaction:
        transaction.execute(tokens.delete())


def writing(client: Intacct, *, times: int = 1, entity: str | None = None) -> list[str]:
    """What is doubted while vendors are written, in `entity` where one is given."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", CheckWarning)
        here = client if entity is None else client.with_entity(entity)
        for _ in range(times):
            here.create(VENDORS, {"id": uuid4().hex[:16], "name": "Vendor"}, check=False)
    return [str(each.message) for each in told]


def test_the_top_level_and_an_entity_by_header(
    connections: Connections, wire: Opaque, simulator: Simulator, from_: Literal["read", "claims"]
) -> None:
    connections.add_simulator("us", wire.origin, "E110", transport=wire.transport)
    assert connections.level("us", transport=wire.transport) == Level(None, from_)
    with connections.open("us", transport=wire.transport) as client:
        assert writing(client, entity="E120") == []
    with connections.open("us", entity="", transport=wire.transport) as client:
        assert writing(client) == []


def test_a_token_of_an_entity(
    connections: Connections, wire: Opaque, simulator: Simulator, from_: Literal["read", "claims"]
) -> None:
    no_top_level(simulator, "us", "E110", "E130")
    simulator.settings.set({"no_top_level": "refused"})
    connections.add_simulator("us", wire.origin, "E110", user="us", transport=wire.transport)
    assert connections.level("us", transport=wire.transport) == Level("E110", from_)
    with connections.open("us", transport=wire.transport) as client:
        assert writing(client) == []
        told = writing(client, times=2, entity="E130")
    assert len(told) == 1  # once, not for every write
    assert told[0].startswith("us: this writes for entity E130, but the token of us works in entity E110; check where")
    with connections.open("us", entity="E130", transport=wire.transport) as client:
        assert writing(client) == []  # its token is of that entity


def test_a_user_who_lost_the_top_level_meanwhile(connections: Connections, wire: Opaque, simulator: Simulator) -> None:
    """The trap: Intacct gives a token all the same, of the user's first entity, and takes every write."""
    connections.add_simulator("top", wire.origin, user="us", transport=wire.transport)
    no_top_level(simulator, "us", "E110")
    forget_tokens(connections)
    with connections.open("top", transport=wire.transport) as client:
        told = writing(client, times=2)
    assert len(told) == 1
    belongs = "sees nothing but entity E110: what it writes may belong there" if wire.opaque else "works in entity E110"
    assert told[0].startswith(f"top: this writes for the top level, but the token of us {belongs}")
    assert "User entities" in told[0]
    level = connections.level("top", transport=wire.transport)
    assert level == Level("E110", "unknown" if wire.opaque else "claims")


def test_many_in_one_request_are_warned_of_too(connections: Connections, wire: Opaque, simulator: Simulator) -> None:
    connections.add_simulator("top", wire.origin, user="us", transport=wire.transport)
    no_top_level(simulator, "us", "E110")
    forget_tokens(connections)
    bodies = [{"id": f"V{number}", "name": "Vendor"} for number in range(3)]
    with connections.open("top", transport=wire.transport) as client, warnings.catch_warnings():
        warnings.simplefilter("error", CheckWarning)
        with pytest.raises(CheckWarning, match="this writes for the top level, but the token of us"):
            client.create_many(VENDORS, bodies, check=False)
    assert not any(asked.startswith("POST") and "vendor" in asked for asked in wire.asked)


def test_a_warning_made_an_error_stops_the_write(connections: Connections, wire: Opaque, simulator: Simulator) -> None:
    connections.add_simulator("top", wire.origin, user="us", transport=wire.transport)
    no_top_level(simulator, "us", "E110")
    forget_tokens(connections)
    with connections.open("top", transport=wire.transport) as client, warnings.catch_warnings():
        warnings.simplefilter("error", CheckWarning)
        with pytest.raises(CheckWarning):
            client.create(VENDORS, {"id": "V1", "name": "Vendor"}, check=False)
    assert not any(asked.startswith("POST") and "vendor" in asked for asked in wire.asked)


@pytest.mark.parametrize("no_permission", ["forbidden", "empty"])
def test_a_user_who_may_not_list_entities_is_not_doubted(
    connections: Connections, wire: Opaque, simulator: Simulator, no_permission: str
) -> None:
    simulator.settings.set({"no_permission": no_permission})
    connections.add_simulator("us", wire.origin, user="us", transport=wire.transport)
    company = simulator.company()
    rights: dict[str, Any] = {"accounts-payable/*": ("list", "read", "create")}
    company.set_user(msgspec.structs.replace(company.users["us"], permissions=rights))
    expected = Level(None, "unknown") if wire.opaque else Level(None, "claims")
    assert connections.level("us", transport=wire.transport) == expected
    with connections.open("us", transport=wire.transport) as client:
        assert writing(client) == []


def test_claims_cost_no_request_and_a_read_is_made_once(
    connections: Connections, wire: Opaque, simulator: Simulator
) -> None:
    connections.add_simulator("all", wire.origin, transport=wire.transport)
    with connections.open("all", transport=wire.transport) as client:
        wire.asked.clear()
        writing(client, times=3)
    reads = [asked for asked in wire.asked if re.search("GET .*/company-config/entity", asked)]
    assert len(reads) == (1 if wire.opaque else 0)
    wire.asked.clear()
    connections.level("all", transport=wire.transport)
    assert len(wire.asked) == (1 if wire.opaque else 0)


def test_a_refresh_token_s_level_survives(connections: Connections, simulator: Simulator) -> None:
    """Signed in by browser without top level: the token stays of the entity through a refresh."""
    wire = Opaque(simulator, opaque=False)
    no_top_level(simulator, "us", "E110", "E130")
    register(connections)
    sign_in(connections, simulator, "us", "us")
    forget_tokens(connections)
    assert connections.level("us", transport=wire.transport) == Level("E110", "claims")
    assert connections.add_entity("us", "uk", "E130", transport=wire.transport).level == "E130"
    forget_tokens(connections)
    assert connections.level("uk", transport=wire.transport) == Level("E130", "claims")
    assert connections.level("us", transport=wire.transport) == Level("E110", "claims")


def test_what_is_no_token_of_sage_claims_nothing() -> None:
    from tieout.connections.levels import claimed

    body = base64.urlsafe_b64encode(b'{"sub": "me"}').decode().rstrip("=")
    assert [claimed(text) for text in ("", "a.b.c", f"a.{body}.c")] == [None, None, None]
