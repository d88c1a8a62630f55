"""Signing in by browser under fire: killed, raced by another process, done as a Sage user of another owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy import select, update

from tests.connections.support import BOTH, Wire, come_back, one_database, register, sign_in
from tests.push.desk import CUSTOMERS, SHEETS, Desk
from tests.simulator.browser import control
from tieout.connections import Begun, Connections, Finished, SignInError, open_connections
from tieout.errors import Whose
from tieout.pull.run import pull
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store.access_tables import grants, tokens

ENTITY = "company-config/entity"
NOT_KEPT = "This sign-in was not kept, and an earlier one of the same Sage user may have ended with it."
PROGRAM = """
import sys
from pathlib import Path
from tieout.connections import Connections, SignInError, Vault
from tieout.connections.keys import Keys
connections = Connections.at(sys.argv[1], Vault(Keys(Path(sys.argv[2]))))
print("ready", flush=True)
answer = sys.stdin.readline()
try:
    print(connections.sign_ins.finish(answer).connection.state)
except SignInError as error:
    print(error.reason)
"""


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, where a test does not ask for both."""
    return one_database(request, tmp_path)


@pytest.fixture(autouse=True)
def app(connections: Connections) -> None:
    register(connections)


@pytest.fixture
def served(simulator: Simulator) -> Iterator[str]:
    """The address of the company, for programs of their own."""
    with SimulatorThread(simulator) as server:
        yield server.url


def begin(connections: Connections, name: str, origin: str, **given: Any) -> Begun:
    return connections.sign_ins.begin(name, app="demo", base_url=origin, environment="simulator", **given)


def finish(connections: Connections, wire: Wire, answer: str) -> Finished:
    return connections.sign_ins.finish(answer, transport=wire.transport)


def refused(connections: Connections, wire: Wire, answer: str) -> SignInError:
    with pytest.raises(SignInError) as caught:
        finish(connections, wire, answer)
    return caught.value


def program(state_url: str, folder: Path, crash: str = "") -> subprocess.Popen[str]:
    """A program that finishes the answer it is given, and is ready to."""
    environment = os.environ | ({"TIEOUT_CRASH_AT": crash} if crash else {})
    command = [sys.executable, "-c", PROGRAM, state_url, str(folder)]
    started = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def works(connections: Connections, wire: Wire, name: str, owner: str = "default") -> bool:
    """By a new token: what is kept of the sign-in is good."""
    with connections.store.begin() as transaction:
        transaction.execute(tokens.delete())
    with connections.open(name, owner=owner, transport=wire.transport) as client:
        return bool(client.references(ENTITY))


def grant_rows(connections: Connections) -> list[Any]:
    with connections.store.read() as transaction:
        return [tuple(row) for row in transaction.execute(select(grants))]


@BOTH
def test_killed_between_the_exchange_and_its_storing(
    connections: Connections, simulator: Simulator, wire: Wire, served: str, state_url: str, tmp_path: Path
) -> None:
    """Nobody has the refresh token: who asks again is told so, and signs in once more."""
    answer = come_back(simulator, begin(connections, "us", served).url)
    killed = program(state_url, tmp_path, "signin.exchanged")
    said, _ = killed.communicate(answer + "\n")
    assert (killed.returncode, said) == (-signal.SIGKILL, "")
    again = refused(connections, wire, answer)
    assert (again.reason, grant_rows(connections)) == ("used", [])
    assert "cut off before it was stored" in again.message
    assert "start the sign-in again" in f"{again}".casefold()
    assert wire.fetched == 0
    finish(connections, wire, come_back(simulator, begin(connections, "us", served).url))
    assert works(connections, wire, "us")


