"""Revoking: what else ends is said first, exactly that ends, and nothing of another owner ever does."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests.connections.support import BOTH, Wire, one_database, register, sign_in, signed_in
from tests.forks import Forks
from tieout.connections import Connections, revoking
from tieout.errors import BusyError, ConfigurationError, NotAuthorisedError, OutcomeUnknownError, TokenRefusedError
from tieout.rest import InProcessTransport
from tieout.rest.effects import NoAnswer
from tieout.simulator import Simulator
from tieout.store.access_tables import grants, tokens

ENTITY = "company-config/entity"


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, where a test does not ask for both."""
    return one_database(request, tmp_path)


@pytest.fixture(autouse=True)
def app(connections: Connections) -> None:
    register(connections)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tieout.connections.revoking.DEADLINE", 0.5)


def works(connections: Connections, wire: Wire, name: str, owner: str = "default") -> bool:
    with connections.open(name, owner=owner, transport=wire.transport) as client:
        return bool(client.references(ENTITY))


def whats(connections: Connections, *wanted: str) -> list[str]:
    return [entry.what for entry in connections.audit.entries() if entry.what.startswith(("revoke", *wanted))]


def shared(connections: Connections, simulator: Simulator) -> None:
    """`us` and `twin` borrow one grant; `ca` has one of its own."""
    sign_in(connections, simulator, "us", "us")
    sign_in(connections, simulator, "twin", "us")
    sign_in(connections, simulator, "ca", "ca")


