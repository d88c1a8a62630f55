"""Tenants never meet: owner A's calls with B's names and ids find what calls with names of nobody find.

The list of calls is held against the public surface, so that a new method without a case fails.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from tests.connections.support import BOTH, Wire, one_database, register, sign_in
from tieout.connections import Connections
from tieout.errors import TieoutError
from tieout.rest import InProcessTransport
from tieout.simulator import Simulator
from tieout.store.tables import metadata

A, B = "owner-a", "owner-b"
BACK = "https://vendor.example/done"


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, where a test does not ask for both."""
    return one_database(request, tmp_path)


class Theirs:
    """What A calls with: B's names and ids, or those of nobody."""

    def __init__(self, name: str, id: str, sign_in: str, state: str, wire: Wire) -> None:
        self.name, self.id, self.sign_in, self.state, self.transport = name, id, sign_in, state, wire.transport

    def hidden(self, text: str) -> str:
        """`text` without what differs between the two by nature."""
        for part in (self.name, self.id, self.sign_in, self.state):
            text = text.replace(part, "X")
        return text


Case = Callable[[Connections, Theirs], Any]

CASES: dict[str, Case] = {
    "names": lambda c, t: c.names(A),
    "get": lambda c, t: c.get(t.name, A),
    "by_id": lambda c, t: c.by_id(t.id, A),
    "all": lambda c, t: c.all(A),
    "trouble": lambda c, t: c.trouble(t.name, A),
    "remove": lambda c, t: c.remove(t.name, A),
    "open": lambda c, t: c.open(t.name, owner=A, transport=t.transport),
    "open_async": lambda c, t: c.open_async(t.name, owner=A, transport=_in_process(t)),
    "share": lambda c, t: c.share("new", with_=t.name, owner=A),
    "entities": lambda c, t: c.entities(t.name, owner=A, transport=t.transport),
    "level": lambda c, t: c.level(t.name, owner=A, transport=t.transport),
    "overview": lambda c, t: c.overview(owner=A),
    "add_entity": lambda c, t: c.add_entity(t.name, "new", "E110", owner=A, transport=t.transport),
    "revoke": lambda c, t: c.revoke(t.name, owner=A, yes=True, transport=t.transport),
    "sign_ins.begin": lambda c, t: c.sign_ins.begin("new", app="demo", owner=A, connection_id=t.id),
    "sign_ins.finish": lambda c, t: c.sign_ins.finish(f"code=x&state={t.state}", owner=A, transport=t.transport),
    "sign_ins.cancel": lambda c, t: c.sign_ins.cancel(t.sign_in, A),
    "sweep": lambda c, t: c.sweep(A, transport=t.transport),
    "links.make": lambda c, t: c.links.make(A, BACK, page="https://vendor.example/connect", connection_id=t.id),
    "connect_link": lambda c, t: c.connect_link(A, BACK, page="https://vendor.example/connect", connection_id=t.id),
    "webhooks.events": lambda c, t: c.webhooks.events(A),
    "audit.entries": lambda c, t: [entry.what for entry in c.audit.entries(A)],
    "audit.export": lambda c, t: c.audit.export(io.StringIO(), A),
}
"""What A asks, by the method asked."""

MAKES = {"add_simulator", "add_client_credentials", "prepare"}
"""Make a connection of A's own, whatever B's are called: `test_the_same_name_twice`."""
LISTS = {"names", "all", "overview", "sweep", "webhooks.events", "audit.entries", "audit.export"}
"""Answer with what is A's."""
OTHERWISE = {
    "at": "opens the database",
    "close": "closes it",
    "acting_as": "names who acts",
    "tokens": "takes a Connection, which only its owner finds",
    "land": "takes a Connection, which only its owner finds",
    "offboard": "the owner is what it is about",
    "plan": "a plan is of the whole installation; of another owner it says that a user works there (test_planning)",
    "audit.append": "writes what the product says",
    "audit.verify": "hashes of the whole log",
    "apps": "applications are the installation's",
    "links.look": "the link's token, which is unguessable, is what allows it",
    "links.use": "the same",
    "webhooks.set": "the webhook is the installation's",
    "webhooks.get": "the same",
    "webhooks.clear": "the same",
    "webhooks.again": "an event's id, for whoever runs the installation",
    "webhooks.deliver": "sends what is due, of all",
}
"""Methods, or whole services, that find nothing by a name or an id of an owner's."""


def _in_process(theirs: Theirs) -> InProcessTransport:
    assert isinstance(theirs.transport, InProcessTransport)
    return theirs.transport