@BOTH
def test_of_two_programs_with_one_answer_one_redeems_it(
    connections: Connections, simulator: Simulator, wire: Wire, served: str, state_url: str, tmp_path: Path
) -> None:
    answer = come_back(simulator, begin(connections, "us", served).url)
    both = [program(state_url, tmp_path) for _ in range(2)]
    for one in both:
        assert one.stdin is not None
        one.stdin.write(answer + "\n")
        one.stdin.flush()
    said = sorted(one.communicate()[0].strip() for one in both)
    assert said == ["connected", "used"]
    assert works(connections, wire, "us")  # a second redemption would have ended what the first one gave
    finished = [entry.what for entry in connections.audit.entries() if entry.what.startswith("sign-in")]
    assert finished == ["sign-in begun", "sign-in finished"]


def test_as_a_user_of_another_owner(connections: Connections, simulator: Simulator, wire: Wire) -> None:
    """The one who signs in is told in plain words, without a name of the other's, whose connections go on."""
    theirs = sign_in(connections, simulator, "hers-alone", owner="alice").connection
    error = refused(
        connections, wire, come_back(simulator, begin(connections, "mine", simulator.origin, owner="b").url)
    )
    assert error.reason == "other_owner"
    assert error.message == "admin@demo already works for another account here; sign in as another Sage user."
    assert error.landed is not None
    assert error.landed.also == ()
    told = [repr(entry) for entry in connections.audit.entries("b")]
    for shown in (str(error), repr(error.landed), str(error.to_dict()), *told):
        assert not [name for name in ("hers-alone", "alice", theirs.id, theirs.grant_id) if name in shown]
    assert connections.get("mine", "b").state == "unconnected"
    assert works(connections, wire, "hers-alone", "alice")  # by what came now: her own refresh token is dead since
    (elsewhere,) = connections.audit.entries("alice", what="signed in elsewhere")
    assert (elsewhere.subjects, elsewhere.facts) == ({"grant": theirs.grant_id}, {"company": "demo"})
    assert "mine" not in repr(elsewhere)


def test_as_another_owner_s_user_of_client_credentials(
    connections: Connections, simulator: Simulator, wire: Wire
) -> None:
    connections.add_simulator("hers", simulator.origin, owner="alice", transport=wire.transport)
    before = grant_rows(connections)
    error = refused(
        connections, wire, come_back(simulator, begin(connections, "mine", simulator.origin, owner="b").url)
    )
    assert error.reason == "other_owner"
    assert grant_rows(connections) == before
    assert connections.get("hers", "alice").kind == "client_credentials"
    assert works(connections, wire, "hers", "alice")
    assert [entry.facts for entry in connections.audit.entries("alice", what="signed in elsewhere")]


def test_who_works_already_is_said_before_the_browser_opens(connections: Connections, simulator: Simulator) -> None:
    sign_in(connections, simulator, "us")
    sign_in(connections, simulator, "eu")
    for company in ("demo", "DEMO", ""):
        begun = begin(connections, "new", simulator.origin, promised_user="admin", company=company)
        assert begun.clash is not None
        assert (begun.clash.connections, begun.clash.foreign, begun.clash.user) == (("eu", "us"), False, "admin")
    assert begin(connections, "new", simulator.origin, promised_user="ca", company="demo").clash is None
    assert begin(connections, "us", simulator.origin, promised_user="admin").clash is None  # it takes its own place
    foreign = begin(connections, "x", simulator.origin, owner="b", promised_user="admin", company="demo").clash
    assert foreign is not None
    assert (foreign.connections, foreign.foreign) == ((), True)
    unknown = begin(connections, "y", simulator.origin, owner="b", promised_user="admin")
    assert unknown.clash is None  # a user id alone tells nothing of another owner


def test_a_company_that_has_not_authorised_the_application(
    connections: Connections, simulator: Simulator, wire: Wire
) -> None:
    """Wherever Sage says so: at the consent page, on the way back, or at the token endpoint, which does not tell a
    wrong secret from it."""
    place = "Company > Security > Authorized client applications"
    given = come_back(simulator, begin(connections, "us", simulator.origin).url)
    control(simulator, "access", {"clients": []})
    told = refused(connections, wire, given)
    assert (told.reason, place in told.advice, "has not authorised" in told.message) == ("client_refused", True, True)
    clerk = come_back(simulator, begin(connections, "us", simulator.origin).url, "us")
    told = refused(connections, wire, clerk)
    assert (told.reason, place in told.advice) == ("denied", True)
    begun = begin(connections, "us", simulator.origin)
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    told = refused(connections, wire, urlencode({"error": "unauthorized_client", "state": state}))
    assert (told.reason, place in told.advice, told.whose) == ("company_not_authorised", True, Whose.ADMINISTRATOR)
    assert grant_rows(connections) == []
    finish(connections, wire, come_back(simulator, begin(connections, "us", simulator.origin).url))
    assert works(connections, wire, "us")  # the administrator's consent authorised it