@BOTH
def test_what_ends_is_said_first_and_exactly_that_ends(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    shared(connections, simulator)
    ids = {name: connections.get(name).id for name in connections.names()}
    found = connections.revoke("us", dry_run=True)
    assert (found.ends, found.renews, found.done) == (("twin", "us"), (), False)
    assert works(connections, wire, "us")
    done = connections.revoke("us", confirm=found.confirm, transport=wire.transport)
    assert (done.ends, done.done) == (("twin", "us"), True)
    assert [connections.get(name).state for name in ("us", "twin", "ca")] == ["dead", "dead", "connected"]
    for name in ("us", "twin"):
        with pytest.raises(NotAuthorisedError, match=r"us@demo was ended when a token of the user was revoked"):
            works(connections, wire, name)
    assert works(connections, wire, "ca")
    assert {name: connections.get(name).id for name in connections.names()} == ids
    assert whats(connections) == ["revoke begun", "revoked"]
    with connections.store.read() as transaction:
        row = transaction.execute(select(grants).where(grants.c.user_id == "us")).one()
        assert (row.refresh_token_sealed, row.previous_refresh_token_sealed, row.lease_until) == (None, None, None)
        assert transaction.execute(select(tokens).where(tokens.c.grant_id == row.id)).all() == []


def test_intacct_has_really_ended_the_tokens(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    """Not only forgotten here: an access token that somebody copied works no more."""
    sign_in(connections, simulator, "us", "us")
    copied = connections.open("us", transport=wire.transport)
    assert copied.references(ENTITY)
    token = connections.tokens(connections.get("us"))._look(None)
    assert token is not None
    connections.revoke("us", yes=True, transport=wire.transport)
    status, _, _ = simulator.answer(
        "GET", f"/ia/api/v1/objects/{ENTITY}", {"authorization": f"Bearer {token.value}"}, b""
    )
    assert status == 401
    copied.close()


def test_nothing_ends_unconfirmed(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    shared(connections, simulator)
    found = connections.revoke("us", dry_run=True)
    with pytest.raises(ConfigurationError, match=r"would end twin and us, and was not confirmed"):
        connections.revoke("us", transport=wire.transport)
    sign_in(connections, simulator, "third", "us")
    with pytest.raises(ConfigurationError, match=r"third and twin and us, which is not what was confirmed"):
        connections.revoke("us", confirm=found.confirm, transport=wire.transport)
    assert works(connections, wire, "us")
    assert whats(connections) == []
    connections.prepare("new", base_url=simulator.origin, environment="simulator")
    with pytest.raises(NotAuthorisedError, match="Nobody has signed in yet"):
        connections.revoke("new", yes=True)


def test_connecting_again_revives_all_that_ended(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    shared(connections, simulator)
    connections.revoke("us", yes=True, transport=wire.transport)
    landed = connections.land(connections.get("us"), signed_in(simulator, "us"), app="demo", promised_user="us")
    assert landed.also == ("twin",)
    assert works(connections, wire, "us")
    assert works(connections, wire, "twin")


def test_client_credentials_of_the_same_user_go_on_by_themselves(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    """The same Sage user under another label: Intacct ends its tokens too, and a new one is taken without a word."""
    connections.add_simulator("ws", simulator.origin, user="us", transport=wire.transport)
    held = connections.open("ws", transport=wire.transport)
    assert held.references(ENTITY)
    with connections.store.begin() as transaction:
        for table in ("grants", "connections"):
            transaction.execute(text(f"update {table} set environment = 'sandbox'"))
    sign_in(connections, simulator, "us", "us")
    done = connections.revoke("us", yes=True, transport=wire.transport)
    assert (done.ends, done.renews) == (("us",), ("ws",))
    fetched = wire.fetched
    assert held.references(ENTITY)
    assert wire.fetched == fetched + 1
    assert connections.get("ws").state == "connected"
    held.close()


def test_one_by_client_credentials_ends_too(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    connections.add_simulator("ws", simulator.origin, user="us", transport=wire.transport)
    connections.revoke("ws", yes=True, transport=wire.transport)
    with pytest.raises(NotAuthorisedError, match="revoked"):
        works(connections, wire, "ws")
    connections.add_simulator("ws", simulator.origin, user="us", transport=wire.transport)
    assert works(connections, wire, "ws")


def test_a_revoke_never_reaches_another_owner(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    connections.add_simulator("ws", simulator.origin, user="us", owner="b", transport=wire.transport)
    with connections.store.begin() as transaction:
        for table in ("grants", "connections"):
            transaction.execute(text(f"update {table} set environment = 'sandbox'"))
    sign_in(connections, simulator, "us", "us", owner="a")
    for how in ({"dry_run": True}, {"yes": True}):
        with pytest.raises(ConfigurationError, match=r"us@demo works for another account here") as refused:
            connections.revoke("us", owner="a", transport=wire.transport, **how)  # type: ignore[arg-type]
        assert "ws" not in str(refused.value)
    assert works(connections, wire, "us", owner="a")
    assert connections.get("ws", owner="b").state == "connected"


def test_without_an_answer_it_is_in_doubt_and_can_be_repeated(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    sign_in(connections, simulator, "us", "us")

    def lost(method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        answer = simulator.answer(method, target, headers, body)
        if target.endswith("/revoke"):
            raise NoAnswer("the connection broke", sent=True)
        return answer

    with pytest.raises(OutcomeUnknownError, match=r"no answer to the revoke of us@demo: it may be done or not"):
        connections.revoke("us", yes=True, transport=InProcessTransport(lost))
    assert connections.get("us").state == "connected"
    assert whats(connections) == ["revoke begun"]
    done = connections.revoke("us", yes=True, transport=wire.transport)
    assert done.done
    assert connections.get("us").state == "dead"


def test_a_revoke_that_nobody_heard_of_explains_the_refusal_after_it(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    sign_in(connections, simulator, "us", "us")

    def lost(method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        simulator.answer(method, target, headers, body)
        raise NoAnswer("the connection broke", sent=True)

    with pytest.raises(OutcomeUnknownError):
        connections.revoke("us", yes=True, transport=InProcessTransport(lost))
    with pytest.raises(NotAuthorisedError, match="was ended when a token of the user was revoked"):
        works(connections, wire, "us")


@BOTH
def test_a_refused_revoke_changes_nothing(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    sign_in(connections, simulator, "us", "us")
    connections.apps.set_secret("demo", "wrong")
    with pytest.raises(TokenRefusedError) as refused:
        connections.revoke("us", yes=True, transport=wire.transport)
    assert "wrong" not in str(refused.value)
    assert whats(connections) == ["revoke begun", "revoke refused"]
    connections.apps.set_secret("demo", "demo-secret")
    assert works(connections, wire, "us")


def test_who_revoked_is_logged(connections: Connections, wire: Wire, simulator: Simulator) -> None:
    sign_in(connections, simulator, "us", "us", owner="tenant")
    with connections.acting_as("jane@vendor"):
        connections.revoke("us", owner="tenant", yes=True, transport=wire.transport)
    connections.remove("us", owner="tenant")
    entries = list(connections.audit.entries("tenant"))
    assert [(entry.what, entry.actor) for entry in entries[-3:]] == [
        ("revoke begun", "jane@vendor"),
        ("revoked", "jane@vendor"),
        ("removed", "tieout"),
    ]


PROGRAM = """
import sys
from pathlib import Path
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
connections = Connections.at(sys.argv[1], Vault(Keys(Path(sys.argv[2]))))
connections.revoke("us", yes=True)
"""


@pytest.mark.parametrize(
    ("place", "state_url"), [("revoke.begun", "sqlite"), ("revoke.answered", "postgresql")], indirect=["state_url"]
)
def test_killed_at_any_moment_it_can_be_repeated(
    connections: Connections, simulator: Simulator, state_url: str, tmp_path: Path, forked: Forks, place: str
) -> None:
    """The grant's lease of the dead program runs out; who asks again meets an honest state."""
    from tieout.simulator.app import SimulatorThread

    with SimulatorThread(simulator) as server:
        sign_in(connections, simulator, "us", "us", origin=server.url)
        code, said = forked.run(PROGRAM, state_url, tmp_path, environment={"TIEOUT_CRASH_AT": place})
        assert code == -signal.SIGKILL, said
        assert connections.get("us").state == "connected"
        with connections.store.begin() as transaction:
            transaction.execute(text("update grants set lease_until = 1"))  # the lease's time has passed
        assert connections.revoke("us", yes=True).done
    assert connections.get("us").state == "dead"
    assert whats(connections) == ["revoke begun", "revoke begun", "revoked"]


def test_what_has_changed_while_a_revoke_waited_is_not_ended(
    connections: Connections, wire: Wire, simulator: Simulator
) -> None:
    sign_in(connections, simulator, "us", "us")
    us = connections.get("us")
    seen = revoking.preview(connections.store, us)
    connections.share("twin", with_="us")
    with pytest.raises(BusyError, match="has changed while it waited"):
        revoking.revoke(connections.store, connections.vault, us, seen, wire.transport, time.time)
    assert whats(connections) == []
    assert works(connections, wire, "twin")