def surface(connections: Connections) -> set[str]:
    """Every public method of the connections and of the services that hang at them."""
    found = set()
    services = {name: value for name, value in vars(connections).items() if not name.startswith("_")}
    for prefix, what in {"": connections, **{f"{name}.": value for name, value in services.items()}}.items():
        if not type(what).__module__.startswith("tieout.connections") or prefix == "vault.":
            continue
        found |= {f"{prefix}{name}" for name in dir(type(what)) if not name.startswith("_")}
    return {name for name in found if name.partition(".")[0] not in OTHERWISE}


def outcome(call: Callable[[], Any], theirs: Theirs) -> tuple[str, str]:
    """What came of a call, in words."""
    try:
        found = call()
    except TieoutError as error:
        return type(error).__name__, theirs.hidden(f"{error} {sorted(error.to_dict().items(), key=str)} {error!r}")
    return "value", theirs.hidden(repr(found))


def everything_of(connections: Connections, owner: str) -> dict[str, list[Any]]:
    with connections.store.read() as transaction:
        return {
            name: [tuple(row) for row in transaction.execute(select(table).where(table.c.owner == owner))]
            for name, table in metadata.tables.items()
            if "owner" in table.c
        }


def test_every_method_has_a_case(connections: Connections) -> None:
    missing = surface(connections) - CASES.keys() - MAKES - OTHERWISE.keys()
    assert not missing, f"{missing}: add what another owner gets of it to CASES, or say in OTHERWISE why nothing"


@BOTH
def test_another_owners_are_not_there(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    register(connections)
    connections.webhooks.set("https://127.0.0.1:1/hook", "0123456789abcdef", allow_local=True)
    sign_in(connections, simulator, "tenant-a", "us", owner=A)
    secret = sign_in(connections, simulator, "tenant-b-private", "ca", owner=B).connection
    begun = connections.sign_ins.begin("tenant-b-private", app="demo", owner=B, connection_id=secret.id)
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    real = Theirs(secret.name, secret.id, begun.id, state, wire)
    nobody = Theirs("tenant-c-private", str(uuid.uuid4()), str(uuid.uuid4()), "s" * len(state), wire)
    before = everything_of(connections, B)
    for name, case in CASES.items():
        theirs = outcome(lambda case=case: case(connections, real), real)  # type: ignore[misc]
        none = outcome(lambda case=case: case(connections, nobody), nobody)  # type: ignore[misc]
        assert theirs == none, name
        for word in ("tenant-b", secret.id, secret.grant_id, B, "'ca'"):
            assert word not in theirs[1], (name, word)
        assert theirs[0] != "value" or name in LISTS, name
    assert everything_of(connections, B) == before
    with connections.open("tenant-b-private", owner=B, transport=wire.transport) as client:
        assert client.references("company-config/entity")


def test_the_same_name_twice(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    """A name belongs to its owner: A makes one of B's name in each way, and B's stays what it is."""
    register(connections)
    sign_in(connections, simulator, "main", "ca", owner=B)
    before = everything_of(connections, B)
    for number, make in enumerate(
        (
            lambda: connections.add_simulator("main", wire.origin, owner=A, user="us", transport=wire.transport),
            lambda: connections.add_client_credentials(
                "main",
                app="demo",
                user="us",
                company="demo",
                base_url=wire.origin,
                environment="simulator",
                owner=A,
                transport=wire.transport,
            ),
            lambda: connections.prepare("main", base_url=wire.origin, environment="simulator", owner=A),
        )
    ):
        made = make()
        assert (made.owner, made.name) == (A, "main"), number
        assert made.id != connections.get("main", B).id
    assert everything_of(connections, B) == before


def test_nearest_names_are_the_owners_own(connections: Connections, simulator: Simulator) -> None:
    register(connections)
    sign_in(connections, simulator, "warehouse", "us", owner=A)
    sign_in(connections, simulator, "warehouses-of-b", "ca", owner=B)
    with pytest.raises(TieoutError) as refused:
        connections.get("warehouses-of", A)
    assert re.findall(r"warehouse[\w-]*", str(refused.value)) == ["warehouses-of", "warehouse"]


def test_a_clash_tells_nothing_but_that_there_is_one(connections: Connections, simulator: Simulator) -> None:
    """One Sage user, two owners: A learns that the user works for another account here, and no more."""
    register(connections)
    sign_in(connections, simulator, "private-name", "us", owner=B)
    begun = connections.sign_ins.begin(
        "x", app="demo", owner=A, company="demo", promised_user="us", environment="simulator", base_url=simulator.origin
    )
    assert begun.clash is not None
    assert (begun.clash.foreign, begun.clash.connections) == (True, ())
    assert "private-name" not in repr(begun)