def test_client_credentials_for_a_user_who_is_signed_in(
    connections: Connections, simulator: Simulator, wire: Wire
) -> None:
    """The user has one sign-in: what else works as it goes on with the credentials, and the log says so."""
    for name in ("eu", "uk", "us"):
        sign_in(connections, simulator, name)
    connections.add_simulator("us", simulator.origin, transport=wire.transport)
    assert [one.kind for one in connections.all()] == ["client_credentials"] * 3
    assert [entry.facts.get("also") for entry in connections.audit.entries(what="connected")][-1] == ["eu", "uk"]
    assert [works(connections, wire, name) for name in ("eu", "uk", "us")] == [True] * 3


def test_a_token_that_names_nobody(
    connections: Connections, simulator: Simulator, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout.connections.registry.claims_of", lambda _: None)  # tokens need not be JWTs
    told = refused(connections, wire, come_back(simulator, begin(connections, "us", simulator.origin).url))
    assert told.message == f"The token does not say which Sage user signed in. {NOT_KEPT}"
    assert "the user and the company. Then start the sign-in again" in told.advice
    assert grant_rows(connections) == []
    begun = begin(connections, "us", simulator.origin, promised_user="admin", company="demo")
    finish(connections, wire, come_back(simulator, begun.url))
    assert works(connections, wire, "us")


@pytest.mark.parametrize("owner", ["default", "b"])
def test_a_user_connected_at_another_address(
    connections: Connections, simulator: Simulator, wire: Wire, owner: str
) -> None:
    """Nothing is stored of it; an address of another owner's is not told."""
    sign_in(connections, simulator, "one")
    with connections.store.begin() as transaction:  # both addresses lead to the same Sage
        transaction.execute(update(grants).values(base_url="https://one.example"))
    before = grant_rows(connections)
    told = refused(
        connections, wire, come_back(simulator, begin(connections, "two", simulator.origin, owner=owner).url)
    )
    assert NOT_KEPT in told.message
    assert ("one.example" in f"{told}") == (owner == "default")
    assert ("another Sage user" in told.advice, "start the sign-in again" in told.advice) == (True, True)
    assert grant_rows(connections) == before


def test_another_kind_of_grant_keeps_watermark_and_ledger(simulator: Simulator, served: str, tmp_path: Path) -> None:
    """From client credentials to a person: nothing is posted twice, and the pull goes on where it stood."""
    text = CUSTOMERS + SHEETS + '[pull.customers]\nobject = "customers"\n'
    desk = Desk.connect(tmp_path / "project", served, text)
    desk.customers([{"id": "C1", "name": "One"}])
    assert desk.push().posted == 1
    (first,) = pull(desk.project)
    connections = open_connections(desk.project)
    before = connections.get("demo")
    register(connections)
    connections.sign_ins.finish(come_back(simulator, begin(connections, "demo", served).url))
    after = connections.get("demo")
    connections.store.close()
    assert (before.kind, after.kind, after.id) == ("client_credentials", "authorization_code", before.id)
    desk.customers([{"id": "C1", "name": "One"}, {"id": "C2", "name": "Two"}])
    again = desk.push()
    assert (again.posted, again.skipped, again.failed) == (1, 1, 0)
    assert desk.held_by_company("customers", "id") == {"C1": 1, "C2": 1}
    (second,) = pull(desk.project)
    assert (first.new, second.new, second.reason) == (1, 1, "")
    assert second.watermark_before == first.watermark_after
